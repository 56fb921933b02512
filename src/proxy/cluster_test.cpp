// The balancer's choice and the endpoints' states.
#include "proxy/cluster.h"

#include <gtest/gtest.h>

#include <map>

#include "base/clock.h"

namespace weft::proxy {
namespace {

using snapshot::LoadBalancing;

class ClusterTest : public ::testing::Test {
 protected:
  struct Wanted {
    int number;
    std::uint32_t weight = 1;
    snapshot::Health health = snapshot::Health::healthy;
  };
  void update(LoadBalancing policy, const std::vector<Wanted>& endpoints) {
    snapshot::Cluster config;
    config.load_balancing = policy;
    for (const auto& [number, weight, health] : endpoints) {
      auto& endpoint = config.endpoints.emplace_back();
      endpoint.address = base::Address::loopback(static_cast<std::uint16_t>(number));
      endpoint.weight = weight;
      endpoint.health = health;
    }
    cluster_->update(config);
  }
  int pick() {
    auto* endpoint = cluster_->pick({}, false);
    return endpoint == nullptr ? 0 : endpoint->address().port();
  }
  std::string picks(int count) {
    std::string text;
    for (int i = 0; i < count; ++i) text += std::to_string(pick());
    return text;
  }

  base::ManualClock clock_;
  runtime::Reactor reactor_{clock_};
  Limits limits_;
  telemetry::ProxyCounters counters_;
  base::Random random_{1};
  LocalPtr<ClusterState> cluster_{new ClusterState(reactor_, limits_, counters_, random_)};
};

TEST_F(ClusterTest, RoundRobin) {
  update(LoadBalancing::round_robin, {{1}, {2}, {3}});
  EXPECT_EQ(picks(7), "1231231");
}

TEST_F(ClusterTest, RoundRobinByWeightIsSmooth) {
  update(LoadBalancing::round_robin, {{1, 5}, {2, 1}, {3, 1}});
  EXPECT_EQ(picks(14), "11213111121311");
}

TEST_F(ClusterTest, OnlyHealthyOnes) {
  update(LoadBalancing::round_robin,
         {{1, 1, snapshot::Health::unhealthy}, {2}, {3, 1, snapshot::Health::draining}, {4, 0}, {5}});
  EXPECT_EQ(picks(4), "2525");
  update(LoadBalancing::round_robin, {{1, 1, snapshot::Health::unhealthy}});
  EXPECT_EQ(pick(), 0);
}

TEST_F(ClusterTest, EqualLoadsAreServedInTurn) {
  update(LoadBalancing::least_request, {{1}, {2}, {3}});
  EXPECT_EQ(picks(6), "123123");
}

TEST_F(ClusterTest, LeastRequestAvoidsTheBusy) {
  update(LoadBalancing::least_request, {{1}, {2}});
  cluster_->endpoints()[0]->active = 100;
  std::map<int, int> counts;
  for (int i = 0; i < 1000; ++i) ++counts[pick()];
  // In half of the turns that are the busy one's, the other is drawn.
  EXPECT_NEAR(counts[2], 750, 60);
}

TEST_F(ClusterTest, LeastRequestLooksAtLoadByWeight) {
  update(LoadBalancing::least_request, {{1, 10}, {2, 1}});
  cluster_->endpoints()[0]->active = 4;
  cluster_->endpoints()[1]->active = 1;
  std::map<int, int> counts;
  for (int i = 0; i < 1000; ++i) ++counts[pick()];
  EXPECT_GT(counts[1], counts[2]);
}

TEST_F(ClusterTest, TriedOnesAreLeftOut) {
  for (const auto policy : {LoadBalancing::round_robin, LoadBalancing::least_request}) {
    update(policy, {{1}, {2}});
    const LocalPtr<EndpointState> tried[] = {cluster_->endpoints()[0]};
    for (int i = 0; i < 5; ++i) EXPECT_EQ(cluster_->pick(tried, false)->address().port(), 2);
    const LocalPtr<EndpointState> all[] = {cluster_->endpoints()[0], cluster_->endpoints()[1]};
    EXPECT_EQ(cluster_->pick(all, false), nullptr);
    EXPECT_NE(cluster_->pick(all, true), nullptr);
  }
}

TEST_F(ClusterTest, StatesStayWithTheirAddress) {
  update(LoadBalancing::round_robin, {{1}, {2}});
  const auto first = cluster_->endpoints()[0];
  first->active = 7;
  update(LoadBalancing::round_robin, {{3}, {1, 2}});
  EXPECT_EQ(cluster_->endpoints()[1], first);
  EXPECT_EQ(first->active, 7U);
  EXPECT_EQ(first->weight(), 2U);
  update(LoadBalancing::round_robin, {{3}});
  EXPECT_TRUE(first->is_retired());
}

}  // namespace
}  // namespace weft::proxy
