holdfast_unit(socket
  SOURCES socket_framing_test.cpp socket_reply_test.cpp socket_sender_test.cpp socket_server_test.cpp
  LIBRARIES holdfast_socket)
