// Whole heads as any protocol may bring them: what passes and what is refused, as tables.
#include "message/validate.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace weft::message {
namespace {

struct RequestCase {
  std::string_view name;
  std::string method;
  std::string target;
  Headers headers;
  std::optional<Refusal> refusal;
  std::optional<std::uint64_t> length{};
};

Headers many(std::size_t count) {
  Headers headers{{"host", "a"}};
  while (headers.size() < count) headers.add(fmt::format("x-{}", headers.size()), "a");
  return headers;
}

const Headers host{{"host", "a"}};

std::vector<RequestCase> accepted() {
  return {
      {"plain", "GET", "/", host, {}},
      {"other_method", "PROPFIND", "/", host, {}},
      {"length", "POST", "/", {{"host", "a"}, {"content-length", "5"}}, {}, 5},
      {"asterisk", "OPTIONS", "*", host, {}},
      {"connect", "CONNECT", "", {{"host", "a:443"}}, {}},
      {"fields_at_limit", "GET", "/", many(max_fields), {}},
      {"target_at_limit", "GET", std::string(max_target_bytes, '/'), host, {}},
  };
}

std::vector<RequestCase> refused() {
  return {
      {"method_with_space", "GE T", "/", host, Refusal::bad_method},
      {"method_empty", "", "/", host, Refusal::bad_method},
      {"method_too_long", std::string(max_method_bytes + 1, 'A'), "/", host, Refusal::bad_method},
      {"target_empty", "GET", "", host, Refusal::bad_target},
      {"target_relative", "GET", "a", host, Refusal::bad_target},
      {"target_absolute", "GET", "http://a/", host, Refusal::bad_target},
      {"target_asterisk_of_get", "GET", "*", host, Refusal::bad_target},
      {"target_of_connect", "CONNECT", "/", {{"host", "a:443"}}, Refusal::bad_target},
      {"target_with_space", "GET", "/ HTTP/1.1\r\nx: y", host, Refusal::bad_target_byte},
      {"target_above_ascii", "GET", "/\xc3\xa9", host, Refusal::bad_target_byte},
      {"target_fragment", "GET", "/a#b", host, Refusal::target_fragment},
      {"target_escape", "GET", "/%4", host, Refusal::bad_target_escape},
      {"target_nul", "GET", "/%00", host, Refusal::bad_target_escape},
      {"target_too_long", "GET", std::string(max_target_bytes + 1, '/'), host, Refusal::target_too_long},
      {"host_missing", "GET", "/", {}, Refusal::missing_host},
      {"host_twice", "GET", "/", {{"host", "a"}, {"host", "a"}}, Refusal::repeated_host},
      {"host_with_userinfo", "GET", "/", {{"host", "u@a"}}, Refusal::bad_host},
      {"host_empty", "GET", "/", {{"host", ""}}, Refusal::bad_host},
      {"connect_without_port", "CONNECT", "", host, Refusal::bad_target},
      {"connect_with_content",
       "CONNECT",
       "",
       {{"host", "a:443"}, {"content-length", "1"}},
       Refusal::content_in_connect},
      {"too_many_fields", "GET", "/", many(max_fields + 1), Refusal::too_many_fields},
      {"connection_names_host",
       "GET",
       "/",
       {{"host", "a"}, {"connection", "close, Host"}},
       Refusal::connection_names_framing},
      {"transfer_encoding",
       "POST",
       "/",
       {{"host", "a"}, {"transfer-encoding", "chunked"}},
       Refusal::unsupported_transfer_encoding},
      {"length_twice",
       "POST",
       "/",
       {{"host", "a"}, {"content-length", "5"}, {"content-length", "5"}},
       Refusal::repeated_content_length},
      {"length_signed", "POST", "/", {{"host", "a"}, {"content-length", "+5"}}, Refusal::bad_content_length},
      {"length_list", "POST", "/", {{"host", "a"}, {"content-length", "5, 5"}}, Refusal::bad_content_length},
      {"length_too_large",
       "POST",
       "/",
       {{"host", "a"}, {"content-length", "9223372036854775808"}},
       Refusal::bad_content_length},
  };
}

TEST(Validate, Requests) {
  auto cases = accepted();
  for (auto& each : refused()) cases.push_back(std::move(each));
  for (const auto& each : cases) {
    RequestHead head;
    head.set_method(each.method);
    head.target = each.target;
    head.version = Version::http_2;
    head.headers = each.headers;
    const auto result = validate(head);
    EXPECT_EQ(result.has_value(), !each.refusal) << each.name;
    if (result) {
      EXPECT_EQ(*result, each.length) << each.name;
    } else {
      EXPECT_EQ(result.error(), each.refusal) << each.name << ": " << to_string(result.error());
    }
  }
}

TEST(Validate, Responses) {
  struct Case {
    int status;
    Headers headers;
    std::optional<Refusal> refusal;
  };
  for (const auto& [status, headers, refusal] : {
           Case{200, {{"content-length", "5"}}, {}},
           Case{99, {}, Refusal::bad_status_line},
           Case{1000, {}, Refusal::bad_status_line},
           Case{200, {{"content-length", "x"}}, Refusal::bad_content_length},
           Case{200, {{"connection", "content-length"}}, Refusal::connection_names_framing},
           Case{200, {{"transfer-encoding", "chunked"}}, Refusal::unsupported_transfer_encoding},
           Case{200, many(max_fields + 1), Refusal::too_many_fields},
       }) {
    ResponseHead head;
    head.status = status;
    head.headers = headers;
    const auto result = validate(head);
    EXPECT_EQ(result ? std::nullopt : std::optional(result.error()), refusal) << status;
  }
}

TEST(Validate, Trailers) {
  EXPECT_TRUE(check_trailers({{"x-checksum", "1"}, {"grpc-status", "0"}}));
  for (const auto name : {"Host", "content-length", "transfer-encoding", "Authorization", "te", "connection"})
    EXPECT_FALSE(check_trailers({{name, "x"}})) << name;
}

}  // namespace
}  // namespace weft::message
