#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "provider/process/instance_log.h"
#include "provider/process/mesh_fixture_test.h"
#include "provider/process/proc.h"
#include "provider/process/protocol.h"
#include "runtime/socket.h"

namespace weft::provider::process {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::Mesh;
using testing::spec;
using ::testing::StartsWith;

/// Each case with cgroups and with process groups alone.
class InstancesTest : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    if (GetParam() && !testing::can_make_cgroups()) GTEST_SKIP() << "no writable cgroup2 mount";
    mesh.emplace(GetParam());
    mesh->image("sleeper", "echo started; exec sleep 1000");
  }
  void TearDown() override {
    if (!mesh) return;
    mesh->disconnect();
    EXPECT_EQ(mesh->stop(), 0);
    EXPECT_THAT(mesh->processes(), IsEmpty());
  }

  Result<Instance> start(InstanceSpec what) { return mesh->run(mesh->client().start(std::move(what))); }
  Instance next_exit() {
    auto instance = mesh->run(mesh->client().next_change());
    EXPECT_TRUE(instance);
    return instance.value_or(Instance());
  }
  std::string log(const std::string& id) {
    auto reader = mesh->run(mesh->client().logs(id, {}));
    std::string text;
    while (reader) {
      auto part = mesh->run((*reader)->next());
      if (!part || !*part) break;
      text += **part;
    }
    return text;
  }
  bool logged(const std::string& id, const std::string& words) {
    return mesh->until([&] { return log(id).find(words) != std::string::npos; });
  }
  bool is_gone(const std::string& pid_file) {
    return mesh->until([&] { return ::kill(std::stoi(mesh->read(pid_file)), 0) != 0; });
  }

  std::optional<Mesh> mesh;
};

INSTANTIATE_TEST_SUITE_P(Fences, InstancesTest, ::testing::Bool(),
                         [](const auto& each) { return each.param ? "Cgroups" : "ProcessGroups"; });

TEST_P(InstancesTest, ANoteThatCouldNotBeWrittenIsWrittenLater) {
  mesh->launch();
  const auto note = mesh->file("home/logs/default_a.json");
  // As at a full disk: the new note cannot be made.
  ASSERT_TRUE(std::filesystem::create_directories(note + ".new"));
  ASSERT_TRUE(start(spec("a", "sleeper")));
  EXPECT_FALSE(std::filesystem::exists(note));
  std::filesystem::remove(note + ".new");
  EXPECT_TRUE(mesh->until([&] { return std::filesystem::exists(note); }));
}

TEST_P(InstancesTest, StartsWithItsEnvironmentAndStops) {
  mesh->launch();
  mesh->image("printer", "echo \"$HOST:$PORT $PORT_ADMIN $COLOR $1\"; pwd; exec sleep 1000");
  auto what = spec("a", "printer");
  what.ports = {{"http", 80}, {"admin", 81}};
  what.environment = {{"COLOR", "blue"}};
  what.args = {"--port=$(PORT)"};
  what.labels = {{"app", "a"}};
  auto started = start(what);
  ASSERT_TRUE(started) << started.error().detail;
  EXPECT_EQ(started->phase, Phase::running);
  ASSERT_EQ(started->ports.size(), 2U);
  const auto port = started->ports[0].address.port();
  EXPECT_TRUE(logged("default/a", mesh->file("images")));
  EXPECT_THAT(log("default/a"), HasSubstr(fmt::format("127.0.0.1:{} {} blue --port={}\n", port,
                                                      started->ports[1].address.port(), port)));
  EXPECT_EQ(start(what).error().kind, ProviderErrorKind::already_exists);
  EXPECT_EQ(mesh->run(mesh->client().remove("default/a")).error().kind, ProviderErrorKind::failed);

  auto listed = mesh->run(mesh->client().list());
  ASSERT_TRUE(listed && listed->size() == 1U);
  EXPECT_EQ(listed->front().labels, what.labels);

  auto stopped = mesh->run(mesh->client().stop("default/a", {}));
  ASSERT_TRUE(stopped);
  EXPECT_EQ(stopped->phase, Phase::exited);
  ASSERT_TRUE(stopped->exit);
  EXPECT_EQ(stopped->exit->signal, SIGTERM);
  EXPECT_TRUE(mesh->run(mesh->client().remove("default/a")));
  EXPECT_TRUE(mesh->run(mesh->client().list())->empty());
  const auto left = find_log(mesh->options().home.logs(), "default_a.log");
  ASSERT_TRUE(left) << "a log outlives its instance";
  EXPECT_TRUE(left->is_closed);
  ASSERT_EQ(left->runs.size(), 1U);
  EXPECT_TRUE(left->runs[0].ended);
  EXPECT_EQ(mesh->run(mesh->client().stop("default/a", {})).error().kind, ProviderErrorKind::not_found);
}

TEST_P(InstancesTest, RunsAsAnotherUserWithAllThatItNeeds) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root may run programs as another user";
  mesh->launch();
  // No way for others into the folder of this test: what they run is the system's.
  auto what = spec("a", "/bin/sh");
  what.working_directory = "/";
  what.run_as = {.user = "nobody", .group = "7"};
  what.environment = {{"LATER", "$(USER)"}};
  what.args = {"-c",
               "echo $(id -u) $(id -g) $(id -G) $USER $LOGNAME $LATER; echo by /dev/stdout >/dev/stdout; "
               "ls /proc/$$$$/fd; exec sleep 1000"};
  auto started = start(what);
  ASSERT_TRUE(started) << started.error().detail;
  EXPECT_TRUE(logged("default/a", "65534 7 7 nobody nobody nobody"));
  EXPECT_TRUE(logged("default/a", "by /dev/stdout"));
  EXPECT_TRUE(logged("default/a", "0\n1\n2\n"));
  EXPECT_EQ(mesh->run(mesh->client().execute("default/a", {"/bin/sh", "-c", "test $(id -u) = 65534"},
                                             std::chrono::seconds(5))),
            0);
  what = spec("b", mesh->file("images/sleeper"));
  what.run_as = {.user = "nobody", .group = {}};
  started = start(what);
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().kind, ProviderErrorKind::image_not_executable);
  EXPECT_THAT(started.error().detail, HasSubstr("user 65534 may not execute"));
  // It ends with its supervisor as any other does: the signal for that outlives the change of user.
  mesh->send(SIGKILL);
  EXPECT_EQ(mesh->wait_end(), -1);
  EXPECT_TRUE(mesh->until([&] { return mesh->processes().empty(); }));
  mesh->disconnect();
  mesh->launch();
}

TEST_P(InstancesTest, WhatCannotStartIsSaid) {
  mesh->launch();
  mesh->image("no-interpreter", "");
  std::ofstream(mesh->file("images/no-interpreter")) << "#!/no/such/shell\n";
  std::ofstream(mesh->file("images/no-program")) << "\x7f"
                                                    "no program\n";
  ::chmod(mesh->file("images/no-program").c_str(), 0755);
  std::ofstream(mesh->file("images/closed")) << "#!/bin/sh\n";
  std::filesystem::create_directory(mesh->file("images/in-a-folder"));
  std::ofstream(mesh->file("images/in-a-folder/image.yaml")) << "command: [sh]\nworkingDir: missing\n";
  struct Case {
    const char* name;
    std::string image;
    ProviderErrorKind kind;
    const char* words;
  };
  const Case cases[] = {
      {"a missing image", "sleepr", ProviderErrorKind::image_not_found, "did you mean \"sleeper\""},
      {"no execute bit", "closed", ProviderErrorKind::image_not_executable, "chmod +x"},
      {"a missing interpreter", "no-interpreter", ProviderErrorKind::image_not_executable, "interpreter"},
      {"a working directory that is missing", "in-a-folder", ProviderErrorKind::image_not_executable,
       "cannot run in its working directory"},
      {"no program", "no-program", ProviderErrorKind::image_not_executable, "no program of this machine"},
  };
  for (const auto& c : cases) {
    auto started = start(spec("x", c.image));
    ASSERT_FALSE(started) << c.name;
    EXPECT_EQ(started.error().kind, c.kind) << c.name << ": " << started.error().detail;
    EXPECT_THAT(started.error().detail, HasSubstr(c.words)) << c.name;
  }
  auto wrong_id = spec("x", "sleeper");
  wrong_id.id = "default/../x";
  EXPECT_EQ(start(wrong_id).error().kind, ProviderErrorKind::failed);
  EXPECT_TRUE(mesh->run(mesh->client().list())->empty());
}

TEST_P(InstancesTest, WhatIsTooLargeToBeStartedHarmsNobody) {
  mesh->launch();
  ASSERT_TRUE(start(spec("a", "sleeper")));
  auto bomb = spec("bomb", "sleeper");
  bomb.environment = {{"A0", std::string(1000, 'x')}};
  for (int level = 1; level <= 60; ++level) {
    bomb.environment.emplace_back(fmt::format("A{}", level), fmt::format("$(A{0})$(A{0})", level - 1));
  }
  auto wide = spec("wide", "sleeper");
  wide.environment = {{"A", std::string(100'000, 'x')}};
  wide.args.assign(1000, "$(A)");
  auto named = spec("named", "sleeper");
  named.environment = bomb.environment;
  named.environment.resize(7);
  named.command = {"$(A6)"};
  auto ports = spec("ports", "sleeper");
  ports.ports.resize(1000);
  for (const auto& each : {bomb, wide, named, ports}) {
    auto started = start(each);
    ASSERT_FALSE(started) << each.id;
    EXPECT_LE(started.error().detail.size(), 4096U) << each.id;
  }
  EXPECT_EQ(mesh->run(mesh->client().status())->instances, 1U);
}

TEST_P(InstancesTest, AnExitAtOnceIsToldWithItsCode) {
  mesh->launch();
  ASSERT_TRUE(mesh->run(mesh->client().attach()));
  mesh->image("failing", "echo last words >&2; exit 3");
  auto first = start(spec("a", "failing"));
  ASSERT_TRUE(first);
  auto exited = next_exit();
  EXPECT_EQ(exited.id, "default/a");
  ASSERT_TRUE(exited.exit);
  EXPECT_EQ(exited.exit->code, 3);
  EXPECT_EQ(log("default/a"), "last words\n");

  mesh->image("failing", "kill -SEGV $$");
  ASSERT_TRUE(start(spec("a", "failing"))) << "an exited instance starts again under its id";
  EXPECT_EQ(next_exit().exit->signal, SIGSEGV);
  EXPECT_EQ(log("default/a"), "last words\n") << "its log goes on";
}

TEST_P(InstancesTest, AnInstanceStartedAgainKeepsItsPorts) {
  mesh->launch();
  auto what = spec("a", "sleeper");
  what.ports = {{"http", 80}};
  auto first = start(what);
  ASSERT_TRUE(first);
  ASSERT_TRUE(mesh->run(mesh->client().stop("default/a", {})));
  auto second = start(what);
  ASSERT_TRUE(second);
  EXPECT_EQ(second->ports[0].address, first->ports[0].address);
  EXPECT_NE(second->pid, first->pid);

  ASSERT_TRUE(mesh->run(mesh->client().stop("default/a", {})));
  auto squatter = runtime::listen_on(first->ports[0].address);
  auto third = start(what);
  ASSERT_TRUE(third);
  EXPECT_NE(third->ports[0].address, first->ports[0].address) << "unless somebody else took it";
}

TEST_P(InstancesTest, OneThatIgnoresSigtermIsKilled) {
  mesh->launch();
  mesh->image("stubborn", "trap '' TERM; echo deaf; while :; do sleep 1000; done");
  auto what = spec("a", "stubborn");
  what.grace = std::chrono::milliseconds(50);
  ASSERT_TRUE(start(what));
  ASSERT_TRUE(logged("default/a", "deaf"));
  auto stopped = mesh->run(mesh->client().stop("default/a", {}));
  ASSERT_TRUE(stopped && stopped->exit);
  EXPECT_EQ(stopped->exit->signal, SIGKILL);
}

TEST_P(InstancesTest, OneThatForksAwayTakesItsProcessesWithIt) {
  mesh->launch();
  ASSERT_TRUE(mesh->run(mesh->client().attach()));
  // A daemon as of old: a child in a session of its own, whose parent ends.
  mesh->image("daemon",
              fmt::format("setsid sh -c 'sh -c \"echo \\$\\$ > {0}.new; mv {0}.new {0}; trap \\\"\\\" TERM; "
                          "sleep 1000; sleep 1000\" & exit 0' \nwhile [ ! -e {0} ]; do sleep 0.01; done\n$1",
                          mesh->file("pid")));
  auto leaves = spec("leaves", "daemon");
  leaves.args = {"exit"};
  ASSERT_TRUE(start(leaves));
  EXPECT_EQ(next_exit().exit->code, 0);
  EXPECT_TRUE(is_gone("pid"));

  std::filesystem::remove(mesh->file("pid"));
  auto stays = spec("stays", "daemon");
  stays.args = {"wait; sleep 1000"};
  mesh->image("stays", fmt::format("{} & sleep 1000", mesh->file("images/daemon")));
  stays.image = "stays";
  ASSERT_TRUE(start(stays));
  ASSERT_TRUE(mesh->until([&] { return std::filesystem::exists(mesh->file("pid")); }));
  ASSERT_TRUE(mesh->run(mesh->client().stop("default/stays", {})));
  EXPECT_TRUE(is_gone("pid"));
}

TEST_P(InstancesTest, AFloodedLogIsBoundedAndHoldsNobodyUp) {
  mesh->options().logs.file_bytes = 200'000;
  mesh->launch();
  mesh->image("flood", "exec yes a line that is written for ever and ever");
  ASSERT_TRUE(start(spec("flood", "flood")));
  auto path = mesh->options().home.logs() + "/default_flood.log";
  ASSERT_TRUE(mesh->until([&] { return std::filesystem::exists(path + ".1"); }));
  ASSERT_TRUE(start(spec("a", "sleeper")));
  EXPECT_TRUE(logged("default/a", "started"));
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(mesh->run(mesh->client().list()));
    std::error_code rotating;
    auto size = std::filesystem::file_size(path, rotating);
    if (!rotating) {
      EXPECT_LE(size, 400'000U);
    }
  }
  EXPECT_TRUE(mesh->run(mesh->client().stop("default/flood", {})));
}

TEST_P(InstancesTest, ExecutesBesideTheInstance) {
  mesh->launch();
  auto what = spec("a", "sleeper");
  what.environment = {{"CODE", "7"}};
  ASSERT_TRUE(start(what));
  auto execute = [&](const std::string& script, int limit_ms) {
    return mesh->run(
        mesh->client().execute("default/a", {"sh", "-c", script}, std::chrono::milliseconds(limit_ms)));
  };
  EXPECT_EQ(execute("exit $CODE", 10'000).value(), 7);
  EXPECT_EQ(execute("kill -KILL $$", 10'000).value(), 137);
  EXPECT_EQ(execute(fmt::format("echo $$ > {}; exec sleep 1000", mesh->file("probe")), 100).error().kind,
            ProviderErrorKind::timed_out);
  EXPECT_TRUE(is_gone("probe"));
  auto missing = mesh->run(mesh->client().execute("default/a", {"no-such-program"}, std::chrono::seconds(1)));
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().kind, ProviderErrorKind::failed);
  EXPECT_EQ(mesh->run(mesh->client().execute("default/b", {"true"}, std::chrono::seconds(1))).error().kind,
            ProviderErrorKind::not_found);
}

TEST_P(InstancesTest, TellsWhatAProgramIsStartedIn) {
  mesh->launch();
  auto what = spec("a", "sleeper");
  what.environment = {{"CODE", "7"}};
  what.working_directory = "/";
  ASSERT_TRUE(start(what));
  const auto told = mesh->run(mesh->client().surroundings("default/a"));
  ASSERT_TRUE(told);
  EXPECT_EQ(told->directory, "/");
  EXPECT_THAT(told->environment, Contains("CODE=7"));
  EXPECT_THAT(told->environment, Contains(StartsWith("WEFT_INSTANCE=")))
      << "by it the instance's end finds it";
  EXPECT_EQ(mesh->run(mesh->client().surroundings("default/b")).error().kind, ProviderErrorKind::not_found);
  ASSERT_TRUE(mesh->run(mesh->client().stop("default/a", {})));
  EXPECT_EQ(mesh->run(mesh->client().surroundings("default/a")).error().kind, ProviderErrorKind::failed);

  what = spec("large", "sleeper");
  what.environment = {{"LARGE", std::string(surroundings_bytes / 2, 'x')}};
  what.environment.emplace_back("AS_LARGE", "$(LARGE)");
  ASSERT_TRUE(start(what));
  EXPECT_THAT(mesh->run(mesh->client().surroundings("default/large")).error().detail,
              HasSubstr("larger than"));
}

TEST_P(InstancesTest, ManyAreListedInParts) {
  mesh->launch();
  for (int i = 0; i < 120; ++i) {
    auto what = spec(fmt::format("many-{}", i), "sleeper");
    what.labels = {{"text", std::string(1000, 'x')}};
    ASSERT_TRUE(start(what));
  }
  auto listed = mesh->run(mesh->client().list());
  ASSERT_TRUE(listed);
  EXPECT_EQ(listed->size(), 120U);
  EXPECT_EQ(mesh->run(mesh->client().status())->instances, 120U);
}

}  // namespace
}  // namespace weft::provider::process
