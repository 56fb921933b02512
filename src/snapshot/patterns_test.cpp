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
           {"127.0.0.1.:80", "127.0.0.1:80", exact, true},
           {"1.a", "1.a", exact, false},
           {"a1", "a1", exact, false},
           {"[0:0:0:0:0:0:0:1]", "[::1]", exact, false},
           {"[2001:DB8:0::0007]:80", "[2001:db8::7]:80", exact, true},
           {"[0::1]:*", "[::1]:*", prefix, true},
           {"*.168.0.1", "*.168.0.1", suffix, false},
           {"*1", "*1", suffix, false},
           {"*00.1", "*00.1", suffix, false},
           {"10.*", "10.*", prefix, false},
           {"999.1*", "999.1*", prefix, false},  // 999.1.example
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
           {"999.1.1.1", bad_ipv4},
           {"1.2.3", bad_ipv4},
           {"1.2.3.4.5", bad_ipv4},
           {"127.0.0.01:80", bad_ipv4},
           {"1", bad_ipv4},
           {"*.999", bad_ipv4},
           {"*.1.1.1.1", bad_ipv4},
           {"-a.example", outer_hyphen},
           {"a-.example", outer_hyphen},
           {"a.-b", outer_hyphen},
           {"a.b-:80", outer_hyphen},
           {"*.-b.example", outer_hyphen},
           {"-a.*", outer_hyphen},
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
}

TEST(Patterns, LengthsOfDomains) {
  using enum PatternFault;
  const std::string label(63, 'a');
  const std::string longest = label + "." + label + "." + label + "." + std::string(61, 'a');
  EXPECT_TRUE(parse_domain(longest));
  EXPECT_TRUE(parse_domain(longest + "."));
  EXPECT_EQ(parse_domain(longest + "a").error(), host_too_long);
  EXPECT_EQ(parse_domain("*" + longest).error(), host_too_long);
  EXPECT_EQ(parse_domain("a" + label + ".example").error(), long_label);
}

TEST(Patterns, WhatNoRequestMatches) {
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
           {{segments, "/a"}, {}},
           {{segments, "/a%2"}, bad_path_escape},
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
           {{prefix, "/", "GET"}, {}},
           {{prefix, "/", "M-SEARCH"}, {}},
           {{prefix, "/", "GET PUT"}, bad_method},
           {{prefix, "/", "G\xc3\x89T"}, bad_method},
           {{prefix, "/", "", {{"x-a", std::nullopt}, {"x-b", ""}, {"x-b", "caf\xc3\xa9, \t!"}}}, {}},
           {{prefix, "/", "", {{"x-a", "1"}, {"", "1"}}}, bad_header_name},
           {{prefix, "/", "", {{":path", "/"}}}, bad_header_name},
           {{prefix, "/", "", {{"x a", std::nullopt}}}, bad_header_name},
           {{prefix, "/", "", {{"x-a", "1\n"}}}, bad_header_value},
           {{prefix, "/", "", {{"x-a", "1\x7f"}}}, bad_header_value},
           {{prefix, "/", "", {{"x-a", " 1"}}}, bad_header_value},
           {{prefix, "/", "", {{"x-a", "1\t"}}}, bad_header_value},
       }) {
    EXPECT_EQ(fault_of(match), fault) << match.path;
    if (fault) EXPECT_FALSE(describe(*fault).mend.empty());
  }
}

}  // namespace
}  // namespace weft::snapshot
