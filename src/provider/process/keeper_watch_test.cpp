// What a supervisor knows of its keeper is known to the program that goes on in its place.
#include "provider/process/keeper_watch.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

namespace weft::provider::process {
namespace {

class KeeperWatchTest : public ::testing::Test {
 protected:
  ~KeeperWatchTest() override {
    const auto started = watch.status().pid;
    if (started <= 0) return;
    ::kill(started, SIGKILL);
    ::waitpid(started, nullptr, 0);
  }

  runtime::Reactor reactor;
  Processes processes{reactor.clock()};
  Fence fence{reactor, processes, "keeper" + std::to_string(::getpid()), std::nullopt, {}};
  runtime::HomeLock lock = *runtime::HomeLock::inherited(runtime::Fd(::memfd_create("lock", MFD_CLOEXEC)));
  KeeperWatch watch{fence, {"/bin/sleep", "60"}, lock};
  runtime::Scope scope;
};

TEST_F(KeeperWatchTest, OneThatIsBeingReplacedHasNotFailed) {
  const CarriedKeeper carried{.seen = {.restarts = 3, .last_exit = "before"}, .is_asked = true};
  watch.resume(carried);
  EXPECT_TRUE(watch.carry().is_asked);
  scope.spawn(watch.run());
  const auto seen = watch.status();
  ASSERT_GT(seen.pid, 0) << "another one is started";
  EXPECT_EQ(seen.restarts, 3);
  EXPECT_EQ(seen.last_exit, "before");
  EXPECT_FALSE(watch.carry().is_asked);
}

TEST_F(KeeperWatchTest, OneThatIsNotSeenIsNotStartedOnceMore) {
  watch.resume({.is_kept = false});
  EXPECT_FALSE(watch.carry().is_kept);
  scope.spawn(watch.run());
  EXPECT_EQ(scope.size(), 0U) << "there is nothing to be watched";
  EXPECT_EQ(watch.status().pid, -1);
}

}  // namespace
}  // namespace weft::provider::process
