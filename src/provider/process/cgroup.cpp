#include "provider/process/cgroup.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

namespace weft::provider::process {
namespace {

namespace fs = std::filesystem;

std::string read_file(const std::string& path) {
  std::ifstream file(path);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

/// Whether the kernel took it.
bool write_to(const std::string& path, std::string_view text) {
  const runtime::Fd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  return fd && ::write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

bool says_populated(std::string_view events) { return events.find("populated 1") != std::string_view::npos; }

/// This process's place below a cgroup2 mount: the line "0::<path>" of /proc/self/cgroup.
std::string own_path() {
  std::istringstream lines(read_file("/proc/self/cgroup"));
  std::string line;
  while (std::getline(lines, line)) {
    if (line.starts_with("0::/")) return line == "0::/" ? "" : line.substr(3);
  }
  return {};
}

/// Whether processes can be born in a new cgroup below `parent`: both cgroup.procs must be writable, the
/// parent's because it is the common ancestor of where the parent process is and where the child goes.
bool is_usable(const std::string& path) {
  return ::access((path + "/cgroup.kill").c_str(), W_OK) == 0 &&
         ::access((path + "/cgroup.procs").c_str(), W_OK) == 0;
}

}  // namespace

std::vector<std::string> cgroup2_mounts(std::string_view mountinfo) {
  std::vector<std::string> mounts;
  std::istringstream lines{std::string(mountinfo)};
  std::string line;
  while (std::getline(lines, line)) {
    // "31 23 0:28 / /sys/fs/cgroup rw,relatime - cgroup2 cgroup2 rw": the type follows the dash.
    auto dash = line.find(" - ");
    if (dash == std::string::npos || !line.substr(dash + 3).starts_with("cgroup2 ")) continue;
    std::istringstream fields(line);
    std::string id;
    std::string parent;
    std::string device;
    std::string root;
    std::string where;
    fields >> id >> parent >> device >> root >> where;
    if (where.starts_with('/')) mounts.push_back(where);
  }
  return mounts;
}

runtime::IoResult<Cgroup> Cgroup::make(const std::string& path) {
  if (::mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) return runtime::last_error();
  write_to(path + "/pids.max", std::to_string(most_instance_processes));
  return Cgroup(path);
}

Cgroup::~Cgroup() {
  if (!path_.empty()) ::rmdir(path_.c_str());
}

runtime::IoResult<runtime::Fd> Cgroup::open() const {
  runtime::Fd directory(::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory) return runtime::last_error();
  return directory;
}

std::optional<std::string> make_cgroup_root(const std::string& identity) {
  auto mounts = cgroup2_mounts(read_file("/proc/self/mountinfo"));
  auto own = own_path();
  for (const auto& mount : mounts) {
    for (const auto& parent : {mount + own, mount}) {
      auto path = fmt::format("{}/weft-{}", parent, identity);
      if (::mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) continue;
      if (is_usable(path) && ::access((parent + "/cgroup.procs").c_str(), W_OK) == 0) {
        // Fails where the parent has no such controller to give (such as in a scope of systemd's).
        write_to(path + "/cgroup.subtree_control", "+pids");
        return path;
      }
      ::rmdir(path.c_str());
    }
  }
  return std::nullopt;
}

void kill_cgroup(const std::string& path) { write_to(path + "/cgroup.kill", "1"); }

bool cgroup_limits_processes(const std::string& root) {
  return read_file(root + "/cgroup.subtree_control").find("pids") != std::string::npos;
}

std::vector<pid_t> cgroup_processes(const std::string& path) {
  std::ifstream file(path + "/cgroup.procs");
  return {std::istream_iterator<pid_t>(file), {}};
}

bool cgroup_has_processes(const std::string& path) {
  const runtime::Fd fd(::open((path + "/cgroup.events").c_str(), O_RDONLY | O_CLOEXEC));
  // What cannot be looked at (no descriptor is left) may hold some still.
  if (!fd) return errno != ENOENT;
  char text[256] = {};
  return ::read(fd.get(), text, sizeof text - 1) > 0 && says_populated(text);
}

void remove_cgroup(const std::string& path) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(path, error)) {
    if (entry.is_directory(error)) remove_cgroup(entry.path().string());
  }
  ::rmdir(path.c_str());
}

}  // namespace weft::provider::process
