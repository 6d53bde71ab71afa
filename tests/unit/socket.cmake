holdfast_unit(socket
  SOURCES socket_accounts_test.cpp socket_framing_test.cpp socket_reply_test.cpp socket_sender_test.cpp socket_server_test.cpp
    socket_turns_test.cpp
  LIBRARIES holdfast_socket)
