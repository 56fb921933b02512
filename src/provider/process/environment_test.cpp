#include "provider/process/environment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weft::provider::process {
namespace {

using ::testing::HasSubstr;

TEST(InstanceEnvironment, TellsWhereToListenUnlessTheSpecDoes) {
  InstanceSpec spec;
  spec.environment = {
      {"MODE", "spec"}, {"HOST", "0.0.0.0"}, {"URL", "http://$(HOST):$(PORT)"}, {"PORT", "1"}};
  auto environment = instance_environment(
      {{"PATH", "/bin"}, {"LANG", "C"}}, {{"MODE", "image"}, {"DEPTH", "1"}}, spec,
      {{{"http", 80}, base::Address::loopback(20001)}, {{"web-admin", 81}, base::Address::loopback(20002)}});
  const Environment expected{{"PATH", "/bin"},
                             {"LANG", "C"},
                             {"MODE", "spec"},
                             {"DEPTH", "1"},
                             {"HOST", "0.0.0.0"},
                             {"PORT", "1"},
                             {"PORT_HTTP", "20001"},
                             {"PORT_WEB_ADMIN", "20002"},
                             {"URL", "http://0.0.0.0:20001"}};
  ASSERT_TRUE(environment);
  EXPECT_EQ(environment->variables(), expected);
}

TEST(InstanceEnvironment, SaysWhatItTellsOfEachPort) {
  const std::vector<BoundPort> ports{{{"http", 80}, base::Address::loopback(20001)},
                                     {{"web-admin", 81}, base::Address::loopback(20002)},
                                     {{"", 82}, base::Address::loopback(20003)}};
  const auto told = told_ports(
      {{"PORT", "20001"}, {"PORT_HTTP", "8080"}, {"PORT_WEB_ADMIN", "20002"}, {"PORT_", "1"}}, ports);
  ASSERT_EQ(told.size(), 3U);
  EXPECT_EQ(std::tuple(told[0].variable, told[0].number, told[0].own), std::tuple("PORT_HTTP", 20001, 8080));
  EXPECT_EQ(std::tuple(told[1].variable, told[1].number, told[1].own),
            std::tuple("PORT_WEB_ADMIN", 20002, 0));
  EXPECT_EQ(std::tuple(told[2].variable, told[2].number, told[2].own), std::tuple("", 20003, 0));
  for (const char* none : {"", "0", "70000", "-1", "80a", "tcp://10.0.0.1:80"}) {
    EXPECT_EQ(told_ports({{"PORT", none}}, ports).front().own, 0) << none;
  }
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
