#include "provider/process/old_logs.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <vector>

namespace weft::provider::process {
namespace {

struct OldLog {
  std::string path;
  std::uint64_t bytes = 0;
  base::WallTime written;
};

/// "default_web.log" of that and of "default_web.log.1"; empty if it is no instance's log.
std::string name_of_log(std::string file) {
  if (file.ends_with(".1")) file.resize(file.size() - 2);
  return file.ends_with(".log") && file.find('_') != std::string::npos ? file : std::string();
}

}  // namespace

std::string log_name(std::string id) {
  std::ranges::replace(id, '/', '_');
  return id + ".log";
}

void bound_own_output(int fd, const std::string& path) {
  struct stat output{};
  struct stat file{};
  if (::fstat(fd, &output) != 0 || ::stat(path.c_str(), &file) != 0) return;
  const bool is_same = output.st_ino == file.st_ino && output.st_dev == file.st_dev;
  if (!is_same || static_cast<std::uint64_t>(output.st_size) < most_own_output) return;
  std::error_code error;
  using enum std::filesystem::copy_options;
  std::filesystem::copy_file(path, path + ".1", overwrite_existing, error);
  (void)!::ftruncate(fd, 0);
}

void remove_old_logs(const std::string& folder, const std::set<std::string>& present, base::WallTime now,
                     OldLogLimits limits) {
  std::vector<OldLog> old;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    const auto name = name_of_log(entry.path().filename().string());
    struct stat found{};
    if (name.empty() || present.contains(name) || ::lstat(entry.path().c_str(), &found) != 0) continue;
    const auto since = std::chrono::seconds(found.st_mtim.tv_sec);
    old.push_back({entry.path().string(), static_cast<std::uint64_t>(found.st_size), base::WallTime(since)});
  }
  std::ranges::sort(old, std::ranges::greater(), &OldLog::written);
  std::uint64_t bytes = 0;
  for (const auto& log : old) {
    bytes += log.bytes;
    if (bytes > limits.bytes || now - log.written > limits.age) ::unlink(log.path.c_str());
  }
}

}  // namespace weft::provider::process
