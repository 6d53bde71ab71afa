holdfast_unit(base SOURCES base_test.cpp LIBRARIES holdfast_base)
