#include <gtest/gtest.h>

#include "telemetry/samples.h"
#include "telemetry/shard.h"
#include "telemetry/trace_context.h"

namespace weft::telemetry {
namespace {

using namespace std::chrono_literals;

Ends ends(std::string source, std::string service) {
  Ends ends;
  ends.source_workload = std::move(source);
  ends.source_workload_namespace = "default";
  ends.service = std::move(service);
  ends.service_namespace = "default";
  return ends;
}

TEST(Histogram, BucketsAndQuantiles) {
  Histogram histogram;
  EXPECT_EQ(histogram.quantile_ms(0.5), 0);
  for (int i = 0; i < 98; ++i) histogram.observe(80us);
  histogram.observe(50us);  // the bound belongs to its bucket
  histogram.observe(100s);  // above all bounds
  EXPECT_EQ(histogram.count(), 100U);
  EXPECT_EQ(histogram.counts[0], 1U);
  EXPECT_EQ(histogram.counts[1], 98U);
  EXPECT_EQ(histogram.counts.back(), 1U);
  EXPECT_GT(histogram.quantile_ms(0.5), 0.05);
  EXPECT_LT(histogram.quantile_ms(0.5), 0.1);
  EXPECT_EQ(histogram.quantile_ms(1), latency_bounds_ms.back());
  histogram.observe(-1ns);
  EXPECT_EQ(histogram.counts[0], 2U);
}

TEST(Shard, CountsByEndsAndOutcome) {
  Shard shard;
  auto& web = shard.ends(ends("web", "cart"));
  EXPECT_EQ(&web, &shard.ends(ends("web", "cart")));
  web.request(200, ResponseFlag::none, 1ms);
  web.request(200, ResponseFlag::none, 1ms);
  web.request(503, ResponseFlag::no_healthy_endpoint, 1ms);
  shard.ends(ends("edge", "web")).request(200, ResponseFlag::none, 1ms);
  auto samples = shard.read();
  EXPECT_EQ(samples.total("istio_requests_total"), 4U);
  EXPECT_EQ(samples.total("istio_requests_total", {{"source_workload", "web"}, {"response_code", "200"}}),
            2U);
  EXPECT_EQ(samples.total("istio_requests_total", {{"response_flags", "UH"}}), 1U);
  EXPECT_EQ(samples.total("istio_request_duration_milliseconds", {{"destination_service_name", "cart"}}), 3U);
  EXPECT_EQ(
      samples.total("istio_requests_total", {{"destination_service", "cart.default.svc.cluster.local"}}), 3U);
  EXPECT_EQ(samples.total("istio_tcp_connections_opened_total"), 0U);
  samples.merge(shard.read());
  EXPECT_EQ(samples.total("istio_requests_total"), 8U);
}

TEST(Shard, LabelSetsAreBounded) {
  Shard shard;
  for (std::size_t i = 0; i < Shard::max_ends + 10; ++i) {
    shard.ends(ends("w" + std::to_string(i), "s")).request(200, ResponseFlag::none, 1ms);
  }
  const auto samples = shard.read();
  EXPECT_EQ(samples.families().at("istio_requests_total").values.size(), Shard::max_ends + 1);
  EXPECT_EQ(samples.total("istio_requests_total", {{"source_workload", "other"}}), 10U);
}

TEST(Shard, OutcomesAreBounded) {
  Shard shard;
  auto& series = shard.ends(ends("a", "b"));
  for (int status = 100; status < 600; ++status) series.request(status, ResponseFlag::none, 1ms);
  const auto samples = shard.read();
  EXPECT_EQ(samples.families().at("istio_requests_total").values.size(), 65U);
  EXPECT_EQ(samples.total("istio_requests_total", {{"response_code", "163"}}), 1U);
  EXPECT_EQ(samples.total("istio_requests_total", {{"response_code", "other"}}), 436U);
  EXPECT_EQ(samples.total("istio_requests_total"), 500U);
}

TEST(Samples, LabelsAreEscaped) {
  EXPECT_EQ(render({{"a", "q\"b\\n\n"}, {"c", ""}}), R"(a="q\"b\\n\n",c="")");
}

TEST(TraceParent, Validity) {
  struct Case {
    std::string_view name, value;
    bool valid;
  };
  for (const auto& [name, value, valid] : std::initializer_list<Case>{
           {"good", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", true},
           {"later version with more", "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x", true},
           {"version 00 with more", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x", false},
           {"version ff", "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false},
           {"upper case", "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false},
           {"zero trace", "00-00000000000000000000000000000000-b7ad6b7169203331-01", false},
           {"zero parent", "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", false},
           {"short", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331", false},
           {"empty", "", false}}) {
    EXPECT_EQ(TraceParent::is_valid(value), valid) << name;
  }
}

TEST(TraceParent, StartedIsValidAndNew) {
  base::Random random(7);
  const auto first = TraceParent::started(random);
  const auto second = TraceParent::started(random);
  EXPECT_TRUE(TraceParent::is_valid(first.text()));
  EXPECT_NE(TraceParent::trace_id(first.text()), TraceParent::trace_id(second.text()));
  EXPECT_TRUE(first.text().ends_with("-00"));
}

TEST(ResponseFlag, LettersAndBack) {
  for (int i = 0; i <= static_cast<int>(ResponseFlag::downstream_timeout); ++i) {
    const auto flag = static_cast<ResponseFlag>(i);
    EXPECT_EQ(flag_of(letters(flag)), flag);
  }
  EXPECT_EQ(flag_of("whatever"), ResponseFlag::none);
}

}  // namespace
}  // namespace weft::telemetry
