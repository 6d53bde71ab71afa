holdfast_unit(cli
  SOURCES cli_aws_profile_test.cpp cli_claims_test.cpp cli_completion_test.cpp cli_credentials_test.cpp cli_curl_test.cpp cli_dev_test.cpp
          cli_discovery_test.cpp cli_distinguished_name_test.cpp
          cli_failure_test.cpp cli_key_document_test.cpp cli_private_key_test.cpp
          cli_rotation_test.cpp cli_url_test.cpp
  LIBRARIES holdfast_cli holdfast_test_support)
