#include "pkcs11/module.h"

#include <dlfcn.h>

#include <map>
#include <mutex>

#include "pkcs11/error.h"
#include "pkcs11/trusted_file.h"

namespace holdfast::pkcs11 {
namespace {

[[noreturn]] void refuse(const std::string& path, std::string_view why) {
  throw Error(ErrorKind::invalid_request, path + " is no PKCS#11 module: " + std::string(why),
              "dlopen");
}

// Its first member is the same in every version, and the others grow at the end (§5.4.4).
bool has_all(const CK_FUNCTION_LIST& list) {
  return list.C_Initialize && list.C_Finalize && list.C_GetSlotList && list.C_GetTokenInfo &&
         list.C_GetMechanismList && list.C_GetMechanismInfo && list.C_OpenSession &&
         list.C_CloseSession && list.C_GetSessionInfo && list.C_Login && list.C_CreateObject &&
         list.C_DestroyObject && list.C_GetAttributeValue && list.C_FindObjectsInit &&
         list.C_FindObjects && list.C_FindObjectsFinal && list.C_SignInit && list.C_Sign &&
         list.C_GenerateKeyPair;
}

const CK_FUNCTION_LIST& functions_of(const std::string& path) {
  void* const library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* const why = ::dlerror();
    refuse(path, why != nullptr ? why : "dlopen");
  }
  const auto get_list =
      reinterpret_cast<CK_C_GetFunctionList>(::dlsym(library, "C_GetFunctionList"));
  if (get_list == nullptr) refuse(path, "it has no C_GetFunctionList");
  CK_FUNCTION_LIST* list = nullptr;
  check_rv("C_GetFunctionList", get_list(&list));
  if (list == nullptr || !has_all(*list)) refuse(path, "it lacks functions");
  return *list;
}

struct Loaded {
  const CK_FUNCTION_LIST* functions = nullptr;
  std::weak_ptr<const Module> module;
};

}  // namespace

std::shared_ptr<const Module> Module::load(const std::string& path) {
  static std::mutex mutex;
  // Never destroyed: a module may be in use when the process ends.
  static auto& loaded = *new std::map<std::string, Loaded>;
  const std::string file = trusted_file(path);
  const std::lock_guard lock(mutex);
  Loaded& entry = loaded[file];
  if (auto module = entry.module.lock()) return module;
  if (entry.functions == nullptr) entry.functions = &functions_of(file);
  const std::shared_ptr<const Module> module(new Module(*entry.functions));
  entry.module = module;
  return module;
}

// §5.4.1: with no mutexes of ours and CKF_OS_LOCKING_OK the module uses the system's.
Module::Module(const CK_FUNCTION_LIST& functions) : functions_(functions) {
  CK_C_INITIALIZE_ARGS arguments{};
  arguments.flags = CKF_OS_LOCKING_OK;
  CK_RV rv = functions.C_Initialize(&arguments);
  if (rv == CKR_CANT_LOCK || rv == CKR_ARGUMENTS_BAD) {
    threads_ = false;
    rv = functions.C_Initialize(nullptr);
  }
  if (rv == CKR_CRYPTOKI_ALREADY_INITIALIZED)
    finalizes_ = false;  // another library in this process uses it too
  else
    check_rv("C_Initialize", rv);
}

Module::~Module() {
  if (finalizes_) functions_.C_Finalize(nullptr);
}

}  // namespace holdfast::pkcs11
