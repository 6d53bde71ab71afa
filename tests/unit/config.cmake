holdfast_unit(config SOURCES config_test.cpp LIBRARIES holdfast_config)
