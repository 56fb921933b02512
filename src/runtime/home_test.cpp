#include "runtime/home.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <thread>

namespace weft::runtime {
namespace {

namespace fs = std::filesystem;

class HomeTest : public testing::Test {
 protected:
  HomeTest() {
    char pattern[] = "/tmp/weft-home-XXXXXX";
    root_ = mkdtemp(pattern);
    fs::create_directory(root_ / "run");
  }
  ~HomeTest() override { fs::remove_all(root_); }

  HomeSource source(uid_t uid) const {
    HomeSource source;
    source.user_home = root_ / "user";
    source.uid = uid;
    source.system_state = root_ / "var";
    source.system_run = root_ / "run" / "weft";
    source.temporary = root_;
    return source;
  }
  HomeSource own() const {
    auto own = source(geteuid());
    own.flag = root_ / "state";
    return own;
  }
  static mode_t mode(const std::string& path) {
    struct stat found{};
    return lstat(path.c_str(), &found) == 0 ? found.st_mode & 0777U : 0;
  }

  fs::path root_;
};

TEST_F(HomeTest, StateFolderIsFlagThenVariableThenDefault) {
  struct Case {
    const char* name;
    uid_t uid;
    const char* flag;
    const char* variable;
    fs::path expected;
  };
  const Case cases[] = {
      {"the flag wins", 1000, "/a/flag", "/a/variable", "/a/flag"},
      {"the variable", 1000, "", "/a/variable/", "/a/variable"},
      {"a user's default", 1000, "", "", root_ / "user/.local/share/weft"},
      {"root's default", 0, "", "", root_ / "var"},
      {"relative to the current folder", 1000, "x/../y", "", fs::canonical(fs::current_path()) / "y"},
  };
  for (const auto& c : cases) {
    auto from = source(c.uid);
    from.flag = c.flag;
    from.weft_home = c.variable;
    auto home = Home::resolve(from);
    ASSERT_TRUE(home) << c.name;
    EXPECT_EQ(home->state(), c.expected) << c.name;
  }
}

TEST_F(HomeTest, NoPlaceAtAllIsAnError) {
  auto from = source(1000);
  from.user_home.clear();
  auto home = Home::resolve(from);
  ASSERT_FALSE(home);
  EXPECT_EQ(home.error().kind, HomeErrorKind::unknown);
}

TEST_F(HomeTest, RunFolderIsRootsOrTheUsersRuntimeFolderOrTemporary) {
  auto root = Home::resolve(source(0));
  ASSERT_TRUE(root);
  EXPECT_EQ(fs::path(root->run()).parent_path() == root_ / "run" / "weft",
            access((root_ / "run").c_str(), W_OK) == 0);

  auto uid = geteuid() == 0 ? uid_t{1000} : geteuid();
  auto user = source(uid);
  auto plain = Home::resolve(user);
  ASSERT_TRUE(plain);
  EXPECT_EQ(fs::path(plain->run()).parent_path(), root_ / ("weft-" + std::to_string(uid)));

  user.xdg_runtime_dir = root_ / "xdg";
  fs::create_directory(user.xdg_runtime_dir);
  chmod(user.xdg_runtime_dir.c_str(), 0700);
  if (geteuid() == 0) ASSERT_EQ(chown(user.xdg_runtime_dir.c_str(), uid, 0), 0);
  EXPECT_EQ(fs::path(Home::resolve(user)->run()).parent_path(), root_ / "xdg/weft");

  chmod(user.xdg_runtime_dir.c_str(), 0755);
  EXPECT_EQ(Home::resolve(user)->run(), plain->run()) << "a folder that others may read is not used";
}

TEST_F(HomeTest, TwoHomesHaveDifferentRunFolders) {
  auto one = own();
  auto two = own();
  two.flag = root_ / "other";
  EXPECT_NE(Home::resolve(one)->run(), Home::resolve(two)->run());
  EXPECT_EQ(Home::resolve(one)->run(), Home::resolve(one)->run());
}

TEST_F(HomeTest, SocketPathsFitTheKernelsLimit) {
  auto from = source(1000);
  from.temporary = "/" + std::string(90, 't');
  auto home = Home::resolve(from);
  ASSERT_FALSE(home);
  EXPECT_EQ(home.error().kind, HomeErrorKind::path_too_long);
}

TEST_F(HomeTest, WhereAllRunFoldersLieSocketPathsFitToo) {
  const auto uid = geteuid() == 0 ? uid_t{1000} : geteuid();
  auto from = source(uid);
  from.xdg_runtime_dir = root_ / std::string(80, 'x');
  fs::create_directory(from.xdg_runtime_dir);
  chmod(from.xdg_runtime_dir.c_str(), 0700);
  if (geteuid() == 0) ASSERT_EQ(chown(from.xdg_runtime_dir.c_str(), uid, 0), 0);
  const auto parent = root_ / ("weft-" + std::to_string(uid));
  fs::create_directory(parent);
  chmod(parent.c_str(), 0700);
  if (geteuid() == 0) ASSERT_EQ(chown(parent.c_str(), uid, 0), 0);
  const auto shared = shared_run_folder(from);
  ASSERT_TRUE(shared) << shared.error().detail;
  EXPECT_EQ(*shared, parent);
  EXPECT_EQ(fs::path(Home::resolve(from)->run()).parent_path(), parent);
  from.temporary = "/" + std::string(90, 't');
  EXPECT_EQ(shared_run_folder(from).error().kind, HomeErrorKind::path_too_long);
}

TEST_F(HomeTest, PreparedFoldersArePrivateAndFoundFromAnotherEnvironment) {
  auto from = own();
  auto home = Home::resolve(from);
  ASSERT_TRUE(home);
  auto prepared = home->prepare();
  ASSERT_TRUE(prepared) << prepared.error().detail;
  EXPECT_EQ(mode(home->state()), 0700U);
  EXPECT_EQ(mode(home->logs()), 0700U);
  EXPECT_EQ(mode(home->run()), 0700U);
  ASSERT_TRUE(home->prepare()) << "a second time";

  from.temporary = "/elsewhere";
  from.system_run = "/nowhere/weft";
  EXPECT_EQ(Home::resolve(from)->run(), home->run());

  home->remove_run_folder();
  EXPECT_FALSE(fs::exists(home->run()));
  EXPECT_NE(Home::resolve(from)->run(), home->run());
}

TEST_F(HomeTest, FoldersOfOthersAreRefused) {
  auto from = own();
  auto home = Home::resolve(from);
  EXPECT_TRUE(home->check_state()) << "it can be made";
  fs::create_directory(home->state());
  chmod(home->state().c_str(), 0770);
  for (const auto& open : {home->check_state(), home->prepare()}) {
    ASSERT_FALSE(open);
    EXPECT_EQ(open.error().kind, HomeErrorKind::insecure);
  }
  chmod(home->state().c_str(), 0755);
  EXPECT_TRUE(home->prepare());
  EXPECT_TRUE(home->check_state());
  chmod(home->logs().c_str(), 0755);
  EXPECT_FALSE(home->check_state());
  chmod(home->logs().c_str(), 0700);

  chmod(home->state().c_str(), 01777);
  EXPECT_EQ(home->prepare().error().detail.find("chmod"), std::string::npos)
      << "that is /tmp, or one like it";
  chmod(home->state().c_str(), 0700);

  if (geteuid() != 0) return;
  ASSERT_EQ(chown(home->state().c_str(), 1, 1), 0);
  auto foreign = home->prepare();
  ASSERT_FALSE(foreign);
  EXPECT_EQ(foreign.error().kind, HomeErrorKind::insecure);
}

TEST_F(HomeTest, ARunFolderOfSomebodyElseIsSaidWithWhatHelps) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can make a folder for somebody else";
  auto from = source(1000);
  const auto parent = Home::resolve(from)->run().substr(0, Home::resolve(from)->run().rfind('/'));
  fs::create_directories(parent);
  for (const auto& [owner, permissions, words] :
       {std::tuple(uid_t{1001}, 0700, "set XDG_RUNTIME_DIR"), {uid_t{1000}, 0755, "run chmod 700"}}) {
    ASSERT_EQ(chown(parent.c_str(), owner, owner), 0);
    chmod(parent.c_str(), static_cast<mode_t>(permissions));
    const auto refused = Home::resolve(from);
    ASSERT_FALSE(refused) << words;
    EXPECT_EQ(refused.error().kind, HomeErrorKind::insecure);
    EXPECT_NE(refused.error().detail.find(words), std::string::npos) << refused.error().detail;
    EXPECT_EQ(refused.error().detail.find("--home"), std::string::npos) << refused.error().detail;
  }
}

TEST_F(HomeTest, WhatItMakesIsPrivateWhateverTheUmask) {
  auto home = Home::resolve(own());
  for (const mode_t mask : {0, 0177, 0777}) {
    fs::remove_all(home->state());
    home->remove_run_folder();
    const auto before = umask(mask);
    const auto prepared = home->prepare();
    const auto lock = HomeLock::take(home->supervisor_lock());
    umask(before);
    ASSERT_TRUE(prepared) << prepared.error().detail;
    ASSERT_TRUE(lock) << lock.error().detail;
    EXPECT_EQ(mode(home->state()), 0700U);
    EXPECT_EQ(mode(home->run()), 0700U);
    EXPECT_EQ(mode(home->supervisor_lock()), 0600U);
    EXPECT_FALSE(home->exposure());
  }
  chmod(home->state().c_str(), 0755);
  chmod(home->supervisor_lock().c_str(), 0644);
  EXPECT_NE(home->exposure()->find("chmod 700"), std::string::npos);
  ASSERT_TRUE(HomeLock::take(home->supervisor_lock()));
  EXPECT_EQ(mode(home->supervisor_lock()), 0600U) << "one that others could read is closed";
}

TEST_F(HomeTest, LockNamesItsHolder) {
  auto path = Home::resolve(own())->supervisor_lock();
  {
    auto first = HomeLock::take(path);
    ASSERT_TRUE(first) << first.error().detail;
    auto second = HomeLock::take(path);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().kind, HomeErrorKind::held);
    EXPECT_NE(second.error().detail.find("process " + std::to_string(getpid())), std::string::npos)
        << second.error().detail;
  }
  EXPECT_TRUE(HomeLock::take(path)) << "free again with its holder's end";
}

TEST_F(HomeTest, WhoLooksForTheHolderDoesNotKeepItFromTakingTheLock) {
  const auto path = Home::resolve(own())->supervisor_lock();
  ASSERT_TRUE(HomeLock::take(path));
  const std::jthread looks([&path](const std::stop_token& stop) {
    while (!stop.stop_requested()) (void)HomeLock::holder(path);
  });
  for (int i = 0; i < 500; ++i) {
    const auto lock = HomeLock::take(path);
    ASSERT_TRUE(lock) << lock.error().detail << " at attempt " << i;
  }
}

}  // namespace
}  // namespace weft::runtime
