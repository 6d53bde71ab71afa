holdfast_unit(service SOURCES service_test.cpp LIBRARIES holdfast_service)
