#include "runtime/rotating_file.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace weft::runtime {
namespace {

std::string text_of(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(RotatingFile, TwoProcessesRotateItOnce) {
  char folder[] = "/tmp/weft-rotating-XXXXXX";
  ASSERT_NE(::mkdtemp(folder), nullptr);
  const auto path = std::string(folder) + "/log";
  {
    const RotatingFileOptions options{.file_bytes = 10};
    RotatingFile one(path, options);
    RotatingFile other(path, options);
    EXPECT_TRUE(one.append("first line\n"));
    EXPECT_TRUE(one.append("new\n"));
    // It still has the file that was moved away, finds it full, and goes on with the one that is there.
    EXPECT_TRUE(other.append("late\n"));
    EXPECT_TRUE(other.append("more\n"));
  }
  EXPECT_EQ(text_of(path + ".1"), "first line\nlate\n");
  EXPECT_EQ(text_of(path), "new\nmore\n");
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace weft::runtime
