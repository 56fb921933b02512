#include "message/authority.h"

#include <gtest/gtest.h>

namespace weft::message {
namespace {

TEST(Authority, Splits) {
  struct Case {
    std::string_view text;
    std::string_view host;
    int port;  // -1: none
  };
  for (const auto& [text, host, port] : {
           Case{"web", "web", -1}, Case{"web.default.svc:80", "web.default.svc", 80},
           Case{"127.0.0.1:65535", "127.0.0.1", 65535}, Case{"a_b-c.d~e", "a_b-c.d~e", -1},
           Case{"web.example.:80", "web.example.", 80}, Case{"[::1]", "[::1]", -1},
           Case{"[2001:db8::7]:443", "[2001:db8::7]", 443}, Case{"web:", "web", -1},
           Case{"[::1]:", "[::1]", -1}, Case{"web:0", "web", 0}, Case{"web:0080", "web", 80},
           Case{"web:000065535", "web", 65535}, Case{"127.0.0.1.", "127.0.0.1.", -1},
           Case{"1.a:80", "1.a", 80}, Case{"-a.example", "-a.example", -1},  // DNS has such names
       }) {
    const auto parts = split_authority(text);
    ASSERT_TRUE(parts) << text;
    EXPECT_EQ(parts->host, host);
    EXPECT_EQ(parts->port ? *parts->port : -1, port) << text;
  }
}

TEST(Authority, Refuses) {
  for (const std::string_view text : {"",
                                      ":80",
                                      ":",
                                      "web::",
                                      "web:65536",
                                      "web:4294967376",
                                      "web:-1",
                                      "web:+80",
                                      "web:8 0",
                                      "web:80:80",
                                      "web..b",
                                      ".web",
                                      ".",
                                      "web..",
                                      "999.1.1.1",
                                      "1.2.3",
                                      "127.0.0.01:80",

                                      "1",
                                      "user@web",
                                      "user:pw@web",
                                      "we b",
                                      "web,b",
                                      "web/",
                                      "web?x",
                                      "web#x",
                                      "web\\x",
                                      "[::1",
                                      "::1",
                                      "[::1]x",
                                      "[1.2.3.4]",
                                      "[]",
                                      "[fe80::1%eth0]",
                                      "web%20",
                                      "w\xc3\xa9"
                                      "b",
                                      "[v1.x]",
                                      "web\t",
                                      "\"web\""}) {
    EXPECT_FALSE(split_authority(text)) << text;
  }
  EXPECT_FALSE(split_authority(std::string(64, 'a')));
}

TEST(Url, PercentDecoding) {
  EXPECT_EQ(percent_decode("a%2Fb%2fc+%25"), "a/b/c+%");
  EXPECT_EQ(percent_decode(""), "");
  for (const std::string_view bad : {"%", "%2", "%zz", "a%2", "%-1"})
    EXPECT_FALSE(percent_decode(bad)) << bad;
  EXPECT_EQ(percent_encode("a b/c\xff~", "/"), "a%20b/c%FF~");
}

TEST(Url, Query) {
  using Pairs = std::vector<std::pair<std::string, std::string>>;
  EXPECT_EQ(parse_query("watch=true&labelSelector=a%3Db%2Cc&&x&=y&z=1=2&s=a+b&bad=%zz"),
            (Pairs{{"watch", "true"},
                   {"labelSelector", "a=b,c"},
                   {"x", ""},
                   {"", "y"},
                   {"z", "1=2"},
                   {"s", "a b"},
                   {"bad", "%zz"}}));
  EXPECT_EQ(parse_query(""), Pairs{});
}

TEST(Url, Segments) {
  using Segments = std::vector<std::string>;
  EXPECT_EQ(path_segments("/"), Segments{});
  EXPECT_EQ(path_segments("/api/v1/"), (Segments{"api", "v1"}));
  EXPECT_EQ(path_segments("/a//b%2Fc"), (Segments{"a", "", "b/c"}));
  EXPECT_FALSE(path_segments("/a%"));
}

}  // namespace
}  // namespace weft::message
