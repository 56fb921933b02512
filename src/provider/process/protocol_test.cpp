#include "provider/process/protocol.h"

#include <gtest/gtest.h>

namespace weft::provider::process {
namespace {

TEST(Protocol, ASpecArrivesAsItWasSent) {
  InstanceSpec spec;
  spec.id = "default/web-x2b4z";
  spec.image = "web:1";
  spec.command = {"run"};
  spec.args = {"a", "b c"};
  spec.environment = {{"A", "1"}};
  spec.working_directory = "/tmp";
  spec.ports = {{"http", 80}, {"", 81}};
  spec.grace = std::chrono::milliseconds(1500);
  spec.labels = {{"app", "web"}};
  auto back = spec_from_json(to_json(spec));
  ASSERT_TRUE(back) << back.error().detail;
  EXPECT_EQ(to_json(*back), to_json(spec));
  EXPECT_EQ(back->grace, spec.grace);
  EXPECT_EQ(back->ports[1].number, 81);
}

TEST(Protocol, AnInstanceArrivesAsItWasSent) {
  Instance instance;
  instance.id = "default/web-x2b4z";
  instance.pid = 42;
  instance.started_at = base::WallTime(std::chrono::seconds(7));
  instance.ports = {{{"http", 80}, base::Address::loopback(20001)}};
  instance.labels = {{"app", "web"}};
  instance.note = "ready";
  for (auto phase : {Phase::starting, Phase::running, Phase::stopping, Phase::exited}) {
    instance.phase = phase;
    auto back = instance_from_json(to_json(instance));
    ASSERT_TRUE(back) << back.error().detail;
    EXPECT_EQ(back->phase, phase);
    EXPECT_FALSE(back->exit);
    EXPECT_EQ(to_json(*back), to_json(instance));
  }
  instance.exit = Exit{std::nullopt, 9, base::WallTime(std::chrono::seconds(9))};
  auto back = instance_from_json(to_json(instance));
  ASSERT_TRUE(back && back->exit);
  EXPECT_EQ(back->exit->signal, 9);
  EXPECT_EQ(back->exit->at, instance.exit->at);
  EXPECT_EQ(back->ports[0].address, instance.ports[0].address);
}

TEST(Protocol, EveryKindOfErrorArrives) {
  for (auto kind :
       {ProviderErrorKind::image_not_found, ProviderErrorKind::image_not_executable,
        ProviderErrorKind::no_free_port, ProviderErrorKind::port_in_use, ProviderErrorKind::not_found,
        ProviderErrorKind::already_exists, ProviderErrorKind::unavailable, ProviderErrorKind::timed_out,
        ProviderErrorKind::failed}) {
    const ProviderError error{kind, "words"};
    EXPECT_EQ(error_from_json(to_json(error)), error);
  }
  EXPECT_EQ(error_from_json(base::Json::array()).kind, ProviderErrorKind::failed);
}

TEST(Protocol, WhatIsMalformedIsAnError) {
  for (const char* text : {"{}", "[]", "null", R"({"id": 1})", R"({"id": "a/b", "image": 3})"}) {
    auto json = base::Json::parse(text);
    EXPECT_FALSE(spec_from_json(json)) << text;
    EXPECT_FALSE(instance_from_json(json)) << text;
    EXPECT_FALSE(status_from_json(json)) << text;
  }
}

}  // namespace
}  // namespace weft::provider::process
