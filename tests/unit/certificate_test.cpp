#include "daemon/key/certificate.h"

#include <gtest/gtest.h>

#include "daemon/base/error.h"
#include "tests/unit/certificates.h"

namespace holdfast {
namespace {

using test::ca_certificate;
using test::certificate;
using test::kValidFrom;
using test::kValidUntil;
using test::new_pair;

std::string complaint_of(const std::string& pem) {
  try {
    read_certificate(pem);
    return {};
  } catch (const Error& error) {
    return error.kind() == ErrorKind::invalid_request ? error.detail() : "WRONG KIND";
  }
}

class CertificateChain : public ::testing::Test {
 protected:
  const EvpPkey key = new_pair(), issuing = new_pair(), root = new_pair(), other = new_pair();
  const std::string leaf = certificate(key.get(), issuing.get(), {.issuer = "issuing"});
  const std::string ca = ca_certificate(issuing.get(), root.get(), "issuing", "root");
  const std::string root_ca = ca_certificate(root.get(), root.get(), "root", "root");
};

TEST_F(CertificateChain, IsReadWithWhatPeopleWantToKnow) {
  const Certificate read = read_certificate("a note\n" + leaf + ca);
  EXPECT_EQ(read.chain.size(), 2u);
  EXPECT_FALSE(read.ends_in_root);
  EXPECT_EQ(read.subject, "CN=leaf");
  EXPECT_EQ(read.issuer, "CN=issuing");
  EXPECT_EQ(read.serial, "7");
  EXPECT_EQ(read.not_before, kValidFrom);
  EXPECT_EQ(read.not_after, kValidUntil);
  EXPECT_EQ(to_pem(read), leaf + ca);
  EXPECT_TRUE(read_certificate(leaf + ca + root_ca).ends_in_root);
}

TEST_F(CertificateChain, IsNoLongerThanItsCasAllow) {
  const auto root_for = [&](const std::string& path_length) {
    return certificate(root.get(), root.get(),
                       {.subject = "root",
                        .issuer = "root",
                        .ca = true,
                        .path_length = path_length,
                        .key_usage = "critical,keyCertSign"});
  };
  EXPECT_EQ(complaint_of(leaf + ca + root_for("1")), "");
  EXPECT_NE(complaint_of(leaf + ca + root_for("0")).find("certificate 3 allows"),
            std::string::npos);
}

TEST_F(CertificateChain, IsOfOneKey) {
  const Certificate read = read_certificate(leaf);
  EXPECT_TRUE(is_for(read, test::spki_of(key.get())));
  EXPECT_FALSE(is_for(read, test::spki_of(other.get())));
  const EvpPkey rsa = new_pair(true);
  EXPECT_FALSE(is_for(read, test::spki_of(rsa.get())));
  EXPECT_TRUE(
      is_for(read_certificate(certificate(rsa.get(), rsa.get())), test::spki_of(rsa.get())));
}

TEST_F(CertificateChain, IsValidAsLongAsAllOfItAre) {
  const SystemTime sooner = kValidUntil - std::chrono::hours(24);
  const Certificate read =
      read_certificate(leaf + ca_certificate(issuing.get(), root.get(), "issuing", "root", sooner));
  EXPECT_EQ(read.not_after, sooner);
  EXPECT_THROW(demand_valid(read, kValidFrom - std::chrono::seconds(1)), Error);
  EXPECT_NO_THROW(demand_valid(read, kValidFrom));
  EXPECT_NO_THROW(demand_valid(read, sooner));
  EXPECT_THROW(demand_valid(read, sooner + std::chrono::seconds(1)), Error);
}

TEST_F(CertificateChain, WithoutAnEndLastsAsLongAsTimeDoes) {
  const EvpPkey pair = new_pair();
  std::string text =
      certificate(pair.get(), pair.get(), {.until = *from_rfc3339("2261-12-31T23:59:59Z")});
  EXPECT_EQ(to_rfc3339(read_certificate(text).not_after), "2261-12-31T23:59:59Z");
}

TEST_F(CertificateChain, IsRefusedInAnotherOrder) {
  EXPECT_EQ(complaint_of(leaf + root_ca + ca),
            "is broken: certificate 1 was not issued by certificate 2; the key's own comes first, "
            "then each one's issuer");
  EXPECT_NE(complaint_of(ca + leaf).find("certificate of a CA"), std::string::npos);
}

TEST_F(CertificateChain, IsRefusedWhereAnotherKeyOfThatNameSigned) {
  const std::string stranger = ca_certificate(other.get(), root.get(), "issuing", "root");
  EXPECT_NE(complaint_of(leaf + stranger).find("was not issued by"), std::string::npos);
}

TEST_F(CertificateChain, IsRefusedWhereTheIssuerIsNoCa) {
  const std::string plain = certificate(issuing.get(), root.get(),
                                        {.subject = "issuing", .issuer = "root", .key_usage = ""});
  EXPECT_NE(complaint_of(leaf + plain).find("no CA"), std::string::npos);
}

TEST_F(CertificateChain, IsRefusedWhereTheLeafMayNotSign) {
  const auto usage = [&](const std::string& text) {
    return complaint_of(certificate(key.get(), key.get(), {.key_usage = text}));
  };
  EXPECT_EQ(usage(""), "");
  EXPECT_EQ(usage("digitalSignature,keyEncipherment"), "");
  EXPECT_NE(usage("keyEncipherment").find("digitalSignature"), std::string::npos);
}

TEST_F(CertificateChain, HasBounds) {
  std::string many = leaf + ca;
  for (int i = 0; i < 3; ++i) many += root_ca;
  EXPECT_EQ(complaint_of(many), "") << "a root is issued by itself";
  EXPECT_EQ(complaint_of(many + root_ca), "has more than 5 certificates");
  EXPECT_EQ(complaint_of(std::string(70'000, 'x')), "is too long");
  const EvpPkey pair = new_pair();
  EXPECT_EQ(complaint_of(certificate(pair.get(), pair.get(), {.serial = "0"})),
            "has a serial number that is not positive or longer than 20 bytes");
  EXPECT_NE(complaint_of(certificate(pair.get(), pair.get(), {.serial = "-5"})), "");
  EXPECT_NE(complaint_of(certificate(pair.get(), pair.get(), {.serial = std::string(49, '9')})),
            "");
  const std::string longest = "730750818665451459101842416358141509827966271487";  // 2^159 - 1
  EXPECT_EQ(read_certificate(certificate(pair.get(), pair.get(), {.serial = longest})).serial,
            longest);
}

TEST_F(CertificateChain, IsRefusedWhereItIsNone) {
  EXPECT_NE(complaint_of("").find("no PEM file"), std::string::npos);
  EXPECT_NE(complaint_of("certificate").find("no PEM file"), std::string::npos);
  EXPECT_NE(complaint_of(leaf.substr(0, leaf.size() / 2)).find("damaged"), std::string::npos);
  std::string spoilt = leaf;
  spoilt.replace(100, 4, "////");
  EXPECT_NE(complaint_of(spoilt), "");
  EXPECT_EQ(complaint_of("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n" + leaf),
            "holds a PRIVATE KEY: only certificates belong here");
}

}  // namespace
}  // namespace holdfast
