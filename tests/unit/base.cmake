holdfast_unit(base SOURCES base_test.cpp confinement_test.cpp loop_test.cpp LIBRARIES holdfast_loop)
