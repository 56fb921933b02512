#include "proxy/opening/protocol.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "proxy/opening/proxy_header.h"

namespace weft::proxy::opening {
namespace {

using namespace std::string_view_literals;
using enum Protocol;

/// Byte by byte as together: undecided, then the same for good.
Protocol decided(std::string_view bytes, bool has_ended = false) {
  auto before = undecided;
  for (std::size_t size = 0; size <= bytes.size(); ++size) {
    const auto now = of_client(bytes.substr(0, size), has_ended && size == bytes.size());
    if (before != undecided) EXPECT_EQ(now, before) << "changed its mind at " << size << " of " << bytes;
    before = now;
  }
  return before;
}

TEST(OpeningTest, WhatAnHttpServerMightTakeIsHttp) {
  for (const auto bytes : {
           "GET / HTTP/1.1\r\n"sv,
           "GET /"sv,
           "get /index.html\r\n"sv,
           "G /"sv,
           "GET f"sv,
           "GET \r\n"sv,
           "CONNECT f"sv,
           "CONNECT \r\n"sv,
           "HEAD a+1://"sv,
           "DESCRIBE rtsp://shop/a RTSP/1.0\r\n"sv,
           "G@T / HTTP/1.1"sv,
           "GET: a HTTP/1.1"sv,
           " / HTTP/1.1"sv,
           "GET \x01"sv,
           "!#$%&'*+-.^_`|~ /"sv,
           "\r\n\r\nGET /"sv,
           "\n \t GET /"sv,
           "GET\t/"sv,
           "GET\v/"sv,
           "GET\r/"sv,
           "GET\xa0/"sv,
           "GET   /"sv,
           "GET http://"sv,
           "GET HTTP://shop"sv,
           "OPTIONS * HTTP/1.1"sv,
           "OPTIONS *\n"sv,
           "OPTIONS *\r\n"sv,
           "CONNECT shop:80 HTTP/1.1\r\n"sv,
           "GET shop http/1.0"sv,
           "GET ?x HTTP/1.1"sv,
           "GET ftp://shop/ \xa0HTTP/1.1"sv,
           "GET \xff HTTP/9"sv,
           "GET HTTP/1.1\r\n"sv,
           "HEAD \x01/../x HTTP/1.1"sv,
           "XY \x01"sv,
           "X a\x01"sv,
           "PRI * HTTP/2.0\r\n\r\nSM\r\nX"sv,
           "PRI * HTTP/2.0\r\n\r\nGET /"sv,
           "PRI /"sv,
           "PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n"sv,
           proxy_v2_signature,
       }) {
    EXPECT_EQ(decided(bytes), http1) << bytes;
  }
  EXPECT_EQ(decided("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), http2);
  EXPECT_EQ(decided("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0"sv), http2);
}

TEST(OpeningTest, OtherProtocolsAreNot) {
  for (const auto bytes : {
           "*1\r\n$4\r\nPING\r\n"sv,  // Redis
           "PING\r\n"sv,
           "GET\r\n"sv,
           "get foo\r\n"sv,  // Redis, memcached
           "set foo 0 0 3\r\nbar\r\n"sv,
           "\0\0\0\x08\x04\xd2\x16\x2f"sv,              // Postgres, SSLRequest
           "\0\0\0\x29\0\3\0\0user\0me\0"sv,            // Postgres, StartupMessage
           "\x3a\0\0\0\1\0\0\0\0\0\0\0\xd4\x07\0\0"sv,  // MongoDB, OP_QUERY
           "\x47\1\0\0\1\0\0\0\0\0\0\0\xdd\x07\0\0"sv,  // MongoDB, OP_MSG of 'G' and 256 bytes
           "\x47\x20\0\0\1\0\0\0"sv,                    // the same, as a method and a space
           "\x20\2\0\0\1\0\0\0"sv,                      // the same, as a space
           "\0\0\0\x20\0\x12\0\3\0\0\0\1"sv,            // Kafka
           "AMQP\0\0\x09\x01"sv,
           "AMQP\x00\x01\x00\x00"sv,
           "\x10\x0e\0\4MQTT\4\2\0\x3c\0\2me"sv,
           "SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"sv,
           "EHLO shop.example\r\n"sv,
           "NICK me\r\nUSER me 0 * :me\r\n"sv,   // IRC
           "CONNECT\r\naccept-version:1.2\n"sv,  // STOMP
           "INVITE sip:a@b.example SIP/2.0\r\n"sv,
           "\x30\x0c\x02\1\1\x60\7\2\1\3\4\0\x80\0"sv,  // LDAP
           "{\"op\": /x\"}"sv,
           "[ / HTTP/1.1"sv,
           "8=FIX.4.4\x01"sv,
           "a:1|c\n"sv,                  // statsd
           ":me!me@shop JOIN #a\r\n"sv,  // IRC
           "a(: b\0"sv,
           "<?xml version='1.0'?>"sv,
           "\x16\x03\x01\x02\0\x02"sv,        // a TLS handshake that is no ClientHello
           "/etc/motd\r\n"sv,                 // Gopher
           "web.requests 42 1700000000\n"sv,  // Graphite
       }) {
    EXPECT_EQ(decided(bytes), other) << bytes;
  }
  EXPECT_EQ(decided("\x16\x03\x01\x02\0\x01"sv), tls);
}

TEST(OpeningTest, WhatIsShortIsUndecidedUntilItEnds) {
  for (const auto bytes : {"G"sv, "ruok"sv, "get foo"sv, "HEAD http:"sv, "OPTIONS *"sv, "\r\n"sv, "PRI * H"sv,
                           "\r\n\r\n\0\r\nQ"sv, "\x16\x03\x01"sv}) {
    EXPECT_EQ(decided(bytes), undecided) << bytes;
  }
  EXPECT_EQ(decided("", true), other);
  EXPECT_EQ(decided("ruok", true), other);
  EXPECT_EQ(decided("get foo", true), other);
  EXPECT_EQ(decided("\x16\x03\x01", true), other);
  EXPECT_EQ(decided("PRI * H", true), http1);
}

TEST(OpeningTest, ALineThatNeverEndsIsHttp) {
  for (const auto begin : {"get "sv, "G"sv, "\r\n"sv}) {
    std::string bytes(begin);
    bytes.resize(max_undecided_bytes - 1, begin.back() == '\n' ? '\n' : 'x');
    EXPECT_EQ(of_client(bytes, false), undecided);
    bytes += 'x';
    EXPECT_EQ(of_client(bytes, false), http1);
    EXPECT_EQ(of_client(bytes + "\r\n", true), http1);
  }
}

TEST(OpeningTest, ServersThatSpeakHttpFirst) {
  EXPECT_EQ(of_server("", false), undecided);
  EXPECT_EQ(of_server("HTT", false), undecided);
  EXPECT_EQ(of_server("HTT", true), other);
  EXPECT_EQ(of_server("HTTP/1.1 408 Request Timeout\r\n", false), http1);
  EXPECT_EQ(of_server("\0\0\x12\4\0\0"sv, false), undecided);
  EXPECT_EQ(of_server("\0\0\x12\4\0\0"sv, true), other);
  EXPECT_EQ(of_server("\0\0\x12\4\0\0\0\0\0"sv, false), http2);
  EXPECT_EQ(of_server("\x4a\0\0\0\x0a"
                      "8.0.36"sv,
                      false),
            other);  // MySQL
  EXPECT_EQ(of_server("220 mail.example ESMTP\r\n", false), other);
  EXPECT_EQ(of_server("SSH-2.0-OpenSSH_9.2p1\r\n", false), other);
}

}  // namespace
}  // namespace weft::proxy::opening
