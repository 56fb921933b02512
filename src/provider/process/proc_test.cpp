#include "provider/process/proc.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "provider/process/cgroup.h"
#include "runtime/socket.h"

namespace weft::provider::process {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(Proc, FindsThisProcess) {
  auto all = all_processes();
  auto self = std::ranges::find_if(all, [](const auto& process) { return process.pid == getpid(); });
  ASSERT_NE(self, all.end());
  EXPECT_EQ(self->parent, getppid());
  EXPECT_EQ(self->session, getsid(0));
  EXPECT_GT(self->started, 0U);
}

TEST(Proc, DescendantsAreFoundInAnyOrderAndWithoutTheDead) {
  const std::vector<ProcessInfo> all = {
      {5, 4, 1, 'S'}, {4, 2, 1, 'S'}, {2, 1, 1, 'R'}, {3, 1, 1, 'S'}, {6, 2, 1, 'Z'}};
  std::vector<pid_t> found;
  for (const auto& process : with_descendants(all, [](const auto& each) { return each.pid == 2; })) {
    found.push_back(process.pid);
  }
  EXPECT_THAT(found, testing::UnorderedElementsAre(2, 4, 5));
}

TEST(Proc, NamesWhoListens) {
  auto socket = runtime::listen_on(base::Address::loopback(0));
  auto other = runtime::listen_on(base::Address::loopback(0));
  ASSERT_TRUE(socket && other);
  const auto port = runtime::local_address(socket->get()).port();
  const auto other_port = runtime::local_address(other->get()).port();
  const auto self = "process " + std::to_string(getpid());
  const base::MonoTime begin{};
  Holders holders;
  EXPECT_THAT(holders.describe(port, begin), HasSubstr(self));
  EXPECT_THAT(holders.describe(port, begin), HasSubstr(self)) << "it is known";
  EXPECT_EQ(holders.describe(other_port, begin), "a process of user " + std::to_string(geteuid()))
      << "not searched for again at once";
  EXPECT_THAT(holders.describe(other_port, begin + Holders::search_pause), HasSubstr(self));
  socket->reset();
  EXPECT_EQ(holders.describe(port, begin), "");
}

TEST(Cgroup, LimitsTheProcessesOfAnInstanceWhereTheKernelCountsThem) {
  char pattern[] = "/tmp/weft-cgroup-XXXXXX";
  const std::filesystem::path folder = mkdtemp(pattern);
  const auto limit = folder / "pids.max";
  std::ofstream(limit) << "max";
  const auto made = Cgroup::make(folder);
  ASSERT_TRUE(made);
  std::string text;
  std::ifstream(limit) >> text;
  EXPECT_THAT(text, testing::StartsWith("4096")) << "a file of the kernel's takes a whole write as its value";
  EXPECT_FALSE(cgroup_limits_processes(folder));
  std::ofstream(folder / "cgroup.subtree_control") << "cpu pids";
  EXPECT_TRUE(cgroup_limits_processes(folder));
  std::filesystem::remove_all(folder);
}

TEST(Cgroup, MountsAreReadFromMountinfo) {
  EXPECT_THAT(cgroup2_mounts("31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n"
                             "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime shared:4 - cgroup2 cgroup2 rw\n"
                             "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"),
              ElementsAre("/sys/fs/cgroup/unified"));
  EXPECT_THAT(cgroup2_mounts(""), IsEmpty());
  EXPECT_THAT(cgroup2_mounts("nonsense - cgroup2 x\n"), IsEmpty());
}

}  // namespace
}  // namespace weft::provider::process
