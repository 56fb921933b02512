#include "export/counted.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace weft::exporter {
namespace {

using base::Json;
using telemetry::Histogram;
using telemetry::Kind;
using telemetry::Samples;

TEST(Counted, CountersAndHistogramsComeBackAndGaugesDoNot) {
  Histogram histogram;
  histogram.observe(std::chrono::milliseconds(3));
  histogram.observe(std::chrono::hours(1));
  Samples samples;
  samples.add("requests_total", "Requests.", Kind::counter, {{"code", "200"}, {"path", "\"\\\n"}}, 7);
  samples.add("requests_total", "Requests.", Kind::counter, {{"code", "503"}}, ~std::uint64_t{0});
  samples.add("connections", "Now.", Kind::gauge, std::string(), 3);
  samples.add("duration", "Time.", {{"code", "200"}}, histogram);
  auto read = read_counted(Json::parse(counted_json(samples).dump()));
  const auto& families = read.families();
  ASSERT_EQ(families.size(), 2U);
  const auto& requests = families.at("requests_total");
  EXPECT_EQ(requests.help, "Requests.");
  EXPECT_EQ(requests.kind, Kind::counter);
  EXPECT_EQ(requests.values, samples.families().at("requests_total").values);
  EXPECT_EQ(families.at("duration").kind, Kind::histogram);
  EXPECT_EQ(families.at("duration").histograms.begin()->second, histogram);
  // What goes on counting adds to them.
  read.merge(samples);
  EXPECT_EQ(read.total("requests_total", {{"code", "200"}}), 14U);
  EXPECT_EQ(read.total("duration"), 4U);
}

TEST(Counted, WhatHasNotTheFormIsPassedOver) {
  const auto with = [](const char* series) {
    return fmt::format(R"({{"a":{{"help":"h","series":{}}},"b":{{"help":"h","series":{{"":1}}}}}})", series);
  };
  for (const auto* series : {"7", "[]", R"({"":-1})", R"({"":"1"})", R"({"":1.5})", R"({"":{}})",
                             R"({"":{"counts":[1],"sumNs":1}})", R"({"":{"counts":7,"sumNs":1}})",
                             R"({"":{"sumNs":1}})", R"({"":null})"}) {
    SCOPED_TRACE(series);
    const auto read = read_counted(Json::parse(with(series)));
    EXPECT_EQ(read.total("a"), 0U);
    EXPECT_EQ(read.total("b"), 1U);
  }
  for (const auto* text : {"7", "[1]", R"({"a":1})", R"({"a":{"help":1,"series":{"":1}}})", "{}"}) {
    SCOPED_TRACE(text);
    EXPECT_TRUE(read_counted(Json::parse(text)).families().empty());
  }
}

}  // namespace
}  // namespace weft::exporter
