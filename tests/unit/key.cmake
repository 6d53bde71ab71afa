holdfast_unit(key SOURCES key_test.cpp private_key_pem_test.cpp LIBRARIES holdfast_key)
