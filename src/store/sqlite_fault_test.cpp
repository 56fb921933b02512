// The faults of disks and processes: full, damaged, killed in the middle, a second process.
#include <gtest/gtest.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <fstream>

#include "store/change.h"
#include "store/sqlite.h"
#include "store/test_store.h"

namespace weft::store {
namespace {

class SqliteFaultTest : public StoreTest {
 protected:
  StoreErrorKind refusal() {
    auto opened = SqliteStore::open(reactor, base::Random(1), {.path = path()});
    if (opened) {
      ADD_FAILURE() << "it opened";
      return {};
    }
    detail = opened.error().detail;
    return opened.error().kind;
  }
  void execute(const char* sql) {
    sqlite3* handle = nullptr;
    ASSERT_EQ(sqlite3_open(path().c_str(), &handle), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(handle, sql, nullptr, nullptr, nullptr), SQLITE_OK) << sqlite3_errmsg(handle);
    sqlite3_close(handle);
  }
  /// Creates objects of 100 KB until the disk is full; how many there are then.
  std::size_t fill() {
    for (std::size_t count = 0; count < 100; ++count) {
      auto json = object("Deployment", "big-" + std::to_string(count));
      json["spec"]["text"] = std::string(100'000, 'x');
      const auto result = create(std::move(json));
      if (result) continue;
      EXPECT_EQ(result.error().kind, StoreErrorKind::full) << result.error().detail;
      return count;
    }
    ADD_FAILURE() << "the disk did not fill";
    return 0;
  }

  std::string detail;
};

TEST_F(SqliteFaultTest, AFullDiskRefusesChangesAndLosesNothing) {
  open(/*max_pages=*/100);
  const auto count = fill();
  EXPECT_GT(count, 0U);
  EXPECT_EQ(store->list("Deployment").objects.size(), count);

  // What is in memory works on, changes of what failed find no trace of it.
  EXPECT_TRUE(create(object("Pod", "web-0")).has_value());
  const auto failed = deployment("big-" + std::to_string(count));
  EXPECT_EQ(store->get(failed), nullptr);
  EXPECT_EQ(remove(failed).error().kind, StoreErrorKind::not_found);

  open();
  EXPECT_EQ(store->list("Deployment").objects.size(), count);
  EXPECT_TRUE(create(object("Deployment", "web")).has_value());
}

TEST_F(SqliteFaultTest, SpaceThatIsFreedIsUsedAgain) {
  open(/*max_pages=*/100);
  const auto count = fill();
  ASSERT_TRUE(remove(deployment("big-0")).has_value());
  auto json = object("Deployment", "big-" + std::to_string(count));
  json["spec"]["text"] = std::string(100'000, 'x');
  EXPECT_TRUE(create(json).has_value());
  EXPECT_EQ(store->list("Deployment").objects.size(), count);
}

TEST_F(SqliteFaultTest, WhatRestsOnAFailedChangeFailsWithIt) {
  open(/*max_pages=*/100);
  ASSERT_TRUE(create(object("Deployment", "web")).has_value());
  auto big = object("Deployment", "web");
  big["spec"]["text"] = std::string(1'000'000, 'x');
  auto watch = store->watch("Pod", version());
  std::vector<runtime::Task<Result<Object>>> tasks;
  tasks.push_back(store->update(big));
  tasks.push_back(store->update(object("Deployment", "web", 7)));
  tasks.push_back(store->create(object("Deployment", "web")));
  tasks.push_back(store->create(object("Pod", "web-0")));
  const auto results = run_all(reactor, std::move(tasks));
  for (std::size_t i = 0; i < 3; ++i) {
    ASSERT_FALSE(results[i].has_value()) << i;
    EXPECT_EQ(results[i].error().kind, StoreErrorKind::full) << i;
  }
  EXPECT_TRUE(results[3].has_value()) << "it is in memory only";
  EXPECT_EQ(store->get(deployment("web"))->at("spec").at("replicas"), 1);
  const auto events = reactor.block_on((*watch)->next());
  ASSERT_EQ(events->size(), 1U);
  EXPECT_EQ((*events)[0].key.kind, "Pod");
  EXPECT_TRUE(update(object("Deployment", "web", 2)).has_value());
}

unsigned mode_of(const std::string& path) {
  struct stat found{};
  return ::stat(path.c_str(), &found) == 0 ? found.st_mode & 0777U : 0;
}

TEST_F(SqliteFaultTest, ItsFilesAreForNobodyElseWhateverTheUmaskAndTheFolder) {
  std::filesystem::permissions(folder.path(), std::filesystem::perms::all);
  const auto mask = ::umask(0);
  for (const auto* beside : {"", "-wal", ".lock"}) std::ofstream(path() + beside).close();
  EXPECT_EQ(mode_of(path()), 0666U);
  open();
  ASSERT_TRUE(create(object("Deployment", "web")).has_value());
  for (const auto& entry : std::filesystem::directory_iterator(folder.path()))
    EXPECT_EQ(mode_of(entry.path()), 0600U) << entry.path();
  ::umask(mask);
}

TEST_F(SqliteFaultTest, AReadOnlyFileSystemIsReadAndWrittenAgainOnceItCanBe) {
  const auto mounted = folder.file("small");
  std::filesystem::create_directory(mounted);
  if (::mount("tmpfs", mounted.c_str(), "tmpfs", 0, "size=4m") != 0) {
    GTEST_SKIP() << "cannot mount a small tmpfs: " << std::strerror(errno);
  }
  const auto remount = [&](unsigned long flags) {
    ASSERT_EQ(::mount("tmpfs", mounted.c_str(), "tmpfs", MS_REMOUNT | flags, "size=4m"), 0)
        << std::strerror(errno);
  };
  const auto open_there = [&] {
    store.reset();
    auto opened = SqliteStore::open(reactor, base::Random(++seed),
                                    {.path = mounted + "/store.db", .spare_folder = folder.path()});
    ASSERT_TRUE(opened.has_value()) << opened.error().detail;
    store = std::move(*opened);
  };
  open_there();
  ASSERT_TRUE(create(object("Deployment", "web")).has_value());
  const auto before = place(version());
  // As a process that was killed leaves it: its last changes are in the log beside the database alone.
  for (const auto* part : {"", "-wal"})
    std::filesystem::copy_file(mounted + "/store.db" + part, mounted + "/killed.db" + part);
  store.reset();
  for (const auto* part : {"", "-wal"})
    std::filesystem::rename(mounted + "/killed.db" + part, mounted + "/store.db" + part);
  remount(MS_RDONLY);
  open_there();
  EXPECT_NE(store->get(deployment("web")), nullptr);
  EXPECT_GT(place(version()), before);
  EXPECT_TRUE(create(object("Pod", "web-0")).has_value()) << "it is in memory only";
  const auto refused = create(object("Deployment", "cart"));
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().kind, StoreErrorKind::read_only) << refused.error().detail;
  remount(0);
  EXPECT_TRUE(create(object("Deployment", "cart")).has_value());
  open_there();
  EXPECT_NE(store->get(deployment("web")), nullptr);
  EXPECT_NE(store->get(deployment("cart")), nullptr);
  store.reset();
  ::umount(mounted.c_str());
}

TEST_F(SqliteFaultTest, AFullFileSystem) {
  const auto mounted = folder.file("small");
  std::filesystem::create_directory(mounted);
  if (::mount("tmpfs", mounted.c_str(), "tmpfs", 0, "size=1m") != 0) {
    GTEST_SKIP() << "cannot mount a small tmpfs: " << std::strerror(errno);
  }
  const auto open_there = [&] {
    store.reset();
    auto opened = SqliteStore::open(reactor, base::Random(++seed), {.path = mounted + "/store.db"});
    ASSERT_TRUE(opened.has_value()) << opened.error().detail;
    store = std::move(*opened);
  };
  open_there();
  ASSERT_TRUE(create(object("Deployment", "web")).has_value());
  // The ballast leaves no page free, so that not even the log can grow.
  std::ofstream(mounted + "/ballast") << std::string(2'000'000, 'x') << std::flush;
  fill();
  const auto kept = store->list("Deployment").objects.size();
  EXPECT_TRUE(create(object("Pod", "web-0")).has_value());
  const auto before = place(version());

  open_there();
  EXPECT_EQ(store->list("Deployment").objects.size(), kept);
  EXPECT_GT(place(version()), before) << "versions rise although none could be reserved";
  EXPECT_TRUE(create(object("Pod", "web-0")).has_value());

  std::filesystem::remove(mounted + "/ballast");
  EXPECT_TRUE(create(object("Deployment", "shop")).has_value());
  open_there();
  EXPECT_NE(store->get(deployment("shop")), nullptr);
  EXPECT_EQ(store->list("Deployment").objects.size(), kept + 1);
  store.reset();
  EXPECT_EQ(::umount2(mounted.c_str(), MNT_DETACH), 0);
}

/// In the child: creates objects one after the other and beside each other, and says the name of each that is
/// answered, until it is killed.
[[noreturn]] void create_until_killed(const std::string& path, int answered) {
  runtime::Reactor reactor;
  auto store = SqliteStore::open(reactor, base::Random(1), {.path = path});
  if (!store) ::_exit(1);
  for (int round = 0;; ++round) {
    std::vector<runtime::Task<Result<Object>>> tasks;
    for (int i = 0; i < 10; ++i) {
      tasks.push_back(
          (*store)->create(object("Deployment", std::to_string(round) + "-" + std::to_string(i))));
    }
    for (const auto& result : run_all(reactor, std::move(tasks))) {
      if (!result) ::_exit(2);
      const auto line = key_of(**result).name + "\n";
      if (::write(answered, line.data(), line.size()) != static_cast<ssize_t>(line.size())) ::_exit(3);
    }
  }
}

TEST_F(SqliteFaultTest, WhatWasAnsweredIsThereAfterAKill) {
  std::vector<std::string> answered;
  for (const std::size_t kill_after : {1U, 35U, 300U}) {
    SCOPED_TRACE(kill_after);
    std::filesystem::remove(path());
    std::filesystem::remove(path() + "-wal");
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) create_until_killed(path(), ends[1]);
    ::close(ends[1]);
    std::string text;
    char bytes[4096];
    ssize_t length = 0;
    bool killed = false;
    while ((length = ::read(ends[0], bytes, sizeof bytes)) > 0) {
      text.append(bytes, static_cast<std::size_t>(length));
      if (!killed && static_cast<std::size_t>(std::ranges::count(text, '\n')) >= kill_after) {
        ::kill(child, SIGKILL);
        killed = true;
      }
    }
    ::close(ends[0]);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status));

    open();
    std::istringstream lines(text.substr(0, text.rfind('\n') + 1));
    std::size_t count = 0;
    for (std::string name; std::getline(lines, name); ++count) {
      EXPECT_NE(store->get(deployment(name)), nullptr) << name << " was answered and is lost";
    }
    EXPECT_GE(count, kill_after);
    store.reset();
  }
}

TEST_F(SqliteFaultTest, ASecondProcessIsRefusedAndToldWhoHasTheStore) {
  open();
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const bool refused = refusal() == StoreErrorKind::locked;
    const bool names_holder = detail.find("process " + std::to_string(::getppid())) != std::string::npos;
    ::_exit(refused && names_holder ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  store.reset();
  open();
}

TEST_F(SqliteFaultTest, RefusesAFileThatIsNotItsOwn) {
  open();
  ASSERT_TRUE(create(object("Deployment", "web")).has_value());
  store.reset();
  struct Case {
    const char* sql;
    StoreErrorKind expected;
    const char* says;
  };
  const std::vector<Case> cases{
      {"PRAGMA user_version=2", StoreErrorKind::newer, "newer weft"},
      {"PRAGMA user_version=1; PRAGMA application_id=5", StoreErrorKind::corrupt, "another program"},
      {"PRAGMA user_version=0", StoreErrorKind::corrupt, "another program"},
      {"PRAGMA user_version=1; PRAGMA application_id=2003134068; UPDATE objects SET body='{'",
       StoreErrorKind::corrupt, "damaged"},
  };
  for (const auto& test : cases) {
    SCOPED_TRACE(test.sql);
    execute(test.sql);
    EXPECT_EQ(refusal(), test.expected);
    EXPECT_NE(detail.find(test.says), std::string::npos) << detail;
    EXPECT_NE(detail.find(path()), std::string::npos) << detail;
  }
}

TEST_F(SqliteFaultTest, RefusesADamagedFile) {
  open();
  for (int i = 0; i < 200; ++i) {
    ASSERT_TRUE(create(object("Deployment", "web-" + std::to_string(i))).has_value());
  }
  store.reset();
  const auto size = std::filesystem::file_size(path());
  struct Case {
    const char* name;
    std::size_t from;
    std::size_t to;
  };
  for (const auto& [name, from, to] : {Case{"pages", 4096, size}, Case{"header", 0, 100}}) {
    SCOPED_TRACE(name);
    {
      std::fstream file(path(), std::ios::in | std::ios::out | std::ios::binary);
      file.seekp(static_cast<std::streamoff>(from));
      file << std::string(to - from, '\x5a');
    }
    EXPECT_EQ(refusal(), StoreErrorKind::corrupt) << detail;
  }
}

TEST_F(SqliteFaultTest, SaysWhereItCannotWrite) {
  auto opened = SqliteStore::open(reactor, base::Random(1), {.path = folder.file("missing/store.db")});
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().kind, StoreErrorKind::io);
  EXPECT_NE(opened.error().detail.find("missing/store.db"), std::string::npos);
}

}  // namespace
}  // namespace weft::store
