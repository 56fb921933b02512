#include "provider/process/old_logs.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <vector>

#include "provider/process/instance_log.h"

namespace weft::provider::process {
namespace {

/// A log with its older part and its note.
struct OldLog {
  std::vector<std::string> paths;
  std::uint64_t bytes = 0;
  base::WallTime written;
};

/// Ends what goes on by its note, in logs of that supervisor which was killed.
void close_orphans(const std::string& folder, const std::vector<std::string>& names, base::WallTime written) {
  std::vector<InstanceLog> logs;
  for (const auto& name : names) {
    auto log = find_log(folder, name);
    if (!log) continue;
    if (!log->runs.empty() && !log->runs.back().ended) {
      written = std::max(written, log->runs.back().started);
      logs.push_back(*log);
    }
    close_log(log->path);
  }
  for (auto& log : logs) {
    log.runs.back().ended = written;
    (void)note_log(log);  // at a full disk the next start does it
  }
}

}  // namespace

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
  std::map<std::string, OldLog> old;
  std::vector<std::string> orphans;
  base::WallTime last_written{};
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    const auto name = name_of_log(entry.path().filename().string());
    struct stat found{};
    if (name.empty() || present.contains(name) || ::lstat(entry.path().c_str(), &found) != 0) continue;
    auto& log = old[name];
    log.paths.push_back(entry.path().string());
    log.bytes += static_cast<std::uint64_t>(found.st_size);
    const base::WallTime written{std::chrono::seconds(found.st_mtim.tv_sec)};
    log.written = std::max(log.written, written);
    if (entry.path().filename() != name || (found.st_mode & S_IWUSR) == 0) continue;
    orphans.push_back(name);
    last_written = std::max(last_written, written);
  }
  std::vector<OldLog> all;
  for (auto& [name, log] : old) all.push_back(std::move(log));
  std::ranges::sort(all, std::ranges::greater(), &OldLog::written);
  std::uint64_t bytes = 0;
  std::size_t count = 0;
  for (const auto& log : all) {
    bytes += log.bytes;
    if (bytes <= limits.bytes && ++count <= limits.count && now - log.written <= limits.age) continue;
    for (const auto& path : log.paths) ::unlink(path.c_str());
  }
  close_orphans(folder, orphans, last_written);
}

}  // namespace weft::provider::process
