holdfast_unit(key SOURCES key_test.cpp private_key_pem_test.cpp sigv4a_key_test.cpp LIBRARIES holdfast_key)
