holdfast_unit(format
  SOURCES format/digest_test.cpp format/jwt_test.cpp format/roles_anywhere_test.cpp format/sigv4_action_test.cpp format/sigv4_facts_test.cpp
    format/sigv4_headers_test.cpp format/sigv4_path_test.cpp format/sigv4_query_test.cpp
    format/sigv4_random_test.cpp format/sigv4_reply_test.cpp format/sigv4_test.cpp
    format/sigv4_vectors_test.cpp
  LIBRARIES holdfast_format)
