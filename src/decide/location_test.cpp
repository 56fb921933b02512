#include "decide/location.h"

#include <gtest/gtest.h>

namespace weft::decide {
namespace {

using snapshot::Match;
using snapshot::Redirect;
using enum Redirect::Path;

std::string to(const Redirect& redirect, const Match& match, std::string_view host, std::string_view path,
               std::string_view scheme = "http") {
  const message::Headers headers;
  base::Random random(1);
  return location(redirect, match, scheme, {"GET", host, path, headers, random});
}

TEST(Location, PartsOfTheAuthority) {
  constexpr auto https = Redirect::Scheme::https;
  constexpr auto http = Redirect::Scheme::http;
  struct Case {
    std::string_view name;
    Redirect redirect;
    std::string_view scheme, host, expected;
  };
  for (const auto& [name, redirect, scheme, host, expected] : std::initializer_list<Case>{
           {"the code alone", {}, "http", "shop.example:8080", "http://shop.example:8080/a?b=c"},
           {"as asked by TLS", {}, "https", "shop.example", "https://shop.example/a?b=c"},
           {"scheme", {.scheme = https}, "http", "shop.example", "https://shop.example/a?b=c"},
           {"its own port", {.scheme = https}, "http", "shop.example:80", "https://shop.example/a?b=c"},
           {"another's stays",
            {.scheme = https},
            "http",
            "shop.example:8080",
            "https://shop.example:8080/a?b=c"},
           {"the scheme that was asked", {.scheme = https}, "https", "a:8443", "https://a:8443/a?b=c"},
           {"back", {.scheme = http}, "https", "shop.example:443", "http://shop.example/a?b=c"},
           {"port", {.port = 8443}, "http", "shop.example:80", "http://shop.example:8443/a?b=c"},
           {"the scheme's own port", {.port = 80}, "http", "shop.example:8080", "http://shop.example/a?b=c"},
           {"both", {.scheme = https, .port = 8443}, "http", "a", "https://a:8443/a?b=c"},
           {"443 of https", {.scheme = https, .port = 443}, "http", "a:1", "https://a/a?b=c"},
           {"443 of http", {.port = 443}, "http", "a:1", "http://a:443/a?b=c"},
           {"host", {.host = "b"}, "http", "a:8080", "http://b/a?b=c"},
           {"host and port", {.host = "b", .port = 81}, "http", "a:8080", "http://b:81/a?b=c"},
           {"ipv6", {.port = 81}, "http", "[::1]:8080", "http://[::1]:81/a?b=c"},
           {"an empty port", {}, "http", "a:", "http://a/a?b=c"},
           {"no host", {}, "http", "", "/a?b=c"},
           {"no host but a port", {.port = 81}, "http", "", "http://localhost:81/a?b=c"},
           {"leading zeros", {}, "http", "a:0081", "http://a:81/a?b=c"},
       }) {
    EXPECT_EQ(to(redirect, {}, host, "/a?b=c", scheme), expected) << name;
  }
}

TEST(Location, PathsAndQueries) {
  struct Case {
    std::string_view name;
    Match match;
    Redirect redirect;
    std::string_view path, expected;
  };
  const Match all;
  const Match api{Match::Path::segments, "/api"};
  const Match slash{Match::Path::prefix, "/api/"};
  const Match exact{Match::Path::exact, "/api"};
  const auto whole_by = [](std::string path) {
    return Redirect{.path_kind = whole, .path = std::move(path)};
  };
  const auto prefix_by = [](std::string path) {
    return Redirect{.path_kind = prefix, .path = std::move(path)};
  };
  for (const auto& [name, match, redirect, path, expected] : std::initializer_list<Case>{
           {"as it came", all, {.host = "h"}, "/a//b/%2F?q=1?2", "http://h/a//b/%2F?q=1?2"},
           {"no other host", all, {}, "//evil.example/", "http://h//evil.example/"},
           {"nor by a prefix", all, prefix_by("/"), "//evil.example/", "http://h//evil.example/"},
           {"the server as a whole", all, {}, "*", "http://h"},
           {"which a prefix gives a path", all, prefix_by("/b"), "*", "http://h/b"},
           {"CONNECT", all, {}, "", "http://h"},
           {"whole", api, whole_by("/new"), "/api/x?q", "http://h/new?q"},
           {"an empty query", api, whole_by("/new"), "/api?", "http://h/new?"},
           {"prefix", api, prefix_by("/v2"), "/api/x?q", "http://h/v2/x?q"},
           {"the path itself", api, prefix_by("/v2"), "/api", "http://h/v2"},
           {"and with a slash", api, prefix_by("/v2"), "/api/", "http://h/v2/"},
           {"by a slash", api, prefix_by("/v2/"), "/api/x", "http://h/v2/x"},
           {"by nothing", api, prefix_by("/"), "/api/x", "http://h/x"},
           {"the path itself by nothing", api, prefix_by("/"), "/api?q", "http://h/?q"},
           {"of a slash", slash, prefix_by("/v2"), "/api/x", "http://h/v2/x"},
           {"of a slash by a slash", slash, prefix_by("/v2/"), "/api/x", "http://h/v2/x"},
           {"of everything", all, prefix_by("/v2"), "/x", "http://h/v2/x"},
           {"of bytes", {Match::Path::prefix, "/ap"}, prefix_by("/v2"), "/apix", "http://h/v2ix"},
           {"exact", exact, prefix_by("/v2"), "/api?q", "http://h/v2?q"},
       }) {
    EXPECT_EQ(to(redirect, match, "h", path), expected) << name;
  }
}

// A relative reference that begins with two slashes names a host (RFC 3986, 4.2).
TEST(Location, OfNoHostIsAPath) {
  EXPECT_EQ(to({}, {}, "", "//evil.example/", "http"), "/.//evil.example/");
  EXPECT_EQ(to({.path_kind = whole, .path = "/new"}, {}, "", "/old?q", "http"), "/new?q");
}

}  // namespace
}  // namespace weft::decide
