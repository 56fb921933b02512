// What one program leaves to the next in the supervisor's place is read as it was written, or refused whole.
#include "provider/process/carried.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

namespace weft::provider::process {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Carried everything() {
  Carried carried;
  carried.identity = "0123456789ab";
  carried.cgroup_root = "/sys/fs/cgroup/weft-0123456789ab";
  carried.ports = {{"edge/default/web/80", {{"port", 20001}, {"unusedLives", 0}}}};
  carried.sockets = {{"edge/default/web/80", 17}};
  carried.started_at = base::WallTime(std::chrono::seconds(5));
  carried.oom_found = -7;
  carried.file_limit = {1024, 1'048'576};
  carried.lock = 3;
  carried.listening = 5;
  carried.keeper =
      CarriedKeeper{.pidfd = 4, .child = {}, .seen = {.pid = 99, .restarts = 2, .last_exit = "x"}};
  carried.control_plane = {.seen = {.pid = 11},
                           .starts = 1,
                           .has_current = true,
                           .runs = {{"control-plane", true, {.pid = 11}, {.pipe = 8}}}};
  carried.proxy = {
      .seen = {.pid = 13},
      .starts = 2,
      .has_current = false,
      .runs = {{"proxy", false, {.pid = 12}, {}},
               {"proxy.1", false, {.pid = 13}, {.pipe = 9, .is_within_line = true, .lost_lines = 3}}}};
  CarriedInstance instance;
  instance.spec.id = instance.seen.id = "default/web-0";
  instance.spec.image = "web";
  instance.spec.credentials = Credentials{1, 2, {3}};
  // What an environment holds need not be text.
  instance.program = {.argv = {"/bin/web", "-v"},
                      .environment = {{"ODD", "\xff\xfe"}},
                      .directory = "/",
                      .oom_score_adj = 200};
  instance.seen.phase = Phase::stopping;
  instance.seen.pid = 21;
  instance.seen.ports = {{{"http", 80}, base::Address::loopback(20002), true}};
  instance.ports = {20003};
  instance.runs = {
      {base::WallTime(std::chrono::seconds(1)), base::WallTime(std::chrono::seconds(2)), "exit code 1"},
      {base::WallTime(std::chrono::seconds(3)), {}, {}}};
  instance.must_note_log = true;
  instance.main = {.pid = 21,
                   .has_ended = true,
                   .status = {.code = {}, .signal = 9},
                   .ended_at = base::WallTime(std::chrono::seconds(4))};
  instance.output = {.pipe = 10};
  instance.kill_at = base::MonoTime(std::chrono::seconds(77));
  carried.instances = {instance};
  carried.peers = {
      {.fd = 14,
       .is_control_plane = true,
       .requests = {{{{"id", 1}, {"op", "execute"}}, base::MonoTime(std::chrono::seconds(8)), {.pid = 22}}},
       .unsent = {{"{}", 15}, {"{}", -1}}}};
  return carried;
}

TEST(Carried, IsReadAsItWasWritten) {
  const auto file = write_carried(everything());
  ASSERT_TRUE(file);
  for (int again = 0; again < 2; ++again) {
    const auto read = read_carried(file->get());
    ASSERT_TRUE(read) << read.error().detail;
    // What is written of it says all of it.
    const auto second = write_carried(*read);
    ASSERT_TRUE(second);
    std::string bytes[2];
    for (int i = 0; i < 2; ++i) {
      const int fd = i == 0 ? file->get() : second->get();
      bytes[i].resize(static_cast<std::size_t>(::lseek(fd, 0, SEEK_END)));
      ASSERT_EQ(::pread(fd, bytes[i].data(), bytes[i].size(), 0), static_cast<ssize_t>(bytes[i].size()));
    }
    EXPECT_EQ(bytes[0], bytes[1]);
    EXPECT_EQ(read->instances[0].program.environment.at("ODD"), "\xff\xfe");
    EXPECT_EQ(read->instances[0].kill_at, everything().instances[0].kill_at);
    EXPECT_EQ(read->instances[0].program.credentials->gid, 2U);
    EXPECT_EQ(read->proxy.runs[1].output.lost_lines, 3U);
    EXPECT_EQ(read->peers[0].requests[0].process.pid, 22);
  }
}

TEST(Carried, AllDescriptorsAreNamed) {
  EXPECT_THAT(everything().descriptors(), ElementsAre(3, 5, 17, 4, 8, 9, 10, 14, 15));
}

TEST(Carried, WhatIsOfAnotherFormOrMalformedIsRefused) {
  const auto with = [](const std::vector<std::uint8_t>& bytes) {
    runtime::Fd file(::memfd_create("weft-test", 0));
    EXPECT_EQ(::write(file.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
    return read_carried(file.get());
  };
  const auto newer = with(base::Json::to_cbor({{"form", carried_form + 1}, {"all", "different"}}));
  ASSERT_FALSE(newer);
  EXPECT_THAT(newer.error().detail, HasSubstr("is of form 2, and this program knows 1"));
  EXPECT_FALSE(with({}));
  EXPECT_FALSE(with(base::Json::to_cbor({{"form", carried_form}})));
  EXPECT_FALSE(with(base::Json::to_cbor(base::Json::array())));
  const auto file = write_carried(everything());
  std::vector<std::uint8_t> cut(static_cast<std::size_t>(::lseek(file->get(), 0, SEEK_END) - 9));
  ASSERT_EQ(::pread(file->get(), cut.data(), cut.size(), 0), static_cast<ssize_t>(cut.size()));
  EXPECT_FALSE(with(cut));
  EXPECT_FALSE(read_carried(-1));
}

}  // namespace
}  // namespace weft::provider::process
