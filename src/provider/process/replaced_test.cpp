// What takes the place of a supervisor, and of the processes that it keeps: when, and what is left if it
// cannot.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "provider/process/mesh_fixture_test.h"

namespace weft::provider::process {
namespace {

using ::testing::HasSubstr;
using testing::Mesh;
using testing::spec;

class Replaced : public ::testing::Test {
 protected:
  void SetUp() override { mesh.image("sleeper", "exec sleep 1000"); }
  void TearDown() override {
    mesh.disconnect();
    EXPECT_THAT(mesh.processes(), ::testing::IsEmpty()) << "each test ends its supervisor";
  }
  Result<Instance> start() { return mesh.run(mesh.client().start(spec("a", "sleeper"))); }
  /// argv of a script that runs as control plane or proxy.
  std::vector<std::string> own(const std::string& name, const std::string& script) {
    mesh.image(name, script);
    return {mesh.file("images/" + name)};
  }

  Mesh mesh{false};
};

TEST_F(Replaced, AProxyThatDoesNotServeLeavesTheOneBeforeInItsPlace) {
  mesh.options().proxy =
      own("proxy", fmt::format("[ -e {0} ] && exit 9; touch {0}; exec sleep 1000", mesh.file("first")));
  mesh.launch();
  ASSERT_TRUE(mesh.until([&] { return std::filesystem::exists(mesh.file("first")); }));
  const auto before = mesh.run(mesh.client().status())->proxy.pid;
  const auto replaced = mesh.run(mesh.client().replace("proxy"));
  ASSERT_FALSE(replaced);
  EXPECT_THAT(replaced.error().detail, HasSubstr("it ended: exit code 9"));
  EXPECT_EQ(mesh.run(mesh.client().status())->proxy.pid, before);
  EXPECT_EQ(::kill(before, 0), 0);
  EXPECT_EQ(mesh.run(mesh.client().replace("cook")).error().kind, ProviderErrorKind::not_found);
  EXPECT_EQ(mesh.stop(), 0);
}

TEST_F(Replaced, AControlPlaneThatIsReplacedMayEndAsItLikes) {
  // The second one ends before it has come, which is told; then as ever it is started again.
  mesh.options().control_plane =
      own("control", fmt::format("trap 'exit 0' HUP; echo >> {0}; [ $(wc -l < {0}) = 2 ] && exit 9; "
                                 "while :; do sleep 0.01; done",
                                 mesh.file("lives")));
  mesh.launch();
  ASSERT_TRUE(mesh.until([&] { return mesh.read("lives") == "\n"; }));
  const auto replaced = mesh.run(mesh.client().replace("control-plane"));
  ASSERT_FALSE(replaced);
  EXPECT_THAT(replaced.error().detail,
              HasSubstr("the new control-plane does not serve: it ended: exit code 9"));
  ASSERT_TRUE(mesh.until([&] { return mesh.read("lives") == "\n\n\n"; }));
  EXPECT_EQ(mesh.stop(), 0);
}

TEST_F(Replaced, NothingIsReplacedWhileTheControlPlaneStopsEverything) {
  mesh.options().proxy = own("proxy", "exec sleep 1000");
  mesh.image("agrees", "printf 'weft can go on\\n' >&2");
  mesh.launch();
  const auto control_plane = mesh.connect();
  ASSERT_TRUE(mesh.run(control_plane->attach()));
  EXPECT_FALSE(mesh.run(mesh.client().status())->stopping);
  ASSERT_TRUE(mesh.run(control_plane->stops()));
  EXPECT_TRUE(mesh.run(mesh.client().status())->stopping);
  for (const char* part : {"supervisor", "control-plane", "proxy", "keeper"}) {
    const bool is_supervisor = std::string_view(part) == "supervisor";
    const auto replaced = mesh.run(is_supervisor ? mesh.client().upgrade(mesh.file("images/agrees"))
                                                 : mesh.client().replace(part));
    ASSERT_FALSE(replaced) << part;
    EXPECT_EQ(replaced.error().kind, ProviderErrorKind::unavailable);
    EXPECT_EQ(replaced.error().detail, "the mesh is stopping");
  }
  EXPECT_EQ(mesh.stop(), 0);
}

TEST_F(Replaced, AControlPlaneThatIsKilledInAStopStopsNothingMore) {
  mesh.launch();
  auto control_plane = mesh.connect();
  ASSERT_TRUE(mesh.run(control_plane->attach()));
  ASSERT_TRUE(mesh.run(control_plane->stops()));
  control_plane.reset();
  EXPECT_TRUE(mesh.until([&] { return !mesh.run(mesh.client().status())->stopping; }));
  EXPECT_EQ(mesh.stop(), 0);
}

TEST_F(Replaced, AProgramThatIsAskedIsNotTrustedYet) {
  mesh.options().again = {.resume = {"resume"}, .check = "check"};
  mesh.image("asked",
             R"(echo "told '$NOTIFY_SOCKET$LISTEN_PID$LISTEN_FDS' $(cat /proc/self/oom_score_adj)." >&2
                          exit 3)");
  for (const char* name : {"NOTIFY_SOCKET", "LISTEN_PID", "LISTEN_FDS"}) ::setenv(name, "/nobody", 1);
  mesh.launch();
  for (const char* name : {"NOTIFY_SOCKET", "LISTEN_PID", "LISTEN_FDS"}) ::unsetenv(name);
  const auto started = start();
  ASSERT_TRUE(started);
  int score = 0;
  std::ifstream(fmt::format("/proc/{}/oom_score_adj", started->pid)) >> score;
  const auto refused = mesh.run(mesh.client().upgrade(mesh.file("images/asked")));
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().detail, HasSubstr(fmt::format("told '' {}.", score)));
  EXPECT_EQ(mesh.stop(), 0);
}

TEST_F(Replaced, AProgramThatCannotTakeItsPlaceChangesNothing) {
  mesh.options().again = {.resume = {"resume", "--with=this"}, .check = "check"};
  mesh.image("refuses", "echo \"no $*\" >&2; exit 3");
  // Another file by the time when it says that it can.
  mesh.image("changes", fmt::format("cp $0 $0.new; mv $0.new $0; printf '{}' >&2", "weft can go on\\n"));
  mesh.launch();
  ASSERT_TRUE(start());
  const auto refused = mesh.run(mesh.client().upgrade(mesh.file("images/refuses")));
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().detail, HasSubstr("no resume --with=this 3 check 3"))
      << "all that it would get";
  const auto changed = mesh.run(mesh.client().upgrade(mesh.file("images/changes")));
  ASSERT_FALSE(changed);
  EXPECT_THAT(changed.error().detail, HasSubstr("was changed while it was looked at"));
  EXPECT_FALSE(mesh.run(mesh.client().upgrade(mesh.file("images/nothing"))));
  EXPECT_EQ(mesh.run(mesh.client().list())->size(), 1U);
  EXPECT_EQ(mesh.stop(), 0);
}

}  // namespace
}  // namespace weft::provider::process
