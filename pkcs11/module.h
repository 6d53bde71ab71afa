// A vendor's PKCS#11 module, loaded into this process.
#pragma once

#include <p11-kit/pkcs11.h>

#include <memory>
#include <string>

namespace holdfast::pkcs11 {

// An initialised module: C_Initialize is called for the first, C_Finalize with the last of one path. A token
// that was lost is found again only after that, since most modules list their tokens once. The library itself
// stays in the process for ever, because modules crash in destructors (SoftHSM issues 635 and 780).
class Module {
 public:
  // Only a trusted_file(). Throws Error: invalid_request for a file that is none or no PKCS#11 module,
  // else what C_Initialize's answer means.
  static std::shared_ptr<const Module> load(const std::string& path);

  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;
  ~Module();

  // Each function that this folder calls is there.
  const CK_FUNCTION_LIST& functions() const { return functions_; }
  bool threads() const { return threads_; }  // may be called by several at once

 private:
  explicit Module(const CK_FUNCTION_LIST& functions);

  const CK_FUNCTION_LIST& functions_;
  bool threads_ = true;
  bool finalizes_ = true;
};

}  // namespace holdfast::pkcs11
