// For tests: a supervisor in a process of its own, with shell scripts as images, and a look at what it leaves
// behind.
#pragma once

#include <gtest/gtest.h>
#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "provider/process/client.h"
#include "provider/process/supervisor.h"
#include "runtime/combine.h"

namespace weft::provider::process::testing {

/// Longest that a test waits for anything.
inline constexpr std::chrono::seconds patience{20};

/// One home with its supervisor. What still runs at its end is killed.
class Mesh {
 public:
  /// A new folder for everything: images, home, run folder.
  explicit Mesh(bool cgroups);
  Mesh(const Mesh&) = delete;
  Mesh& operator=(const Mesh&) = delete;
  ~Mesh();

  /// Writes an image: a script of /bin/sh.
  void image(const std::string& name, const std::string& script);
  std::string file(const std::string& name) const { return (root_ / name).string(); }
  std::string read(const std::string& name) const;

  /// Options for the next launch().
  Options& options() { return options_; }
  /// Forks the supervisor and connects to it.
  void launch();
  /// Forks one and gives its exit code (-1 if a signal ended it).
  int run_to_end();
  void send(int signal) const;
  /// Waits for the supervisor's end: its exit code, -1 if a signal ended it.
  int wait_end();
  /// SIGTERM and its end.
  int stop();

  SupervisorClient& client() { return *client_; }
  std::unique_ptr<SupervisorClient> connect();
  void disconnect() { client_.reset(); }
  runtime::Reactor& reactor() { return reactor_; }

  /// Runs a task of the client to its end.
  template <class T>
  T run(runtime::Task<T> task) {
    auto result = reactor_.block_on(runtime::within(reactor_, patience, std::move(task)));
    if (!result) {
      ADD_FAILURE() << "no answer in time";
      std::abort();
    }
    return std::move(*result);
  }
  /// Runs the loop until `condition` holds; false if it does not in time.
  bool until(const std::function<bool()>& condition);
  /// The processes of this home that are there now: its marker is in their environment.
  std::vector<pid_t> processes() const;

 private:
  pid_t fork_supervisor();

  std::filesystem::path root_;
  Options options_;
  runtime::Reactor reactor_;
  std::unique_ptr<SupervisorClient> client_;
  pid_t supervisor_ = -1;
};

/// A spec of `image` with the id "default/<name>".
InstanceSpec spec(const std::string& name, const std::string& image);
/// Whether this machine lets the tests make cgroups.
bool can_make_cgroups();

}  // namespace weft::provider::process::testing
