#include "provider/process/supervisor.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "base/json.h"
#include "provider/process/mesh_fixture_test.h"
#include "runtime/socket.h"

namespace weft::provider::process {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::Mesh;
using testing::spec;

class SupervisorTest : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    if (GetParam() && !testing::can_make_cgroups()) GTEST_SKIP() << "no writable cgroup2 mount";
    mesh.emplace(GetParam());
    mesh->image("sleeper", "exec sleep 1000");
  }
  void TearDown() override {
    if (!mesh) return;
    mesh->disconnect();
    EXPECT_THAT(mesh->processes(), IsEmpty()) << "each test ends its supervisor";
    EXPECT_FALSE(std::filesystem::exists(mesh->options().home.run()));
  }
  Result<Instance> start(InstanceSpec what) { return mesh->run(mesh->client().start(std::move(what))); }
  /// argv of a script that runs as control plane or proxy.
  std::vector<std::string> own(const std::string& name, const std::string& script) {
    mesh->image(name, script);
    return {mesh->file("images/" + name)};
  }

  std::optional<Mesh> mesh;
};

INSTANTIATE_TEST_SUITE_P(Fences, SupervisorTest, ::testing::Bool(),
                         [](const auto& each) { return each.param ? "Cgroups" : "ProcessGroups"; });

TEST_P(SupervisorTest, ASecondOneRefuses) {
  mesh->launch();
  EXPECT_EQ(mesh->run_to_end(), 1);
  EXPECT_TRUE(mesh->run(mesh->client().status())) << "the first goes on";
  EXPECT_EQ(mesh->stop(), 0);
}

TEST_P(SupervisorTest, AfterItsKillASuccessorClearsWhatRemains) {
  mesh->launch();
  mesh->image(
      "away",
      fmt::format("setsid sh -c 'echo $$ > {0}.new; mv {0}.new {0}; exec sleep 1000' & exec sleep 1000",
                  mesh->file("pid")));
  ASSERT_TRUE(start(spec("a", "away")));
  auto address = mesh->run(mesh->client().reserve("edge/default/web/80"));
  ASSERT_TRUE(address);
  ASSERT_TRUE(mesh->until([&] { return std::filesystem::exists(mesh->file("pid")); }));
  EXPECT_THAT(mesh->read("home/supervisor.json"), HasSubstr("edge/default/web"));
  mesh->send(SIGKILL);
  EXPECT_EQ(mesh->wait_end(), -1);
  EXPECT_EQ(mesh->run(mesh->client().list()).error().kind, ProviderErrorKind::unavailable);

  mesh->launch();
  EXPECT_THAT(mesh->processes(), IsEmpty());
  EXPECT_TRUE(mesh->run(mesh->client().list())->empty());
  EXPECT_EQ(mesh->run(mesh->client().reserve("edge/default/web/80")).value(), *address);
  EXPECT_EQ(mesh->stop(), 0);
}

TEST_P(SupervisorTest, AControlPlaneThatComesBackFindsWhatHappened) {
  mesh->launch();
  ASSERT_TRUE(mesh->run(mesh->client().attach()));
  mesh->image("job", fmt::format("while [ ! -e {} ]; do sleep 0.01; done; exit 7", mesh->file("go")));
  ASSERT_TRUE(start(spec("job", "job")));
  ASSERT_TRUE(start(spec("web", "sleeper")));
  ASSERT_TRUE(mesh->run(mesh->client().note("default/web", "ready")));
  auto other = mesh->connect();
  auto refused = mesh->run(other->attach());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ProviderErrorKind::already_exists);
  EXPECT_THAT(refused.error().detail, HasSubstr(std::to_string(getpid())));

  mesh->disconnect();
  std::ofstream(mesh->file("go")) << "now";
  ASSERT_TRUE(mesh->until([&] { return mesh->run(other->status())->instances == 1U; }));
  ASSERT_TRUE(mesh->until([&] { return mesh->run(other->attach()).has_value(); }));
  auto listed = mesh->run(other->list());
  ASSERT_TRUE(listed && listed->size() == 2U);
  EXPECT_EQ((*listed)[0].phase, Phase::exited);
  ASSERT_TRUE((*listed)[0].exit);
  EXPECT_EQ((*listed)[0].exit->code, 7);
  EXPECT_EQ((*listed)[1].phase, Phase::running);
  EXPECT_EQ((*listed)[1].note, "ready");
  ASSERT_TRUE(mesh->run(other->stop("default/web", {})));
  EXPECT_EQ(mesh->run(other->next_change())->id, "default/web") << "the new one is told";
  EXPECT_EQ(mesh->stop(), 0);
}

TEST_P(SupervisorTest, AStopGoesOnWithoutWhoAskedForIt) {
  mesh->launch();
  mesh->image("slow", fmt::format("trap 'while [ ! -e {} ]; do sleep 0.01; done; exit 5' TERM; echo up; "
                                  "while :; do sleep 0.01; done",
                                  mesh->file("go")));
  ASSERT_TRUE(start(spec("a", "slow")));
  auto log = mesh->options().home.logs() + "/default_a.log";
  ASSERT_TRUE(
      mesh->until([&] { return std::filesystem::exists(log) && std::filesystem::file_size(log) > 0; }));
  auto other = mesh->connect();
  mesh->reactor().block_on(runtime::first(
      [](SupervisorClient& client) -> runtime::Task<void> {
        (void)co_await client.stop("default/a", {});
      }(mesh->client()),
      [](SupervisorClient& client) -> runtime::Task<void> {
        while (true) {
          auto listed = co_await client.list();
          if (listed->front().phase == Phase::stopping) co_return;
        }
      }(*other)));
  mesh->disconnect();
  std::ofstream(mesh->file("go")) << "now";
  ASSERT_TRUE(mesh->until([&] { return mesh->run(other->list())->front().phase == Phase::exited; }));
  EXPECT_EQ(mesh->run(other->list())->front().exit->code, 5);
  EXPECT_EQ(mesh->stop(), 0);
}

TEST_P(SupervisorTest, ListeningSocketsStayOpenAndArePassedOn) {
  mesh->launch();
  auto address = mesh->run(mesh->client().reserve("edge/default/web/80"));
  ASSERT_TRUE(address);
  // A connection made before anybody accepts waits in the backlog, as it does while the proxy is restarted.
  auto early = mesh->run(runtime::connect(mesh->reactor(), *address, std::chrono::seconds(5)));
  ASSERT_TRUE(early);
  for (int life = 0; life < 2; ++life) {
    auto proxy = mesh->connect();
    auto listening = mesh->run(proxy->listen("edge/default/web/80"));
    ASSERT_TRUE(listening) << listening.error().detail;
    EXPECT_EQ(runtime::local_address(listening->get()), *address);
    proxy.reset();
    if (life == 0) continue;
    runtime::Acceptor acceptor(mesh->reactor(), std::move(*listening));
    auto accepted = mesh->run(acceptor.accept());
    ASSERT_TRUE(accepted);
  }
  ASSERT_TRUE(mesh->run(mesh->client().release({"edge/default/web/80"})));
  EXPECT_EQ(mesh->run(mesh->client().listen("edge/default/web/80")).error().kind,
            ProviderErrorKind::not_found);
  EXPECT_EQ(mesh->stop(), 0);
}

TEST_P(SupervisorTest, AnAddressIsTheSameInTheNextLifeOrItsHolderIsNamed) {
  mesh->launch();
  auto address = mesh->run(mesh->client().reserve("edge/default/web/80"));
  ASSERT_TRUE(address);
  mesh->disconnect();
  EXPECT_EQ(mesh->stop(), 0);
  auto holder = runtime::listen_on(*address);
  ASSERT_TRUE(holder);
  mesh->launch();
  auto taken = mesh->run(mesh->client().reserve("edge/default/web/80"));
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().kind, ProviderErrorKind::port_in_use);
  EXPECT_THAT(taken.error().detail, HasSubstr(fmt::format("process {} (", getpid())));
  holder->reset();
  EXPECT_EQ(mesh->run(mesh->client().reserve("edge/default/web/80")).value(), *address);
  EXPECT_EQ(mesh->stop(), 0);
}

TEST_P(SupervisorTest, ControlPlaneAndProxyAreStartedAgain) {
  const std::string waits = "trap 'exit 0' TERM; echo up; while :; do sleep 0.02; done";
  mesh->options().control_plane = own("control-plane", waits);
  mesh->options().proxy = own("proxy", waits);
  mesh->launch();
  auto status = [&] { return mesh->run(mesh->client().status()).value(); };
  for (auto field : {&SupervisorStatus::control_plane, &SupervisorStatus::proxy}) {
    ASSERT_TRUE(mesh->until([&] { return (status().*field).pid > 0; }));
    for (int death = 1; death <= 2; ++death) {
      const auto before = status().*field;
      ::kill(before.pid, SIGKILL);
      ASSERT_TRUE(mesh->until([&] {
        const auto now = status().*field;
        return now.pid > 0 && now.pid != before.pid && now.restarts == death;
      }));
      EXPECT_THAT((status().*field).last_exit, HasSubstr("SIGKILL"));
    }
  }
  EXPECT_EQ(status().cgroups, GetParam());
  EXPECT_THAT(mesh->read("home/logs/proxy.log"), HasSubstr("up"));
  EXPECT_EQ(mesh->stop(), 0);
}

TEST_P(SupervisorTest, AControlPlaneThatEndsWellEndsTheMesh) {
  mesh->options().control_plane =
      own("control-plane", fmt::format("while [ ! -e {} ]; do sleep 0.01; done; exit 0", mesh->file("go")));
  mesh->options().proxy = own("proxy", "exec sleep 1000");
  mesh->launch();
  ASSERT_TRUE(start(spec("a", "sleeper")));
  std::ofstream(mesh->file("go")) << "now";
  EXPECT_EQ(mesh->wait_end(), 0);
}

TEST_P(SupervisorTest, ShutdownStopsWhatTheControlPlaneLeft) {
  mesh->options().control_plane = own("control-plane", "trap '' TERM; while :; do sleep 0.02; done");
  mesh->options().proxy = own("proxy", "exec sleep 1000");
  mesh->options().shutdown_limit = std::chrono::milliseconds(100);
  mesh->image("stubborn", "trap '' TERM; echo deaf; while :; do sleep 1000; done");
  mesh->launch();
  auto stubborn = spec("a", "stubborn");
  stubborn.grace = std::chrono::milliseconds(50);
  ASSERT_TRUE(start(stubborn));
  ASSERT_TRUE(start(spec("b", "sleeper")));
  ASSERT_TRUE(mesh->run(mesh->client().shutdown()));
  mesh->reactor().block_on(mesh->client().until_gone());
  EXPECT_THAT(mesh->processes(), IsEmpty()) << "the connection ends when all are gone";
  EXPECT_EQ(mesh->wait_end(), 0);
}

TEST_P(SupervisorTest, TheSecondSignalMakesItQuick) {
  mesh->options().control_plane = own("control-plane", "trap '' TERM; echo up; while :; do sleep 0.02; done");
  mesh->launch();
  ASSERT_TRUE(
      mesh->until([&] { return mesh->read("home/logs/control-plane.log").find("up") != std::string::npos; }));
  ASSERT_TRUE(start(spec("a", "sleeper")));
  mesh->send(SIGINT);
  ASSERT_TRUE(mesh->until([&] { return mesh->run(mesh->client().status())->stopping; }));
  mesh->send(SIGINT);
  EXPECT_EQ(mesh->wait_end(), 0);
}

TEST_P(SupervisorTest, TwoHomesDoNotMeet) {
  Mesh second(GetParam());
  second.image("sleeper", "exec sleep 1000");
  mesh->launch();
  second.launch();
  std::set<std::uint16_t> ports;
  std::vector<runtime::Fd> listening;
  for (int i = 0; i < 10; ++i) {
    for (auto* each : {&*mesh, &second}) {
      auto what = spec(fmt::format("web-{}", i), "sleeper");
      what.ports = {{"http", 80}};
      auto started = each->run(each->client().start(what));
      ASSERT_TRUE(started);
      EXPECT_TRUE(ports.insert(started->ports[0].address.port()).second);
      listening.push_back(
          std::move(*runtime::listen_on(started->ports[0].address)));  // as the application would
      auto reserved = each->run(each->client().reserve(fmt::format("edge/default/web-{}/80", i)));
      ASSERT_TRUE(reserved);
      EXPECT_TRUE(ports.insert(reserved->port()).second);
    }
  }
  mesh->disconnect();
  EXPECT_EQ(mesh->stop(), 0);
  EXPECT_THAT(mesh->processes(), IsEmpty());
  EXPECT_EQ(second.processes().size(), 10U);
  EXPECT_EQ(second.run(second.client().status())->instances, 10U);
  EXPECT_EQ(second.stop(), 0);
}

TEST_P(SupervisorTest, WithoutAPlaceForItsStateItDoesNotStart) {
  std::filesystem::create_directories(mesh->file("home/supervisor.json.new"));
  std::filesystem::permissions(mesh->file("home"), std::filesystem::perms::owner_all);
  EXPECT_EQ(mesh->run_to_end(), 1);
  std::filesystem::remove(mesh->file("home/supervisor.json.new"));
  mesh->launch();
  EXPECT_EQ(mesh->stop(), 0);
  std::filesystem::create_directories(mesh->file("home/supervisor.json.new"));
  mesh->launch();
  EXPECT_TRUE(start(spec("a", "sleeper"))) << "with what was recorded before it does";
  EXPECT_EQ(mesh->stop(), 0);
}

TEST_P(SupervisorTest, ABrokenPeerHarmsNobody) {
  mesh->launch();
  auto peer = [&] {
    return runtime::MessageSocket(
        mesh->reactor(), std::move(*runtime::connect_messages(mesh->options().home.supervisor_socket())));
  };
  const auto deep =
      R"({"op": "status", "id": )" + std::string(400'000, '[') + std::string(400'000, ']') + "}";
  for (const auto& text :
       {std::string("nonsense"), std::string("[]"), std::string("3"), std::string("{}"), deep}) {
    auto socket = peer();
    ASSERT_TRUE(mesh->run(socket.send(text)));
    auto end = mesh->run(socket.receive());
    EXPECT_TRUE(!end || !*end) << text.substr(0, 20) << " ends the connection";
  }
  for (const char* text : {R"({"id": 1})", R"({"id": 1, "op": 5})", R"({"id": 1, "op": "dance"})",
                           R"({"id": 1, "op": "start", "spec": 3})",
                           R"({"id": 1, "op": "release", "keys": [1]})", R"({"id": 1, "op": "stop"})"}) {
    auto socket = peer();
    ASSERT_TRUE(mesh->run(socket.send(text)));
    auto reply = mesh->run(socket.receive());
    ASSERT_TRUE(reply && *reply) << text;
    EXPECT_THAT((*reply)->bytes, HasSubstr("\"kind\":\"failed\"")) << text;
  }
  for (int i = 0; i < 50; ++i) {
    auto leaver = peer();
    ASSERT_TRUE(mesh->run(leaver.send(R"({"id": 1, "op": "status"})"))) << "and does not wait for the answer";
  }
  EXPECT_TRUE(mesh->run(mesh->client().status()));
  auto large = spec("a", "sleeper");
  large.labels = {{"text", std::string(100'000, 'x')}};
  EXPECT_EQ(start(large).error().kind, ProviderErrorKind::failed);
  large.labels.clear();
  large.environment = {{"TEXT", std::string(2'000'000, 'x')}};
  EXPECT_EQ(start(large).error().kind, ProviderErrorKind::failed);
  EXPECT_TRUE(mesh->run(mesh->client().status()));
  EXPECT_EQ(mesh->stop(), 0);
}

TEST_P(SupervisorTest, APeerThatGoesBeforeItsAnswerHarmsNobody) {
  mesh->launch();
  ASSERT_TRUE(start(spec("a", "sleeper")));
  for (int i = 0; i < 20; ++i) {
    runtime::MessageSocket socket(
        mesh->reactor(), std::move(*runtime::connect_messages(mesh->options().home.supervisor_socket())));
    for (int request = 0; request < 5; ++request) {
      ASSERT_TRUE(mesh->run(socket.send(R"({"id": 1, "op": "list", "after": ""})")));
    }
    ASSERT_TRUE(mesh->run(socket.send(
        R"({"id": 2, "op": "execute", "instance": "default/a", "argv": ["sleep", "1000"], "limitMs": 100000})")));
  }
  EXPECT_TRUE(mesh->until([&] { return mesh->processes().size() == 1U; }))
      << "what they executed has ended too";
  EXPECT_TRUE(mesh->run(mesh->client().status()));
  EXPECT_EQ(mesh->stop(), 0);
}

TEST_P(SupervisorTest, APeerThatDoesNotReadIsNotReadEither) {
  mesh->launch();
  const auto silent = runtime::connect_messages(mesh->options().home.supervisor_socket());
  ASSERT_TRUE(silent);
  const std::string request = R"({"id": 1, "op": "status"})";
  constexpr int far_too_many = 100'000;
  int sent = 0;
  // Nothing more is taken once its replies lie there: a socket's buffers hold some thousand.
  ASSERT_TRUE(mesh->until([&] {
    int now = 0;
    while (sent < far_too_many && ::send(silent->get(), request.data(), request.size(), 0) > 0) ++sent, ++now;
    const bool answered = mesh->run(mesh->client().status()).has_value();
    return sent == far_too_many || (answered && now == 0);
  }));
  EXPECT_LT(sent, far_too_many);
  EXPECT_EQ(mesh->stop(), 0);
}

TEST_P(SupervisorTest, APeerThatDoesNotReadHoldsFewDescriptors) {
  mesh->launch();
  const auto address = mesh->run(mesh->client().reserve("edge/0"));
  ASSERT_TRUE(address);
  const auto folder = fmt::format("/proc/{}/fd", mesh->run(mesh->client().status())->pid);
  const auto descriptors = [&folder] {
    return std::distance(std::filesystem::directory_iterator(folder), std::filesystem::directory_iterator());
  };
  const auto before = descriptors();
  const auto silent = runtime::connect_messages(mesh->options().home.supervisor_socket());
  ASSERT_TRUE(silent);
  const auto request = fmt::format(R"({{"id": 1, "op": "listen", "key": "{}"}})", "edge/0");
  constexpr int far_too_many = 100'000;
  int sent = 0;
  ASSERT_TRUE(mesh->until([&] {
    int now = 0;
    while (sent < far_too_many && ::send(silent->get(), request.data(), request.size(), MSG_NOSIGNAL) > 0)
      ++sent, ++now;
    const bool answered = mesh->run(mesh->client().status()).has_value();
    return sent == far_too_many || (answered && now == 0);
  }));
  EXPECT_LT(descriptors(), before + 100);
  EXPECT_EQ(mesh->stop(), 0);
}

TEST_P(SupervisorTest, PeersHaveALargestNumber) {
  mesh->launch();
  std::vector<runtime::Fd> peers;
  for (int i = 0; i < 100; ++i)
    peers.push_back(std::move(*runtime::connect_messages(mesh->options().home.supervisor_socket())));
  EXPECT_TRUE(mesh->run(mesh->client().status())) << "who came before is served";
  auto late = runtime::MessageSocket(mesh->reactor(), std::move(peers.back()));
  auto end = mesh->run(late.receive());
  EXPECT_TRUE(!end || !*end) << "who comes too late is told by the end of the connection";
  peers.clear();
  EXPECT_TRUE(mesh->until([&] { return mesh->run(mesh->connect()->status()).has_value(); }));
  EXPECT_EQ(mesh->stop(), 0);
}

TEST_P(SupervisorTest, AtTheLimitOfDescriptorsItsOwnTwoAreStartedAgain) {
  const std::string waits = "trap 'exit 0' TERM; echo up; while :; do sleep 0.02; done";
  mesh->options().control_plane = own("control-plane", waits);
  mesh->options().proxy = own("proxy", waits);
  mesh->launch();
  auto status = [&] { return mesh->run(mesh->connect()->status()).value(); };
  ASSERT_TRUE(mesh->until([&] { return status().control_plane.pid > 0 && status().proxy.pid > 0; }));
  const rlimit low{100, 100};
  ASSERT_EQ(::prlimit(status().pid, RLIMIT_NOFILE, &low, nullptr), 0);
  auto reserved = mesh->run(mesh->client().reserve("edge/0"));
  const auto first = reserved;
  for (int i = 1; reserved && i < 100; ++i)
    reserved = mesh->run(mesh->client().reserve("edge/" + std::to_string(i)));
  ASSERT_FALSE(reserved);
  EXPECT_THAT(reserved.error().detail, HasSubstr("oo many open files (the limit is 100"));
  auto started = start(spec("a", "sleeper"));
  ASSERT_FALSE(started);
  EXPECT_THAT(started.error().detail, HasSubstr("oo many open files"));
  EXPECT_TRUE(mesh->run(mesh->client().listen("edge/0"))) << "for a proxy that starts again";
  const auto before = status();
  ::kill(before.control_plane.pid, SIGKILL);
  ::kill(before.proxy.pid, SIGKILL);
  EXPECT_TRUE(mesh->until([&] {
    const auto now = status();
    return now.control_plane.restarts == 1 && now.control_plane.pid > 0 && now.proxy.restarts == 1 &&
           now.proxy.pid > 0;
  }));
  ASSERT_TRUE(mesh->run(mesh->client().release({"edge/0", "edge/1", "edge/2", "edge/3"})));
  EXPECT_TRUE(start(spec("a", "sleeper"))) << "what was given back can be used";
  EXPECT_EQ(mesh->stop(), 0);
}

TEST_P(SupervisorTest, AnInstanceIsKilledForMemoryBeforeControlPlaneAndSupervisor) {
  mesh->options().proxy = own("proxy", "exec sleep 1000");
  mesh->launch();
  auto started = start(spec("a", "sleeper"));
  ASSERT_TRUE(started);
  const auto status = mesh->run(mesh->client().status()).value();
  const auto score = [](pid_t pid) {
    int value = 0;
    std::ifstream(fmt::format("/proc/{}/oom_score_adj", pid)) >> value;
    return value;
  };
  EXPECT_GT(score(started->pid), score(status.proxy.pid));
  EXPECT_GT(score(status.proxy.pid), score(status.pid));
  EXPECT_EQ(mesh->stop(), 0);
}

TEST_P(SupervisorTest, ItsFilesAreItsUsersAloneWhateverWasThere) {
  const auto logs = mesh->file("home/logs");
  std::filesystem::create_directories(logs);
  using enum std::filesystem::perms;
  std::filesystem::permissions(mesh->file("home"), owner_all);
  std::filesystem::permissions(logs, owner_all);
  const auto open = owner_read | owner_write | group_read | others_read;
  for (const char* name : {"home/logs/default_a.log", "home/supervisor.json.new", "home/logs/proxy.log"}) {
    std::ofstream(mesh->file(name)) << "";
    std::filesystem::permissions(mesh->file(name), open);
  }
  const auto umask_before = ::umask(0);
  mesh->options().proxy = own("proxy", "exec sleep 1000");
  mesh->launch();
  ASSERT_TRUE(start(spec("a", "sleeper")));
  ::umask(umask_before);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(mesh->file("home"))) {
    if (entry.is_symlink()) continue;
    EXPECT_EQ(entry.status().permissions() & (group_all | others_all), none) << entry.path();
  }
  EXPECT_EQ(mesh->stop(), 0);
}

TEST_P(SupervisorTest, ABrokenStateFileIsPutAside) {
  std::filesystem::create_directories(mesh->file("home"));
  std::filesystem::permissions(mesh->file("home"), std::filesystem::perms::owner_all);
  std::ofstream(mesh->file("home/supervisor.json")) << "{ half";
  mesh->launch();
  EXPECT_TRUE(mesh->run(mesh->client().reserve("edge/default/web/80")));
  EXPECT_EQ(mesh->stop(), 0);
  EXPECT_EQ(mesh->read("home/supervisor.json.broken"), "{ half");
}

/// An older or newer side may ask for, and tell, what this one does not know.
TEST_P(SupervisorTest, WhoAsksForWhatItDoesNotKnowIsToldSoAndGoesOn) {
  mesh->launch();
  auto& reactor = mesh->reactor();
  runtime::MessageSocket socket(reactor,
                                *runtime::connect_messages(mesh->options().home.supervisor_socket()));
  const auto ask = [&](std::string text) {
    EXPECT_TRUE(mesh->run(socket.send(std::move(text))));
    return base::Json::parse((*mesh->run(socket.receive()))->bytes);
  };
  const auto unknown = ask(R"({"id": 1, "op": "sing", "song": "of tomorrow"})");
  EXPECT_EQ(unknown["id"], 1);
  EXPECT_EQ(unknown["error"]["kind"], "failed");
  EXPECT_EQ(unknown["error"]["detail"], "unknown request \"sing\"");
  EXPECT_TRUE(ask(R"({"id": 2, "op": "status", "more": true})").contains("ok"));
  EXPECT_EQ(mesh->stop(), 0);
}

TEST(SupervisorClient, PassesOverWhatItDoesNotKnow) {
  runtime::Reactor reactor;
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
  runtime::MessageSocket supervisor(reactor, runtime::Fd(ends[0]));
  SupervisorClient client(reactor, runtime::Fd(ends[1]));
  // An event that is new, a reply with more than is known, and one without what is new.
  const auto before = base::Json{{"pid", 7}, {"restarts", 0}, {"lastExit", ""}};
  const base::Json status{{"pid", 9},
                          {"keeper", before},
                          {"restarts", 0},
                          {"lastEnd", ""},
                          {"startedAt", 0},
                          {"cgroups", false},
                          {"limitsProcesses", false},
                          {"images", base::Json::array()},
                          {"stopping", false},
                          {"instances", 0},
                          {"controlPlane", before},
                          {"proxy", before},
                          {"mood", "good"}};
  const auto reply = base::Json{{"id", 1}, {"ok", status}, {"weather", "fine"}}.dump();
  reactor.block_on([](runtime::MessageSocket& to, std::string text) -> runtime::Task<void> {
    co_await to.send(R"({"sung": "of tomorrow"})");
    co_await to.send(R"(["nothing", "that", "is", "known"])");
    co_await to.send(std::move(text));
  }(supervisor, reply));
  const auto told = reactor.block_on(client.status());
  ASSERT_TRUE(told) << told.error().detail;
  EXPECT_EQ(told->pid, 9);
  EXPECT_TRUE(told->proxy.before.empty());
}

}  // namespace
}  // namespace weft::provider::process
