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
  const auto pair = app.pair();
  EXPECT_FALSE(library.check_certificates(pair.certificate + ca.certificate()));
  EXPECT_FALSE(library.check_key(pair.certificate + pair.key)) << "both in one file";
  EXPECT_TRUE(library.fits(app.pair(ca.certificate())));
  EXPECT_FALSE(library.fits({ca.certificate() + pair.certificate, pair.key})) << "the leaf is the first";
  EXPECT_FALSE(library.fits({"", pair.key}));
  const auto certificate = *library.check_certificates(der_of(pair.certificate));
  EXPECT_THAT(certificate.why, HasSubstr("a certificate in DER"));
  EXPECT_THAT(certificate.mend, HasSubstr("openssl x509 -inform DER"));
  const auto key = *library.check_key(der_of(pair.key));
  EXPECT_THAT(key.why, HasSubstr("a key in DER"));
  EXPECT_THAT(key.mend, HasSubstr("openssl pkey -inform DER"));
  EXPECT_THAT(library.check_key(pair.certificate)->why, HasSubstr("no private key"));
  EXPECT_THAT(library.check_certificates(pair.key)->why, HasSubstr("no certificate"));
  EXPECT_THAT(library.check_certificates(std::string("\x30\x82\0\x05", 4))->why, HasSubstr("no certificate"));
}

TEST_F(Pem, SaysWhenCertificatesAreValid) {
  const Holder late{{.name = "late", .begins = 2 * day, .ends = 3 * day}, &ca};
  const auto all = library.validity(app.certificate() + late.certificate());
  ASSERT_EQ(all.size(), 2U);
  const auto now = std::chrono::floor<std::chrono::seconds>(clock.wall());
  EXPECT_EQ(all[0].begin, now - day);
  EXPECT_EQ(all[0].end, now + day);
  EXPECT_EQ(all[1].begin, now + 2 * day);
  EXPECT_EQ(library.validity("nonsense").size(), 0U);
}

}  // namespace
}  // namespace weft::tls
