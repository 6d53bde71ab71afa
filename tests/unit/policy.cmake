holdfast_unit(policy
  SOURCES pattern_test.cpp policy_accounts_test.cpp policy_naive.cpp policy_property_test.cpp policy_test.cpp policy_load_test.cpp
          policy_mutation_test.cpp policy_effect_test.cpp policy_condition_test.cpp policy_lint_test.cpp policy_past_test.cpp
          policy_post_test.cpp policy_question_test.cpp policy_region_test.cpp policy_host_test.cpp policy_value_test.cpp policy_suggest_test.cpp policy_limits_test.cpp
          configuration_doc_test.cpp
  LIBRARIES holdfast_policy holdfast_config holdfast_toml fmt::fmt)
# policy_accounts_test.cpp stands in for the user database.
target_link_options(unit_policy PRIVATE -Wl,--wrap=getpwnam_r,--wrap=getgrouplist)
