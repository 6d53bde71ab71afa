#include "tests/contract/tokens.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>

#include "pkcs11/algorithms.h"
#include "pkcs11/attributes.h"
#include "pkcs11/error.h"

namespace holdfast::test {

ForeignSession::ForeignSession(const std::string& label)
    : token_(pkcs11::find_token(pkcs11::Module::load(SoftHsm::module()), SoftHsm::uri(label))) {
  pkcs11::check_rv("C_OpenSession",
                   functions().C_OpenSession(token_.slot, CKF_SERIAL_SESSION | CKF_RW_SESSION,
                                             nullptr, nullptr, &session_));
  const std::string pin = SoftHsm::kPin;
  pkcs11::check_rv_expecting<CKR_USER_ALREADY_LOGGED_IN>(
      "C_Login", functions().C_Login(session_, CKU_USER,
                                     reinterpret_cast<CK_UTF8CHAR*>(const_cast<char*>(pin.data())),
                                     pin.size()));
}

ForeignSession::~ForeignSession() {
  functions().C_CloseSession(session_);
}

CK_OBJECT_HANDLE ForeignSession::create(pkcs11::Template object) const {
  CK_OBJECT_HANDLE handle = CK_INVALID_HANDLE;
  pkcs11::check_rv("C_CreateObject",
                   functions().C_CreateObject(session_, object.data(), object.size(), &handle));
  return handle;
}

std::size_t ForeignSession::count(ByteView id) const {
  return pkcs11::find_objects(functions(), session_, {pkcs11::attribute(CKA_ID, id)}).size();
}

bool ForeignSession::flag(ByteView id, CK_ATTRIBUTE_TYPE type) const {
  CK_BBOOL on = CK_TRUE;
  const auto found =
      pkcs11::find_objects(functions(), session_,
                           {pkcs11::attribute(CKA_ID, id), pkcs11::attribute(CKA_SIGN, {&on, 1})});
  return pkcs11::Attributes(functions(), session_, found.at(0)).bytes(type).value().at(0) != 0;
}

pkcs11::Template foreign_private_key(EVP_PKEY* pair, ByteView id, Weakness weakness) {
  BIGNUM* number = nullptr;
  EVP_PKEY_get_bn_param(pair, OSSL_PKEY_PARAM_PRIV_KEY, &number);
  Bytes value(32);
  BN_bn2binpad(number, value.data(), 32);
  BN_free(number);
  pkcs11::Template object;
  object.number(CKA_CLASS, CKO_PRIVATE_KEY)
      .number(CKA_KEY_TYPE, CKK_EC)
      .flag(CKA_TOKEN, true)
      .flag(CKA_PRIVATE, true)
      .flag(CKA_SENSITIVE, weakness.sensitive)
      .flag(CKA_EXTRACTABLE, weakness.extractable)
      .flag(CKA_SIGN, weakness.sign)
      .flag(CKA_DECRYPT, true)  // as many tools leave it
      .bytes(CKA_ID, id)
      .bytes(CKA_LABEL, as_bytes("foreign"))
      .bytes(CKA_EC_PARAMS, pkcs11::curve_of(KeyType::ec_p256))
      .bytes(CKA_VALUE, value);
  return object;
}

pkcs11::Template foreign_public_key(EVP_PKEY* pair, ByteView id) {
  Bytes point(2 + 65);
  std::size_t size = 0;
  EVP_PKEY_get_octet_string_param(pair, OSSL_PKEY_PARAM_PUB_KEY, point.data() + 2, 65, &size);
  point[0] = 0x04;
  point[1] = 65;
  pkcs11::Template object;
  object.number(CKA_CLASS, CKO_PUBLIC_KEY)
      .number(CKA_KEY_TYPE, CKK_EC)
      .flag(CKA_TOKEN, true)
      .flag(CKA_VERIFY, true)
      .bytes(CKA_ID, id)
      .bytes(CKA_LABEL, as_bytes("foreign"))
      .bytes(CKA_EC_PARAMS, pkcs11::curve_of(KeyType::ec_p256))
      .bytes(CKA_EC_POINT, point);
  return object;
}

}  // namespace holdfast::test
