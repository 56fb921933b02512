#include "control/reconcile/rollout.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace weft::control::reconcile {
namespace {

struct Case {
  const char* name;
  int replicas;
  bool may_create;
  /// One word for each instance: c (current) or o (old), + ready, - not, x leaving; the position is its
  /// number.
  std::vector<const char*> instances;
  int create;
  std::vector<std::string> stop;
};

class Rollouts : public testing::TestWithParam<Case> {};

TEST_P(Rollouts, Plans) {
  const auto& test = GetParam();
  std::vector<Candidate> candidates;
  for (const std::string word : test.instances) {
    const auto number = candidates.size();
    candidates.push_back(
        {std::to_string(number), word[0] == 'c', word[1] == '+', word.ends_with('x'), number});
  }
  auto rollout = plan_rollout(test.replicas, test.may_create, candidates);
  std::ranges::sort(rollout.stop);
  EXPECT_EQ(rollout.create, test.create);
  EXPECT_EQ(rollout.stop, test.stop);
}

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
        Case{"broken_old_ones_go_at_once", 3, true, {"o-", "o-", "o-"}, 3, {"0", "1", "2"}},
        Case{"a_broken_old_one_is_replaced_at_once", 3, true, {"o+", "o-", "o+"}, 1, {"1"}},
        Case{"nothing_is_replaced_behind_a_closed_gate", 2, false, {"o+", "o-"}, 0, {}},
        Case{"scale_down_behind_a_closed_gate", 1, false, {"o+", "o-"}, 0, {"1"}},
        Case{"a_broken_new_one_stops_the_rollout", 2, true, {"o+", "o+", "c-"}, 0, {}},
        Case{"scale_down_meanwhile", 1, true, {"o+", "o+", "c+"}, 0, {"0", "1"}}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace weft::control::reconcile
