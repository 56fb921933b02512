#include "model/env_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weft::model {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using Variables = std::vector<std::pair<std::string, std::string>>;

auto parse(std::string_view text) {
  return parse_env_file(text, [](const std::string& name) {
    return name == "FROM_HERE" ? std::optional<std::string>("here") : std::nullopt;
  });
}

TEST(EnvFile, IsReadAsDockerDoes) {
  struct Case {
    std::string text;
    Variables variables;
  };
  for (const auto& [text, variables] : {
           Case{"", {}},
           Case{"# note\n\n  \nA=1\n", {{"A", "1"}}},
           Case{"A=1\r\nB=2", {{"A", "1"}, {"B", "2"}}},
           Case{"\xEF\xBB\xBF"
                "A=1\n",
                {{"A", "1"}}},
           Case{"export A=1\nexport\tB=2\n", {{"A", "1"}, {"B", "2"}}},
           Case{"A = 1 \n", {{"A", "1"}}},
           Case{"A=\nB=\"\"\n", {{"A", ""}, {"B", ""}}},
           Case{"A=x # y\n", {{"A", "x # y"}}},
           Case{"A=b=c\n", {{"A", "b=c"}}},
           Case{"A=\" x \\\"y\\\"\\n\\\\ \\x$Z\"\n", {{"A", " x \"y\"\n\\ \\x$Z"}}},
           Case{"A='x\\n $Y'\n", {{"A", "x\\n $Y"}}},
           Case{"A=it's\n", {{"A", "it's"}}},
           Case{"FROM_HERE\n", {{"FROM_HERE", "here"}}},
       }) {
    const auto found = parse(text);
    ASSERT_TRUE(found) << text << ": " << found.error().message;
    EXPECT_EQ(*found, variables) << text;
  }
}

TEST(EnvFile, WhatIsWrongHasALineAndNoValue) {
  struct Case {
    std::string text;
    std::size_t line;
    std::string words;
  };
  for (const auto& [text, line, words] : {
           Case{"A=1\nB='hunter2\n", 2, "is not closed in this line"},
           Case{"A=\"hunter2\" x\n", 1, "follows its closing quote"},
           Case{"\nhunter2 and more\n", 2, "it is not NAME=VALUE"},
           Case{"=hunter2\n", 1, "it is not NAME=VALUE"},
           Case{"A B=hunter2\n", 1, "it is not NAME=VALUE"},
           Case{"A=1\n# x\nA=hunter2\n", 3, "also in line 1"},
           Case{"A='x\nhunter2\n'", 1, "is not closed in this line"},
           Case{"A=1\nhunter2\n", 2, "it has no =, and is no variable that is set here"},
       }) {
    const auto found = parse(text);
    ASSERT_FALSE(found) << text;
    EXPECT_EQ(found.error().line, line) << text;
    EXPECT_THAT(found.error().message, HasSubstr(words)) << text;
    EXPECT_THAT(found.error().message, Not(HasSubstr("hunter2"))) << text;
  }
}

}  // namespace
}  // namespace weft::model
