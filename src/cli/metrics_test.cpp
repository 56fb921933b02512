#include "cli/metrics.h"

#include <gtest/gtest.h>

#include <cmath>

namespace weft::cli {
namespace {

constexpr std::string_view text = R"(# HELP istio_requests_total requests
# TYPE istio_requests_total counter
istio_requests_total{reporter="source",source_workload="web",source_workload_namespace="default",destination_service_name="db",destination_service_namespace="default",response_code="200"} 3
istio_requests_total{reporter="source",source_workload="web",source_workload_namespace="default",destination_service_name="db",destination_service_namespace="default",response_code="503"} 1
istio_requests_total{reporter="destination",source_workload="web",source_workload_namespace="default",destination_service_name="db",destination_service_namespace="default",response_code="200"} 3
istio_requests_total{reporter="destination",source_workload="web",source_workload_namespace="default",destination_service_name="db",destination_service_namespace="default",response_code="500"} 1
istio_request_duration_milliseconds_bucket{reporter="destination",destination_service_name="db",destination_service_namespace="default",le="1"} 2
istio_request_duration_milliseconds_bucket{reporter="destination",destination_service_name="db",destination_service_namespace="default",le="5"} 4
istio_request_duration_milliseconds_bucket{reporter="destination",destination_service_name="db",destination_service_namespace="default",le="+Inf"} 4
odd{a="x\"y\\z\n"} 1.5e3 1700000000
broken{a="x 1
nonsense
)";

TEST(Metrics, ReadsTheTextFormat) {
  auto samples = parse_metrics(text);
  ASSERT_EQ(samples.size(), 8u);
  EXPECT_EQ(samples.back().name, "odd");
  EXPECT_EQ(samples.back().label("a"), "x\"y\\z\n");
  EXPECT_EQ(samples.back().value, 1500);
  EXPECT_EQ(samples.back().label("none"), "");
}

TEST(Metrics, SumsRequestsByEdge) {
  auto counts = requests_by_edge(parse_metrics(text));
  EXPECT_EQ((counts[{"source", "default/web", "default/db"}]), 4u);
  EXPECT_EQ((counts[{"destination", "default/web", "default/db"}]), 4u);
}

TEST(Metrics, DifferenceLeavesOutWhatDidNotMove) {
  EdgeCounts before{{{"source", "a", "b"}, 2}, {{"source", "a", "c"}, 5}, {{"source", "a", "d"}, 9}};
  EdgeCounts after{{{"source", "a", "b"}, 2}, {{"source", "a", "c"}, 7}, {{"source", "a", "d"}, 1}};
  EXPECT_EQ(difference(before, after), (EdgeCounts{{{"source", "a", "c"}, 2}, {{"source", "a", "d"}, 1}}));
}

TEST(Metrics, TrafficCountsFailuresAndLatency) {
  auto traffic = traffic_by_service(parse_metrics(text));
  ASSERT_TRUE(traffic.contains("default/db"));
  EXPECT_EQ(traffic["default/db"].requests, 4);
  EXPECT_EQ(traffic["default/db"].failures, 1);
  auto none = difference(traffic, traffic);
  EXPECT_EQ(none["default/db"].requests, 0);
  EXPECT_FALSE(quantile(none["default/db"].latency, 0.5));
}

TEST(Metrics, QuantileInterpolates) {
  const std::map<double, double> histogram{{1, 2}, {5, 4}, {INFINITY, 4}};
  EXPECT_DOUBLE_EQ(*quantile(histogram, 0.5), 1.0);
  EXPECT_DOUBLE_EQ(*quantile(histogram, 0.75), 3.0);
  EXPECT_DOUBLE_EQ(*quantile({{1, 0}, {INFINITY, 2}}, 0.5), 1.0);
  EXPECT_FALSE(quantile({}, 0.5));
}

}  // namespace
}  // namespace weft::cli
