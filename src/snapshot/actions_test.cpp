#include "snapshot/actions.h"

#include <gtest/gtest.h>

#include <string>

namespace weft::snapshot {
namespace {

TEST(Actions, WhatCannotBeDone) {
  struct Case {
    std::string_view name;
    Action action;
    std::string_view field, what;  // of none: it can
  };
  constexpr auto whole = Redirect::Path::whole;
  constexpr auto prefix = Redirect::Path::prefix;
  constexpr std::uint32_t most = 4'294'967'295;
  for (const auto& [name, action, field, what] : std::initializer_list<Case>{
           {"one cluster", forward_to("a"), "", ""},
           {"weights", Forward{.to = {{"a", 0}, {"b", most}}}, "", ""},
           {"no cluster", Forward{}, "", "it names no cluster"},
           {"a cluster without a name", forward_to(""), "", "it names no cluster"},
           {"no weight", Forward{.to = {{"a", 0}, {"b", 0}}}, "", "no cluster of it has a weight above 0"},
           {"too much weight", Forward{.to = {{"a", 1}, {"b", most}}}, "",
            "its weights make more than 4294967295"},
           {"scheme", Redirect{.scheme = Redirect::Scheme::https}, "", ""},
           {"port", Redirect{.port = 1}, "", ""},
           {"host", Redirect{.host = "Shop.Example"}, "", ""},
           {"ipv6", Redirect{.host = "[::1]"}, "", ""},
           {"path", Redirect{.path_kind = whole, .path = "/a"}, "", ""},
           {"nothing", Redirect{}, "", "it leads to where it came from"},
           {"a code alone", Redirect{.code = Redirect::Code::see_other}, "",
            "it leads to where it came from"},
           {"a URL", Redirect{.host = "http://a/"}, "host", "this is no host but a URL or a part of one"},
           {"a line", Redirect{.host = "a\r\nb"}, "host", "a host has letters, digits, - . _ and ~ only"},
           {"a star", Redirect{.host = "*.example"}, "host", "a redirect leads to one host"},
           {"any host", Redirect{.host = "*"}, "host", "a redirect leads to one host"},
           {"host and port", Redirect{.host = "a:80"}, "host", "a redirect's host has no port"},
           {"any port", Redirect{.host = "a:*"}, "host", "a redirect's host has no port"},
           {"a path of nothing", Redirect{.path_kind = whole}, "path", "a path begins with /"},
           {"a query", Redirect{.path_kind = whole, .path = "/?a"}, "path", "a redirect's path has no query"},
           {"a fragment", Redirect{.path_kind = whole, .path = "/#a"}, "path",
            "a redirect's path has no fragment"},
           {"a line in a path", Redirect{.path_kind = prefix, .path = "/\r\n"}, "prefix",
            "a path has no spaces and control bytes"},
           {"status", Reply{599, "a"}, "", ""},
           {"no body", Reply{204, ""}, "", ""},
           {"the longest body", Reply{200, std::string(max_reply_bytes, 'a')}, "", ""},
           {"no status", Reply{0, ""}, "status", "a status is a number from 200 to 599"},
           {"interim", Reply{199, ""}, "status", "a status is a number from 200 to 599"},
           {"600", Reply{600, ""}, "status", "a status is a number from 200 to 599"},
           {"too long", Reply{200, std::string(max_reply_bytes + 1, 'a')}, "body",
            "a reply's body is not longer than 4096 bytes"},
           {"204 with a body", Reply{204, "a"}, "body", "a reply of this status has no body"},
           {"205 with a body", Reply{205, "a"}, "body", "a reply of this status has no body"},
           {"304 with a body", Reply{304, "a"}, "body", "a reply of this status has no body"},
       }) {
    const auto fault = fault_of(action);
    EXPECT_EQ(fault ? fault->what : "", what) << name;
    EXPECT_EQ(fault ? fault->field : "", field) << name;
    if (fault) EXPECT_FALSE(fault->mend.empty()) << name;
  }
}

TEST(Actions, ARedirectReplacesSomethingOfWhatItsRouteTakes) {
  struct Case {
    Match match;
    Redirect redirect;
    bool can_be;
  };
  constexpr auto whole = Redirect::Path::whole;
  constexpr auto prefix = Redirect::Path::prefix;
  const Match all{};
  const Match old{Match::Path::segments, "/old"};
  const Match below{Match::Path::prefix, "/old/"};
  const Match exact{Match::Path::exact, "/old"};
  for (const auto& [match, redirect, can_be] : std::initializer_list<Case>{
           {all, {.path_kind = prefix, .path = "/"}, false},
           {old, {.path_kind = prefix, .path = "/old"}, false},
           {exact, {.path_kind = prefix, .path = "/old"}, false},
           {below, {.path_kind = prefix, .path = "/old/"}, false},
           {below, {.path_kind = prefix, .path = "/old"}, false},  // the rest begins with the slash
           {exact, {.path_kind = whole, .path = "/old", .code = Redirect::Code::see_other}, false},
           {old, {.path_kind = prefix, .path = "/old/"}, true},  // of /old itself
           {old, {.path_kind = prefix, .path = "/older"}, true},
           {old, {.path_kind = whole, .path = "/old"}, true},  // of /old/x
           {exact, {.scheme = Redirect::Scheme::https, .path_kind = whole, .path = "/old"}, true},
           {old, {.host = "a", .path_kind = prefix, .path = "/old"}, true},
           {old, {.port = 1, .path_kind = prefix, .path = "/old"}, true},
       }) {
    const auto fault = fault_of(Route{{}, match, redirect, {}});
    EXPECT_EQ(!fault, can_be) << match.path << " to " << redirect.path;
    if (fault) EXPECT_EQ(fault->what, "it leads to where it came from");
  }
}

}  // namespace
}  // namespace weft::snapshot
