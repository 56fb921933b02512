#include "provider/process/environment.h"

#include <gtest/gtest.h>

namespace weft::provider::process {
namespace {

TEST(Expand, ReplacesWhatIsSet) {
  const Environment environment{{"PORT", "8080"}, {"EMPTY", ""}};
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
      {"escaped", "$$(PORT)", "$(PORT)"},
      {"a shell's own form stays", "$PORT ${PORT}", "$PORT ${PORT}"},
      {"no end", "$(PORT", "$(PORT"},
      {"a dollar at the end", "5$", "5$"},
  };
  for (const auto& c : cases) EXPECT_EQ(expand(c.text, environment), c.expected) << c.name;
}

TEST(InstanceEnvironment, TellsWhereToListenAndLetsTheSpecWinElsewhere) {
  auto environment = instance_environment(
      {{"PATH", "/bin"}, {"LANG", "C"}}, {{"MODE", "image"}, {"DEPTH", "1"}},
      {{"MODE", "spec"}, {"PORT", "1"}, {"URL", "http://$(HOST):$(PORT)"}},
      {{{"http", 80}, base::Address::loopback(20001)}, {{"web-admin", 81}, base::Address::loopback(20002)}});
  const Environment expected{{"PATH", "/bin"},
                             {"LANG", "C"},
                             {"MODE", "spec"},
                             {"DEPTH", "1"},
                             {"HOST", "127.0.0.1"},
                             {"PORT", "20001"},
                             {"PORT_HTTP", "20001"},
                             {"PORT_WEB_ADMIN", "20002"},
                             {"URL", "http://127.0.0.1:20001"}};
  EXPECT_EQ(environment, expected);
}

}  // namespace
}  // namespace weft::provider::process
