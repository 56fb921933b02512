#include "provider/process/log_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "provider/process/log_reader.h"
#include "runtime/combine.h"

namespace weft::provider::process {
namespace {

namespace fs = std::filesystem;

class LogTest : public testing::Test {
 protected:
  LogTest() {
    char pattern[] = "/tmp/weft-log-XXXXXX";
    root_ = mkdtemp(pattern);
    path_ = root_ / "a.log";
  }
  ~LogTest() override { fs::remove_all(root_); }

  static std::string read(const fs::path& path) {
    std::ifstream file(path);
    return std::string(std::istreambuf_iterator<char>(file), {});
  }
  std::unique_ptr<LogReader> open_log(LogOptions options) {
    return std::make_unique<LogFileReader>(reactor_, InstanceLog{.id = "default/a", .path = path_}, options);
  }
  std::string read_all(LogOptions options) {
    auto reader = open_log(options);
    std::string text;
    while (true) {
      auto part = reactor_.block_on(reader->next());
      EXPECT_TRUE(part);
      if (!part || !*part) return text;
      text += **part;
    }
  }

  base::ManualClock clock_;
  runtime::Reactor reactor_;
  fs::path root_;
  std::string path_;
};

TEST_F(LogTest, WritesWholeLinesWithTheirTime) {
  LogFile log(path_, {});
  log.append("one\ntw", clock_.wall());
  log.append("o\n\nunfinished", clock_.wall());
  EXPECT_EQ(read(path_),
            "2023-11-14T22:13:20.000000Z one\n2023-11-14T22:13:20.000000Z two\n"
            "2023-11-14T22:13:20.000000Z \n");
  log.finish(clock_.wall());
  EXPECT_EQ(read_all({}), "one\ntwo\n\nunfinished\n");
  EXPECT_EQ(read_all({.tail_lines = 1, .timestamps = true}), "2023-11-14T22:13:20.000000Z unfinished\n");
}

TEST_F(LogTest, LongLinesAreWrittenInPartsAndReadWhole) {
  LogFile log(path_, {.line_bytes = 4});
  log.append("abcdefghij\nabcd\n\nab", clock_.wall());
  log.append("cdefg", clock_.wall());
  log.append("\nz\n", clock_.wall());
  const std::string time = "2023-11-14T22:13:20.000000Z";
  EXPECT_TRUE(
      read(path_).starts_with(time + "+abcd\n" + time + "+efgh\n" + time + " ij\n" + time + " abcd\n"));
  EXPECT_EQ(read_all({}), "abcdefghij\nabcd\n\nabcdefg\nz\n");
  EXPECT_EQ(read_all({.timestamps = true}),
            time + " abcdefghij\n" + time + " abcd\n" + time + " \n" + time + " abcdefg\n" + time + " z\n");
  EXPECT_EQ(read_all({.tail_lines = 2}), "abcdefg\nz\n");
  EXPECT_EQ(read_all({.tail_lines = 4}), "abcd\n\nabcdefg\nz\n");
  EXPECT_EQ(read_all({.tail_lines = 5}), "abcdefghij\nabcd\n\nabcdefg\nz\n");
}

TEST_F(LogTest, WhatHasNoEndYetIsReadableAndGoesOn) {
  LogFile log(path_, {});
  log.append("Password: ", clock_.wall());
  EXPECT_TRUE(log.has_unwritten());
  log.flush(clock_.wall());
  EXPECT_EQ(read_all({}), "Password: ");
  log.append("secret\n", clock_.wall());
  EXPECT_EQ(read_all({}), "Password: secret\n");
  log.append("left open", clock_.wall());
  log.flush(clock_.wall());
  log.finish(clock_.wall());
  log.append("the next run\n", clock_.wall());
  EXPECT_EQ(read_all({}), "Password: secret\nleft open\nthe next run\n");
}

TEST_F(LogTest, OfATimeOrOfTheRunBefore) {
  LogFile log(path_, {});
  InstanceLog known{.id = "default/a", .path = path_};
  for (const char* run : {"first", "second", "third"}) {
    known.runs.push_back({.started = clock_.wall(), .ended = {}, .exit = {}});
    for (int i = 0; i < 2; ++i) {
      log.append(fmt::format("{} {}\n", run, i), clock_.wall());
      clock_.advance(std::chrono::seconds(1));
    }
  }
  known.runs.erase(known.runs.begin());
  const auto all_of = [&](LogOptions options) {
    LogFileReader reader(reactor_, known, options);
    return reader.read().value_or("failed");
  };
  EXPECT_EQ(all_of({.since = clock_.wall() - std::chrono::seconds(3)}), "second 1\nthird 0\nthird 1\n");
  EXPECT_EQ(all_of({.since = clock_.wall()}), "");
  EXPECT_EQ(all_of({.previous = true}), "second 0\nsecond 1\n");
}

TEST_F(LogTest, NeverGrowsBeyondItsLimits) {
  LogFile log(path_, {.file_bytes = 4096});
  for (int i = 0; i < 1000; ++i) log.append(fmt::format("line {}\n", i), clock_.wall());
  EXPECT_LE(fs::file_size(path_), 4096U + 64U);
  EXPECT_LE(fs::file_size(path_ + ".1"), 4096U + 64U);
  EXPECT_EQ(read_all({.tail_lines = 2}), "line 998\nline 999\n");
  auto all = read_all({});
  EXPECT_TRUE(all.ends_with("line 998\nline 999\n"));
  EXPECT_GT(all.size(), 1000U);
  LogFile::remove(path_);
  EXPECT_TRUE(fs::is_empty(root_));
}

TEST_F(LogTest, TheTailReachesIntoTheOlderPart) {
  std::ofstream(path_ + ".1") << "t 1\nt 2\nt 3\n";
  std::ofstream(path_) << "t 4\nt 5\n";
  struct Case {
    int lines;
    const char* expected;
  };
  const Case cases[] = {
      {0, ""}, {1, "5\n"}, {2, "4\n5\n"}, {3, "3\n4\n5\n"}, {5, "1\n2\n3\n4\n5\n"}, {9, "1\n2\n3\n4\n5\n"}};
  for (const auto& c : cases) EXPECT_EQ(read_all({.tail_lines = c.lines}), c.expected) << c.lines;
}

TEST_F(LogTest, WhatIsWrittenMeanwhileIsNotInTheTail) {
  LogFile log(path_, {});
  for (int i = 0; i < 10; ++i) log.append(fmt::format("line {}\n", i), clock_.wall());
  auto reader = open_log({.tail_lines = 2});
  log.append("more\n", clock_.wall());
  EXPECT_EQ(reactor_.block_on(reader->next()), "line 8\nline 9\n");
  EXPECT_EQ(reactor_.block_on(reader->next()), std::nullopt);
}

TEST_F(LogTest, AFullDiskLosesLinesAndSaysHowMany) {
  LogFile log(path_, {});
  log.append("before\n", clock_.wall());
  // A limit on the size of files is the full disk that needs no disk.
  rlimit saved{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &saved), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit full{fs::file_size(path_), saved.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &full), 0);
  log.append("lost 1\nlost 2\n", clock_.wall());
  EXPECT_EQ(log.lost_lines(), 2U);
  setrlimit(RLIMIT_FSIZE, &saved);
  std::signal(SIGXFSZ, handler);
  log.append("after\n", clock_.wall());
  EXPECT_EQ(read_all({}),
            "before\nweft: lost 2 lines before this one: the log could not be written\nafter\n");
}

TEST_F(LogTest, AWriterThatIsAlwaysAheadDoesNotKeepTheThread) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  fcntl(ends[0], F_SETFL, O_NONBLOCK);
  // As small as it gets, so that no read fills the buffer and yet there is always more.
  fcntl(ends[0], F_SETPIPE_SZ, 4096);
  std::jthread writer([fd = ends[1]](std::stop_token stop) {
    const std::string line = std::string(99, 'x') + "\n";
    // At least one, also if this thread gets its first turn only when it shall stop.
    do {
      (void)!write(fd, line.data(), line.size());
    } while (!stop.stop_requested());
    close(fd);
  });
  LogFile log(path_, {.file_bytes = 100'000});
  runtime::Scope scope;
  scope.spawn(copy_output(reactor_, runtime::Fd(ends[0]), log, false));
  for (int i = 0; i < 20; ++i) {
    reactor_.block_on([](runtime::Reactor& reactor) -> runtime::Task<void> {
      co_await reactor.sleep(std::chrono::milliseconds(1));
    }(reactor_));
  }
  writer.request_stop();
  reactor_.block_on(scope.join());
  EXPECT_FALSE(read_all({}).empty());
}

TEST_F(LogTest, FollowsAcrossRotationUntilTheLogIsRemoved) {
  LogFile log(path_, {.file_bytes = 2000});
  log.append("first\n", clock_.wall());
  auto reader = open_log({.follow = true});
  auto next = [&]() -> std::optional<std::string> {
    auto part = reactor_.block_on(runtime::within(reactor_, std::chrono::seconds(10), reader->next()));
    EXPECT_TRUE(part && *part);
    return part && *part ? **part : std::nullopt;
  };
  std::string text = next().value_or("");
  std::string expected = "first\n";
  for (int i = 0; i < 300; ++i) {
    auto line = fmt::format("line {}\n", i);
    log.append(line, clock_.wall());
    expected += line;
    while (text.size() < expected.size()) {
      auto part = next();
      ASSERT_TRUE(part) << text;
      text += *part;
    }
  }
  EXPECT_EQ(text, expected);
  LogFile::remove(path_);
  EXPECT_EQ(next(), std::nullopt);
}

TEST_F(LogTest, FollowsToTheLastLineOfALogThatIsClosed) {
  LogFile log(path_, {});
  log.append("first\n", clock_.wall());
  auto reader = open_log({.follow = true});
  EXPECT_EQ(reactor_.block_on(reader->next()), "first\n");
  log.append("last\n", clock_.wall());
  close_log(path_);
  EXPECT_EQ(reactor_.block_on(reader->next()), "last\n");
  EXPECT_EQ(reactor_.block_on(runtime::within(reactor_, std::chrono::seconds(10), reader->next())),
            std::optional(Result<std::optional<std::string>>(std::nullopt)));
}

}  // namespace
}  // namespace weft::provider::process
