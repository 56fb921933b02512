#include "runtime/file_watch.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>

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
  /// The same for a change that is made while it waits, of which it must be told.
  bool is_told(FileWatch& watch, std::function<void()> change) {
    std::vector<Task<void>> tasks;
    tasks.push_back(watch.next());
    tasks.push_back(soon(reactor_, std::move(change)));
    return reactor_.block_on(within(reactor_, std::chrono::milliseconds(50), all(std::move(tasks))));
  }
  static Task<void> soon(Reactor& reactor, std::function<void()> change) {
    co_await reactor.sleep(base::Duration::zero());
    change();
  }

  FileWatch watching(const std::string& path) {
    auto watch = FileWatch::make(reactor_);
    EXPECT_TRUE(watch && watch->add(path));
    return std::move(*watch);
  }
  /// Another link takes the place of `name`, as a person or Kubernetes does it: at once.
  void link(const std::string& target, const std::string& name) const {
    std::filesystem::create_symlink(target, path("fresh link"));
    std::filesystem::rename(path("fresh link"), path(name));
  }

  Reactor reactor_;
  std::string folder_;
};

TEST_F(FileWatchTest, SeesWhatIsWrittenInPlaceAndWhatIsRenamedOverIt) {
  write("file", "one");
  auto watch = watching(path("file"));
  EXPECT_FALSE(sees_change(watch));
  EXPECT_TRUE(is_told(watch, [&] { write("file", "two and more"); }));
  EXPECT_FALSE(sees_change(watch));
  write("other", "three");
  EXPECT_FALSE(sees_change(watch));
  EXPECT_TRUE(is_told(watch, [&] { std::filesystem::rename(path("other"), path("file")); }));
}

TEST_F(FileWatchTest, SeesAnotherTargetOfALink) {
  write("one", "1");
  write("two", "2");
  std::filesystem::create_symlink(path("one"), path("file"));
  auto watch = watching(path("file"));
  EXPECT_TRUE(is_told(watch, [&] { link(path("two"), "file"); }));
}

TEST_F(FileWatchTest, AFileThatGoesAndComesBack) {
  write("file", "one");
  auto watch = watching(path("file"));
  EXPECT_TRUE(is_told(watch, [&] { std::filesystem::remove(path("file")); }));
  EXPECT_FALSE(sees_change(watch));
  EXPECT_TRUE(is_told(watch, [&] { write("file", "another"); }));
  EXPECT_TRUE(is_told(watch, [&] { std::filesystem::rename(path("file"), path("elsewhere")); }));
}

TEST_F(FileWatchTest, OtherRightsAreAChange) {
  write("file", "one");
  auto watch = watching(path("file"));
  EXPECT_TRUE(is_told(
      watch, [&] { std::filesystem::permissions(path("file"), std::filesystem::perms::owner_read); }));
  EXPECT_FALSE(sees_change(watch));
}

TEST_F(FileWatchTest, AFolderThatComesLater) {
  auto watch = watching(path("later/deep/file"));
  EXPECT_FALSE(sees_change(watch));
  std::filesystem::create_directories(path("later/deep"));
  EXPECT_FALSE(sees_change(watch));
  EXPECT_TRUE(is_told(watch, [&] { write("later/deep/file", "one"); }));
  EXPECT_TRUE(is_told(watch, [&] { std::filesystem::remove_all(path("later")); }));
  EXPECT_TRUE(is_told(watch, [&] {
    std::filesystem::create_directories(path("later/deep"));
    write("later/deep/file", "another");
  }));
}

// mv tls tls.old; mv tls.new tls
TEST_F(FileWatchTest, AFolderThatIsRenamedForAnother) {
  const auto move = [&](const std::string& from, const std::string& to) {
    std::filesystem::rename(path(from), path(to));
  };
  for (const std::string moved : {"/tls", ""}) {
    SCOPED_TRACE("now" + moved);
    for (const auto* folder : {"now", "next"}) {
      std::filesystem::create_directories(path(folder) + "/tls");
      write(std::string(folder) + "/tls/file", folder);
    }
    auto watch = watching(path("now/tls/file"));
    EXPECT_TRUE(is_told(watch, [&] {
      move("now" + moved, "old");
      move("next" + moved, "now" + moved);
    }));
    EXPECT_FALSE(sees_change(watch));
    EXPECT_TRUE(is_told(watch, [&] { move("now" + moved, "gone"); }));
    EXPECT_TRUE(is_told(watch, [&] { move("gone", "now" + moved); }));
    EXPECT_TRUE(is_told(watch, [&] { write("now/tls/file", "in place"); }));
    for (const auto* left : {"old", "next", "now"}) std::filesystem::remove_all(path(left));
  }
}

// /certs/tls.crt -> ..data/tls.crt, ..data -> ..1, which becomes ..2.
TEST_F(FileWatchTest, AFolderThatKubernetesSwaps) {
  for (const auto* version : {"..1", "..2"}) {
    std::filesystem::create_directory(path(version));
    write(std::string(version) + "/tls.crt", version);
  }
  link("..1", "..data");
  link("..data/tls.crt", "tls.crt");
  auto watch = watching(path("tls.crt"));
  EXPECT_FALSE(sees_change(watch));
  EXPECT_TRUE(is_told(watch, [&] { link("..2", "..data"); }));
  EXPECT_FALSE(sees_change(watch));
  EXPECT_TRUE(is_told(watch, [&] { write("..2/tls.crt", "in place"); }));
}

// releases/current/file, where `current` is a link to a folder elsewhere.
TEST_F(FileWatchTest, ALinkInTheMiddleOfThePath) {
  for (const auto* folder : {"releases", "one", "two"}) std::filesystem::create_directory(path(folder));
  write("one/file", "1");
  write("two/file", "2");
  link("../one", "releases/current");
  auto watch = watching(path("releases/current/file"));
  EXPECT_FALSE(sees_change(watch));
  EXPECT_TRUE(is_told(watch, [&] { link("../two", "releases/current"); }));
  EXPECT_TRUE(is_told(watch, [&] { write("two/file", "in place"); }));
}

TEST_F(FileWatchTest, LinksInACircleLeadNowhere) {
  link("b", "a");
  link("a", "b");
  auto watch = watching(path("a"));
  EXPECT_FALSE(sees_change(watch));
  EXPECT_TRUE(is_told(watch, [&] {
    write("fresh", "1");
    std::filesystem::rename(path("fresh"), path("a"));
  }));
}

TEST_F(FileWatchTest, SeveralFiles) {
  std::filesystem::create_directory(path("folder"));
  write("one", "1");
  write("folder/two", "2");
  auto watch = watching(path("one"));
  ASSERT_TRUE(watch.add(path("folder/two")));
  EXPECT_FALSE(sees_change(watch));
  EXPECT_TRUE(is_told(watch, [&] { write("folder/two", "in place"); }));
  EXPECT_TRUE(is_told(watch, [&] { write("one", "in place"); }));
  EXPECT_FALSE(sees_change(watch));
}

}  // namespace
}  // namespace weft::runtime
