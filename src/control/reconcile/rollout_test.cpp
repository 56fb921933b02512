#include "control/reconcile/rollout.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace weft::control::reconcile {
namespace {

struct Case {
  const char* name;
  int replicas;
  bool may_create;
  /// One word for each instance: c (current) or o (old), + available, - not, x leaving; the position is its
  /// number.
  std::vector<const char*> instances;
  int create;
  std::vector<std::string> stop;
};

class Rollouts : public testing::TestWithParam<Case> {};

void expect_plan(const Allowance& allowance, const Case& test) {
  std::vector<Candidate> candidates;
  for (const std::string word : test.instances) {
    const auto number = candidates.size();
    candidates.push_back(
        {std::to_string(number), word[0] == 'c', word[1] == '+', word.ends_with('x'), number});
  }
  auto rollout = plan_rollout(allowance, test.may_create, candidates);
  std::ranges::sort(rollout.stop);
  EXPECT_EQ(rollout.create, test.create);
  EXPECT_EQ(rollout.stop, test.stop);
}

TEST_P(Rollouts, Plans) { expect_plan({.replicas = GetParam().replicas}, GetParam()); }

INSTANTIATE_TEST_SUITE_P(
    Cases, Rollouts,
    testing::Values(
        Case{"from_nothing", 3, true, {}, 3, {}}, Case{"gate_closed", 3, false, {}, 0, {}},
        Case{"enough", 2, true, {"c+", "c+"}, 0, {}}, Case{"scale_up", 3, true, {"c+"}, 2, {}},
        Case{"one_failing_is_not_replaced", 2, true, {"c+", "c-"}, 0, {}},
        Case{"scale_down_takes_the_youngest", 1, true, {"c+", "c+", "c+"}, 0, {"1", "2"}},
        Case{"scale_down_takes_those_not_ready_first", 1, true, {"c-", "c+"}, 0, {"0"}},
        Case{"leaving_ones_do_not_count", 2, true, {"c+", "c+x"}, 1, {}},
        Case{"replacement_begins_with_one_more", 3, true, {"o+", "o+", "o+"}, 1, {}},
        Case{"replacement_waits_for_the_new_one", 3, true, {"o+", "o+", "o+", "c-"}, 0, {}},
        Case{"an_old_one_goes_when_the_new_one_is_ready", 3, true, {"o+", "o+", "o+", "c+"}, 0, {"2"}},
        Case{"the_next_waits_until_the_old_one_is_gone", 3, true, {"o+", "o+", "o+x", "c+"}, 0, {}},
        Case{"then_the_next_one", 3, true, {"o+", "o+", "c+"}, 1, {}},
        Case{"the_last_old_one", 3, true, {"o+", "c+", "c+", "c+"}, 0, {"0"}},
        Case{"broken_old_ones_go_at_once", 3, true, {"o-", "o-", "o-"}, 1, {"0", "1", "2"}},
        Case{"and_make_room_as_they_go", 3, true, {"o-x", "o-x", "c-"}, 1, {}},
        Case{"those_that_still_stop_count", 2, true, {"c+", "c+x", "c+x"}, 0, {}},
        Case{"a_broken_old_one_is_replaced_at_once", 3, true, {"o+", "o-", "o+"}, 1, {"1"}},
        Case{"nothing_is_replaced_behind_a_closed_gate", 2, false, {"o+", "o-"}, 0, {}},
        Case{"scale_down_behind_a_closed_gate", 1, false, {"o+", "o-"}, 0, {"1"}},
        Case{"a_broken_new_one_stops_the_rollout", 2, true, {"o+", "o+", "c-"}, 0, {}},
        Case{"scale_down_meanwhile", 1, true, {"o+", "o+", "c+"}, 0, {"0", "1"}}),
    [](const auto& info) { return std::string(info.param.name); });

class Recreations : public testing::TestWithParam<Case> {};

TEST_P(Recreations, Plans) {
  expect_plan({.replicas = GetParam().replicas, .surge = 0, .recreates = true}, GetParam());
}

INSTANTIATE_TEST_SUITE_P(
    Cases, Recreations,
    testing::Values(
        Case{"all_old_ones_stop_first", 2, true, {"o+", "o+"}, 0, {"0", "1"}},
        Case{"nothing_starts_beside_one_that_stops", 2, true, {"o+x"}, 0, {}},
        Case{"then_all_new_ones_start", 2, true, {}, 2, {}},
        Case{"not_behind_a_closed_gate", 2, false, {"o+", "o+"}, 0, {}},
        Case{"scale_up", 3, true, {"c+"}, 2, {}},
        Case{"what_began_beside_an_old_one_begins_anew", 2, true, {"o+", "c-", "c+"}, 0, {"0", "1"}},
        Case{"also_while_that_stops", 1, true, {"o+x", "c-"}, 0, {"1"}}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(Rollout, MaySurgeAndMissAsMuchAsIsSaid) {
  const Allowance wide{.replicas = 4, .surge = 2, .unavailable = 1};
  expect_plan(wide, {"", 4, true, {"o+", "o+", "o+", "o+"}, 2, {"3"}});
  expect_plan(wide, {"", 4, true, {"o+", "o+", "o+", "o+x", "c-"}, 1, {}});
  expect_plan(wide, {"", 4, true, {"o+", "o+", "o+", "c-", "c-"}, 1, {}});
  // No more processes than replicas: the next one starts once the one before it is gone.
  const Allowance narrow{.replicas = 2, .surge = 0, .unavailable = 1};
  expect_plan(narrow, {"", 2, true, {"o+", "o+"}, 0, {"1"}});
  expect_plan(narrow, {"", 2, true, {"o+", "o+x"}, 0, {}});
  expect_plan(narrow, {"", 2, true, {"o+"}, 1, {}});
  expect_plan(narrow, {"", 2, true, {"o+", "c-"}, 0, {}});
}

TEST(Rollout, RoundsAsKubernetesDoes) {
  const auto of = [](int replicas, model::IntOrPercent surge, model::IntOrPercent unavailable) {
    model::DeploymentSpec spec;
    spec.replicas = replicas;
    spec.strategy.rolling_update = {surge, unavailable};
    const auto allowance = allowance_of(spec);
    return std::pair(allowance.surge, allowance.unavailable);
  };
  constexpr model::IntOrPercent quarter{25, true};
  EXPECT_EQ(of(1, quarter, quarter), std::pair(1, 0));
  EXPECT_EQ(of(3, quarter, quarter), std::pair(1, 0));
  EXPECT_EQ(of(10, quarter, quarter), std::pair(3, 2));
  EXPECT_EQ(of(3, {0, false}, quarter), std::pair(0, 1)) << "something must give way";
  EXPECT_EQ(of(3, {2, false}, {1, false}), std::pair(2, 1));
  EXPECT_EQ(of(3, {100, true}, {0, true}), std::pair(3, 0));
}

}  // namespace
}  // namespace weft::control::reconcile
