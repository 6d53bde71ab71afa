# All from Debian's packages; tests/run lists them and installs what is missing.
find_package(Threads REQUIRED)
find_package(Boost 1.81 REQUIRED COMPONENTS json url)
find_package(OpenSSL 3.0 REQUIRED)
find_package(tomlplusplus REQUIRED)
find_package(spdlog REQUIRED)
find_package(fmt REQUIRED)
find_package(CLI11 REQUIRED)
find_package(prometheus-cpp REQUIRED)  # core alone: the others bring civetweb and curl
find_package(PkgConfig REQUIRED)
pkg_check_modules(systemd REQUIRED IMPORTED_TARGET libsystemd)
pkg_check_modules(seccomp REQUIRED IMPORTED_TARGET libseccomp)
pkg_check_modules(cap REQUIRED IMPORTED_TARGET libcap)
find_package(CURL 7.88 REQUIRED)
find_package(pugixml REQUIRED)
pkg_check_modules(jansson REQUIRED IMPORTED_TARGET jansson)
pkg_check_modules(p11kit REQUIRED IMPORTED_TARGET p11-kit-1)
pkg_check_modules(tss2 REQUIRED IMPORTED_TARGET tss2-esys tss2-mu tss2-rc tss2-tctildr)
if(HOLDFAST_TESTS)
  find_package(GTest REQUIRED)
endif()

# Asio and Beast, compiled once; users share its precompiled header.
add_library(holdfast_asio STATIC ${PROJECT_SOURCE_DIR}/cmake/asio.cpp)
target_link_libraries(holdfast_asio PUBLIC holdfast_flags Boost::boost Boost::json Boost::url Threads::Threads)
target_compile_definitions(holdfast_asio PUBLIC
  BOOST_ASIO_SEPARATE_COMPILATION BOOST_BEAST_SEPARATE_COMPILATION BOOST_ASIO_NO_DEPRECATED
  BOOST_ASIO_RECYCLING_ALLOCATOR_CACHE_SIZE=8)  # frames of coroutines: a request has more at once than Asio's two
target_precompile_headers(holdfast_asio PRIVATE ${PROJECT_SOURCE_DIR}/cmake/asio.h)

function(holdfast_use_asio target)
  target_link_libraries(${target} PUBLIC holdfast_asio)
  target_precompile_headers(${target} REUSE_FROM holdfast_asio)
endfunction()
