// The catalogue's files. The first byte says whether key.json is the rest as it is, or the rest with the
// checksum that it should have. Whatever is there, the key comes back, usable or damaged.
#include <filesystem>
#include <fstream>

#include "daemon/base/openssl.h"
#include "daemon/key/store.h"
#include "tests/fuzz/folder.h"
#include "tests/fuzz/target.h"

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

  const std::vector<Key> keys = store.load();
  fuzz::check(keys.size() == 1 && keys.front().name == "k",
              "a key is there whatever its files hold");
  const Key& key = keys.front();
  if (!key.damage.empty()) return 0;
  for (const KeyVersion& version : key.versions)
    fuzz::check(as_text(version.object) == "blob",
                "a version has the object that its checksum says");
  store.update(key);
  const std::vector<Key> again = store.load();
  fuzz::check(again.size() == 1 && again.front().damage.empty(),
              "what was read is written so that it is read");
  fuzz::check(
      again.front().versions.size() == key.versions.size() && again.front().device == key.device,
      "it is the same key");
  return 0;
}
