// Files of resources from disk to checked objects.
#include "cli/files.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>
#include <tuple>

#include "cli/objects.h"
#include "cli/output.h"
#include "cli/terminal.h"
#include "model/check.h"
#include "model/codes.h"
#include "runtime/fd.h"
#include "yaml/limits.h"

#include <fcntl.h>

namespace weft::cli {

namespace {

/// All of a file, but at most one byte more than the parser takes: it then says that the text is too large.
Result<std::string> read_file(const std::string& path) {
  runtime::Fd opened(path == "-" ? -1 : open(path.c_str(), O_RDONLY | O_CLOEXEC));
  const int fd = path == "-" ? STDIN_FILENO : opened.get();
  std::string text;
  std::string buffer(64 * 1024, '\0');
  while (fd >= 0 && text.size() <= yaml::max_text_bytes) {
    const auto count = read(fd, buffer.data(), buffer.size());
    if (count == 0) return text;
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) break;
    text.append(buffer.data(), static_cast<std::size_t>(count));
  }
  if (text.size() > yaml::max_text_bytes) return text;
  return failure(Exit::usage, fmt::format("cannot read {}: {}", path, std::strerror(errno)), {},
                 "name a readable file, a folder, or - for standard input");
}

bool is_resource_file(const std::filesystem::directory_entry& entry) {
  const auto extension = entry.path().extension();
  std::error_code error;
  return entry.is_regular_file(error) &&
         (extension == ".yaml" || extension == ".yml" || extension == ".json");
}

Result<std::vector<std::string>> files_of(const std::string& path) {
  std::error_code error;
  if (path == "-" || !std::filesystem::is_directory(path, error)) return std::vector{path};
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(path, error)) {
    if (is_resource_file(entry)) files.push_back(entry.path().string());
  }
  if (error) return failure(Exit::usage, fmt::format("cannot read {}: {}", path, error.message()));
  if (files.empty()) {
    return failure(Exit::usage, fmt::format("{} has no file *.yaml, *.yml or *.json", path), {},
                   "name the folder that holds them");
  }
  std::ranges::sort(files);
  return files;
}

base::Diagnostic at_object(const model::Object& object, std::string_view code, std::string message,
                           std::string mend) {
  return object.source ? object.source->error(code, object.position, std::move(message), std::move(mend))
                       : base::Diagnostic{.code = std::string(code), .message = message, .mend = mend};
}

void check_across(const std::vector<model::Object>& objects, const Context& context,
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
    if (context.ns_given && !metadata.ns.empty() && metadata.ns != context.ns) {
      diagnostics.push_back(at_object(
          object, model::code::other_namespace,
          fmt::format("{} is of namespace {}, not {}", kind_and_name(object.json), metadata.ns, context.ns),
          "leave -n out, or take metadata.namespace out of the file"));
    }
  }
}

}  // namespace

std::string count_words(const base::Diagnostics& diagnostics) {
  return base::count_words(diagnostics.count(base::Severity::error),
                           diagnostics.count(base::Severity::warning));
}

Result<model::Loaded> load_files(const std::vector<std::string>& paths, const Context& context) {
  model::Loaded all;
  for (const auto& path : paths) {
    auto files = files_of(path);
    if (!files) return std::unexpected(std::move(files.error()));
    for (const auto& file : *files) {
      auto text = read_file(file);
      if (!text) return std::unexpected(std::move(text.error()));
      auto loaded = model::load(std::move(*text), file, {.default_namespace = context.ns});
      std::ranges::move(loaded.objects, std::back_inserter(all.objects));
      all.diagnostics.append(std::move(loaded.diagnostics));
    }
  }
  check_across(all.objects, context, all.diagnostics);
  return all;
}

Result<std::vector<model::Object>> load_valid(const std::vector<std::string>& paths, const Context& context,
                                              const std::string& consequence) {
  auto loaded = load_files(paths, context);
  if (!loaded) return std::unexpected(std::move(loaded.error()));
  if (!base::has_errors(loaded->diagnostics)) {
    for (auto& finding : model::check(loaded->objects)) {
      if (finding.severity == base::Severity::error) loaded->diagnostics.push_back(std::move(finding));
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
