// Owners of what tpm2-tss hands out: each releases once, and nothing else calls a finalizer,
// Esys_Free or Esys_FlushContext.
#pragma once

#include <tss2/tss2_esys.h>
#include <tss2/tss2_tctildr.h>

#include <memory>
#include <string>
#include <utility>

#include "daemon/base/secret.h"
#include "tpm/error.h"

namespace holdfast::tpm {

// A structure that ESAPI allocated; zeroed before it is freed, since some hold a secret.
struct EsysFree {
  template <class T>
  void operator()(T* structure) const {
    cleanse(structure, sizeof(T));
    Esys_Free(structure);
  }
};
template <class T>
using EsysPtr = std::unique_ptr<T, EsysFree>;

// Receives one of ESAPI's out-parameters: Returned<TPM2B_PUBLIC> area; Esys_…(…, area.out()).
template <class T>
class Returned {
 public:
  Returned() = default;
  Returned(const Returned&) = delete;
  Returned& operator=(const Returned&) = delete;
  ~Returned() { EsysPtr<T>{raw_}; }

  T** out() { return &raw_; }
  const T* operator->() const { return raw_; }
  const T& operator*() const { return *raw_; }
  EsysPtr<T> take() { return EsysPtr<T>(std::exchange(raw_, nullptr)); }

 private:
  T* raw_ = nullptr;
};

// A structure of our own that holds a secret.
template <class T>
struct Zeroed {
  T value{};
  Zeroed() = default;
  Zeroed(const Zeroed&) = delete;
  Zeroed& operator=(const Zeroed&) = delete;
  ~Zeroed() { cleanse(&value, sizeof(value)); }
};

// The way to a TPM. Throws Error{device_unavailable}.
class Tcti {
 public:
  explicit Tcti(const std::string& name) {
    check_rc("Tss2_TctiLdr_Initialize", Tss2_TctiLdr_Initialize(name.c_str(), &raw_));
  }
  Tcti(Tcti&& other) noexcept : raw_(std::exchange(other.raw_, nullptr)) {}
  Tcti& operator=(Tcti&&) = delete;
  ~Tcti() { Tss2_TctiLdr_Finalize(&raw_); }
  TSS2_TCTI_CONTEXT* get() const { return raw_; }

 private:
  TSS2_TCTI_CONTEXT* raw_ = nullptr;
};

// An ESAPI context over a Tcti, which has to outlive it.
class Context {
 public:
  explicit Context(const Tcti& tcti) {
    check_rc("Esys_Initialize", Esys_Initialize(&raw_, tcti.get(), nullptr));
  }
  Context(Context&& other) noexcept : raw_(std::exchange(other.raw_, nullptr)) {}
  Context& operator=(Context&&) = delete;
  ~Context() { Esys_Finalize(&raw_); }
  ESYS_CONTEXT* get() const { return raw_; }

 private:
  ESYS_CONTEXT* raw_ = nullptr;
};

// An object in the TPM, known to a context that has to outlive it. Releasing a transient one frees
// its slot; a persistent one stays and only its ESYS_TR goes.
class Object {
 public:
  enum class Kind { transient, persistent };

  Object(ESYS_CONTEXT* esys, ESYS_TR handle, Kind kind)
      : esys_(esys), handle_(handle), kind_(kind) {}
  Object(Object&& other) noexcept
      : esys_(other.esys_),
        handle_(std::exchange(other.handle_, ESYS_TR_NONE)),
        kind_(other.kind_) {}
  Object& operator=(Object&&) = delete;
  ~Object() {
    // A failure means that the TPM is gone or was reset, and the slot with it.
    if (handle_ == ESYS_TR_NONE) return;
    if (kind_ == Kind::transient)
      Esys_FlushContext(esys_, handle_);
    else
      Esys_TR_Close(esys_, &handle_);
  }
  ESYS_TR get() const { return handle_; }

 private:
  ESYS_CONTEXT* esys_;
  ESYS_TR handle_;
  Kind kind_;
};

}  // namespace holdfast::tpm
