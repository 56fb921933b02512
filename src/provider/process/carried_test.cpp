// What one program leaves to the next in the supervisor's place is read as it was written, or refused whole.
// What was written at the last landing is kept in testdata/last_carried.txt. CONTRIBUTING.md says when it is
// renewed.
#include "provider/process/carried.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "base/base64.h"

namespace weft::provider::process {
namespace {

using base::Json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr const char* kept = WEFT_SOURCE_DIR "/src/provider/process/testdata/last_carried.txt";

base::WallTime at(int second) { return base::WallTime(std::chrono::seconds(second)); }

CarriedInstance running() {
  CarriedInstance instance;
  auto& spec = instance.spec;
  spec.id = instance.seen.id = "default/web-0";
  spec.image = "web";
  spec.command = {"web"};
  spec.args = {"-v"};
  spec.environment = {{"COLOR", "blue"}};
  spec.working_directory = "/srv";
  spec.ports = {{"http", 80}};
  spec.grace = std::chrono::milliseconds(1500);
  spec.labels = instance.seen.labels = {{"app", "web"}};
  spec.credentials = Credentials{1, 2, {3}};
  // What an environment holds need not be text.
  instance.program = {.argv = {"/bin/web", "-v"},
                      .environment = {{"ODD", "\xff\xfe"}},
                      .directory = "/",
                      .oom_score_adj = 200};
  instance.seen.phase = Phase::stopping;
  instance.seen.pid = 21;
  instance.seen.started_at = at(3);
  instance.seen.ports = {{{"http", 80}, base::Address::loopback(20002), true}};
  instance.seen.note = "ready";
  instance.ports = {20003};
  instance.runs = {{at(1), at(2), "exit code 1"}, {at(3), {}, {}}};
  instance.must_note_log = true;
  instance.main = {.pid = 21, .has_ended = true, .status = {.code = {}, .signal = 9}, .ended_at = at(4)};
  instance.has_cgroup = true;
  instance.output = {.pipe = 10};
  instance.kill_at = base::MonoTime(std::chrono::seconds(77));
  return instance;
}

CarriedInstance ended() {
  CarriedInstance instance;
  instance.spec.id = instance.seen.id = "default/job-0";
  instance.seen.phase = Phase::exited;
  instance.seen.exit = Exit{7, {}, at(6)};
  instance.runs = {{at(5), at(6), "exit code 7"}};
  instance.main = {.pid = 23, .has_ended = true, .status = {.code = 7, .signal = {}}, .ended_at = at(6)};
  return instance;
}

/// Everything that could be said at the last landing, each field with another value than its default.
Carried everything() {
  Carried carried;
  carried.identity = "0123456789ab";
  carried.cgroup_root = "/sys/fs/cgroup/weft-0123456789ab";
  carried.ports = {{"edge/default/web/80", {{"port", 20001}, {"unusedLives", 0}}}};
  carried.sockets = {{"edge/default/web/80", 17}};
  carried.started_at = at(5);
  carried.oom_found = -7;
  carried.file_limit = {1024, 1'048'576};
  carried.lock = 3;
  carried.listening = 5;
  carried.keeper = CarriedKeeper{.pidfd = 4,
                                 .child = {.pid = 99},
                                 .seen = {.pid = 99, .restarts = 2, .last_exit = "x"},
                                 .is_kept = false,
                                 .is_asked = true};
  carried.control_plane = {.seen = {.pid = 11},
                           .starts = 1,
                           .has_current = true,
                           .runs = {{"control-plane", true, {.pid = 11}, {.pipe = 8}}}};
  carried.proxy = {
      .seen = {.pid = 13, .before = {12}},
      .starts = 2,
      .has_current = false,
      .runs = {{"proxy", false, {.pid = 12}, {}},
               {"proxy.1", false, {.pid = 13}, {.pipe = 9, .is_within_line = true, .lost_lines = 3}}}};
  carried.instances = {running(), ended()};
  carried.peers = {
      {.fd = 14,
       .is_control_plane = true,
       .requests = {{{{"id", 1}, {"op", "execute"}}, base::MonoTime(std::chrono::seconds(8)), {.pid = 22}}},
       .unsent = {{"{}", 15}, {"{}", -1}}}};
  return carried;
}

std::string bytes_of(const runtime::Fd& file) {
  std::string bytes(static_cast<std::size_t>(::lseek(file.get(), 0, SEEK_END)), '\0');
  EXPECT_EQ(::pread(file.get(), bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
  return bytes;
}

std::string written(const Carried& carried) {
  const auto file = write_carried(carried);
  EXPECT_TRUE(file);
  return file ? bytes_of(*file) : std::string();
}

Result<Carried> read_bytes(std::string_view bytes) {
  const runtime::Fd file(::memfd_create("weft-test", MFD_CLOEXEC));
  EXPECT_EQ(::write(file.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  return read_carried(file.get());
}

std::string written_then() {
  std::ifstream file(kept);
  return base::decode_base64(std::string(std::istreambuf_iterator<char>(file), {})).value_or("");
}

/// Whether `now` says all that `then` says, and the same.
bool says_all(const Json& now, const Json& then) {
  if (then.is_object() && now.is_object()) {
    for (const auto& [name, value] : then.items())
      if (!now.contains(name) || !says_all(now.at(name), value)) return false;
    return true;
  }
  if (then.is_array() && now.is_array() && now.size() == then.size()) {
    for (std::size_t i = 0; i < then.size(); ++i)
      if (!says_all(now[i], then[i])) return false;
    return true;
  }
  return now == then;
}

TEST(Carried, OfTheLastLandingIsUnderstoodByThisProgram) {
  const auto read = read_bytes(written_then());
  ASSERT_TRUE(read) << read.error().detail;
  EXPECT_EQ(written(*read), written(everything()));
}

TEST(Carried, TheProgramOfTheLastLandingIsToldWhatItKnows) {
  const auto now = written(everything());
  EXPECT_TRUE(says_all(Json::from_cbor(now), Json::from_cbor(written_then())))
      << "what the program of the last landing reads is not written any more, or means another thing: see "
         "\"Skew\" in CONTRIBUTING.md";
  if (std::getenv("WEFT_RENEW_WIRE") != nullptr) std::ofstream(kept) << base::encode_base64(now) << "\n";
}

TEST(Carried, IsReadAsItWasWritten) {
  const auto file = write_carried(everything());
  ASSERT_TRUE(file);
  for (int again = 0; again < 2; ++again) {
    const auto read = read_carried(file->get());
    ASSERT_TRUE(read) << read.error().detail;
    EXPECT_EQ(written(*read), bytes_of(*file)) << "what is written of it says all of it";
    EXPECT_EQ(read->instances[0].program.environment.at("ODD"), "\xff\xfe");
    EXPECT_EQ(read->instances[0].kill_at, everything().instances[0].kill_at);
    EXPECT_EQ(read->instances[0].program.credentials->gid, 2U);
    EXPECT_EQ(read->proxy.runs[1].output.lost_lines, 3U);
    EXPECT_EQ(read->peers[0].requests[0].process.pid, 22);
    EXPECT_TRUE(read->keeper->is_asked);
  }
}

TEST(Carried, AllDescriptorsAreNamed) {
  EXPECT_THAT(everything().descriptors(), ElementsAre(3, 5, 17, 4, 8, 9, 10, 14, 15));
}

TEST(Carried, WhatIsOfAnotherFormOrMalformedIsRefused) {
  const auto with = [](const Json& json) {
    const auto bytes = Json::to_cbor(json);
    return read_bytes({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  };
  const auto newer = with({{"form", carried_form + 1}, {"all", "different"}});
  ASSERT_FALSE(newer);
  EXPECT_THAT(newer.error().detail, HasSubstr("is of form 2, and this program knows 1"));
  EXPECT_FALSE(read_bytes({}));
  EXPECT_FALSE(with({{"form", carried_form}}));
  EXPECT_FALSE(with(Json::array()));
  const auto whole = written(everything());
  EXPECT_FALSE(read_bytes(std::string_view(whole).substr(0, whole.size() - 9)));
  EXPECT_FALSE(read_carried(-1));
}

}  // namespace
}  // namespace weft::provider::process
