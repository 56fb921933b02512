#include "provider/process/mesh_fixture_test.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "base/json.h"
#include "provider/process/cgroup.h"
#include "provider/process/environment.h"
#include "provider/process/group.h"
#include "provider/process/proc.h"
#include "provider/process/state_file.h"

namespace weft::provider::process::testing {

namespace fs = std::filesystem;

Mesh::Mesh(bool cgroups) {
  // What a killed supervisor leaves falls to this process, where the tests see it.
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  char pattern[] = "/tmp/weft-mesh-XXXXXX";
  root_ = mkdtemp(pattern);
  fs::create_directories(root_ / "images");
  runtime::HomeSource source;
  source.flag = root_ / "home";
  source.uid = ::geteuid();
  source.system_run = root_ / "run";
  source.temporary = root_;
  options_.home = runtime::Home::resolve(source).value();
  options_.images = {root_ / "images"};
  options_.use_cgroups = cgroups;
}

Mesh::~Mesh() {
  client_.reset();
  if (supervisor_ > 0) {
    ::kill(supervisor_, SIGKILL);
    wait_end();
  }
  auto state = load_state(options_.home.supervisor_state());
  reactor_.block_on(clear_remains(reactor_, state.identity, state.cgroup_root));
  while (::waitpid(-1, nullptr, WNOHANG) > 0) {
  }
  fs::remove_all(root_);
}

void Mesh::image(const std::string& name, const std::string& script) {
  auto path = root_ / "images" / name;
  std::ofstream(path) << "#!/bin/sh\n" << script << "\n";
  ::chmod(path.c_str(), 0755);
}

std::string Mesh::read(const std::string& name) const {
  std::ifstream file(root_ / name);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

pid_t Mesh::fork_supervisor() {
  const pid_t pid = ::fork();
  if (pid != 0) return pid;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::close_range(3, ~0U, 0);  // as if it had been executed
  int code = 99;
  {
    runtime::Reactor reactor;
    code = reactor.block_on(supervise(reactor, options_));
  }
  ::_exit(code);
}

void Mesh::launch() {
  supervisor_ = fork_supervisor();
  client_ = connect();
}

int Mesh::run_to_end() {
  auto before = std::exchange(supervisor_, fork_supervisor());
  auto code = wait_end();
  supervisor_ = before;
  return code;
}

void Mesh::send(int signal) const { ::kill(supervisor_, signal); }

int Mesh::wait_end() {
  int status = 0;
  ::waitpid(std::exchange(supervisor_, -1), &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int Mesh::stop() {
  send(SIGTERM);
  return wait_end();
}

std::unique_ptr<SupervisorClient> Mesh::connect() {
  auto client = run(SupervisorClient::connect_within(reactor_, options_.home.supervisor_socket(), patience));
  if (!client) {
    ADD_FAILURE() << client.error().detail;
    std::abort();
  }
  return std::move(*client);
}

bool Mesh::until(const std::function<bool()>& condition) {
  auto deadline = reactor_.clock().now() + patience;
  while (!condition()) {
    if (reactor_.clock().now() > deadline) return false;
    reactor_.block_on([](runtime::Reactor& reactor) -> runtime::Task<void> {
      co_await reactor.sleep(std::chrono::milliseconds(2));
    }(reactor_));
  }
  return true;
}

std::vector<pid_t> Mesh::processes() const {
  auto prefix = load_state(options_.home.supervisor_state()).identity + "/";
  std::vector<pid_t> found;
  for (const auto& process : all_processes()) {
    if (process.state != 'Z' && environment_variable(process.pid, marker_variable).starts_with(prefix)) {
      found.push_back(process.pid);
    }
  }
  return found;
}

InstanceSpec spec(const std::string& name, const std::string& image) {
  InstanceSpec spec;
  spec.id = "default/" + name;
  spec.image = image;
  spec.grace = std::chrono::milliseconds(5000);
  return spec;
}

bool can_make_cgroups() {
  auto root = make_cgroup_root("test" + std::to_string(::getpid()));
  if (root) remove_cgroup(*root);
  return root.has_value();
}

}  // namespace weft::provider::process::testing
