#include "snapshot/parts.h"

#include <gtest/gtest.h>

#include <string>

namespace weft::snapshot {
namespace {

struct Part {
  std::string name;
  int value = 0;
  friend bool operator==(const Part&, const Part&) = default;
};

std::string text(const Parts<Part>& parts) {
  std::string names;
  for (const auto& part : parts) names += part.name + std::to_string(part.value) + " ";
  return names;
}

TEST(Parts, ACopySharesWhatItDoesNotChange) {
  const Parts<Part> before{{"a", 1}, {"b", 2}};
  auto after = before;
  EXPECT_TRUE(after.is_same(before));
  after[1].value = 3;
  EXPECT_EQ(text(before), "a1 b2 ");
  EXPECT_EQ(text(after), "a1 b3 ");
  EXPECT_EQ(after.shared(0), before.shared(0));
  EXPECT_FALSE(after.is_same(before));
  EXPECT_NE(after, before);
  after[1].value = 2;
  EXPECT_EQ(after, before) << "equal, and not the same";
  EXPECT_FALSE(after.is_same(before));
  after.share(before);
  EXPECT_TRUE(after.is_same(before));
}

TEST(Parts, AreFoundByName) {
  Parts<Part> parts{{"b", 1}, {"d", 2}, {"a", 3}};
  parts.sort();
  EXPECT_EQ(text(parts), "a3 b1 d2 ");
  EXPECT_EQ(parts.place("b"), 1U);
  EXPECT_EQ(parts.place("c"), std::nullopt);
  EXPECT_EQ(parts.place("e"), std::nullopt);
  EXPECT_EQ(parts.find("d"), &std::as_const(parts)[2]);
  EXPECT_EQ(parts.find("c"), nullptr);
  parts.remove("b");
  parts.remove("c");
  EXPECT_EQ(text(parts), "a3 d2 ");
}

TEST(Parts, SharesWhatHasMoved) {
  const Parts<Part> before{{"b", 1}, {"c", 2}};
  Parts<Part> after{{"a", 0}, {"b", 1}, {"c", 3}};
  after.share(before);
  EXPECT_EQ(after.shared(1), before.shared(0));
  EXPECT_NE(after.shared(2), before.shared(1));
  EXPECT_EQ(text(after), "a0 b1 c3 ");
}

TEST(Parts, SharingComparesOnlyWhatIsNotTheSame) {
  static int comparisons;
  struct Counted {
    std::string name;
    bool operator==(const Counted& other) const { return ++comparisons > 0 && name == other.name; }
  };
  const Parts<Counted> before{{"a"}, {"b"}, {"c"}};
  auto after = before;
  after.replace(1, std::make_shared<const Counted>("b"));
  comparisons = 0;
  after.share(before);
  EXPECT_TRUE(after.is_same(before));
  EXPECT_EQ(comparisons, 1);
}

TEST(Parts, SortsWhatWasPutBehindAListInOrder) {
  Parts<Part> parts{{"b", 1}, {"d", 2}, {"e", 3}};
  parts.push_back({"d", 4});
  parts.push_back({"a", 5});
  parts.push_back({"f", 6});
  parts.sort();
  EXPECT_EQ(text(parts), "a5 b1 d2 d4 e3 f6 ");
}

TEST(Parts, TwiceTheSameNameStaysUntilItIsMadeUnique) {
  Parts<Part> parts{{"b", 1}, {"a", 1}, {"b", 1}};
  parts.sort();
  EXPECT_EQ(parts.size(), 3U) << "validate() must see it";
  parts.make_unique();
  EXPECT_EQ(text(parts), "a1 b1 ");
}

}  // namespace
}  // namespace weft::snapshot
