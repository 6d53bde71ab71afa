#include "pkcs11/backend.h"

#include <algorithm>

#include "daemon/base/openssl.h"
#include "daemon/key/demands.h"
#include "daemon/key/pkcs8.h"
#include "daemon/key/verify.h"
#include "pkcs11/algorithms.h"
#include "pkcs11/enrol.h"
#include "pkcs11/error.h"
#include "pkcs11/objects.h"
#include "pkcs11/probe.h"
#include "pkcs11/public_key.h"
#include "pkcs11/sessions.h"
#include "pkcs11/signer.h"
#include "pkcs11/stranger.h"
#include "pkcs11/templates.h"

namespace holdfast::pkcs11 {
namespace {

// What a module says of a key type that it does not take (yubihsm_pkcs11 takes CKK_SHA256_HMAC alone).
bool refuses_key_type(const Error& error) noexcept {
  switch (error.native_code()) {
    case CKR_ATTRIBUTE_VALUE_INVALID:
    case CKR_KEY_TYPE_INCONSISTENT:
    case CKR_MECHANISM_INVALID:
    case CKR_TEMPLATE_INCONSISTENT:
      return true;
    default:
      return false;
  }
}

class Pkcs11Backend final : public Backend, public Enroller {
 public:
  Pkcs11Backend(const Settings& settings, Token token, DeviceDescription device)
      : token_(std::move(token)),
        device_(std::move(device)),
        login_(token_, settings.pin, settings.mark, settings.name),
        sessions_(token_, login_, settings.sessions, settings.beyond_help),
        objects_(token_, login_),
        signer_(token_, login_, sessions_, objects_) {
    device_.parallel = sessions_.parallel();
    // One more for each session, so that who has signed finds the next one waiting.
    device_.commands_in_flight = 2 * device_.parallel;
  }

  const DeviceDescription& describe() const override { return device_; }
  DeviceKey create(KeyType type) override;
  DeviceKey import_secret(const Secret& secret) override;
  DeviceKey import_private_key(KeyType type, const Secret& pkcs8) override;
  Bytes sign(ByteView object, Algorithm algorithm, ByteView digest,
             const Meanwhile& meanwhile) override;
  Secret mac(ByteView object, const std::vector<Bytes>& chain) override;
  void remove(ByteView object) override;
  void check() override { sessions_.check(); }
  EnrolledKey enrol(std::string_view uri) override;

 private:
  template <class Make>
  DeviceKey make(CK_OBJECT_CLASS object_class, Make&& make);
  void create_object(Template made);
  void create_secret(const Secret& secret, ByteView id);
  void prove(const DeviceKey& key, KeyType type);
  void destroy(ByteView id);

  Token token_;
  DeviceDescription device_;
  Login login_;
  Sessions sessions_;
  Objects objects_;
  Signer signer_;
};

// `make` makes the key under an id that is new, and says its public part. What is half made is cleaned up.
template <class Make>
DeviceKey Pkcs11Backend::make(CK_OBJECT_CLASS object_class, Make&& make) {
  const Bytes id = random_bytes(kMadeIdBytes);
  try {
    return make(encode({id, object_class, Origin::made}), id);
  } catch (...) {
    try {
      destroy(id);
    } catch (const std::exception&) {
      // The first failure says more; the token keeps a key that nobody knows the name of.
    }
    throw;
  }
}

// A module that tells another key's public part, or can't sign with what it made, is found here and not
// by a caller.
void Pkcs11Backend::prove(const DeviceKey& key, KeyType type) {
  for (const Algorithm algorithm : algorithms_of(type)) {
    if (std::ranges::find(device_.algorithms, algorithm) == device_.algorithms.end()) continue;
    const Bytes input = random_bytes(algorithm == Algorithm::eddsa ? 32 : digest_bytes(algorithm));
    if (!Verifier().verifies(key.public_key, algorithm, input,
                             Backend::sign(key.object, algorithm, input)))
      throw_broken("C_Sign", "a signature that the key's public part does not verify");
    return;
  }
  throw Error(ErrorKind::unsupported,
              "this token signs nothing with a key of type " + std::string(to_string(type)));
}

// PKCS #11 v3.0 §5.14.2.
DeviceKey Pkcs11Backend::create(KeyType type) {
  demand_makable(device_, type);
  return make(CKO_PRIVATE_KEY, [&](Bytes object, ByteView id) {
    DeviceKey key{std::move(object), {}};
    sessions_.run("C_GenerateKeyPair", [&](const Sessions::Use& use) {
      Template of_public = public_template(type, id), of_private = private_template(type, id);
      CK_MECHANISM mechanism{generation_of(type), nullptr, 0};
      CK_OBJECT_HANDLE public_handle = CK_INVALID_HANDLE, private_handle = CK_INVALID_HANDLE;
      return token_.functions().C_GenerateKeyPair(
          use.session, &mechanism, of_public.data(), of_public.size(), of_private.data(),
          of_private.size(), &public_handle, &private_handle);
    });
    // By itself: what heals a lost session here must not make a second pair.
    sessions_.run("C_GetAttributeValue", [&](const Sessions::Use& use) {
      const Objects::Loaded made = objects_.use(use, key.object);
      const auto told = public_key_of(token_.functions(), use.session, made.handle, type, id);
      if (!told) throw_broken("C_GenerateKeyPair", "no public key of the type it was asked for");
      key.public_key = *told;
      return CKR_OK;
    });
    prove(key, type);
    return key;
  });
}

void Pkcs11Backend::create_object(Template made) {
  sessions_.run("C_CreateObject", [&](const Sessions::Use& use) {
    CK_OBJECT_HANDLE handle = CK_INVALID_HANDLE;
    return token_.functions().C_CreateObject(use.session, made.data(), made.size(), &handle);
  });
}

void Pkcs11Backend::create_secret(const Secret& secret, ByteView id) {
  try {
    create_object(secret_template(secret, CKK_GENERIC_SECRET, id));
  } catch (const Error& error) {
    if (!refuses_key_type(error)) throw;
    create_object(secret_template(secret, CKK_SHA256_HMAC, id));
  }
}

DeviceKey Pkcs11Backend::import_secret(const Secret& secret) {
  demand_size(secret);
  demand_type(device_, KeyType::hmac_sha256);
  return make(CKO_SECRET_KEY, [&](Bytes object, ByteView id) {
    create_secret(secret, id);
    mac(object, {Bytes(1)});  // judges its attributes too
    return DeviceKey{std::move(object), {}};
  });
}

DeviceKey Pkcs11Backend::import_private_key(KeyType type, const Secret& pkcs8) {
  EvpPkey pair = private_key_of(type, pkcs8);
  demand_type(device_, type);
  return make(CKO_PRIVATE_KEY, [&](Bytes object, ByteView id) {
    create_object(imported_template(type, pair.get(), id));
    DeviceKey key{std::move(object), checked(type, std::move(pair)).value()};
    prove(key, type);
    return key;
  });
}

EnrolledKey Pkcs11Backend::enrol(std::string_view uri) {
  std::optional<Found> found;
  sessions_.run("C_FindObjects", [&](const Sessions::Use& use) {
    found = find_key(token_, use, login_, std::string(uri));
    return CKR_OK;
  });
  EnrolledKey enrolled{found->type, {encode(found->name), found->public_key}, found->always_secret};
  if (found->type == KeyType::hmac_sha256)
    mac(enrolled.key.object, {Bytes(1)});
  else
    prove(enrolled.key, found->type);
  return enrolled;
}

Bytes Pkcs11Backend::sign(ByteView object, Algorithm algorithm, ByteView digest,
                          const Meanwhile& meanwhile) {
  demand_algorithm(device_, algorithm);
  demand_size(algorithm, digest);
  Signing signing(algorithm, digest);
  Bytes signature;
  signer_.sign(
      object, signing.mechanism(), signing.input(),
      [&](KeyType type) {
        demand_signs(type, algorithm);
        signature.resize(signature_bytes(type, algorithm));
        return std::span(signature);
      },
      meanwhile);
  return signature;
}

// Only the first link needs the key; the others are keyed with a result, and software is as good there.
Secret Pkcs11Backend::mac(ByteView object, const std::vector<Bytes>& chain) {
  demand_sizes(chain);
  Secret link(sizeof(Sha256));
  CK_MECHANISM mechanism{CKM_SHA256_HMAC, nullptr, 0};
  signer_.sign(
      object, &mechanism, chain.front(),
      [&](KeyType type) {
        demand_makes_macs(type);
        return link.writable();
      },
      [] {});
  for (std::size_t i = 1; i < chain.size(); ++i) link = hmac_sha256(link.view(), chain[i]);
  return link;
}

void Pkcs11Backend::destroy(ByteView id) {
  sessions_.run("C_DestroyObject", [&](const Sessions::Use& use) {
    objects_.destroy(use, id);
    return CKR_OK;
  });
}

void Pkcs11Backend::remove(ByteView object) {
  objects_.forget(object);
  const auto name = decode(object);
  if (name && name->origin == Origin::made) destroy(name->id);
}

}  // namespace

std::unique_ptr<Backend> open(const Settings& settings) {
  Token token = find_token(Module::load(settings.module), settings.uri);
  DeviceDescription device = probe(token);
  if (!settings.on_record.empty() && settings.on_record != device.parent_name)
    return stranger(std::move(device), settings.name);
  return std::make_unique<Pkcs11Backend>(settings, std::move(token), std::move(device));
}

}  // namespace holdfast::pkcs11
