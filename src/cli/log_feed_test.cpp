#include "cli/log_feed.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cstdlib>
#include <filesystem>

#include "provider/process/log_file.h"
#include "runtime/combine.h"

namespace weft::cli {
namespace {

namespace fs = std::filesystem;
using provider::process::InstanceLog;
using provider::process::LogFile;

class LogFeedTest : public testing::Test {
 protected:
  LogFeedTest() {
    char pattern[] = "/tmp/weft-feed-XXXXXX";
    root_ = mkdtemp(pattern);
  }
  ~LogFeedTest() override { fs::remove_all(root_); }

  InstanceLog log(const std::string& name) {
    return {.id = "default/" + name, .path = root_ / provider::process::log_name("default/" + name)};
  }
  void write(LogFile& file, const std::string& text) {
    file.append(text, clock_.wall());
    clock_.advance(std::chrono::milliseconds(1));
  }
  static std::string text_of(const std::vector<LogLine>& lines) {
    std::string text;
    for (const auto& line : lines) text += line.id.substr(8) + ":" + line.text + ";";
    return text;
  }
  /// What comes until there has been `last`.
  std::string next(LogFeed& feed, const std::string& last) {
    std::string text;
    while (text.find(last) == std::string::npos) {
      const auto changed =
          reactor_.block_on(runtime::within(reactor_, std::chrono::seconds(10), feed.changed()));
      EXPECT_TRUE(changed) << text;
      if (!changed) break;
      text += text_of(feed.take());
    }
    return text;
  }

  base::ManualClock clock_;
  runtime::Reactor reactor_;
  fs::path root_;
};

TEST_F(LogFeedTest, MergesByTime) {
  LogFile a(log("a").path, {.file_bytes = 100});
  LogFile b(log("b").path, {});
  for (int i = 0; i < 3; ++i) {
    write(a, fmt::format("{}\n", i));
    write(b, fmt::format("{}\n", i));
  }
  LogFeed feed(reactor_, root_);
  feed.add(log("b"), {});
  feed.add(log("a"), {.tail_lines = 2});
  EXPECT_EQ(text_of(feed.take()), "b:0;a:1;b:1;a:2;b:2;");
  EXPECT_TRUE(feed.take().empty());
}

TEST_F(LogFeedTest, FollowsWhatItReadsAndWhatBegins) {
  LogFile a(log("a").path, {.file_bytes = 2000});
  LogFile other(log("other").path, {});
  LogFeed feed(reactor_, root_);
  feed.tell_ends();
  feed.follow([](const InstanceLog& log) { return log.id != "default/other"; });
  feed.add(log("a"), {});
  std::string expected;
  for (int i = 0; i < 100; ++i) {
    write(a, fmt::format("line {}\n", i));
    expected += fmt::format("a:line {};", i);
  }
  EXPECT_EQ(text_of(feed.take()) + text_of(feed.take()), expected);

  LogFile b(log("b").path, {});
  auto known = log("b");
  known.runs = {{.started = clock_.wall(), .ended = {}, .exit = {}}};
  provider::process::note_log(known);
  provider::process::note_log(log("other"));
  write(b, "hello\n");
  EXPECT_EQ(next(feed, "hello"), "b:hello;");
  EXPECT_TRUE(feed.has_running());
  write(b, "bye\n");
  known.runs.back().ended = clock_.wall();
  known.runs.back().exit = "exit code 3";
  provider::process::note_log(known);
  EXPECT_EQ(next(feed, "ended"), "b:bye;b:weft: ended, exit code 3;");
  EXPECT_FALSE(feed.has_running());
  EXPECT_TRUE(feed.has_several());
}

std::ptrdiff_t open_files() {
  return std::distance(fs::directory_iterator("/proc/self/fd"), fs::directory_iterator());
}

TEST_F(LogFeedTest, WhatHasEndedCostsNoFileAndGoesOnWhereItEnded) {
  LogFeed feed(reactor_, root_);
  feed.follow([](const InstanceLog&) { return true; });
  const auto before = open_files();
  LogFile a(log("a").path, {});
  provider::process::note_log(log("a"));
  write(a, "one\n");
  EXPECT_EQ(next(feed, "one"), "a:one;");
  EXPECT_GT(open_files(), before + 1);  // the writer's, and the reader's
  provider::process::close_log(log("a").path);
  reactor_.block_on(feed.changed());
  EXPECT_EQ(text_of(feed.take()), "");
  EXPECT_EQ(open_files(), before + 1);
  provider::process::reopen_log(log("a").path);
  write(a, "two\n");
  EXPECT_EQ(next(feed, "two"), "a:two;");
  EXPECT_FALSE(feed.has_several());
}

TEST_F(LogFeedTest, SaysThatTooFewFilesCanBeOpen) {
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
  GTEST_SKIP() << "the sanitizer opens a pipe to look at an object's type";
#endif
  LogFile a(log("a").path, {});
  write(a, "one\n");
  LogFeed feed(reactor_, root_);
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  const rlimit none{.rlim_cur = 0, .rlim_max = limit.rlim_max};
  testing::internal::CaptureStderr();
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  feed.add(log("a"), {});
  feed.add(log("a"), {});
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_EQ(
      testing::internal::GetCapturedStderr(),
      "warning: not all logs are read, the first that is not is default/a: no more files can be open at "
      "once (ulimit -n)\n");
  EXPECT_TRUE(feed.take().empty());
}

TEST_F(LogFeedTest, LongLinesAreWholeUpToALimitAndMarkedWhereCut) {
  LogFile a(log("a").path, {});
  const std::string most(most_line_bytes, 'x');
  write(a, most + "\n" + most + "yz\nshort");
  a.finish(clock_.wall());
  LogFeed feed(reactor_, root_);
  feed.add(log("a"), {});
  const auto lines = feed.take();
  ASSERT_EQ(lines.size(), 4U);
  EXPECT_EQ(lines[0].text, most);
  EXPECT_EQ(lines[1].text, most + std::string(cut_mark));
  EXPECT_EQ(lines[2].text, "yz");
  EXPECT_EQ(lines[2].time, lines[1].time);
  EXPECT_EQ(lines[3].text, "short");
}

TEST(RenderLogs, PeopleSeeNoControlCharactersAndNoLineThatIsTooWide) {
  const std::vector<LogLine> lines{{"default/web-1", "t", "a\x1b[31mb"},
                                   {"shop/db-1", "t", "0123456789012345"}};
  EXPECT_EQ(render(lines, {.names = true}), "web-1 | a\\u001b[31mb\nshop/db-1 | 0123456789012345\n");
  EXPECT_EQ(render(lines, {.names = true, .columns = 20}), "web-1 | a\\u001b[31mb\nshop/db-1 | 0123456…\n");
  EXPECT_EQ(render(lines, {.times = true, .ns = "shop"}), "t a\\u001b[31mb\nt 0123456789012345\n");
}

}  // namespace
}  // namespace weft::cli
