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
  EXPECT_EQ(watch.status().pid, -1);
  const auto replaced = watch.replace();
  ASSERT_FALSE(replaced);
  EXPECT_EQ(replaced.error().kind, ProviderErrorKind::not_seen) << "it is there, for all that is known";
  EXPECT_EQ(watch.status().pid, -1);
}

/// The keeper that started a supervisor, and then one that the supervisor has started.
TEST_F(KeeperWatchTest, TheNextOneStartsBeforeTheOneBeforeEnds) {
  auto first = runtime::spawn({.argv = {"/bin/sleep", "60"}});
  ASSERT_TRUE(first);
  watch.resume({.pidfd = first->pidfd.release(), .seen = {.pid = first->pid}});
  scope.spawn(watch.run());
  pid_t before = first->pid;
  for (int time = 0; time < 2; ++time) {
    ASSERT_TRUE(watch.replace());
    const auto now = watch.status();
    EXPECT_NE(now.pid, before);
    EXPECT_EQ(::kill(now.pid, 0), 0);
    siginfo_t end{};
    ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(before), &end, WEXITED | WNOWAIT), 0);
    EXPECT_EQ(end.si_status, SIGKILL);
    EXPECT_EQ(now.restarts, 0) << "nothing has failed";
    EXPECT_TRUE(now.last_exit.empty());
    before = now.pid;
  }
}

TEST_F(KeeperWatchTest, OneThatCannotBeStartedLeavesTheOneBefore) {
  auto first = runtime::spawn({.argv = {"/bin/sleep", "60"}});
  ASSERT_TRUE(first);
  KeeperWatch broken{fence, {"/there/is/none"}, lock};
  broken.resume({.pidfd = first->pidfd.release(), .seen = {.pid = first->pid}});
  scope.spawn(broken.run());
  const auto replaced = broken.replace();
  ASSERT_FALSE(replaced);
  EXPECT_EQ(replaced.error().detail, "cannot start /there/is/none: no such file or directory");
  EXPECT_EQ(broken.status().pid, first->pid);
  ::kill(first->pid, SIGKILL);
  siginfo_t end{};
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(first->pid), &end, WEXITED), 0);
  EXPECT_EQ(end.si_code, CLD_KILLED) << "until now it has lived";
  scope.cancel();
}

}  // namespace
}  // namespace weft::provider::process
