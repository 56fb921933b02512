// What generations have counted, whoever of them is asked.
#include "proxy/generations.h"

#include <gtest/gtest.h>

namespace weft::proxy {
namespace {

Relieved ended_with(std::uint64_t requests) {
  Relieved relieved;
  relieved.ended.add("requests", "Requests.", telemetry::Kind::counter, std::string(), requests);
  return relieved;
}

TEST(Generations, ASuccessorThatFailsLeavesTheCountsAsTheyWere) {
  runtime::Reactor reactor;
  Generations generations(reactor);
  generations.adopt(ended_with(1000));
  generations.adopt(generations.give_up());
  EXPECT_EQ(reactor.block_on(generations.counted()).total("requests"), 1000U);
}

}  // namespace
}  // namespace weft::proxy
