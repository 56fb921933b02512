// What the texts of files are, and what is wrong with them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "base/base64.h"
#include "base/clock.h"
#include "tls/testing_certificates_test.h"
#include "tls/tls.h"

namespace weft::tls {
namespace {

using testing::day;
using ::testing::HasSubstr;
using testing::Holder;

class Pem : public ::testing::Test {
 protected:
  base::ManualClock clock;
  Library library{nullptr, {}, clock};
  const Holder ca{{.name = "ca", .is_ca = true}, nullptr};
  const Holder app{{.name = "app"}, &ca};
};

/// What a PEM text carries, by itself.
std::string der_of(const std::string& pem) {
  std::string base64;
  for (std::size_t begin = pem.find('\n') + 1; pem[begin] != '-'; begin = pem.find('\n', begin) + 1)
    base64 += pem.substr(begin, pem.find('\n', begin) - begin);
  return base::decode_base64(base64).value();
}

TEST_F(Pem, SaysWhatAFileIsAndWhatToDo) {
  using Text = TextFault::Text;
  const auto pair = app.pair();
  const auto der = der_of(pair.certificate);
  std::string of_der_key = der_of(pair.key);
  const Holder weak{{.rsa_bits = 512}, &ca};
  struct Case {
    std::string name;
    KeyPair own;
    std::vector<Text> texts;
    std::string why;
    std::string mend;
  };
  for (const auto& [name, own, texts, why, mend] : std::vector<Case>{
           {"good", pair, {}, "", ""},
           {"both in one file", {pair.certificate + pair.key, pair.certificate + pair.key}, {}, "", ""},
           {"the chain", app.pair(ca.certificate()), {}, "", ""},
           {"the leaf is the first",
            {ca.certificate() + pair.certificate, pair.key},
            {Text::pair},
            "the key is not that of the first certificate",
            "put the certificate of the key first"},
           {"another's key", {pair.certificate, ca.pair().key}, {Text::pair}, "the key is not that", ""},
           {"a key that is too small", weak.pair(), {Text::certificate}, "too small", "of P-256"},
           {"empty", {"", ""}, {Text::certificate, Text::key}, "it has no certificate", "in PEM"},
           {"cut", {pair.certificate.substr(0, 200), pair.key}, {Text::certificate}, "is broken", "anew"},
           {"a cut key", {pair.certificate, pair.key.substr(0, 100)}, {Text::key}, "is broken", "anew"},
           {"DER", {der, pair.key}, {Text::certificate}, "a certificate in DER", "openssl x509 -inform DER"},
           {"a key in DER",
            {pair.certificate, of_der_key},
            {Text::key},
            "a key in DER",
            "openssl pkey -inform"},
           {"exchanged", {pair.key, pair.certificate}, {Text::certificate, Text::key}, "no certificate", ""},
           {"ASN.1 that is cut",
            {std::string("\x30\x82\0\x05", 4), pair.key},
            {Text::certificate},
            "no certificate",
            ""},
           {"encrypted",
            {pair.certificate,
             "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"},
            {Text::key},
            "it is encrypted",
            "openssl pkey -in FILE"}}) {
    const auto faults = library.examine(own, std::nullopt).faults;
    ASSERT_EQ(faults.size(), texts.size()) << name;
    for (std::size_t i = 0; i < faults.size(); ++i) EXPECT_EQ(faults[i].text, texts[i]) << name;
    const auto made = library.server({.own = own});
    ASSERT_EQ(made.has_value(), texts.empty()) << name;
    if (texts.empty()) continue;
    EXPECT_THAT(faults[0].why, HasSubstr(why)) << name;
    EXPECT_THAT(faults[0].mend, HasSubstr(mend)) << name;
    EXPECT_THAT(made.error(), HasSubstr(why)) << name;
  }
}

TEST_F(Pem, TellsOfAllTextsAtOnce) {
  const auto faults = library.examine(KeyPair{app.pair().certificate, "nothing"}, "nothing").faults;
  ASSERT_EQ(faults.size(), 2U);
  EXPECT_EQ(faults[0].text, TextFault::Text::key);
  EXPECT_EQ(faults[1].text, TextFault::Text::ca);
  EXPECT_TRUE(library.examine(std::nullopt, std::nullopt).faults.empty());
}

TEST_F(Pem, AnEmptyBundleIsNoneThatTrustsAll) {
  EXPECT_THAT(library.examine(std::nullopt, "").faults[0].why, HasSubstr("it has no certificate"));
  EXPECT_THAT(library.server({.own = app.pair(), .client_ca = ""}).error(), HasSubstr("the CA: it has no"));
  EXPECT_THAT(library.client({.ca = "", .name = "app"}).error(), HasSubstr("the CA: it has no"));
  EXPECT_THAT(library.client({.ca = ca.certificate(), .name = ""}).error(), HasSubstr("no host name"));
}

TEST_F(Pem, SaysWhenCertificatesAreValid) {
  const Holder late{{.name = "late", .begins = 2 * day, .ends = 3 * day}, &ca};
  const auto [faults, own, authorities] =
      library.examine(app.pair(late.certificate()), ca.certificate() + late.certificate());
  ASSERT_EQ(own.size(), 2U);
  const auto now = std::chrono::floor<std::chrono::seconds>(clock.wall());
  EXPECT_EQ(own[0].begin, now - day);
  EXPECT_EQ(own[0].end, now + day);
  EXPECT_EQ(own[1].begin, now + 2 * day);
  EXPECT_EQ(authorities.size(), 2U);
  EXPECT_TRUE(library.examine(KeyPair{"nonsense", ""}, "nonsense").own.empty());
}

}  // namespace
}  // namespace weft::tls
