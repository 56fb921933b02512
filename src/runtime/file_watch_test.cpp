#include "runtime/file_watch.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "runtime/combine.h"

namespace weft::runtime {
namespace {

class FileWatchTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/weft-file-watch-XXXXXX";
    ASSERT_NE(::mkdtemp(folder), nullptr);
    folder_ = folder;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string path(const std::string& name) const { return folder_ + "/" + name; }
  void write(const std::string& name, const std::string& text) const { std::ofstream(path(name)) << text; }
  /// Whether next() ends within a time that is long for a change and short for a test.
  bool sees_change(FileWatch& watch) {
    return reactor_.block_on(within(reactor_, std::chrono::milliseconds(50), watch.next()));
  }

  Reactor reactor_;
  std::string folder_;
};

TEST_F(FileWatchTest, SeesWhatIsWrittenInPlaceAndWhatIsRenamedOverIt) {
  write("file", "one");
  auto watch = FileWatch::of(reactor_, path("file"));
  ASSERT_TRUE(watch);
  EXPECT_FALSE(sees_change(*watch));
  write("file", "two and more");
  EXPECT_TRUE(sees_change(*watch));
  EXPECT_FALSE(sees_change(*watch));
  write("other", "three");
  EXPECT_FALSE(sees_change(*watch));
  std::filesystem::rename(path("other"), path("file"));
  EXPECT_TRUE(sees_change(*watch));
}

TEST_F(FileWatchTest, SeesAnotherTargetOfALink) {
  write("one", "1");
  write("two", "2");
  std::filesystem::create_symlink(path("one"), path("file"));
  auto watch = FileWatch::of(reactor_, path("file"));
  ASSERT_TRUE(watch);
  std::filesystem::create_symlink(path("two"), path("fresh"));
  std::filesystem::rename(path("fresh"), path("file"));
  EXPECT_TRUE(sees_change(*watch));
}

TEST_F(FileWatchTest, AFileThatGoesIsNoChangeUntilItIsBack) {
  write("file", "one");
  auto watch = FileWatch::of(reactor_, path("file"));
  ASSERT_TRUE(watch);
  std::filesystem::remove(path("file"));
  EXPECT_FALSE(sees_change(*watch));
  write("file", "another");
  EXPECT_TRUE(sees_change(*watch));
}

TEST_F(FileWatchTest, AFolderThatIsNotThere) {
  const auto watch = FileWatch::of(reactor_, path("nowhere/file"));
  ASSERT_FALSE(watch);
  EXPECT_EQ(watch.error().code, ENOENT);
}

}  // namespace
}  // namespace weft::runtime
