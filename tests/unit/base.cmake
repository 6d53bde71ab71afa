holdfast_unit(base SOURCES base_test.cpp confinement_test.cpp loop_test.cpp pin_mark_test.cpp
  LIBRARIES holdfast_loop holdfast_test_support)
