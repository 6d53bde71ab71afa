holdfast_unit(service SOURCES service_test.cpp trusted_clock_test.cpp LIBRARIES holdfast_service)
