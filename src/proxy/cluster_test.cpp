// The balancer's choice and the endpoints' states.
#include "proxy/cluster.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "base/clock.h"

namespace weft::proxy {
namespace {

using snapshot::LoadBalancing;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::Not;

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
  /// Of each number how often it is picked.
  std::map<int, int> counts(int count) {
    std::map<int, int> counts;
    for (int i = 0; i < count; ++i) ++counts[pick()];
    return counts;
  }
  /// A worker's or context's own.
  void make_another() { cluster_ = LocalPtr(new ClusterState(reactor_, limits_, counters_, random_)); }
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
  EXPECT_THAT("1231231231", HasSubstr(picks(7)));
}

TEST_F(ClusterTest, RoundRobinByWeightIsSmooth) {
  update(LoadBalancing::round_robin, {{1, 5}, {2, 1}, {3, 1}});
  counts(7);  // where it began does not matter from here on
  const auto text = picks(14);
  EXPECT_EQ(text.substr(0, 7), text.substr(7));
  EXPECT_EQ(std::ranges::count(text, '1'), 10);
  EXPECT_THAT(text, Not(AnyOf(HasSubstr("22"), HasSubstr("23"), HasSubstr("32"), HasSubstr("33"))));
}

TEST_F(ClusterTest, TheFirstTurnBeginsAnywhere) {
  for (const auto policy : {LoadBalancing::round_robin, LoadBalancing::least_request}) {
    for (const std::uint32_t weight : {1U, 3U}) {
      std::map<int, int> first;
      for (int i = 0; i < 400; ++i) {
        make_another();
        update(policy, {{1, weight}, {2}, {3}, {4}});
        ++first[pick()];
      }
      for (int number = 1; number <= 4; ++number) EXPECT_GT(first[number], 20) << number << " of " << weight;
    }
  }
}

TEST_F(ClusterTest, TheTurnGoesOnAfterAChange) {
  update(LoadBalancing::round_robin, {{1}, {2}, {3}, {4}});
  while (pick() != 2) {
  }
  update(LoadBalancing::round_robin, {{5}, {1}, {2}, {3}, {4}});
  EXPECT_EQ(picks(2), "34") << "one came before them";
  update(LoadBalancing::round_robin, {{1}, {2}, {3}, {4, 1, snapshot::Health::draining}});
  EXPECT_EQ(pick(), 1) << "of 5, 1, ... the next that is left";
  update(LoadBalancing::round_robin, {{1}, {3}});
  EXPECT_EQ(pick(), 3) << "2 is gone";
  update(LoadBalancing::round_robin, {{3}, {1}, {4}});
  EXPECT_EQ(pick(), 1);
}

TEST_F(ClusterTest, LeastRequestLooksAtTwo) {
  update(LoadBalancing::least_request, {{1}, {2}});
  cluster_->endpoints()[0]->active = 1;
  EXPECT_EQ(counts(1000), (std::map<int, int>{{2, 1000}}));
}

TEST_F(ClusterTest, OnlyHealthyOnes) {
  update(LoadBalancing::round_robin,
         {{1, 1, snapshot::Health::unhealthy}, {2}, {3, 1, snapshot::Health::draining}, {4, 0}, {5}});
  EXPECT_THAT("25252", HasSubstr(picks(4)));
  update(LoadBalancing::round_robin, {{1, 1, snapshot::Health::unhealthy}});
  EXPECT_EQ(pick(), 0);
}

TEST_F(ClusterTest, EqualLoadsAreServedInTurn) {
  update(LoadBalancing::least_request, {{1}, {2}, {3}});
  EXPECT_THAT("12312312", HasSubstr(picks(6)));
}

TEST_F(ClusterTest, LeastRequestAvoidsTheBusy) {
  update(LoadBalancing::least_request, {{1}, {2}, {3}});
  for (int i : {0, 1}) cluster_->endpoints()[i]->active = 100;
  // In its own turns, and in the half of the others' that draws it.
  EXPECT_NEAR(counts(1500)[3], 1000, 60);
}

TEST_F(ClusterTest, LeastRequestLooksAtLoadByWeight) {
  update(LoadBalancing::least_request, {{1, 10}, {2, 1}});
  cluster_->endpoints()[0]->active = 4;
  cluster_->endpoints()[1]->active = 1;
  auto picked = counts(1000);
  EXPECT_GT(picked[1], picked[2]);
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
