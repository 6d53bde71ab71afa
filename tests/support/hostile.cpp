#include "tests/support/hostile.h"

#include <dlfcn.h>

#include <cstdlib>

#include "daemon/base/error.h"
#include "daemon/base/posix.h"
#include "pkcs11/backend.h"

namespace holdfast::test {
namespace {

template <class Function>
Function* function_of(const char* name) {
  void* const library = ::dlopen(Hostile::module().c_str(), RTLD_NOW | RTLD_LOCAL);
  void* const symbol = library != nullptr ? ::dlsym(library, name) : nullptr;
  if (symbol == nullptr) throw Error(ErrorKind::internal, "the hostile module lacks a function");
  return reinterpret_cast<Function*>(symbol);
}

}  // namespace

Hostile::Hostile() {
  set("");
  ::setenv("HOLDFAST_HOSTILE_FILE", file().c_str(), 1);
  forget_wrong_pin();
}

Hostile::~Hostile() {
  ::unsetenv("HOLDFAST_HOSTILE_FILE");
}

void Hostile::set(const std::string& words) const {
  replace_file(file(), words, 0600);
}

std::string Hostile::module() {
  const char* const path = std::getenv("HOLDFAST_HOSTILE_MODULE");
  if (path == nullptr)
    throw Error(ErrorKind::internal, "set HOLDFAST_HOSTILE_MODULE to the hostile module's path");
  return path;
}

std::unique_ptr<Backend> Hostile::open(const std::string& pin, std::uint32_t sessions,
                                       std::function<void()> beyond_help) {
  return pkcs11::open({.module = module(),
                       .uri = kUri,
                       .pin = Secret(as_bytes(pin)),
                       .sessions = sessions,
                       .beyond_help = std::move(beyond_help)});
}

int Hostile::calls(const char* function) {
  return function_of<int(const char*)>("hostile_calls")(function);
}

int Hostile::most_asleep() {
  return function_of<int()>("hostile_most_asleep")();
}

int Hostile::objects() {
  return function_of<int()>("hostile_objects")();
}

void Hostile::forget_wrong_pin() {
  function_of<void()>("hostile_forget_wrong_pin")();
}

}  // namespace holdfast::test
