#include "tpm/objects.h"

#include <algorithm>
#include <iterator>

#include "tpm/public_area.h"

namespace holdfast::tpm {
namespace {

constexpr std::size_t kLoadedKeys = 2;
constexpr std::size_t kKnownKeys = 256;  // a saved context takes 5 KiB

}  // namespace

Objects::Loaded Objects::use(ByteView pem, const Backend::Meanwhile& meanwhile) {
  const auto known = by_pem_.find(as_text(pem));
  if (known != by_pem_.end()) {
    entries_.splice(entries_.begin(), entries_, known->second);
    Entry& entry = entries_.front();
    if (!entry.object) {
      meanwhile();
      make_room();
      if (!restore(entry)) entry.object.emplace(load(from_pem(pem)));
    }
    return {entry.object->get(), entry.type, !entry.auth.empty()};
  }

  const KeyFile key = from_pem(pem);
  const auto type = type_of(key.public_area);
  if (!type)
    throw Error(ErrorKind::key_lost,
                "the key file holds a key that this program didn't make: it may leave the TPM, be "
                "stopped by "
                "a lockout, or has another type");
  meanwhile();
  make_room();
  Object object = load(key);
  if (entries_.size() == kKnownKeys) forget(as_bytes(entries_.back().pem));
  entries_.push_front({std::string(as_text(pem)), *type, key.auth, std::move(object), nullptr});
  by_pem_.emplace(entries_.front().pem, entries_.begin());
  return {entries_.front().object->get(), *type, !key.auth.empty()};
}

Object Objects::load(const KeyFile& key) {
  const ESYS_TR session = session_.authorise(!key.auth.empty());
  ESYS_TR handle = ESYS_TR_NONE;
  check_load("Esys_Load", submit([&] {
               return Esys_Load(esys_, parent_, session, ESYS_TR_NONE, ESYS_TR_NONE,
                                &key.private_area, &key.public_area, &handle);
             }));
  Object object(esys_, handle, Object::Kind::transient);
  // The Name is the TPM's own, so this proves that it loaded the public area whose attributes were
  // judged.
  Returned<TPM2B_NAME> name;
  check_rc("Esys_TR_GetName", Esys_TR_GetName(esys_, handle, name.out()));
  const Bytes expected = name_of(key.public_area);
  if (!std::equal(expected.begin(), expected.end(), name->name, name->name + name->size))
    throw Error(ErrorKind::key_lost, "the TPM loaded another key than the file holds");
  set_auth(object, key.auth);
  return object;
}

bool Objects::restore(Entry& entry) {
  if (!entry.saved) return false;
  ESYS_TR handle = ESYS_TR_NONE;
  const TSS2_RC rc = submit([&] { return Esys_ContextLoad(esys_, entry.saved.get(), &handle); });
  if (!check_rc_expecting<TPM2_RC_INTEGRITY, TPM2_RC_HANDLE, TPM2_RC_HIERARCHY, TPM2_RC_SIZE>(
          "Esys_ContextLoad", rc)) {
    entry.saved.reset();
    return false;
  }
  entry.object.emplace(esys_, handle, Object::Kind::transient);
  set_auth(*entry.object, entry.auth);
  return true;
}

void Objects::set_auth(const Object& object, const Bytes& auth) {
  if (auth.empty()) return;
  Zeroed<TPM2B_AUTH> value;
  value.value.size = static_cast<UINT16>(auth.size());
  std::copy(auth.begin(), auth.end(), value.value.buffer);
  check_rc("Esys_TR_SetAuth", Esys_TR_SetAuth(esys_, object.get(), &value.value));
}

void Objects::evict(Entry& entry) {
  if (!entry.saved) {
    Returned<TPMS_CONTEXT> context;
    run("Esys_ContextSave",
        [&] { return Esys_ContextSave(esys_, entry.object->get(), context.out()); });
    entry.saved = context.take();
  }
  entry.object.reset();
}

void Objects::make_room() {
  auto loaded = std::count_if(entries_.begin(), entries_.end(),
                              [](const Entry& entry) { return !!entry.object; });
  for (auto entry = entries_.rbegin();
       entry != entries_.rend() && loaded >= static_cast<long>(kLoadedKeys); ++entry) {
    if (!entry->object) continue;
    evict(*entry);
    --loaded;
  }
}

void Objects::forget(ByteView pem) {
  const auto known = by_pem_.find(as_text(pem));
  if (known == by_pem_.end()) return;
  const auto entry = known->second;
  by_pem_.erase(known);
  entries_.erase(entry);
}

}  // namespace holdfast::tpm
