#include "base/host.h"

#include <gtest/gtest.h>

namespace weft::base {
namespace {

TEST(Host, NamesAndIpv4Addresses) {
  const std::string label(max_label_bytes, 'a');
  const std::string longest = label + "." + label + "." + label + "." + std::string(61, 'a');
  ASSERT_EQ(longest.size(), max_host_bytes);
  for (const std::string& host :
       {std::string("web"), std::string("a_b-c.d~e"), std::string("web.example."), std::string("127.0.0.1"),
        std::string("255.255.255.255."), std::string("1.a"), std::string("a1"), std::string("web.123"),
        std::string("-a-"), label, longest, longest + "."})
    EXPECT_TRUE(is_host_name(host)) << host;
  for (const std::string& host :
       {std::string(), std::string("."), std::string(".a"), std::string("a.."), std::string("a..b"),
        std::string("999.1.1.1"), std::string("1.2.3"), std::string("1.2.3.4.5"), std::string("256.0.0.1"),
        std::string("127.0.0.01"), std::string("00.0.0.0"), std::string("1"), std::string("1..2.3"),
        std::string("1.2.3.4.."), label + "a", "a." + label + "a", longest + "a"})
    EXPECT_FALSE(is_host_name(host)) << host;
}

TEST(Host, Ipv6HasOneSpelling) {
  for (const auto& [text, canonical] : std::initializer_list<std::pair<std::string_view, std::string_view>>{
           {"[::1]", "[::1]"},
           {"[0:0:0:0:0:0:0:1]", "[::1]"},
           {"[2001:DB8:0:0:1:0:0:1]", "[2001:db8::1:0:0:1]"},
           {"[2001:0db8::0001]", "[2001:db8::1]"},
           {"[::ffff:127.0.0.1]", "[::ffff:127.0.0.1]"},
           {"[::ffff:7f00:1]", "[::ffff:127.0.0.1]"}}) {
    EXPECT_TRUE(is_ipv6(text)) << text;
    EXPECT_EQ(canonical_ipv6(text), canonical) << text;
  }
  for (const std::string_view text :
       {"", "[", "[]", "::1", "[::1", "[::1]x", "[1.2.3.4]", "[fe80::1%eth0]", "[::g]"})
    EXPECT_FALSE(canonical_ipv6(text)) << text;
}

}  // namespace
}  // namespace weft::base
