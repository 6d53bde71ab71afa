holdfast_unit(sdk SOURCES sdk_codec_test.cpp LIBRARIES holdfast::c holdfast_flags)
