// The base room's tables of cases.
#include <gtest/gtest.h>

#include <set>

#include "base/address.h"
#include "base/clock.h"
#include "base/counted.h"
#include "base/diagnostic.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/nearest.h"
#include "base/origin.h"
#include "base/printable.h"
#include "base/random.h"
#include "base/width.h"

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
  EXPECT_EQ(format_http_date(*parse_rfc3339("1994-11-06T08:49:37Z")), "Sun, 06 Nov 1994 08:49:37 GMT");
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

TEST(Diagnostic, ObeysNothingThatItQuotes) {
  const Diagnostic diagnostic{.code = "c",
                              .file = "a\x1b[2J",
                              .position = {1, 3},
                              .message = "no\nerror: forged",
                              .mend = "\u202e",
                              .source = "\x1b[x"};
  EXPECT_EQ(render(diagnostic),
            "a\\u001b[2J:1:3: error: no\\nerror: forged [c]\n"
            "    1 | \\u001b[x\n"
            "      |        ^\n"
            "      = \\u202e\n");
}

TEST(Diagnostics, AreBoundedInNumberAndBytes) {
  Diagnostics all;
  for (int i = 0; i < 1000; ++i) {
    all.push_back({.code = "w", .severity = Severity::warning, .message = std::string(1'000'000, 'x')});
  }
  EXPECT_FALSE(has_errors(all));
  for (int i = 0; i < 1000; ++i) all.push_back({.code = "e", .mend = std::string(1'000, 'x')});
  EXPECT_EQ(all.size(), 2 * max_diagnostics) << "warnings do not crowd errors out";
  EXPECT_EQ(all.count(Severity::error), 1000U);
  EXPECT_EQ(all.omitted(Severity::warning), 1000 - max_diagnostics);
  Diagnostics more;
  more.append(all);
  more.append(all);
  EXPECT_EQ(more.count(Severity::error), 2000U);
  const auto text = render(more);
  EXPECT_LT(text.size(), 2 * max_diagnostics * (max_diagnostic_text + 100));
  EXPECT_TRUE(text.ends_with("and more: 1900 errors, 1900 warnings\n")) << text.substr(text.size() - 100);
  more.add(Severity::error, [] {
    ADD_FAILURE() << "one that is not kept is not made";
    return Diagnostic{};
  });
}

TEST(Printable, ShowsWhatATerminalWouldObey) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"plain größe 漢字 \\", "plain größe 漢字 \\"},
      {"\x1b]0;title\x07\x1b[2J", "\\u001b]0;title\\u0007\\u001b[2J"},
      {{"\0", 1}, "\\u0000"},
      {"a\r\n\tb", "a\\r\\n\\tb"},
      {"\x7f", "\\u007f"},
      {"\u0085\u009b31m\u009f", "\\u0085\\u009b31m\\u009f"},
      {"\u00a0", "\u00a0"},
      {"\u061c\u200e\u200f\u2028\u2029\u202a\u202e\u2066\u2069",
       "\\u061c\\u200e\\u200f\\u2028\\u2029\\u202a\\u202e\\u2066\\u2069"},
      {"we\u200bb", "we\\u200bb"},
      {"\u00ad\u034f\u115f\u17b4\u180b\u180e\u200c\u200d\u2060\u2064\u206f\u3164",
       "\\u00ad\\u034f\\u115f\\u17b4\\u180b\\u180e\\u200c\\u200d\\u2060\\u2064\\u206f\\u3164"},
      {"\ufe0f\ufeff\uffa0\ufff9", "\\ufe0f\\ufeff\\uffa0\\ufff9"},
      {"\U0001d173\U000e0001\U000e0041\U000e01ef",
       "\\ud834\\udd73\\udb40\\udc01\\udb40\\udc41\\udb40\\uddef"},
      {"\U0001f600 \u00e9 \ufffd", "\U0001f600 \u00e9 \ufffd"},
      {"\x9b\xff", "\\x9b\\xff"},
      {"\xc0\x9b", "\\xc0\\x9b"},           // overlong
      {"\xe2\x80", "\\xe2\\x80"},           // cut off
      {"\xed\xa0\x80", "\\xed\\xa0\\x80"},  // a surrogate
  };
  for (const auto& [text, shown] : cases) {
    EXPECT_EQ(printable(text), shown);
    EXPECT_EQ(printable(printable(text)), shown) << "twice does no harm";
  }
  EXPECT_EQ(printable("a\n\tb\r", Breaks::keep), "a\n\tb\\r");
}

TEST(Printable, IsTheSameStringInJson) {
  std::string every;
  for (char c = 0; c < 0x7f; ++c) every += c;
  every += "\x7f\u0085\u009b\u202e\u200b\U000e0041";
  EXPECT_EQ(Json::parse(printable(Json(every).dump())), Json(every));
}

TEST(Counted, HasASingular) {
  EXPECT_EQ(counted(0, "run"), "0 runs");
  EXPECT_EQ(counted(1U, "run"), "1 run");
  EXPECT_EQ(counted(std::size_t{2}, "run"), "2 runs");
}

TEST(Shortened, KeepsBothEndsAndWholeCharacters) {
  EXPECT_EQ(shortened("abcdefgh", 8), "abcdefgh");
  EXPECT_EQ(shortened("abcdefghi", 8), "abcdef...hi");
  EXPECT_EQ(shortened("ééééééé", 8), "ééé...é");
  EXPECT_EQ(shortened("aéaéaéa", 4), "aé...a");
}

TEST(Origin, ReadsAsAPlace) {
  EXPECT_EQ((Origin{"Service", "default", "web", "spec.dependsOn[0]"}.to_string()),
            "Service default/web spec.dependsOn[0]");
  EXPECT_EQ(Origin{}.to_string(), "");
}

TEST(Width, IsThatOfATerminal) {
  const std::pair<const char*, std::size_t> cases[] = {
      {"", 0},        {"abc", 3},        {"größe", 5}, {"日本", 4},
      {"e\u0301", 1}, {"\U0001F680", 2}, {"ｗ", 2},    {"\xff", 1},
  };
  for (const auto& [text, columns] : cases) EXPECT_EQ(columns_of(text), columns) << text;
}

TEST(Width, CutsBetweenCharacters) {
  EXPECT_EQ(cut_to("abcd", 4), "abcd");
  EXPECT_EQ(cut_to("abcde", 4), "abc…");
  EXPECT_EQ(cut_to("日本語", 4), "日…");
  EXPECT_EQ(cut_to("日本語", 5), "日本…");
  EXPECT_EQ(cut_to("e\u0301e\u0301e\u0301", 2), "e\u0301…");
  EXPECT_EQ(cut_to("abc", 1), "…");
  EXPECT_EQ(cut_to("abc", 0), "");
}

}  // namespace
}  // namespace weft::base
