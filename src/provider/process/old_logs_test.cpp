#include "provider/process/old_logs.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "provider/process/instance_log.h"
#include "runtime/fd.h"

namespace weft::provider::process {
namespace {

namespace fs = std::filesystem;
using std::chrono::hours;

class OldLogsTest : public testing::Test {
 protected:
  OldLogsTest() {
    char pattern[] = "/tmp/weft-old-logs-XXXXXX";
    root_ = mkdtemp(pattern);
  }
  ~OldLogsTest() override { fs::remove_all(root_); }

  void write(const std::string& name, std::size_t bytes, hours age) {
    std::ofstream(root_ / name) << std::string(bytes, 'x');
    const timespec at{
        std::chrono::duration_cast<std::chrono::seconds>((now_ - age).time_since_epoch()).count(), 0};
    const timespec times[] = {at, at};
    ASSERT_EQ(::utimensat(AT_FDCWD, (root_ / name).c_str(), times, 0), 0);
  }
  std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (const auto& entry : fs::directory_iterator(root_)) all.push_back(entry.path().filename().string());
    return all;
  }

  base::ManualClock clock_;
  base::WallTime now_ = clock_.wall();
  fs::path root_;
};

TEST_F(OldLogsTest, EndByAge) {
  write("default_new.log", 10, hours(1));
  write("default_old.log", 10, hours(200));
  write("default_old.log.1", 10, hours(300));
  write("default_present.log", 10, hours(900));
  write("default_present.log.1", 10, hours(900));
  write("supervisor.log", 10, hours(900));
  write("control-plane.log.1", 10, hours(900));
  remove_old_logs(root_, {log_name("default/present")}, now_, {});
  EXPECT_THAT(names(),
              testing::UnorderedElementsAre("default_new.log", "default_present.log", "default_present.log.1",
                                            "supervisor.log", "control-plane.log.1"));
}

TEST_F(OldLogsTest, EndBySizeWithTheOldestFirst) {
  for (int age = 1; age <= 9; ++age) write("default_web-" + std::to_string(age) + ".log", 100, hours(age));
  write("default_present.log", 1000, hours(0));
  remove_old_logs(root_, {"default_present.log"}, now_, {.bytes = 350});
  EXPECT_THAT(names(), testing::UnorderedElementsAre("default_web-1.log", "default_web-2.log",
                                                     "default_web-3.log", "default_present.log"));
}

TEST_F(OldLogsTest, EndByCount) {
  for (int age = 1; age <= 9; ++age) write("default_web-" + std::to_string(age) + ".log", 0, hours(age));
  remove_old_logs(root_, {}, now_, {.count = 2});
  EXPECT_THAT(names(), testing::UnorderedElementsAre("default_web-1.log", "default_web-2.log"));
}

TEST_F(OldLogsTest, AreClosedAndGoWithWhatStandsBesideThem) {
  InstanceLog log{.id = "default/web", .path = root_ / "default_web.log"};
  log.labels = {{"app", "web"}};
  log.runs = {{.started = now_, .ended = now_ + hours(1), .exit = "exit code 1"}};
  write("default_web.log", 10, hours(2));
  write("default_web.log.1", 10, hours(3));
  write("default_web.json.new", 10, hours(3));
  write("default_no_web.log", 10, hours(1));  // no name of weft's
  note_log(log);
  remove_old_logs(root_, {}, now_, {});
  const auto found = find_log(root_, "default_web.log");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->id, "default/web");
  EXPECT_EQ(found->labels, log.labels);
  ASSERT_EQ(found->runs.size(), 1U);
  EXPECT_EQ(found->runs[0].started, now_);
  EXPECT_EQ(found->runs[0].ended, now_ + hours(1));
  EXPECT_EQ(found->runs[0].exit, "exit code 1");
  EXPECT_TRUE(found->is_closed);
  struct stat note{};
  ASSERT_EQ(::stat((root_ / "default_web.json").c_str(), &note), 0);
  EXPECT_EQ(note.st_mode & 0777, 0600U);
  remove_old_logs(root_, {}, now_ + std::chrono::years(100), {});
  EXPECT_TRUE(names().empty());
}

TEST_F(OldLogsTest, OfAKilledSupervisorHaveEndedWhenOneOfThemWasLastHeardOf) {
  const auto orphan = [this](const std::string& name, hours started, hours written) {
    InstanceLog log{.id = "default/" + name, .path = root_ / log_name("default/" + name)};
    log.runs = {{.started = now_ - started, .ended = {}, .exit = {}}};
    note_log(log);
    write("default_" + name + ".log", 10, written);
  };
  orphan("silent", hours(9), hours(8));
  orphan("late", hours(2), hours(1));
  const auto ended = [this](const std::string& name) {
    return find_log(root_, log_name("default/" + name))->runs.at(0).ended;
  };
  remove_old_logs(root_, {}, now_, {});
  EXPECT_EQ(ended("silent"), now_ - hours(1));
  EXPECT_EQ(ended("late"), now_ - hours(1));
  // One that is in use, and one that started later than anything was written.
  orphan("present", hours(3), hours(3));
  orphan("new", hours(0), hours(4));
  remove_old_logs(root_, {log_name("default/present")}, now_, {});
  EXPECT_FALSE(ended("present"));
  EXPECT_EQ(ended("new"), now_);
  EXPECT_EQ(ended("late"), now_ - hours(1));
  EXPECT_TRUE(find_log(root_, log_name("default/new"))->is_closed);
}

TEST_F(OldLogsTest, ANoteThatIsBrokenIsNone) {
  for (const char* text :
       {"", "[]", "{\"labels\":[1],\"runs\":{}}", "{\"labels\":{\"a\":1},\"runs\":[1,{}]}"}) {
    write("default_web.log", 1, hours(0));
    std::ofstream(root_ / "default_web.json") << text;
    const auto logs = list_logs(root_);
    ASSERT_EQ(logs.size(), 1U);
    EXPECT_TRUE(logs[0].labels.empty() && logs[0].runs.empty());
  }
}

TEST_F(OldLogsTest, ThisProcesssOwnOutputBeginsAnew) {
  const std::string path = root_ / "supervisor.log";
  const runtime::Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600));
  const auto write = [&](const std::string& text) {
    EXPECT_EQ(::write(fd.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
    bound_own_output(fd.get(), path);
  };
  write(std::string(most_own_output - 1, 'x'));
  EXPECT_EQ(fs::file_size(path), most_own_output - 1);
  write("y");
  EXPECT_EQ(fs::file_size(path + ".1"), most_own_output);
  write("z");
  EXPECT_EQ(fs::file_size(path), 1U);
  bound_own_output(fd.get(), root_ / "other.log");
}

TEST_F(OldLogsTest, AFolderThatIsNotThereIsPassedOver) { remove_old_logs(root_ / "none", {}, now_, {}); }

}  // namespace
}  // namespace weft::provider::process
