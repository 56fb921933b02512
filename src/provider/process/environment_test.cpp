#include "provider/process/environment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weft::provider::process {
namespace {

using ::testing::HasSubstr;

TEST(InstanceEnvironment, TellsWhereToListenAndLetsTheSpecWinElsewhere) {
  InstanceSpec spec;
  spec.environment = {{"MODE", "spec"}, {"PORT", "1"}, {"URL", "http://$(HOST):$(PORT)"}};
  auto environment = instance_environment(
      {{"PATH", "/bin"}, {"LANG", "C"}}, {{"MODE", "image"}, {"DEPTH", "1"}}, spec,
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
  ASSERT_TRUE(environment);
  EXPECT_EQ(environment->variables(), expected);
}

TEST(InstanceEnvironment, AValueUsesThoseThatStandBeforeIt) {
  InstanceSpec spec;
  spec.environment = {{"Z", "1"}, {"A", "$(Z)"}, {"PATH", "/opt:$(PATH)"}};
  auto environment = instance_environment({{"PATH", "/bin"}}, {}, spec, {});
  ASSERT_TRUE(environment);
  EXPECT_EQ(environment->variables().at("A"), "1");
  EXPECT_EQ(environment->variables().at("PATH"), "/opt:/bin");
}

TEST(InstanceEnvironment, WhatIsTooLargeIsNamed) {
  InstanceSpec spec;
  spec.environment = {{"A", std::string(100'000, 'x')}, {"B", "$(A)$(A)"}};
  auto environment = instance_environment({}, {}, spec, {});
  ASSERT_FALSE(environment);
  EXPECT_EQ(environment.error().kind, ProviderErrorKind::failed);
  EXPECT_THAT(environment.error().detail, HasSubstr("the variable B is longer than 131071 bytes"));
}

}  // namespace
}  // namespace weft::provider::process
