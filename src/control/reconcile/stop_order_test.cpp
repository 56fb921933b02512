#include "control/reconcile/stop_order.h"

#include <gtest/gtest.h>

namespace weft::control::reconcile {
namespace {

model::Ref named(const char* name) { return {model::DependencyKind::deployment, "default", name}; }

TEST(StopOrder, WaitsForDependentsThatStopToo) {
  StopEdges edges;
  edges.add(named("web"), named("cart"));
  edges.add(named("cart"), named("db"));
  std::set<model::Ref> leaving{named("web"), named("cart"), named("db")};
  const auto is_leaving = [&](const model::Ref& ref) { return leaving.contains(ref); };
  EXPECT_EQ(must_stop_before(edges, named("web"), is_leaving), nullptr);
  EXPECT_EQ(must_stop_before(edges, named("cart"), is_leaving)->name, "web");
  EXPECT_EQ(must_stop_before(edges, named("db"), is_leaving)->name, "cart");
  leaving = {named("db")};
  EXPECT_EQ(must_stop_before(edges, named("db"), is_leaving), nullptr);
  leaving = {named("cart"), named("db")};
  edges.forget(named("cart"));
  EXPECT_EQ(must_stop_before(edges, named("db"), is_leaving), nullptr);
}

TEST(StopOrder, ACycleDoesNotWaitForItself) {
  StopEdges edges;
  for (const auto& [from, to] : {std::pair("a", "b"), {"b", "c"}, {"c", "a"}, {"c", "d"}})
    edges.add(named(from), named(to));
  const auto all = [](const model::Ref&) { return true; };
  for (const auto* name : {"a", "b", "c"}) EXPECT_EQ(must_stop_before(edges, named(name), all), nullptr);
  EXPECT_EQ(must_stop_before(edges, named("d"), all)->name, "c");
}

}  // namespace
}  // namespace weft::control::reconcile
