holdfast_unit(device
  SOURCES device_message_test.cpp device_queue_test.cpp device_client_test.cpp device_process_test.cpp
    device_pin_test.cpp device_stubborn_test.cpp device_under_way_test.cpp
  LIBRARIES holdfast_device holdfast_test_support)
holdfast_unit(supervise SOURCES supervise_test.cpp LIBRARIES holdfast_supervise holdfast_test_support)
