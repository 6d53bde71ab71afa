// The `TSS2 PRIVATE KEY` PEM file, as tpm2-tools and tpm2-openssl read it ("ASN.1 Specification for
// TPM 2.0 Key Files", Bottomley): five fields and no more.
//
//   TPMKey ::= SEQUENCE {
//     type       OBJECT IDENTIFIER,            -- 2.23.133.10.1.3, a loadable key
//     emptyAuth  [0] EXPLICIT BOOLEAN,         -- FALSE where there is an auth value
//     parent     INTEGER,
//     pubkey     OCTET STRING,                 -- TPM2B_PUBLIC
//     privkey    OCTET STRING }                -- TPM2B_PRIVATE
//
// emptyAuth is written although the draft lets it out: without it old readers try an authorisation.
//
// A key's auth value stands in front as explanatory text (RFC 7468 §5.2), which other readers skip:
//
//   Holdfast-Auth: 32 hex digits
//
// The digits themselves, in ASCII, are the value, so that other programs take it as a password.
#pragma once

#include <tss2/tss2_tpm2_types.h>

#include <string>

#include "daemon/base/bytes.h"

namespace holdfast::tpm {

inline constexpr TPM2_HANDLE kPersistentSrk =
    0x81000001;  // TCG TPM v2.0 Provisioning Guidance §7.5.1
inline constexpr TPM2_HANDLE kTemplateSrk =
    0x40000001;  // the owner hierarchy: primary of the usual template

inline constexpr std::size_t kAuthBytes = 32;

// The auth value alone opens nothing: it needs the blob and the TPM.
struct KeyFile {
  TPM2_HANDLE parent = kTemplateSrk;
  TPM2B_PUBLIC public_area{};
  TPM2B_PRIVATE private_area{};
  Bytes auth;  // of kAuthBytes; empty: none
};

// A new auth value of 128 random bits.
Bytes new_auth();

std::string to_pem(const KeyFile& key);

// Takes only what to_pem writes, to the byte. Throws Error{key_lost}.
KeyFile from_pem(ByteView pem);

}  // namespace holdfast::tpm
