// Files of resources from disk to checked objects.
#include "cli/files.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>
#include <set>
#include <tuple>

#include "cli/objects.h"
#include "cli/output.h"
#include "cli/paths.h"
#include "cli/terminal.h"
#include "model/check.h"
#include "model/codes.h"
#include "runtime/fd.h"
#include "yaml/limits.h"

#include <fcntl.h>

namespace weft::cli {

namespace {

/// After which time without a byte a person is told what is waited for.
constexpr auto quiet_time = std::chrono::seconds(1);

/// Waits until something can be read, or the file has ended; false if the limit is over before.
bool wait_readable(int fd, const std::string& name, const Invocation& invocation, bool& told) {
  pollfd waiting{.fd = fd, .events = POLLIN, .revents = 0};
  for (;;) {
    const base::Duration longest = told ? base::Duration(std::chrono::hours(1)) : base::Duration(quiet_time);
    const auto limit = within_limit(invocation.limit, base::system_clock().now(), longest);
    const auto wait = std::chrono::ceil<std::chrono::milliseconds>(limit).count();
    const int ready = poll(&waiting, 1, static_cast<int>(wait));
    if (ready > 0 || (ready < 0 && errno != EINTR)) return true;  // a fault shows when it is read
    if (ready < 0) continue;
    if (limit < longest) return false;
    if (!std::exchange(told, true)) tell(fmt::format("waiting for {}; Ctrl-C ends it\n", name));
  }
}

}  // namespace

namespace {

/// The numbers are what chgrp takes, and what the names that a machine has for them do not hide.
std::string mend_of_rights(const std::string& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0)
    return fmt::format("let this user (uid {}) enter the folders above it: `namei -l` shows their rights",
                       ::geteuid());
  if (status.st_uid == ::geteuid()) return "let this user, its owner, read it: `chmod u+r`";
  return fmt::format("let this user (uid {}) read it by its group: `chgrp {}`, `chmod g+r`", ::geteuid(),
                     ::getegid());
}

/// What to do about a file or folder that cannot be read.
std::string mend_of(int code, const std::string& path) {
  switch (code) {
    case ENOENT:
    case ENOTDIR: return "correct the path: it is spelled otherwise, or lies elsewhere";
    case EACCES:
    case EPERM: return mend_of_rights(path);
    case EISDIR: return "name a file in it";
    default: return "name another file, or - for standard input";
  }
}

}  // namespace

Result<std::string> read_text(const std::string& path, const Invocation& invocation) {
  const bool is_input = path == "-";
  const std::string name = is_input ? "standard input" : path;
  // Without O_NONBLOCK a FIFO that nobody writes to would not even open.
  runtime::Fd opened(is_input ? -1 : open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  const int fd = is_input ? STDIN_FILENO : opened.get();
  std::string text;
  std::string buffer(64 * 1024, '\0');
  bool told = false;
  while (fd >= 0 && text.size() <= yaml::max_text_bytes) {
    if (!wait_readable(fd, name, invocation, told)) {
      return failure(Exit::timeout, fmt::format("{} did not end within {}", name,
                                                base::format_duration(invocation.limit->total)));
    }
    const auto count = read(fd, buffer.data(), buffer.size());
    if (count == 0) return text;
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (count < 0) break;
    text.append(buffer.data(), static_cast<std::size_t>(count));
  }
  if (text.size() > yaml::max_text_bytes) return text;
  const int code = errno;
  return failure(Exit::usage, fmt::format("cannot read {}: {}", name, std::strerror(code)), {},
                 mend_of(code, path));
}

namespace {

bool is_resource_file(const std::filesystem::directory_entry& entry) {
  const auto extension = entry.path().extension();
  std::error_code error;
  return entry.is_regular_file(error) &&
         (extension == ".yaml" || extension == ".yml" || extension == ".json");
}

}  // namespace

Result<std::vector<std::filesystem::directory_entry>> entries_of(const std::string& folder) {
  std::vector<std::filesystem::directory_entry> entries;
  std::error_code error;
  std::filesystem::directory_iterator at(folder, error);
  for (; !error && at != std::filesystem::directory_iterator(); at.increment(error)) entries.push_back(*at);
  if (error) {
    return failure(Exit::usage, fmt::format("cannot read {}: {}", folder, error.message()), {},
                   mend_of(error.value(), folder));
  }
  std::ranges::sort(entries);
  return entries;
}

namespace {

Result<std::vector<std::string>> files_of(const std::string& path) {
  std::error_code error;
  if (path == "-" || !std::filesystem::is_directory(path, error)) return std::vector{path};
  const auto entries = entries_of(path);
  if (!entries) return std::unexpected(entries.error());
  std::vector<std::string> files;
  for (const auto& entry : *entries) {
    if (is_resource_file(entry)) files.push_back(entry.path().string());
  }
  if (files.empty()) {
    return failure(Exit::usage, fmt::format("{} has no file *.yaml, *.yml or *.json", path), {},
                   "name the folder that holds them");
  }
  return files;
}

base::Diagnostic at_object(const model::Object& object, std::string_view code, std::string message,
                           std::string mend) {
  return object.source ? object.source->error(code, object.position, std::move(message), std::move(mend))
                       : base::Diagnostic{.code = std::string(code), .message = message, .mend = mend};
}

void check_across(const std::vector<model::Object>& objects, const Invocation& invocation,
                  base::Diagnostics& diagnostics) {
  std::map<std::tuple<std::string, std::string, std::string>, const model::Object*> seen;
  for (const auto& object : objects) {
    const auto& metadata = model::metadata_of(object.resource);
    auto [found, added] = seen.emplace(
        std::tuple(std::string(model::kind_of(object.resource)), metadata.ns, metadata.name), &object);
    if (!added) {
      diagnostics.push_back(
          at_object(object, model::code::duplicate_resource,
                    fmt::format("{} is also in {}:{}", kind_and_name(object.json),
                                found->second->source->file(), found->second->position.line),
                    "keep one of them"));
    }
    if (invocation.ns_given && !metadata.ns.empty() && metadata.ns != invocation.ns) {
      diagnostics.push_back(at_object(object, model::code::other_namespace,
                                      fmt::format("{} is of namespace {}, not {}", kind_and_name(object.json),
                                                  metadata.ns, invocation.ns),
                                      "leave -n out, or take metadata.namespace out of the file"));
    }
  }
}

}  // namespace

std::string count_words(const base::Diagnostics& diagnostics) {
  return base::count_words(diagnostics.count(base::Severity::error),
                           diagnostics.count(base::Severity::warning));
}

Result<model::Loaded> load_files(const std::vector<std::string>& paths, const Invocation& invocation,
                                 Paths inner) {
  model::Loaded all;
  std::set<std::filesystem::path> seen;
  for (const auto& path : paths) {
    auto files = files_of(path);
    if (!files) return std::unexpected(std::move(files.error()));
    for (const auto& file : *files) {
      // One that is named twice, or lies in a folder that is named too, is read once.
      std::error_code error;
      if (std::filesystem::is_regular_file(file, error) &&
          !seen.insert(std::filesystem::weakly_canonical(file, error)).second)
        continue;
      auto text = read_text(file, invocation);
      if (!text) return std::unexpected(std::move(text.error()));
      auto loaded = model::load(std::move(*text), file, {.default_namespace = invocation.ns});
      const auto folder = folder_of(file);
      for (auto& object : loaded.objects) {
        auto missing = resolve_paths(object, folder);
        if (inner == Paths::must_exist) loaded.diagnostics.append(std::move(missing));
      }
      std::ranges::move(loaded.objects, std::back_inserter(all.objects));
      all.diagnostics.append(std::move(loaded.diagnostics));
    }
  }
  check_across(all.objects, invocation, all.diagnostics);
  return all;
}

Result<std::vector<model::Object>> load_valid(const std::vector<std::string>& paths,
                                              const Invocation& invocation, const std::string& consequence,
                                              Paths inner) {
  auto loaded = load_files(paths, invocation, inner);
  if (!loaded) return std::unexpected(std::move(loaded.error()));
  if (!base::has_errors(loaded->diagnostics)) {
    for (const auto& finding : model::check(loaded->objects)) {
      // Of what is missing here the rest may be stored.
      const bool is_certain =
          finding.severity == base::Severity::error || finding.code == model::code::variable_collision;
      if (is_certain) loaded->diagnostics.push_back(finding);
    }
  }
  if (base::has_errors(loaded->diagnostics)) {
    const std::string what = fmt::format("{}: {}", count_words(loaded->diagnostics), consequence);
    return std::unexpected(Failure{Exit::invalid, what, {}, {}, std::move(loaded->diagnostics)});
  }
  tell(Shown::as_it_is(base::render(loaded->diagnostics, wants_colour(STDERR_FILENO))));
  return std::move(loaded->objects);
}

}  // namespace weft::cli
