// A chain of certificates, PEM. What is read is written so that it is read, whatever it is.
#include "daemon/key/certificate.h"

#include "tests/fuzz/target.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace holdfast;
  fuzz::answers({ErrorKind::invalid_request}, [&] {
    const Certificate read = read_certificate(as_text({data, size}));
    fuzz::check(!read.chain.empty() && read.chain.size() <= kMostCertificates,
                "a chain has its bounds");
    fuzz::check(!read.serial.empty() && is_utf8(read.subject) && is_utf8(read.issuer),
                "a certificate can be shown");
    const Certificate again = read_certificate(to_pem(read));
    fuzz::check(again.chain == read.chain && again.serial == read.serial, "it is the same chain");
  });
  return 0;
}
