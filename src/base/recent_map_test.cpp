#include "base/recent_map.h"

#include <gtest/gtest.h>

#include <string>

namespace weft::base {
namespace {

TEST(RecentMap, ForOneMoreTheOneWhoseUseLiesLongestBackGoes) {
  RecentMap<std::string, int> map(2);
  map.put("a", 1);
  map.put("b", 2);
  ASSERT_NE(map.find("a"), nullptr);
  map.put("c", 3);
  EXPECT_EQ(map.find("b"), nullptr);
  EXPECT_EQ(*map.find("a"), 1);
  EXPECT_EQ(*map.find("c"), 3);
}

TEST(RecentMap, WhatIsPutInAnothersPlaceIsNotOneMore) {
  RecentMap<std::string, int> map(2);
  map.put("a", 1);
  map.put("b", 2);
  map.put("a", 3);
  EXPECT_EQ(map.size(), 2U);
  EXPECT_EQ(*map.find("a"), 3);
  map.put("c", 4);
  EXPECT_EQ(map.find("b"), nullptr);
}

TEST(RecentMap, WhatIsErasedIsGoneAndLeavesRoom) {
  RecentMap<std::string, int> map(1);
  map.erase("a");
  map.put("a", 1);
  map.erase("a");
  EXPECT_EQ(map.find("a"), nullptr);
  map.put("b", 2);
  EXPECT_EQ(map.size(), 1U);
}

}  // namespace
}  // namespace weft::base
