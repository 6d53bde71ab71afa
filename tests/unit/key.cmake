holdfast_unit(key SOURCES key_test.cpp LIBRARIES holdfast_key)
