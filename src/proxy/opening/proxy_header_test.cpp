#include "proxy/opening/proxy_header.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace weft::proxy::opening {
namespace {

using namespace std::string_literals;
using namespace std::string_view_literals;
using base::Address;
using Fault = ProxyHeaderFault;

Address at(std::string_view text) { return *Address::parse(text); }

/// A header of version 2: `head` is command and family, `rest` what its length counts.
std::string v2(std::string_view head, std::string_view rest) {
  std::string header(proxy_v2_signature);
  header += head;
  header += static_cast<char>(rest.size() >> 8U);
  header += static_cast<char>(rest.size() & 0xffU);
  return header.append(rest);
}

/// What is made of it, whole or byte by byte; the next protocol's bytes behind it do not matter.
std::expected<std::optional<ProxyHeader>, Fault> parse(std::string_view bytes) {
  const auto whole = parse_proxy_header(std::string(bytes) + "GET /");
  for (std::size_t size = 0; size <= bytes.size(); ++size) {
    const auto part = parse_proxy_header(bytes.substr(0, size));
    if (part && !*part) continue;
    EXPECT_EQ(part, whole) << size;
    if (part) EXPECT_EQ(size, bytes.size());
  }
  return whole;
}

ProxyHeader parsed(std::string_view bytes) {
  const auto header = parse(bytes);
  EXPECT_TRUE(header && *header) << bytes;
  return header && *header ? **header : ProxyHeader();
}

Fault fault(std::string_view bytes) {
  const auto header = parse(bytes);
  EXPECT_FALSE(header) << bytes;
  return header ? Fault::absent : header.error();
}

TEST(ProxyHeaderTest, Version1) {
  EXPECT_EQ(parsed("PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n"),
            (ProxyHeader{at("192.0.2.1:56324"), at("198.51.100.2:443"), 45}));
  EXPECT_EQ(parsed("PROXY TCP6 2001:db8::1 ::1 0 65535\r\n"),
            (ProxyHeader{at("[2001:db8::1]:0"), at("[::1]:65535"), 36}));
  EXPECT_EQ(parsed("PROXY UNKNOWN\r\n"), (ProxyHeader{.size = 15}));
  EXPECT_EQ(parsed("PROXY UNKNOWN ffff:f a b c what ever\r\n"), (ProxyHeader{.size = 38}));
}

TEST(ProxyHeaderTest, MalformedVersion1) {
  for (const auto line : {
           "PROXY TCP4 192.0.2.1 198.51.100.2 56324\r\n",
           "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443 \r\n",
           "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443 1\r\n",
           "PROXY TCP4  192.0.2.1 198.51.100.2 56324 443\r\n",
           "PROXY TCP4 192.0.2.1 198.51.100.2 056324 443\r\n",
           "PROXY TCP4 192.0.2.1 198.51.100.2 65536 443\r\n",
           "PROXY TCP4 192.0.2.1 198.51.100.2 +1 443\r\n",
           "PROXY TCP4 192.0.2 198.51.100.2 1 443\r\n",
           "PROXY TCP4 ::1 ::1 1 443\r\n",
           "PROXY TCP6 192.0.2.1 198.51.100.2 1 443\r\n",
           "PROXY TCP6 ::1 1.2.3.4 1 443\r\n",
           "PROXY UDP4 192.0.2.1 198.51.100.2 1 443\r\n",
           "PROXY tcp4 192.0.2.1 198.51.100.2 1 443\r\n",
           "PROXY UNKNOWNS\r\n",
           "PROXY \r\n",
       }) {
    EXPECT_EQ(fault(line), Fault::bad_line) << line;
  }
  const std::string longest = "PROXY UNKNOWN " + std::string(91, 'x') + "\r\n";
  EXPECT_EQ(parsed(longest).size, 107U);
  EXPECT_EQ(fault("PROXY UNKNOWN " + std::string(92, 'x') + "\r\n"), Fault::too_long);
}

TEST(ProxyHeaderTest, NoHeader) {
  for (const auto bytes : {"GET / HTTP/1.1\r\n", "PROXY\r\n", "proxy TCP4", "\r\nGET /", "\n", "PRI * "})
    EXPECT_EQ(fault(bytes), Fault::absent) << bytes;
}

TEST(ProxyHeaderTest, Version2) {
  EXPECT_EQ(parsed(v2("\x21\x11", "\xc0\0\2\1\xc6\x33\x64\2\xdc\4\1\xbb"sv)),
            (ProxyHeader{at("192.0.2.1:56324"), at("198.51.100.2:443"), 28}));
  EXPECT_EQ(parsed(v2("\x21\x21",
                      "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1"
                      "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\1\0\2"sv)),
            (ProxyHeader{at("[2001:db8::1]:1"), at("[::1]:2"), 52}));
  std::string paths(216, '\0');
  paths.replace(0, 7, "/a.sock");
  paths[107] = 'x';  // behind the path's end
  EXPECT_EQ(parsed(v2("\x21\x31", paths)), (ProxyHeader{Address::unix_path("/a.sock"), {}, 232}));
}

TEST(ProxyHeaderTest, Version2OfNobody) {
  EXPECT_EQ(parsed(v2("\x20\0"sv, "")), (ProxyHeader{.size = 16}));
  EXPECT_EQ(parsed(v2("\x20\x11", "anything at all")), (ProxyHeader{.size = 31}));
  EXPECT_EQ(parsed(v2("\x21\0"sv, "xy")), (ProxyHeader{.size = 18}));
  EXPECT_EQ(parsed(v2("\x20\x42", "")), (ProxyHeader{.size = 16}));
}

TEST(ProxyHeaderTest, MalformedVersion2) {
  constexpr auto addresses = "\1\2\3\4\1\2\3\4\0\1\0\2"sv;
  EXPECT_EQ(fault(v2("\x31\x11", addresses)), Fault::bad_version);
  EXPECT_EQ(fault(v2("\x22\x11", addresses)), Fault::bad_command);
  EXPECT_EQ(fault(v2("\x21\x12", addresses)), Fault::bad_family) << "UDP";
  EXPECT_EQ(fault(v2("\x21\x41", addresses)), Fault::bad_family);
  EXPECT_EQ(fault(v2("\x21\x11", addresses.substr(1))), Fault::too_short);
  EXPECT_EQ(fault(v2("\x21\x21", addresses)), Fault::too_short);
  EXPECT_EQ(fault(v2("\x21\x11", std::string(addresses) + "\4")), Fault::bad_extension);
  EXPECT_EQ(fault(v2("\x21\x11", std::string(addresses) + "\4\0\1"s)), Fault::bad_extension);
  EXPECT_EQ(fault(v2("\x21\x11", std::string(addresses) + "\3\0\3abc"s)), Fault::bad_extension);
  EXPECT_EQ(parsed(v2("\x20\0"sv, std::string(max_proxy_header_bytes - 16, 'x'))).size,
            max_proxy_header_bytes);
  EXPECT_EQ(fault(v2("\x20\0"sv, std::string(max_proxy_header_bytes - 15, 'x'))), Fault::too_long);
}

TEST(ProxyHeaderTest, ExtensionsArePassedOverAndTheChecksumIsChecked) {
  // Of the CRC of RFC 3720 over this very header, with NOOP and ALPN beside.
  const std::string addresses("\x7f\0\0\1\x7f\0\0\1\x30\x39\0\x50", 12);
  const auto with = [&](std::string_view checksum) {
    return v2("\x21\x11", addresses + "\4\0\2xx"s + "\3\0\4"s + std::string(checksum) + "\1\0\2h2"s);
  };
  EXPECT_EQ(parsed(with("\xa4\x57\x23\x09"sv)).source, at("127.0.0.1:12345"));
  EXPECT_EQ(fault(with("\0\0\0\0"sv)), Fault::bad_checksum);
}

TEST(ProxyHeaderTest, WhatIsWrittenIsRead) {
  for (const auto& [source, destination] :
       {std::pair("192.0.2.1:56324", "198.51.100.2:443"), std::pair("[2001:db8::1]:1", "[::1]:65535")}) {
    for (const auto& header :
         {proxy_header_v1(at(source), at(destination)), proxy_header_v2(at(source), at(destination))}) {
      EXPECT_EQ(parsed(header), (ProxyHeader{at(source), at(destination), header.size()}));
    }
  }
  EXPECT_EQ(proxy_header_v1(at("192.0.2.1:1"), at("198.51.100.2:2")),
            "PROXY TCP4 192.0.2.1 198.51.100.2 1 2\r\n");
  for (const auto& [source, destination] :
       {std::pair(Address(), Address()), std::pair(at("1.2.3.4:5"), at("[::1]:5")),
        std::pair(at("unix:/a"), at("unix:/b"))}) {
    EXPECT_EQ(proxy_header_v1(source, destination), "PROXY UNKNOWN\r\n");
    EXPECT_EQ(proxy_header_v2(source, destination), std::string(proxy_v2_signature) + "\x20\0\0\0"s);
  }
}

}  // namespace
}  // namespace weft::proxy::opening
