// The catalogue's files. The first byte says whether key.json is the rest as it is, or the rest with the
// checksum that it should have. Whatever is there, the key comes back, usable or damaged.
#include <filesystem>
#include <fstream>

#include "daemon/base/openssl.h"
#include "daemon/key/store.h"
#include "tests/fuzz/folder.h"
#include "tests/fuzz/target.h"

// Its file is there under the name that this digest gives it.
static const std::string kCertificate =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBrzCCAVSgAwIBAgIUTG9jySot0ePiFWHBAWUNBq7epHwwCgYIKoZIzj0EAwIw\n"
    "KTEQMA4GA1UECgwHRXhhbXBsZTEVMBMGA1UEAwwMVGVzdCBJc3N1aW5nMB4XDTI2\n"
    "MTEyNTIwNDgwNFoXDTM2MTEyMzIwNDgwNFowIzEQMA4GA1UECgwHRXhhbXBsZTEP\n"
    "MA0GA1UEAwwGb3JkZXJzMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE2U/8ftyF\n"
    "NmCozdxPtU4KhyWnZPBuS0YWnL5446V5vj8+afFDw62kuncf/hRjAI2xyVbnIZCK\n"
    "9de/Trh7/NxcXqNgMF4wDAYDVR0TAQH/BAIwADAOBgNVHQ8BAf8EBAMCB4AwHQYD\n"
    "VR0OBBYEFARIPXDnUVhpzwv13AxPclXfY4u4MB8GA1UdIwQYMBaAFHStlH4dIg81\n"
    "RFHDPsLGu8aBd9lYMAoGCCqGSM49BAMCA0kAMEYCIQDBZ1N0gCVjNf+NwRFQtr4r\n"
    "KR5pmht7y54fvYFWya8y9gIhAN84Hu5tVN3tdPkrf/BNx+l3/i5WNVsGI2lftWe1\n"
    "WhR8\n"
    "-----END CERTIFICATE-----\n";

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace holdfast;
  static const fuzz::Folder folder;
  static const Store store(folder / "keys");
  fuzz::Input input(data, size);
  const bool as_it_is = input.byte() % 2 != 0;
  std::string text(input.rest_text());
  if (!as_it_is) text += "\n" + sha256_hex(text) + "\n";
  std::filesystem::create_directory(folder / "keys/k");
  folder.write("keys/k/key.json", text);
  for (const char* object : {"keys/k/v1.pem", "keys/k/v2.pem"}) folder.write(object, "blob");
  folder.write("keys/k/v1." + sha256_hex(kCertificate).substr(0, 16) + ".crt", kCertificate);

  const std::vector<Key> keys = store.load();
  fuzz::check(keys.size() == 1 && keys.front().name == "k",
              "a key is there whatever its files hold");
  const Key& key = keys.front();
  if (!key.damage.empty()) return 0;
  for (const KeyVersion& version : key.versions)
    fuzz::check(as_text(version.object) == "blob" &&
                    (!version.certificate || to_pem(*version.certificate) == kCertificate),
                "a version has the object and certificate that their checksums say");
  store.update(key);
  const std::vector<Key> again = store.load();
  fuzz::check(again.size() == 1 && again.front().damage.empty(),
              "what was read is written so that it is read");
  fuzz::check(
      again.front().versions.size() == key.versions.size() && again.front().device == key.device,
      "it is the same key");
  return 0;
}
