// What is left of a process that has ended is not forgotten where another program goes on.
#include "provider/process/attendant.h"

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "provider/process/mesh_fixture_test.h"

namespace weft::provider::process {
namespace {

TEST(Attendant, OneOfWhomThereIsStillARestIsCarried) {
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);  // what outlives its parent falls to this process, as to a supervisor
  char folder[] = "/tmp/weft-attendant-XXXXXX";
  ASSERT_NE(::mkdtemp(folder), nullptr);
  runtime::Reactor reactor;
  Processes processes(reactor.clock());
  Fence fence{reactor, processes, "attendant" + std::to_string(::getpid()), std::nullopt, {}};
  const Program program{.argv = {"/bin/sh", "-c", "sleep 60 & exit 0"},
                        .environment = {{"PATH", "/usr/bin:/bin"}},
                        .directory = folder};
  const auto make = [&] {
    return std::make_unique<Attendant>(fence, "own", program, folder + std::string("/own.log"), LogLimits{},
                                       false);
  };
  const auto before = make();
  CarriedOwn carried;
  {
    runtime::Scope scope;
    scope.spawn([](Attendant& attendant) -> runtime::Task<void> { co_await attendant.run(true); }(*before));
    siginfo_t ended{};
    ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(before->status().pid), &ended, WEXITED | WNOWAIT), 0);
    processes.reap();  // from here on what it forked away is killed, which takes a moment
    carried = before->carry();
  }
  ASSERT_TRUE(carried.has_current);
  ASSERT_EQ(carried.runs.size(), 1U);
  EXPECT_EQ(carried.runs[0].main.status.code, 0);
  EXPECT_EQ(carried.seen.pid, -1);

  carried.runs[0].output.pipe = -1;  // the other one's
  const auto after = make();
  after->resume(carried);
  bool was_asked_to_end = false;
  runtime::Scope scope;
  scope.spawn([](Attendant& attendant, bool& by_itself) -> runtime::Task<void> {
    by_itself = co_await attendant.run(true);
  }(*after, was_asked_to_end));
  const auto is_over = [](runtime::Reactor& loop, runtime::Scope& tasks,
                          Processes& children) -> runtime::Task<void> {
    while (tasks.size() > 0 || !own_children().value_or(std::vector<pid_t>{}).empty()) {
      co_await loop.sleep(std::chrono::milliseconds(1));
      children.reap();
    }
  };
  EXPECT_TRUE(
      reactor.block_on(runtime::within(reactor, testing::patience, is_over(reactor, scope, processes))))
      << "nothing of it is left";
  EXPECT_TRUE(was_asked_to_end) << "its exit code still says so";
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace weft::provider::process
