holdfast_unit(audit
  SOURCES audit_tree_test.cpp audit_log_test.cpp
  LIBRARIES holdfast_audit)
