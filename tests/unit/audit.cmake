holdfast_unit(audit
  SOURCES audit_tree_test.cpp audit_log_test.cpp audit_fault_test.cpp audit_search_test.cpp audit_signed_test.cpp audit_tamper_test.cpp audit_worker_test.cpp audit_writer_test.cpp
  LIBRARIES holdfast_audit)
