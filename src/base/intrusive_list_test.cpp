#include "base/intrusive_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

namespace weft::base {
namespace {

struct First;
struct Second;

struct Number : Link<First>, Link<Second> {
  explicit Number(int of) : value(of) {}
  int value;
};

template <class List>
std::vector<int> values(List& list) {
  std::vector<int> found;
  for (const auto& number : list) found.push_back(number.value);
  return found;
}

using testing::ElementsAre;
using testing::IsEmpty;
using Numbers = IntrusiveList<Number, First>;

TEST(IntrusiveList, KeepsItsOrderAndIsLeftFromAnyPlace) {
  Number one(1);
  Number three(3);
  std::optional<Number> two(2);
  Numbers list;
  EXPECT_THAT(values(list), IsEmpty());
  for (auto* number : {&one, &*two, &three}) list.push_back(*number);
  EXPECT_THAT(values(list), ElementsAre(1, 2, 3));
  EXPECT_EQ(&*std::ranges::find(list, 3, &Number::value), &three);
  two.reset();
  EXPECT_THAT(values(list), ElementsAre(1, 3));
  list.erase(one);
  EXPECT_FALSE(list.is_linked(one));
  EXPECT_TRUE(list.is_linked(three));
  list.push_back(one);
  EXPECT_THAT(values(list), ElementsAre(3, 1));
  list.erase(one);
  list.erase(one);
  EXPECT_EQ(list.front().value, 3);
  EXPECT_EQ(&list.pop_front(), &three);
  EXPECT_TRUE(list.empty());
}

TEST(IntrusiveList, IsOneOfSeveralForItsElements) {
  Number one(1);
  Number two(2);
  Numbers list;
  IntrusiveList<Number, Second> other;
  list.push_back(one);
  other.push_back(two);
  other.push_back(one);
  list.erase(one);
  EXPECT_THAT(values(list), IsEmpty());
  EXPECT_THAT(values(other), ElementsAre(2, 1));
}

TEST(IntrusiveList, IsTakenOver) {
  Number one(1);
  Number two(2);
  Numbers list;
  auto& left = list;  // what one that is taken over is afterwards is part of its contract
  Numbers nothing;
  EXPECT_TRUE(Numbers(std::move(nothing)).empty());
  list.push_back(one);
  list.push_back(two);
  {
    Numbers taken(std::move(list));
    EXPECT_TRUE(left.empty());
    Number three(3);
    left.push_back(three);
    EXPECT_THAT(values(taken), ElementsAre(1, 2));
  }
  EXPECT_FALSE(Numbers::is_linked(one)) << "the list has gone";
  EXPECT_TRUE(left.empty()) << "its element has gone";
}

}  // namespace
}  // namespace weft::base
