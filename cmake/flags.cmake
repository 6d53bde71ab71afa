# What every target is compiled and linked with; holdfast_flags carries it.
add_library(holdfast_flags INTERFACE)
target_compile_options(holdfast_flags INTERFACE -Wall -Wextra -Werror)
target_include_directories(holdfast_flags INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_definitions(holdfast_flags INTERFACE HOLDFAST_VERSION="${PROJECT_VERSION}")

# g++ 12 at -O3 warns of string concatenation that overlaps nothing.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_compile_options(holdfast_flags INTERFACE -Wshadow=local $<$<COMPILE_LANGUAGE:CXX>:-Wno-restrict>)
else()
  target_compile_options(holdfast_flags INTERFACE -Wno-missing-field-initializers)
endif()

if(HOLDFAST_COVERAGE)
  # The processes confine themselves, and still have to write what they counted below this folder.
  target_compile_definitions(holdfast_flags INTERFACE HOLDFAST_COVERAGE="${CMAKE_BINARY_DIR}")
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(holdfast_flags INTERFACE --coverage -fprofile-update=prefer-atomic -O1)
    target_link_options(holdfast_flags INTERFACE --coverage)
    target_compile_options(holdfast_flags INTERFACE -Wno-maybe-uninitialized)  # false alarms in Asio
  else()
    # clang counts what the source says, not what the compiler made of it: no branch of an exception is among them.
    target_compile_options(holdfast_flags INTERFACE -fprofile-instr-generate -fcoverage-mapping -O1)
    target_link_options(holdfast_flags INTERFACE -fprofile-instr-generate)
  endif()
elseif(HOLDFAST_SANITIZE)
  target_compile_options(holdfast_flags INTERFACE
    -fsanitize=${HOLDFAST_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all -g1 -O1)
  target_link_options(holdfast_flags INTERFACE -fsanitize=${HOLDFAST_SANITIZE})
  target_compile_definitions(holdfast_flags INTERFACE HOLDFAST_SANITIZED=1)
  # g++ 12's false alarms grow with the sanitizers' instrumentation.
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(holdfast_flags INTERFACE
      -Wno-maybe-uninitialized -Wno-tsan $<$<COMPILE_LANGUAGE:CXX>:-Wno-mismatched-new-delete>)
  endif()
else()
  target_compile_options(holdfast_flags INTERFACE
    -fstack-protector-strong -fstack-clash-protection -fcf-protection
    $<$<CONFIG:Release>:-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2>)
  target_link_options(holdfast_flags INTERFACE -Wl,-z,relro,-z,now,-z,noexecstack,--as-needed)
  target_link_options(holdfast_flags INTERFACE $<$<STREQUAL:$<TARGET_PROPERTY:TYPE>,EXECUTABLE>:-pie>)
endif()

# Packages don't tell where they were built. The last that fits counts.
if(HOLDFAST_PACKAGE)
  target_compile_options(holdfast_flags INTERFACE
    -ffile-prefix-map=${PROJECT_SOURCE_DIR}/= -ffile-prefix-map=${PROJECT_BINARY_DIR}/=build/)
endif()

find_program(CCACHE ccache)
if(CCACHE)
  # Precompiled headers are only cached when their time stamps are not compared.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros ${CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${CCACHE})
  add_compile_options($<$<COMPILE_LANG_AND_ID:CXX,GNU>:-fpch-preprocess>)
endif()
