#include "store/image.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "store/test_store.h"

namespace weft::store {
namespace {

namespace fs = std::filesystem;

class ImageTest : public StoreTest {
 protected:
  std::vector<base::Json> stored(const std::string& at) {
    auto objects = stored_objects(at);
    EXPECT_TRUE(objects.has_value()) << objects.error().detail;
    std::vector<base::Json> all;
    for (const auto& object : objects.value_or(std::vector<Object>())) all.push_back(*object);
    return all;
  }
  std::vector<base::Json> held() {
    std::vector<base::Json> all;
    for (const auto& object : store->list("Deployment").objects) all.push_back(*object);
    return all;
  }
  std::string text_of(const std::string& at) {
    std::ifstream file(at, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
};

TEST_F(ImageTest, NothingIsMadeWhereNothingIs) {
  EXPECT_TRUE(stored(folder.file("none/store.db")).empty());
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

TEST_F(ImageTest, ReadsWhatWasClosedAndWhatAKilledOneLeftInItsLog) {
  open();
  for (int i = 0; i < 40; ++i) ASSERT_TRUE(create(object("Deployment", fmt::format("web-{}", i))));
  const auto closed = held();
  store.reset();
  EXPECT_EQ(stored(path()), closed);

  open();
  ASSERT_TRUE(update(object("Deployment", "web-7", 3)));
  ASSERT_TRUE(remove(deployment("web-8")));
  ASSERT_GT(fs::file_size(path() + "-wal"), 0U);
  // As it lies there once the store's process is gone.
  const auto left = folder.file("left.db");
  fs::copy_file(path(), left);
  fs::copy_file(path() + "-wal", left + "-wal");
  const auto before = text_of(left) + text_of(left + "-wal");
  EXPECT_EQ(stored(left), held());
  EXPECT_EQ(text_of(left) + text_of(left + "-wal"), before);
  EXPECT_FALSE(fs::exists(left + "-shm"));
}

TEST_F(ImageTest, ATornTransactionIsNone) {
  open();
  ASSERT_TRUE(create(object("Deployment", "web")));
  const auto whole = held();
  const auto size = fs::file_size(path() + "-wal");
  ASSERT_TRUE(update(object("Deployment", "web", 3)));
  const auto grown = fs::file_size(path() + "-wal");
  ASSERT_GT(grown, size);
  const auto left = folder.file("left.db");
  fs::copy_file(path(), left);
  fs::copy_file(path() + "-wal", left + "-wal");
  fs::resize_file(left + "-wal", grown - 1);
  EXPECT_EQ(stored(left), whole);
}

TEST_F(ImageTest, NoLogIsTooOddToBeRead) {
  open();
  ASSERT_TRUE(create(object("Deployment", "web")));
  const auto log = text_of(path() + "-wal");
  // Of each page's frame its head byte by byte, of what is in it every so many.
  for (std::size_t i = 0; i < log.size(); i += i % 4120 < 80 ? 1 : 13) {
    auto odd = log;
    odd[i] = static_cast<char>(odd[i] ^ 0x80);
    std::string pages = text_of(path());
    lay_over(pages, odd);
    lay_over(pages, std::string_view(odd).substr(0, i));
    ASSERT_LE(pages.size(), text_of(path()).size() + log.size());
  }
}

TEST_F(ImageTest, WhatIsNoStoreIsSaidToBeNone) {
  std::ofstream(path()) << std::string(4096, 'x');
  EXPECT_EQ(stored_objects(path()).error().kind, StoreErrorKind::corrupt);
}

TEST_F(ImageTest, WhatIsNoFileOrTooLargeIsNotRead) {
  for (const auto* end : {"", "-wal"}) {
    const auto at = path() + end;
    ASSERT_EQ(::mkfifo(at.c_str(), 0600), 0);
    EXPECT_TRUE(stored_objects(path()).error().detail.contains(at + " is no regular file"));
    fs::remove(at);
    std::ofstream(at).close();
    fs::resize_file(at, std::uintmax_t{1} << 40);  // it has a hole
    EXPECT_TRUE(stored_objects(path()).error().detail.contains("a store that is not open is read up to"));
    fs::remove(at);
  }
}

TEST_F(ImageTest, AStoreInMemoryIsReadAndNotChanged) {
  open();
  ASSERT_TRUE(create(object("Deployment", "web")));
  auto copy = SqliteStore::of(reactor, store->list("Deployment").objects);
  EXPECT_EQ(copy->list("Deployment").objects.size(), 1U);
  const auto refused = reactor.block_on(copy->remove(deployment("web"), {}));
  EXPECT_EQ(refused.error().kind, StoreErrorKind::read_only);
  EXPECT_NE(copy->get(deployment("web")), nullptr);
}

}  // namespace
}  // namespace weft::store
