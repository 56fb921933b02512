#include "decide/retry.h"

#include <gtest/gtest.h>

namespace weft::decide {
namespace {

constexpr auto none = Effect::none;
constexpr auto possible = Effect::possible;
constexpr auto certain = Effect::certain;

TEST(MayRetry, Table) {
  struct Case {
    std::string_view name;
    Failed failed;
    Retry expected;
  };
  for (const auto& [name, failed, expected] : std::initializer_list<Case>{
           {"no effect: elsewhere, at once, whatever the method", {.effect = none}, Retry::at_once},
           {"no effect, again: after a pause", {.effect = none, .attempts = 2}, Retry::later},
           {"four attempts are the most", {.effect = none, .attempts = 4}, Retry::no},
           {"a possible effect of what asks for nothing",
            {.effect = possible, .is_safe = true},
            Retry::later},
           {"of what asks for something", {.effect = possible, .is_safe = false}, Retry::no},
           {"a second possible effect",
            {.effect = possible, .before = possible, .attempts = 2, .is_safe = true},
            Retry::no},
           {"no effect after a possible one: the risk is the same",
            {.effect = none, .before = possible, .attempts = 2, .is_safe = true},
            Retry::later},
           {"a certain effect, also of what asks for nothing",
            {.effect = certain, .is_safe = true},
            Retry::no},
           {"the budget is for possible effects",
            {.effect = possible, .is_safe = true, .is_within_budget = false},
            Retry::no},
           {"and not for those without", {.effect = none, .is_within_budget = false}, Retry::at_once},
           {"the body is not at hand", {.effect = none, .is_at_hand = false}, Retry::no},
           {"no endpoint is left", {.effect = none, .has_target = false}, Retry::no},
           {"no time is left", {.effect = none, .has_time = false}, Retry::no},
       }) {
    EXPECT_EQ(may_retry(failed), expected) << name;
  }
}

TEST(MayRetry, EffectsOfTwoAttempts) {
  EXPECT_EQ(both(none, none), none);
  EXPECT_EQ(both(none, possible), possible);
  EXPECT_EQ(both(possible, none), possible);
  EXPECT_EQ(both(possible, possible), certain);
  EXPECT_EQ(both(possible, certain), certain);
  EXPECT_EQ(both(certain, none), certain);
}

TEST(MayRetry, PausesGrow) {
  EXPECT_EQ(pause_before_ms(1), 25U);
  EXPECT_EQ(pause_before_ms(2), 50U);
  EXPECT_EQ(pause_before_ms(3), 100U);
}

TEST(MayRetry, BudgetIsHalfOrAFew) {
  EXPECT_EQ(retry_budget(0), 32U);
  EXPECT_EQ(retry_budget(65), 32U);
  EXPECT_EQ(retry_budget(1000), 500U);
}

}  // namespace
}  // namespace weft::decide
