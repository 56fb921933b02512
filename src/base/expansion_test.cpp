#include "base/expansion.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace weft::base {
namespace {

std::string expand(std::string_view text, const std::map<std::string, std::string>& variables) {
  Expansion expansion(most_process_bytes);
  for (const auto& [name, value] : variables) EXPECT_TRUE(expansion.set(name, value));
  return expansion.argument(text).value_or("none");
}

TEST(Expansion, ReplacesWhatIsSetAsKubernetesDoes) {
  struct Case {
    const char* name;
    const char* text;
    const char* expected;
  };
  const Case cases[] = {
      {"plain", "plain", "plain"},
      {"one", "--port=$(PORT)", "--port=8080"},
      {"two", "$(PORT)-$(PORT)", "8080-8080"},
      {"an empty value", "a$(EMPTY)b", "ab"},
      {"what is not set stays", "$(NAME)", "$(NAME)"},
      {"what is not set stays whole, with what is within", "$(A$(PORT))", "$(A$(PORT))"},
      {"also an escape within it", "$(A$$B)", "$(A$$B)"},
      {"escaped", "$$(PORT)", "$(PORT)"},
      {"escaped twice", "$$$(PORT)", "$8080"},
      {"a value is not expanded again", "$(TEXT)", "$(PORT)"},
      {"a shell's own form stays", "$PORT ${PORT}", "$PORT ${PORT}"},
      {"no end", "$(PORT", "$(PORT"},
      {"no end, but an escape", "$(PORT $$ $(", "$(PORT $ $("},
      {"a dollar at the end", "5$", "5$"},
      {"nothing", "", ""},
  };
  for (const auto& c : cases)
    EXPECT_EQ(expand(c.text, {{"PORT", "8080"}, {"EMPTY", ""}, {"TEXT", "$(PORT)"}}), c.expected) << c.name;
}

TEST(Expansion, AValueUsesThoseBeforeItAndALaterOneReplacesAnEarlier) {
  Expansion expansion(most_process_bytes);
  EXPECT_TRUE(expansion.define("Z", "1"));
  EXPECT_TRUE(expansion.define("A", "$(Z)$(LATER)"));
  EXPECT_TRUE(expansion.define("LATER", "2"));
  EXPECT_TRUE(expansion.define("Z", "$(Z)0"));
  const std::map<std::string, std::string> expected{{"A", "1$(LATER)"}, {"LATER", "2"}, {"Z", "10"}};
  EXPECT_EQ(expansion.variables(), expected);
}

TEST(Expansion, IsBoundedHoweverMuchItStandsFor) {
  Expansion doubling(most_process_bytes);
  ASSERT_TRUE(doubling.set("A0", std::string(1000, 'x')));
  std::expected<void, ExpansionErrorKind> defined;
  int level = 0;
  while (defined && level < 60) {
    defined = doubling.define(fmt::format("A{}", level + 1), fmt::format("$(A{0})$(A{0})", level));
    ++level;
  }
  EXPECT_EQ(level, 8) << "256 kB are the first that are longer than one string may be";
  EXPECT_EQ(defined.error(), ExpansionErrorKind::string_too_long);

  Expansion wide(most_process_bytes);
  ASSERT_TRUE(wide.set("A", std::string(100'000, 'x')));
  int arguments = 0;
  while (wide.argument("$(A)")) ++arguments;
  EXPECT_EQ(arguments, 9);
  EXPECT_EQ(wide.argument("$(A)").error(), ExpansionErrorKind::all_too_large);
  EXPECT_TRUE(wide.argument("small")) << "what fits still does";
}

TEST(Expansion, CountsAsTheKernelDoes) {
  Expansion exact(most_string_bytes + 1 + sizeof(char*));
  EXPECT_EQ(exact.set("A", std::string(most_string_bytes - 1, 'x')).error(),
            ExpansionErrorKind::string_too_long);
  EXPECT_TRUE(exact.set("A", std::string(most_string_bytes - 2, 'x')));
  EXPECT_EQ(exact.argument("").error(), ExpansionErrorKind::all_too_large);
  EXPECT_TRUE(exact.set("A", "replaced")) << "what it had is free again";
  EXPECT_TRUE(exact.argument(""));
  EXPECT_EQ(exact.argument(std::string_view("a\0b", 3)).error(), ExpansionErrorKind::has_nul);
  EXPECT_EQ(exact.define("B", std::string_view("a\0b", 3)).error(), ExpansionErrorKind::has_nul);
}

TEST(Expansion, ANameThatIsSetOnlyLaterCountsAsMuchAsItIsTold) {
  Expansion expansion(most_container_bytes, std::string(runtime_value_bytes, 'x'));
  EXPECT_EQ(expansion.argument("$(DB_URL)").value().size(), runtime_value_bytes);
  EXPECT_EQ(expansion.argument("$(date)").value(), "$(date)") << "a shell's";
  int arguments = 1;
  while (expansion.argument("$(DB_URL)$(PORT)")) ++arguments;
  EXPECT_LT(arguments, 130);
}

}  // namespace
}  // namespace weft::base
