// Bundles of authorities: what contexts share of them, and what of one is left in the next.
#include "tls/bundle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tls/contexts.h"
#include "tls/testing_certificates_test.h"

namespace weft::tls {
namespace {

using testing::day;
using testing::Holder;

class BundleTest : public ::testing::Test {
 protected:
  /// A server that asks for clients of this bundle's.
  std::shared_ptr<ServerContext> server(std::optional<std::string> client_ca) {
    return library.server({.own = app.pair(), .client_ca = std::move(client_ca)}).value();
  }
  std::shared_ptr<ClientContext> client(std::string bundle, std::string name = "app") {
    return library.client({.ca = std::move(bundle), .name = std::move(name)}).value();
  }

  base::ManualClock clock;
  Library library{nullptr, {}, clock};
  const Holder ca{{.name = "ca", .is_ca = true}, nullptr};
  const Holder other{{.name = "other", .is_ca = true}, nullptr};
  const Holder app{{.name = "app"}, &ca};
};

TEST_F(BundleTest, IsReadOnceForAllThatHaveIt) {
  auto one = client(ca.certificate());
  auto two = client(ca.certificate(), "web");
  EXPECT_EQ(one->trusted(), two->trusted());
  EXPECT_EQ(SSL_CTX_get_cert_store(one->openssl()), one->trusted()->store.get());
  EXPECT_EQ(server(ca.certificate())->trusted(), one->trusted());
  EXPECT_NE(client(other.certificate())->trusted(), one->trusted());
  const std::weak_ptr<const tls::Bundle> shared = one->trusted();
  one.reset();
  EXPECT_FALSE(shared.expired());
  two.reset();
  EXPECT_TRUE(shared.expired()) << "it goes with its last user";
  EXPECT_TRUE(client(ca.certificate())->trusted()) << "and comes again";
}

TEST_F(BundleTest, TrustsAsBeforeWhereNoAuthorityIsMissing) {
  const Holder renewed({.name = "ca", .ends = 2 * day, .is_ca = true}, nullptr, ca);
  const Holder rekeyed({.name = "ca", .is_ca = true}, nullptr);
  const Holder renewed_app({.name = "app", .ends = 2 * day}, &ca, app);
  const auto both = ca.certificate() + other.certificate();
  struct Case {
    std::string what;
    std::optional<std::string> before;
    std::optional<std::string> now;
    bool is_as_before;
  };
  for (const auto& [what, before, now, is_as_before] :
       std::vector<Case>{{"none", {}, {}, true},
                         {"the same", both, both, true},
                         {"in another order", both, other.certificate() + ca.certificate(), true},
                         {"twice", ca.certificate(), ca.certificate() + ca.certificate(), true},
                         {"one more", ca.certificate(), both, true},
                         {"one less", both, ca.certificate(), false},
                         {"another", ca.certificate(), other.certificate(), false},
                         {"renewed", ca.certificate(), renewed.certificate(), true},
                         {"of another key", ca.certificate(), rekeyed.certificate(), false},
                         {"of both keys", ca.certificate(), rekeyed.certificate() + ca.certificate(), true},
                         {"one that is no authority", app.certificate(), renewed_app.certificate(), false},
                         {"asked for from now on", {}, ca.certificate(), false},
                         {"asked for no more", ca.certificate(), {}, true}}) {
    EXPECT_EQ(trusts_as_before(*server(now), *server(before)), is_as_before) << what;
    if (now && before) EXPECT_EQ(trusts_as_before(*client(*now), *client(*before)), is_as_before) << what;
  }
  EXPECT_FALSE(trusts_as_before(*client(both, "app"), *client(both, "web")));
}

}  // namespace
}  // namespace weft::tls
