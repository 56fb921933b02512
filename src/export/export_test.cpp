#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include "base/json.h"
#include "export/access_log.h"
#include "export/prometheus.h"

namespace weft::exporter {
namespace {

using namespace std::chrono_literals;

telemetry::AccessRecord sample() {
  telemetry::AccessRecord record;
  record.start = base::WallTime(std::chrono::seconds(1'700'000'000) + 1234us);
  record.duration = 1'500us;
  record.listener = "edge/default/web/80";
  record.method = "GET";
  record.host = "web";
  record.path = "/a b";
  record.status = 503;
  record.flag = telemetry::ResponseFlag::no_healthy_endpoint;
  record.reason = "no healthy endpoint";
  record.bytes_sent = 20;
  record.attempts = 1;
  return record;
}

TEST(AccessLog, TextLine) {
  std::string line;
  write_line(sample(), AccessLogFormat::text, line);
  EXPECT_EQ(
      line,
      "time=2023-11-14T22:13:20.001234Z listener=edge/default/web/80 method=GET host=web path=\"/a b\" "
      "status=503 "
      "flags=UH reason=\"no healthy endpoint\" duration_us=1500 bytes_received=0 bytes_sent=20 attempts=1\n");
}

TEST(AccessLog, AnOpaqueConnectionHasAHostAlone) {
  auto record = sample();
  record.method = {};
  std::string line;
  write_line(record, AccessLogFormat::text, line);
  EXPECT_THAT(line, testing::HasSubstr("listener=edge/default/web/80 host=web flags=UH"));
  line.clear();
  record.host = {};
  write_line(record, AccessLogFormat::text, line);
  EXPECT_THAT(line, testing::HasSubstr("listener=edge/default/web/80 flags=UH"));
}

TEST(AccessLog, KeptFieldsMakeTheSameLine) {
  auto record = sample();
  record.cluster = "web";
  record.endpoint = "a \"quoted\" one";
  const auto client = base::Address::parse("10.0.0.1:80");
  const auto upstream = base::Address::parse("[::1]:8080");
  record.client = &*client;
  record.upstream = &*upstream;
  for (const auto format : {AccessLogFormat::text, AccessLogFormat::json}) {
    std::string plain;
    write_line(record, format, plain);
    std::array<std::string, 3> kept;
    auto keeping = record;
    keeping.kept = {&kept[0], &kept[1], &kept[2]};
    for (int i = 0; i < 2; ++i) {
      std::string line;
      write_line(keeping, format, line);
      EXPECT_EQ(line, plain);
    }
    for (const auto& fields : kept) EXPECT_THAT(plain, testing::HasSubstr(fields));
    EXPECT_THAT(kept[2], testing::HasSubstr("8080"));
  }
}

TEST(AccessLog, JsonLineIsJsonWhateverThePeerSent) {
  auto record = sample();
  record.path = "/\"\\\x01\n\xe9";
  std::string line;
  write_line(record, AccessLogFormat::json, line);
  const auto json = base::Json::parse(line);
  EXPECT_EQ(json["path"], "/\"\\\x01\n\u00e9");
  EXPECT_EQ(json["status"], 503);
  EXPECT_EQ(json["time"], "2023-11-14T22:13:20.001234Z");
  EXPECT_EQ(std::ranges::count(line, '\n'), 1);
}

TEST(AccessLog, TextLineStaysOneLine) {
  auto record = sample();
  record.path = "/\r\nstatus=200";
  std::string line;
  write_line(record, AccessLogFormat::text, line);
  EXPECT_EQ(std::ranges::count(line, '\n'), 1);
  EXPECT_THAT(line, testing::HasSubstr("path=\"/\\x0d\\x0astatus=200\""));
}

TEST(AccessLog, EachTextHasALimit) {
  auto record = sample();
  for (auto* field : {&record.host, &record.path, &record.method, &record.request_id, &record.listener}) {
    static const std::string long_text =
        std::string(max_text_bytes - 1, 'x') + "\xe9" + std::string(60'000, 'x');
    *field = long_text;
  }
  for (const auto format : {AccessLogFormat::text, AccessLogFormat::json}) {
    std::string line;
    write_line(record, format, line);
    EXPECT_LT(line.size(), 5 * (max_text_bytes + 32) + 512);
    EXPECT_THAT(line, testing::HasSubstr(format == AccessLogFormat::json ? "x\\u00e9...\"" : "x\\xe9...\""));
    if (format == AccessLogFormat::json) EXPECT_TRUE(base::Json::accept(line));
  }
}

std::string read_file(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

TEST(AccessLog, FileGetsWholeLinesInOrder) {
  const auto path = testing::TempDir() + "/weft-access-" + std::to_string(getpid()) + ".log";
  ::unlink(path.c_str());
  {
    AccessLogFile file({path, AccessLogFormat::text});
    EXPECT_TRUE(file.is_on());
    for (int i = 0; i < 3; ++i) {
      auto line = std::to_string(i) + "\n";
      file.submit(line);
      EXPECT_TRUE(line.empty());
      file.flush();
    }
    EXPECT_EQ(read_file(path), "0\n1\n2\n");
    std::string last = "last\n";
    file.submit(last);
    EXPECT_EQ(file.dropped(), 0U);
  }
  EXPECT_TRUE(read_file(path).ends_with("last\n"));
  ::unlink(path.c_str());
}

/// A folder of the test's own.
class AccessLogFolder : public testing::Test {
 protected:
  AccessLogFolder() {
    char pattern[] = "/tmp/weft-access-XXXXXX";
    folder_ = ::mkdtemp(pattern);
    path_ = folder_ + "/access.log";
  }
  ~AccessLogFolder() override { std::filesystem::remove_all(folder_); }
  static void write(AccessLogFile& file, std::string lines) {
    file.submit(lines);
    file.flush();
  }

  std::string folder_;
  std::string path_;
};

TEST_F(AccessLogFolder, NeverGrowsBeyondItsLimit) {
  AccessLogFile file({.path = path_, .file = {.file_bytes = 4096}});
  const std::string line = std::string(99, 'x') + "\n";
  for (int i = 0; i < 1000; ++i) write(file, line);
  EXPECT_LE(std::filesystem::file_size(path_), 4096U);
  EXPECT_LE(std::filesystem::file_size(path_ + ".1"), 4096U + line.size());
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 2);
  EXPECT_EQ(file.dropped(), 0U);
  struct stat found{};
  ASSERT_EQ(::stat(path_.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0600U);
}

TEST_F(AccessLogFolder, FollowsWhoMovesTruncatesOrRemovesIt) {
  AccessLogFile file({path_, AccessLogFormat::text});
  write(file, "1\n");
  std::filesystem::rename(path_, path_ + ".old");
  write(file, "2\n");
  file.reopen();
  file.flush();
  EXPECT_EQ(read_file(path_ + ".old"), "1\n2\n");
  write(file, "3\n");
  EXPECT_EQ(read_file(path_), "3\n");
  std::filesystem::resize_file(path_, 0);
  write(file, "4\n");
  EXPECT_EQ(read_file(path_), "4\n");
  std::filesystem::remove(path_);
  write(file, "5\n");
  EXPECT_EQ(read_file(path_), "5\n");
}

TEST_F(AccessLogFolder, APipeThatNobodyReadsHoldsNothingUp) {
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  std::uint64_t dropped = 0;
  runtime::Fd reader;
  {
    AccessLogFile file({path_, AccessLogFormat::text});
    write(file, "nobody\n");
    EXPECT_EQ(file.dropped(), 1U);
    reader = runtime::Fd(::open(path_.c_str(), O_RDONLY | O_NONBLOCK));
    write(file, "somebody\n");
    std::array<char, 64> text{};
    EXPECT_EQ(::read(reader.get(), text.data(), text.size()), 9);
    // More than a pipe holds.
    for (int i = 0; i < 40; ++i) write(file, std::string(99, 'x') + std::string(1 << 16, 'y') + "\n");
    dropped = file.dropped();
    std::string last(1 << 16, '\n');
    file.submit(last);
  }
  EXPECT_GT(dropped, 30U);
}

TEST(AccessLog, FullDiskDropsAndCounts) {
  AccessLogFile file({"/dev/full", AccessLogFormat::text});
  std::string lines = "a\nb\n";
  file.submit(lines);
  file.flush();
  EXPECT_EQ(file.dropped(), 2U);
}

TEST(AccessLog, WhatDoesNotFitIsDropped) {
  AccessLogFile file({"/nonexistent/folder/file", AccessLogFormat::text});
  std::string lines(AccessLogFile::max_waiting + 1, '\n');
  file.submit(lines);
  EXPECT_EQ(file.dropped(), AccessLogFile::max_waiting + 1);
}

TEST(Prometheus, Text) {
  telemetry::Samples samples;
  samples.add("b_total", "Bees.", telemetry::Kind::counter, {{"kind", "a\"b"}}, 3);
  samples.add("c_now", "Cs.", telemetry::Kind::gauge, std::string(), 4);
  telemetry::Histogram histogram;
  histogram.observe(2ms);
  histogram.observe(100s);
  samples.add("d_milliseconds", "Ds.", {{"x", "y"}}, histogram);
  const auto text = prometheus_text(samples);
  EXPECT_THAT(
      text, testing::HasSubstr("# HELP b_total Bees.\n# TYPE b_total counter\nb_total{kind=\"a\\\"b\"} 3\n"));
  EXPECT_THAT(text, testing::HasSubstr("# TYPE c_now gauge\nc_now 4\n"));
  EXPECT_THAT(text, testing::HasSubstr("d_milliseconds_bucket{x=\"y\",le=\"2.5\"} 1\n"));
  EXPECT_THAT(text, testing::HasSubstr("d_milliseconds_bucket{x=\"y\",le=\"+Inf\"} 2\n"));
  EXPECT_THAT(text,
              testing::HasSubstr("d_milliseconds_sum{x=\"y\"} 100002\nd_milliseconds_count{x=\"y\"} 2\n"));
}

}  // namespace
}  // namespace weft::exporter
