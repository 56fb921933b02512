#include "message/headers.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "message/head.h"
#include "message/syntax.h"

namespace weft::message {
namespace {

std::vector<std::string> lines(const Headers& headers) {
  std::vector<std::string> result;
  for (const auto field : headers)
    result.push_back(std::string(field.name) + ": " + std::string(field.value));
  return result;
}

using Lines = std::vector<std::string>;

TEST(Headers, KeepOrderAndRepetition) {
  Headers headers{{"Accept", "a"}, {"X-One", "1"}, {"accept", "b"}};
  EXPECT_EQ(lines(headers), (Lines{"Accept: a", "X-One: 1", "accept: b"}));
  EXPECT_EQ(headers.count(FieldId::accept), 2u);
  EXPECT_EQ(headers.find("ACCEPT"), "a");
  EXPECT_EQ(headers.find("x-oNE"), "1");
  EXPECT_FALSE(headers.has("x-two"));
}

TEST(Headers, SetReplacesAllAtTheFirstPlace) {
  Headers headers{{"x-a", "1"}, {"x-b", "2"}, {"X-A", "3"}};
  EXPECT_TRUE(headers.set("X-a", "4"));
  EXPECT_EQ(lines(headers), (Lines{"X-a: 4", "x-b: 2"}));
  EXPECT_TRUE(headers.set(FieldId::host, "h"));
  EXPECT_EQ(lines(headers), (Lines{"X-a: 4", "x-b: 2", "host: h"}));
  EXPECT_EQ(headers.remove("x-A"), 1u);
  EXPECT_EQ(headers.remove(FieldId::host), 1u);
  EXPECT_EQ(lines(headers), (Lines{"x-b: 2"}));
}

TEST(Headers, TakeViewsIntoThemselves) {
  Headers headers{{"x-a", "the value of a field that repeats itself"}};
  for (int i = 0; i < 50; ++i) headers.add(headers[0].name, headers[0].value);
  for (const auto field : headers) EXPECT_EQ(field.value, "the value of a field that repeats itself");
}

TEST(Headers, NoValueBreaksOutOfItsField) {
  Headers headers;
  EXPECT_TRUE(headers.add("x-a", std::string_view("1\r\nx-b: 2\0\x7f\t\xe9", 13)));
  EXPECT_EQ(headers[0].value, "1  x-b: 2  \t\xe9");
  EXPECT_FALSE(headers.add("", "1"));
  EXPECT_FALSE(headers.add("x a", "1"));
  EXPECT_FALSE(headers.set("x:a", "1"));
  EXPECT_EQ(headers.size(), 1u);
}

TEST(Headers, EveryKnownFieldIsFoundByItsName) {
  for (int i = 1; i <= static_cast<int>(FieldId::x_weft_refused); ++i) {
    const auto id = static_cast<FieldId>(i);
    EXPECT_EQ(identify_field(to_string(id)), id) << to_string(id);
  }
  EXPECT_EQ(identify_field("Content-LENGTH"), FieldId::content_length);
  EXPECT_EQ(identify_field("Content-Lengtg"), FieldId::other);
  EXPECT_EQ(identify_field(""), FieldId::other);
  EXPECT_EQ(identify_field("content_length"), FieldId::other);
}

TEST(Headers, TokensOfAllFields) {
  const Headers headers{{"connection", "x , Close"}, {"connection", "y"}};
  EXPECT_TRUE(headers.has_token(FieldId::connection, "close"));
  EXPECT_TRUE(headers.has_token(FieldId::connection, "Y"));
  EXPECT_FALSE(headers.has_token(FieldId::connection, "clos"));
}

TEST(Syntax, Lists) {
  std::string_view list = " a,, b c ,\t,d";
  std::string_view member;
  std::vector<std::string> members;
  while (next_member(list, member)) members.emplace_back(member);
  EXPECT_EQ(members, (Lines{"a", "b c", "d"}));
}

TEST(Headers, AListMayStandOnSeveralLines) {
  const Headers headers{{"Via", "a, b"}, {"X", "y"}, {"via", ""}, {"VIA", "c"}};
  EXPECT_EQ(headers.joined(FieldId::via), "a, b, c");
  EXPECT_EQ(headers.joined(FieldId::upgrade), "");
  EXPECT_TRUE(headers.has_token(FieldId::via, "C"));
}

TEST(Head, MethodAndTarget) {
  RequestHead head;
  head.set_method("PROPFIND");
  EXPECT_EQ(head.method, Method::other);
  EXPECT_EQ(head.method_text(), "PROPFIND");
  head.set_method("get");
  EXPECT_EQ(head.method, Method::other);
  head.set_method("DELETE");
  EXPECT_EQ(head.method_text(), "DELETE");
  head.target = "/a?b?c";
  EXPECT_EQ(head.path(), "/a");
  EXPECT_EQ(head.query(), "b?c");
  head.target = "/a";
  EXPECT_EQ(head.query(), "");
}

TEST(Method, SafeAndIdempotent) {
  EXPECT_TRUE(is_safe(Method::get) && is_safe(Method::head) && is_safe(Method::options) &&
              is_safe(Method::trace));
  EXPECT_FALSE(is_safe(Method::put) || is_safe(Method::other));
  EXPECT_TRUE(is_idempotent(Method::put) && is_idempotent(Method::delete_) && is_idempotent(Method::get));
  EXPECT_FALSE(is_idempotent(Method::post) || is_idempotent(Method::patch) || is_idempotent(Method::other));
}

}  // namespace
}  // namespace weft::message
