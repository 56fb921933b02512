#include "provider/process/instance_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>

#include "base/json.h"
#include "runtime/fd.h"

namespace weft::provider::process {
namespace {

using base::Json;

constexpr std::string_view log_end = ".log";
constexpr std::string_view note_end = ".json";

std::string note_of(const std::string& path) {
  return path.substr(0, path.size() - log_end.size()) + std::string(note_end);
}

std::string text_of(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

Json to_json(const LoggedRun& run) {
  Json json = {{"started", base::format_rfc3339_micro(run.started)}};
  if (run.ended) json["ended"] = base::format_rfc3339_micro(*run.ended);
  if (!run.exit.empty()) json["exit"] = run.exit;
  return json;
}

void read_note(InstanceLog& log) {
  std::ifstream file(note_of(log.path), std::ios::binary);
  const auto note = Json::parse(file, nullptr, /*allow_exceptions=*/false);
  if (!note.is_object()) return;
  if (const auto labels = note.find("labels"); labels != note.end() && labels->is_object()) {
    for (const auto& [name, value] : labels->items()) {
      if (value.is_string()) log.labels[name] = value.get<std::string>();
    }
  }
  const auto runs = note.find("runs");
  if (runs == note.end() || !runs->is_array()) return;
  for (const Json& run : *runs) {
    const auto started = run.is_object() ? base::parse_rfc3339(text_of(run, "started")) : std::nullopt;
    if (started)
      log.runs.push_back({*started, base::parse_rfc3339(text_of(run, "ended")), text_of(run, "exit")});
  }
}

}  // namespace

std::string log_name(std::string id) {
  std::ranges::replace(id, '/', '_');
  return id + std::string(log_end);
}

std::string name_of_log(std::string file) {
  if (file.ends_with(".log.1")) file.resize(file.size() - 2);
  if (file.ends_with(".json.new")) file.resize(file.size() - 4);
  if (file.ends_with(note_end)) file = file.substr(0, file.size() - note_end.size()) + std::string(log_end);
  return file.ends_with(log_end) && file.find('_') != std::string::npos ? file : std::string();
}

bool note_log(const InstanceLog& log) {
  Json runs = Json::array();
  for (const auto& run : log.runs) runs.push_back(to_json(run));
  const Json note = {{"labels", log.labels}, {"runs", std::move(runs)}};
  const auto path = note_of(log.path);
  const auto fresh = path + ".new";
  const auto text = note.dump(-1, ' ', false, Json::error_handler_t::replace);
  ::unlink(fresh.c_str());  // of one that was killed, or anything else: what is written is a new file
  runtime::Fd file(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  const bool written =
      file && ::write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
  // A rename, so that nobody reads half of it.
  if (written && ::rename(fresh.c_str(), path.c_str()) == 0) return true;
  ::unlink(fresh.c_str());
  return false;
}

void close_log(const std::string& path) { ::chmod(path.c_str(), 0400); }

void reopen_log(const std::string& path) { ::chmod(path.c_str(), 0600); }

std::optional<InstanceLog> find_log(const std::string& folder, const std::string& name) {
  if (name_of_log(name) != name) return std::nullopt;
  InstanceLog log{.id = name.substr(0, name.size() - log_end.size()), .path = folder + "/" + name};
  struct stat found{};
  if (::lstat(log.path.c_str(), &found) != 0 || !S_ISREG(found.st_mode)) return std::nullopt;
  log.is_closed = (found.st_mode & S_IWUSR) == 0;
  log.id[log.id.find('_')] = '/';
  read_note(log);
  return log;
}

std::vector<InstanceLog> list_logs(const std::string& folder) {
  std::set<std::string> names;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error))
    names.insert(name_of_log(entry.path().filename().string()));
  std::vector<InstanceLog> logs;
  for (const auto& name : names) {
    if (auto log = find_log(folder, name)) logs.push_back(std::move(*log));
  }
  return logs;
}

}  // namespace weft::provider::process
