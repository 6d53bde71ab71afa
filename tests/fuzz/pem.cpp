// An administrator's private key: what is taken is PKCS#8 that a backend takes for that type.
#include <openssl/err.h>

#include "daemon/key/pkcs8.h"
#include "daemon/key/private_key_pem.h"
#include "tests/fuzz/target.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace holdfast;
  fuzz::answers({ErrorKind::invalid_request}, [&] {
    const PrivateKey key = read_private_key_pem(as_text({data, size}));
    fuzz::check(!key.pkcs8.empty() && key.pkcs8.size() <= kMostPkcs8Bytes,
                "what is read fits a backend");
    fuzz::answers({ErrorKind::invalid_request}, [&] {
      const EvpPkey read = private_key_of(key.type, key.pkcs8);
      fuzz::check(read != nullptr, "a key is a key");
    });
  });
  // The same bytes as what an import's caller sends.
  if (size != 0)
    for (const KeyType type : {KeyType::ec_p256, KeyType::rsa_2048})
      fuzz::answers({ErrorKind::invalid_request},
                    [&] { private_key_of(type, Secret(ByteView(data, size))); });
  fuzz::check(ERR_peek_error() == 0, "OpenSSL's queue is empty");
  return 0;
}
