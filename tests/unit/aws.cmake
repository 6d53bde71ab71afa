holdfast_unit(aws
  SOURCES aws_cache_test.cpp aws_exchange_test.cpp aws_peer_user_test.cpp aws_reply_test.cpp aws_request_test.cpp
  LIBRARIES holdfast_aws holdfast_test_support)
