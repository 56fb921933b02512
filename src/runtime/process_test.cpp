// Child processes: what they get, how they end, what an exec that fails says.
#include "runtime/process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "runtime/socket.h"

namespace weft::runtime {
namespace {

const std::vector<std::string> environment = {"PATH=/usr/bin:/bin", "WORD=weft"};

/// Runs argv with a pipe as standard output; what it wrote, and how it ended.
std::pair<std::string, ExitStatus> run(std::vector<std::string> argv) {
  int pipe_fds[2];
  EXPECT_EQ(::pipe2(pipe_fds, O_CLOEXEC), 0);
  Fd reader(pipe_fds[0]);
  Fd writer(pipe_fds[1]);
  SpawnOptions options{.argv = std::move(argv), .environment = environment, .directory = "/"};
  options.fds = {{writer.get(), 1}};
  auto child = spawn(options);
  EXPECT_TRUE(child.has_value()) << child.error().message();
  writer.reset();
  std::string text;
  char buffer[4096];
  ssize_t got = 0;
  while ((got = ::read(reader.get(), buffer, sizeof buffer)) > 0)
    text.append(buffer, static_cast<std::size_t>(got));
  Reactor reactor;
  return {text, reactor.block_on(wait_exit(reactor, child->pidfd.get()))};
}

TEST(Spawn, GivesEnvironmentDirectoryAndExitCode) {
  const auto [text, status] = run({"sh", "-c", "echo $WORD $(pwd); exit 3"});
  EXPECT_EQ(text, "weft /\n");
  EXPECT_EQ(status, (ExitStatus{.code = 3}));
  EXPECT_EQ(status.to_string(), "exit code 3");
}

TEST(Spawn, PassesOnlyTheNamedDescriptors) {
  const Fd leaked(::open("/dev/zero", O_RDONLY));  // without close-on-exec
  const auto [text, status] = run({"/bin/sh", "-c", "ls /proc/self/fd | wc -l; readlink /proc/self/fd/0"});
  EXPECT_EQ(text, "4\n/dev/null\n");  // 0, 1, 2 and ls's own of the folder
  EXPECT_EQ(status.code, 0);
}

TEST(Spawn, ReportsAnExecThatFails) {
  EXPECT_EQ(spawn({.argv = {"/does/not/exist"}}).error().code, ENOENT);
  EXPECT_EQ(spawn({.argv = {"/etc/passwd"}}).error().code, EACCES);
  EXPECT_EQ(spawn({.argv = {"/bin/true"}, .directory = "/does/not/exist"}).error().code, ENOENT);
  EXPECT_EQ(spawn({}).error().code, EINVAL);
}

TEST(Spawn, TellsTheSignal) {
  auto child = spawn({.argv = {"/bin/sleep", "60"}, .parent_death_signal = SIGKILL});
  ASSERT_TRUE(child.has_value());
  ASSERT_TRUE(send_signal(child->pidfd.get(), SIGTERM).has_value());
  Reactor reactor;
  const auto status = reactor.block_on(wait_exit(reactor, child->pidfd.get()));
  EXPECT_EQ(status.to_string(), "signal 15 (SIGTERM)");
  EXPECT_EQ(send_signal(child->pidfd.get(), SIGTERM).error().code, ESRCH);
}

TEST(Spawn, ChildrenHaveTheFirstLimitOfDescriptors) {
  for (const rlim_t found : {256, 300}) {
    rlimit limit{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = found;
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
    raise_file_limit();
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
    EXPECT_GT(limit.rlim_cur, 300U) << "raised again when it was lowered";
    EXPECT_EQ(run({"sh", "-c", "ulimit -Sn"}).first, "256\n");
  }
}

TEST(Spawn, TakesFewDescriptorsMoreThanItsCallerHas) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit low = before;
  low.rlim_cur = 64;
  int output[2];
  ASSERT_EQ(::pipe2(output, O_CLOEXEC), 0);
  const Fd reader(output[0]);
  std::vector<Fd> all;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
  for (Fd next(::dup(0)); next; next = Fd(::dup(0))) all.push_back(std::move(next));
  all.resize(all.size() - 3);  // for the report's pipe and the pidfd
  SpawnOptions options;
  options.argv = {"/bin/sh", "-c", "exit 3"};
  options.fds = {{output[1], 1}, {output[1], 2}};
  auto child = spawn(options);
  all.clear();
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  ::close(output[1]);
  ASSERT_TRUE(child.has_value()) << child.error().message();
  Reactor reactor;
  EXPECT_EQ(reactor.block_on(wait_exit(reactor, child->pidfd.get())).code, 3);
}

TEST(Spawn, TheOutOfMemoryScoreIsTheChildsOwn) {
  const int own = oom_score_adj();
  SpawnOptions options;
  options.oom_score_adj = own + 7;  // higher is always allowed
  options.argv = {"sh", "-c", "exit $(($(cat /proc/self/oom_score_adj) - OWN))"};
  options.environment = {"PATH=/usr/bin:/bin", "OWN=" + std::to_string(own)};
  auto child = spawn(options);
  ASSERT_TRUE(child.has_value());
  Reactor reactor;
  EXPECT_EQ(reactor.block_on(wait_exit(reactor, child->pidfd.get())).code, 7);
  EXPECT_EQ(oom_score_adj(), own);
}

TEST(Spawn, ChildHasASessionOfItsOwn) {
  const auto [text, status] = run({"sh", "-c", "test $(cut -d' ' -f6 /proc/$$/stat) = $$ && echo leader"});
  EXPECT_EQ(text, "leader\n");
}

TEST(DescribeProcess, NamesTheProgramAndNeverItsArguments) {
  int pipe_fds[2];
  ASSERT_EQ(::pipe2(pipe_fds, O_CLOEXEC), 0);
  Fd ours(pipe_fds[1]);
  Fd its(pipe_fds[0]);
  SpawnOptions options{.argv = {"cat", "-", "hunter2"}, .environment = environment, .directory = "/"};
  options.fds = {{its.get(), 0}};
  auto child = spawn(options);
  ASSERT_TRUE(child.has_value()) << child.error().message();
  its.reset();
  const auto words = describe_process(child->pid);
  EXPECT_TRUE(words.starts_with(fmt::format("process {} (", child->pid))) << words;
  EXPECT_FALSE(words.contains("hunter2")) << words;
  ours.reset();  // it ends
  Reactor reactor;
  (void)reactor.block_on(wait_exit(reactor, child->pidfd.get()));
  EXPECT_EQ(describe_process(child->pid), fmt::format("process {}", child->pid));
}

}  // namespace
}  // namespace weft::runtime
