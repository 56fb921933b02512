#include "snapshot/patterns.h"

#include <gtest/gtest.h>

namespace weft::snapshot {
namespace {

TEST(Patterns, Domains) {
  struct Case {
    std::string_view text, canonical;
    Domain::Kind kind;
    bool has_port;
  };
  using enum Domain::Kind;
  for (const auto& [text, canonical, kind, has_port] : std::initializer_list<Case>{
           {"*", "*", any, false},
           {"web", "web", exact, false},
           {"Shop.EXAMPLE", "shop.example", exact, false},
           {"shop.example.", "shop.example", exact, false},
           {"a_b-c.d~e", "a_b-c.d~e", exact, false},
           {"127.0.0.1", "127.0.0.1", exact, false},
           {"[::1]", "[::1]", exact, false},
           {"[2001:DB8::7]:0443", "[2001:db8::7]:443", exact, true},
           {"xn--bcher-kva.example", "xn--bcher-kva.example", exact, false},
           {"web:80", "web:80", exact, true},
           {"web.:80", "web:80", exact, true},
           {"*.example.com", "*.example.com", suffix, false},
           {"*-x.example.com.", "*-x.example.com", suffix, false},
           {"*com", "*com", suffix, false},
           {"*.example.com:8080", "*.example.com:8080", suffix, true},
           {"foo.*", "foo.*", prefix, false},
           {"FOO-*", "foo-*", prefix, false},
           {"foo.com:*", "foo.com:*", prefix, true},
           {"foo.com.:*", "foo.com:*", prefix, true},
           {"[::1]:*", "[::1]:*", prefix, true},
       }) {
    const auto domain = parse_domain(text);
    ASSERT_TRUE(domain) << text << ": " << describe(domain.error()).what;
    EXPECT_EQ(domain->to_string(), canonical) << text;
    EXPECT_EQ(domain->kind, kind) << text;
    EXPECT_EQ(domain->has_port, has_port) << text;
    EXPECT_EQ(parse_domain(canonical)->to_string(), canonical);
  }
}

TEST(Patterns, DomainsThatNoHostMatches) {
  using enum PatternFault;
  for (const auto& [text, fault] : std::initializer_list<std::pair<std::string_view, PatternFault>>{
           {"", no_domain},
           {"http://a/", url_as_host},
           {"http://a", url_as_host},
           {"a/b", url_as_host},
           {"a?b", url_as_host},
           {"user@a", url_as_host},
           {"b\xc3\xbc"
            "cher.example",
            host_not_ascii},
           {"a b", bad_host_byte},
           {" a", bad_host_byte},
           {"a,b", bad_host_byte},
           {"a%20b", bad_host_byte},
           {"a\t", bad_host_byte},
           {"a.*.b", bad_star},
           {"*.*", bad_star},
           {"**", bad_star},
           {"*.a:*", bad_star},
           {"*a*", bad_star},
           {"a..b", empty_label},
           {".a", empty_label},
           {".", empty_label},
           {"*.", empty_label},
           {"*..a", empty_label},
           {".*", empty_label},
           {":80", empty_label},
           {":*", empty_label},
           {"*:80", empty_label},
           {"::1", bad_ipv6},
           {"[::1", bad_ipv6},
           {"[1.2.3.4]", bad_ipv6},
           {"[]", bad_ipv6},
           {"[", bad_ipv6},
           {"[fe80::1%eth0]", bad_ipv6},
           {"a:80:80", bad_ipv6},
           {"a:", bad_port},
           {"a:x", bad_port},
           {"a:+80", bad_port},
           {"a:65536", bad_port},
           {"a:8*", bad_port},
       }) {
    const auto domain = parse_domain(text);
    ASSERT_FALSE(domain) << text;
    EXPECT_EQ(domain.error(), fault) << text << ": " << describe(domain.error()).what;
    EXPECT_FALSE(describe(fault).what.empty());
    EXPECT_FALSE(describe(fault).mend.empty());
  }
  EXPECT_TRUE(parse_domain(std::string(max_host_bytes, 'a')));
  EXPECT_EQ(parse_domain(std::string(max_host_bytes + 1, 'a')).error(), PatternFault::host_too_long);
}

TEST(Patterns, PathsThatNoRequestHas) {
  using enum PatternFault;
  using enum Match::Path;
  struct Case {
    Match match;
    std::optional<PatternFault> fault;
  };
  for (const auto& [match, fault] : std::initializer_list<Case>{
           {{prefix, "/"}, {}},
           {{exact, "/a%2Fb"}, {}},
           {{exact, "/a;b=[c]{d}|e~'"}, {}},
           {{prefix, "/a%2"}, {}},
           {{prefix, "/a%"}, {}},
           {{prefix, ""}, no_slash},
           {{exact, "a"}, no_slash},
           {{exact, "*"}, no_slash},
           {{exact, "http://a/"}, no_slash},
           {{exact, "/a?x=1"}, query_in_path},
           {{prefix, "/?"}, query_in_path},
           {{exact, "/a#b"}, fragment_in_path},
           {{exact, "/caf\xc3\xa9"}, path_not_ascii},
           {{prefix, "/a b"}, bad_path_byte},
           {{prefix, "/a\n"}, bad_path_byte},
           {{prefix, "/a\x7f"}, bad_path_byte},
           {{exact, "/a%2"}, bad_path_escape},
           {{exact, "/100%"}, bad_path_escape},
           {{prefix, "/%zz"}, bad_path_escape},
           {{prefix, "/%z"}, bad_path_escape},
           {{prefix, "/%00b"}, bad_path_escape},
       }) {
    EXPECT_EQ(fault_of(match), fault) << match.path;
    if (fault) EXPECT_FALSE(describe(*fault).mend.empty());
  }
}

}  // namespace
}  // namespace weft::snapshot
