#include "provider/process/volumes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>

namespace weft::provider::process {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

std::string read(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

mode_t mode_of(const std::string& path) {
  struct stat found{};
  return ::stat(path.c_str(), &found) == 0 ? found.st_mode & 07777U : 0;
}

class VolumesTest : public ::testing::Test {
 protected:
  VolumesTest() {
    std::string name = ::testing::TempDir() + "volumes.XXXXXX";
    root = ::mkdtemp(name.data());
  }
  ~VolumesTest() override { fs::remove_all(root); }

  Volumes volumes() const { return Volumes({root / "disk", root / "memory", root / "shared/home"}); }
  std::map<std::string, std::string> make(const std::vector<Volume>& all,
                                          const std::optional<Credentials>& owner = {},
                                          const std::string& id = "default/web") {
    auto made = volumes().make(id, all, owner);
    EXPECT_TRUE(made) << made.error().detail;
    if (!made) return {};
    return {made->begin(), made->end()};
  }
  static Volume files(std::vector<VolumeFile> all) {
    return {.name = "config", .variable = "C", .files = std::move(all), .host_path = {}};
  }
  static Volume empty(Volume::Kind kind) {
    return {.name = "scratch", .variable = "S", .kind = kind, .files = {}, .host_path = {}};
  }
  Volume host(Volume::HostType type, const std::string& path) {
    return {.name = "host",
            .variable = "H",
            .kind = Volume::Kind::on_host,
            .files = {},
            .host_path = root / path,
            .host_type = type};
  }

  fs::path root;
};

TEST_F(VolumesTest, FilesAreExchangedAtOneStroke) {
  const auto folder = make({files({{"a", "one", 0640}, {"x/b", "two", 0600}, {"gone", "", 0600}})}).at("C");
  EXPECT_EQ(read(folder + "/a"), "one");
  EXPECT_EQ(read(folder + "/x/b"), "two");
  EXPECT_EQ(mode_of(folder + "/a"), 0640U);
  EXPECT_EQ(mode_of(folder + "/x/b"), 0600U);
  EXPECT_EQ(mode_of(folder), 0700U);
  EXPECT_EQ(mode_of(fs::path(folder).parent_path()), 0700U);
  const auto version = fs::read_symlink(folder + "/..data");
  EXPECT_EQ(make({files({{"a", "one", 0640}, {"x/b", "two", 0600}, {"gone", "", 0600}})}).at("C"), folder);
  EXPECT_EQ(fs::read_symlink(folder + "/..data"), version) << "nothing has changed";
  // What reads the old ones goes on with them.
  std::ifstream open_before(folder + "/a");
  make({files({{"a", "three", 0600}, {"y", "new", 0600}})});
  EXPECT_EQ(read(folder + "/a"), "three");
  EXPECT_EQ(read(folder + "/y"), "new");
  EXPECT_FALSE(fs::exists(fs::symlink_status(folder + "/x")));
  EXPECT_FALSE(fs::exists(fs::symlink_status(folder + "/gone")));
  EXPECT_FALSE(fs::exists(folder / version)) << "the old version is gone";
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(open_before), {}), "one");
}

TEST_F(VolumesTest, WhatAKilledOneLeftHalfMadeIsMadeAnew) {
  const std::vector<VolumeFile> all{{"a", "one", 0600}};
  const auto folder = make({files(all)}).at("C");
  const auto version = fs::read_symlink(folder + "/..data");
  // Killed before the links, with the version half written.
  fs::remove(folder + "/..data");
  fs::remove(folder + "/a");
  fs::create_symlink("nowhere", folder + "/..data_tmp");
  std::ofstream(folder / version / "half") << "x";
  make({files(all)});
  EXPECT_EQ(read(folder + "/a"), "one");
  EXPECT_FALSE(fs::exists(folder / version / "half"));
}

TEST_F(VolumesTest, LinksThatAFullDiskOrAKillLeftOutAreMadeLater) {
  const std::vector<VolumeFile> all{{"a", "one", 0600}, {"x/b", "two", 0600}};
  const auto folder = make({files(all)}).at("C");
  fs::remove(folder + "/x");
  fs::create_symlink("..data/old", folder + "/old");
  make({files(all)});
  EXPECT_EQ(read(folder + "/x/b"), "two");
  EXPECT_FALSE(fs::exists(fs::symlink_status(folder + "/old")));
}

TEST_F(VolumesTest, AnEmptyOneThatWasNotYetItsOwnersIsGivenToHim) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root may give a folder to another user";
  const Credentials nobody{65534, 65534, {65534}};
  const auto folder = make({empty(Volume::Kind::on_disk)}, nobody).at("S");
  ASSERT_EQ(::chown(folder.c_str(), 0, 0), 0);  // as mkdir() leaves it
  make({empty(Volume::Kind::on_disk)}, nobody);
  struct stat found{};
  ASSERT_EQ(::stat(folder.c_str(), &found), 0);
  EXPECT_EQ(found.st_uid, nobody.uid);
  EXPECT_EQ(found.st_gid, nobody.gid);
}

TEST_F(VolumesTest, AnEmptyOneKeepsWhatIsInItUntilItIsRemoved) {
  const auto folder = make({empty(Volume::Kind::on_disk)}).at("S");
  EXPECT_TRUE(folder.starts_with((root / "disk").string()));
  std::ofstream(folder + "/note") << "mine";
  EXPECT_EQ(make({empty(Volume::Kind::on_disk)}).at("S"), folder);
  EXPECT_EQ(read(folder + "/note"), "mine");
  EXPECT_TRUE(make({empty(Volume::Kind::in_memory)}, {}, "default/other")
                  .at("S")
                  .starts_with((root / "memory").string()));
  volumes().remove("default/web");
  EXPECT_FALSE(fs::exists(folder));
  EXPECT_TRUE(fs::exists(root / "memory/default_other"));
  volumes().remove_others([](const std::string& id) { return id == "default/other"; });
  EXPECT_TRUE(fs::exists(root / "memory/default_other"));
  volumes().remove_others([](const std::string&) { return false; });
  EXPECT_FALSE(fs::exists(root / "memory/default_other"));
}

TEST_F(VolumesTest, RemovingFollowsNoLink) {
  const auto folder = make({empty(Volume::Kind::on_disk)}).at("S");
  fs::create_directory(root / "precious");
  std::ofstream(root / "precious/file") << "x";
  fs::create_directory_symlink(root / "precious", folder + "/link");
  volumes().clear();
  EXPECT_FALSE(fs::exists(folder));
  EXPECT_TRUE(fs::exists(root / "precious/file"));
}

TEST_F(VolumesTest, AFolderThatLeadsElsewhereIsRefused) {
  fs::create_directory(root / "precious");
  fs::create_directory(root / "memory");
  fs::create_directory_symlink(root / "precious", root / "memory/default_web");
  const auto made = volumes().make("default/web", {files({{"a", "x", 0600}})}, {});
  ASSERT_FALSE(made);
  EXPECT_THAT(made.error().detail, HasSubstr("cannot write"));
  EXPECT_TRUE(fs::is_empty(root / "precious"));
}

TEST_F(VolumesTest, APathOfTheMachineMustBeAsItIsSaid) {
  using Type = Volume::HostType;
  fs::create_directory(root / "folder");
  std::ofstream(root / "file") << "x";
  ASSERT_EQ(::mkfifo((root / "fifo").c_str(), 0600), 0);
  struct Case {
    Type type;
    const char* path;
    const char* words;  // of the error; null: none
  };
  for (const auto& [type, path, words] :
       {Case{Type::any, "folder", nullptr}, Case{Type::any, "file", nullptr},
        Case{Type::any, "none", "does not exist (volume host)"}, Case{Type::directory, "folder", nullptr},
        Case{Type::directory, "file", "is no folder"}, Case{Type::directory, "none", "does not exist"},
        Case{Type::file, "file", nullptr}, Case{Type::file, "folder", "is a folder"},
        Case{Type::file, "fifo", "is no regular file"}, Case{Type::file_or_create, "fifo", "no regular file"},
        Case{Type::directory_or_create, "made/x", nullptr}, Case{Type::file_or_create, "made/y", nullptr}}) {
    const auto made = volumes().make("default/web", {host(type, path)}, {});
    ASSERT_EQ(made.has_value(), words == nullptr) << path;
    if (words) EXPECT_THAT(made.error().detail, HasSubstr(words));
    if (!words) EXPECT_EQ(made->at(0).second, (root / path).string());
  }
  EXPECT_TRUE(fs::is_directory(root / "made/x"));
  EXPECT_TRUE(fs::is_regular_file(root / "made/y"));
}

TEST_F(VolumesTest, ParentsThatAreMadeAreNotForEverybodyToWriteInto) {
  const auto before = ::umask(0);
  const auto made = volumes().make("default/web", {host(Volume::HostType::file_or_create, "a/b/c")}, {});
  ::umask(before);
  ASSERT_TRUE(made);
  EXPECT_EQ(mode_of(root / "a"), 0755U);
  EXPECT_EQ(mode_of(root / "a/b"), 0755U);
}

TEST_F(VolumesTest, ThoseOfAnotherUserAreInHisReachAlone) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root may give a folder to another user";
  const Credentials nobody{65534, 65534, {65534}};
  const auto made = make({files({{"a", "x", 0600}}), empty(Volume::Kind::on_disk)}, nobody);
  struct stat found{};
  ASSERT_EQ(::stat((made.at("C") + "/a").c_str(), &found), 0);
  EXPECT_EQ(found.st_uid, nobody.uid);
  EXPECT_EQ(found.st_mode & 0777U, 0600U);
  // He may read the files and not exchange them for something else.
  ASSERT_EQ(::stat(made.at("C").c_str(), &found), 0);
  EXPECT_EQ(found.st_uid, 0U);
  EXPECT_EQ(found.st_gid, nobody.gid);
  EXPECT_EQ(found.st_mode & 0777U, 0750U);
  ASSERT_EQ(::stat(made.at("S").c_str(), &found), 0);
  EXPECT_EQ(found.st_uid, nobody.uid);
  EXPECT_EQ(found.st_mode & 0777U, 0700U);
  for (auto folder = fs::path(made.at("S")).parent_path(); folder != root; folder = folder.parent_path())
    EXPECT_EQ(mode_of(folder), 0711U) << folder;
}

TEST(Account, IsFoundByNameAndNumber) {
  const auto own = find_account({});
  ASSERT_TRUE(own);
  EXPECT_FALSE(own->credentials);
  EXPECT_FALSE(
      find_account({.user = std::to_string(::geteuid()), .group = std::to_string(::getegid())})->credentials);
  const auto none = find_account({.user = "no-such-user", .group = {}});
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().kind, ProviderErrorKind::wrong_config);
  EXPECT_THAT(none.error().detail, HasSubstr("no user no-such-user"));
  EXPECT_THAT(find_account({.user = {}, .group = "no-such-group"}).error().detail, HasSubstr("no group"));
  const auto other = find_account({.user = "nobody", .group = {}});
  if (::geteuid() != 0) {
    ASSERT_FALSE(other);
    EXPECT_THAT(other.error().detail, HasSubstr("only root may run it as user nobody"));
    return;
  }
  ASSERT_TRUE(other);
  EXPECT_EQ(other->credentials->uid, 65534U);
  EXPECT_EQ(other->credentials->groups.front(), other->credentials->gid);
  EXPECT_EQ(other->variables.at(1), (std::pair<std::string, std::string>("USER", "nobody")));
  const auto unknown = find_account({.user = "54321", .group = "7"});
  ASSERT_TRUE(unknown);
  EXPECT_EQ(unknown->credentials->uid, 54321U);
  EXPECT_EQ(unknown->credentials->gid, 7U);
  EXPECT_EQ(find_account({.user = "54321", .group = {}})->credentials->gid, 54321U) << "not root's group";
  EXPECT_THAT(find_account({.user = {}, .group = {}, .non_root = true}).error().detail,
              HasSubstr("runAsNonRoot"));
}

}  // namespace
}  // namespace weft::provider::process
