// The base room's tables of cases.
#include <gtest/gtest.h>

#include <set>

#include "base/address.h"
#include "base/clock.h"
#include "base/diagnostic.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/nearest.h"
#include "base/origin.h"
#include "base/random.h"

namespace weft::base {
namespace {

using namespace std::chrono_literals;

TEST(Duration, Parses) {
  const std::vector<std::pair<std::string_view, std::optional<Duration>>> cases = {
      {"0", 0s},           {"0s", 0s},       {"1h30m", 90min},
      {"250ms", 250ms},    {"1.5s", 1500ms}, {"-2s", -2s},
      {"2us", 2us},        {"", {}},         {"5", {}},
      {"s", {}},           {"1x", {}},       {"1.s", {}},
      {"9999999999h", {}}, {"1h 2m", {}},    {"99999999999999999999s", {}},
      {"7ns", 7ns},
  };
  for (const auto& [text, expected] : cases) EXPECT_EQ(parse_duration(text), expected) << text;
}

TEST(Duration, FormatsWhatParsesBack) {
  for (const auto duration : std::initializer_list<Duration>{0s, 1ns, 250ms, 90min, 61s, -5s, 3h + 2ms}) {
    EXPECT_EQ(parse_duration(format_duration(duration)), duration) << format_duration(duration);
  }
  EXPECT_EQ(format_duration(90min), "1h30m");
}

TEST(Rfc3339, RoundTrips) {
  const auto time = parse_rfc3339("2026-02-28T23:59:59Z");
  ASSERT_TRUE(time);
  EXPECT_EQ(format_rfc3339(*time), "2026-02-28T23:59:59Z");
  EXPECT_EQ(format_rfc3339_micro(*time + 1500ns), "2026-02-28T23:59:59.000001Z");
  EXPECT_EQ(parse_rfc3339("2026-03-01T01:29:59.5+01:30"), *time + 500ms);
}

TEST(Rfc3339, RefusesWhatIsNone) {
  for (const auto* text : {"", "2026-02-30T00:00:00Z", "2026-02-28 00:00:00Z", "2026-02-28T24:00:00Z",
                           "2026-02-28T00:00:00", "2026-02-28T00:00:00.Z", "2026-02-28T00:00:00Zx"}) {
    EXPECT_FALSE(parse_rfc3339(text)) << text;
  }
}

TEST(Address, RoundTrips) {
  for (const auto* text :
       {"127.0.0.1:80", "[::1]:8080", "[2001:db8::1]:0", "unix:/run/weft/api.sock", "0.0.0.0:65535"}) {
    const auto address = Address::parse(text);
    ASSERT_TRUE(address) << text;
    EXPECT_EQ(address->to_string(), text);
  }
}

TEST(Address, RefusesWhatIsNone) {
  for (const auto* text : {"", "127.0.0.1", "localhost:80", "::1:80", "[127.0.0.1]:80", "127.0.0.1:65536",
                           "127.0.0.1:-1", "127.0.0.1:", "unix:", "1.2.3:80", "[::1]80"}) {
    EXPECT_FALSE(Address::parse(text)) << text;
  }
}

TEST(Address, KnowsLoopback) {
  EXPECT_TRUE(Address::parse("127.9.9.9:1")->is_loopback());
  EXPECT_TRUE(Address::parse("[::1]:1")->is_loopback());
  EXPECT_FALSE(Address::parse("10.0.0.1:1")->is_loopback());
  EXPECT_FALSE(Address{}.is_loopback());
}

TEST(Nearest, FindsTypingSlips) {
  constexpr std::string_view fields[] = {"replicas", "selector", "template", "image", "simple-web-service"};
  EXPECT_EQ(nearest("replica", fields), "replicas");
  EXPECT_EQ(nearest("Selector", fields), "selector");
  EXPECT_EQ(nearest("tempalte", fields), "template");
  EXPECT_EQ(nearest("simple-web-service-deployment", fields), "simple-web-service");
  EXPECT_EQ(nearest("zzz", fields), "");
  EXPECT_EQ(nearest("", fields), "");
}

TEST(Hash, IsStable) {
  EXPECT_EQ(content_hash(""), "99aa06d3014798d86001c324468d497f");
  EXPECT_NE(content_hash("a"), content_hash("b"));
}

TEST(Random, RepeatsFromItsSeedAndStaysBelow) {
  Random a(7), b(7);
  for (int i = 0; i < 1000; ++i) {
    const auto value = a.below(10);
    EXPECT_EQ(value, b.below(10));
    EXPECT_LT(value, 10U);
  }
}

TEST(Random, UuidIsVersion4) {
  auto random = Random::from_entropy();
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) {
    const auto uuid = random.uuid();
    ASSERT_EQ(uuid.size(), 36U);
    EXPECT_EQ(uuid[14], '4');
    EXPECT_NE(std::string("89ab").find(uuid[19]), std::string::npos);
    EXPECT_TRUE(seen.insert(uuid).second);
  }
}

TEST(Diagnostic, RendersLineAndCaret) {
  const Diagnostic diagnostic{.code = "yaml/bad-indent",
                              .severity = Severity::error,
                              .file = "a.yaml",
                              .position = {3, 5},
                              .message = "it is off",
                              .mend = "remove 2 spaces",
                              .source = "\t  image: x"};
  EXPECT_EQ(render(diagnostic),
            "a.yaml:3:5: error: it is off [yaml/bad-indent]\n"
            "    3 | \t  image: x\n"
            "      | \t   ^\n"
            "      = remove 2 spaces\n");
  EXPECT_EQ(to_json(diagnostic)["line"], 3);
}

TEST(Diagnostic, WithoutPlaceNamesTheField) {
  const Diagnostic diagnostic{
      .code = "model/wrong-type", .field = "spec.replicas", .message = "must be a number"};
  EXPECT_EQ(render(diagnostic), "error: must be a number [model/wrong-type]\n      at spec.replicas\n");
}

TEST(Origin, ReadsAsAPlace) {
  EXPECT_EQ((Origin{"Service", "default", "web", "spec.dependsOn[0]"}.to_string()),
            "Service default/web spec.dependsOn[0]");
  EXPECT_EQ(Origin{}.to_string(), "");
}

}  // namespace
}  // namespace weft::base
