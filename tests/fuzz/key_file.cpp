// The TSS2 PRIVATE KEY file: to the byte what is written is what is read.
#include <openssl/err.h>

#include "tests/fuzz/target.h"
#include "tpm/key_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace holdfast;
  fuzz::answers({ErrorKind::key_lost}, [&] {
    const tpm::KeyFile key = tpm::from_pem({data, size});
    fuzz::check(tpm::to_pem(key) == as_text({data, size}), "a key file has one spelling");
    fuzz::check(key.auth.empty() || key.auth.size() == tpm::kAuthBytes,
                "an auth value has its size");
  });
  fuzz::check(ERR_peek_error() == 0, "OpenSSL's queue is empty");
  return 0;
}
