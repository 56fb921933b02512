#include "cli/paths.h"

#include <fmt/format.h>

#include <filesystem>
#include <optional>

#include "model/codes.h"
#include "model/paths.h"
#include "provider/process/image.h"

namespace weft::cli {
namespace {

namespace fs = std::filesystem;

std::string below(const fs::path& folder, const std::string& path) {
  auto text = (folder / path).lexically_normal().string();
  while (text.size() > 1 && text.ends_with('/')) text.pop_back();
  return text;
}

/// "a.b[0].c" -> "/a/b/0/c".
base::Json::json_pointer pointer_to(const std::string& field) {
  std::string pointer = "/";
  for (const char c : field) {
    if (c == ']') continue;
    pointer += c == '.' || c == '[' ? '/' : c;
  }
  return base::Json::json_pointer(pointer);
}

/// What is wrong with a path, and what to do where it is another thing than to correct it.
struct PathFault {
  std::string message;
  std::string mend = {};
};

/// A detail of the provider's says what, then after a colon what to do.
PathFault closed_image(const std::string& detail) {
  const auto colon = detail.rfind(": ");
  if (colon == std::string::npos) return {detail};
  std::string mend = detail.substr(colon + 2) + ".";
  if (mend.front() >= 'a' && mend.front() <= 'z') mend.front() = static_cast<char>(mend.front() - 'a' + 'A');
  return {detail.substr(0, colon), std::move(mend)};
}

/// What is wrong with what is at an absolute path; `was_relative` is how it was written.
std::optional<PathFault> fault_of(const model::PathField& path, bool was_relative) {
  std::error_code none;
  const auto status = fs::status(path.text, none);
  using enum model::HostPathType;
  const bool is_folder = fs::is_directory(status);
  switch (path.what) {
    case model::PathField::What::image: {
      // One of a name, or that is made before it is started, is looked for when it starts.
      if (!was_relative) return {};
      const auto image = provider::process::find_image(path.text, {});
      if (image) return {};
      using enum provider::ProviderErrorKind;
      return image.error().kind == image_not_executable ? closed_image(image.error().detail)
                                                        : PathFault{image.error().detail};
    }
    case model::PathField::What::folder:
      if (is_folder || !was_relative) return {};
      return PathFault{fmt::format("{} is no folder", path.text)};
    case model::PathField::What::volume: break;
  }
  const bool wants_folder = path.type == directory || path.type == directory_or_create;
  const bool wants_file = path.type == file || path.type == file_or_create;
  if (!fs::exists(status)) {
    if (path.type == directory_or_create || path.type == file_or_create) return {};
    return PathFault{fmt::format("{} does not exist", path.text)};
  }
  if (wants_folder && !is_folder) return PathFault{fmt::format("{} is no folder", path.text)};
  if (wants_file && is_folder) return PathFault{fmt::format("{} is no file", path.text)};
  return {};
}

base::Diagnostic at_field(const model::Object& object, const std::string& field, std::string message,
                          std::string mend) {
  auto diagnostic = object.source->error(model::code::missing_path, yaml::locate(object.node, field),
                                         std::move(message), std::move(mend));
  if (const auto* node = yaml::find_path(object.node, field))
    diagnostic =
        object.source->error(model::code::missing_path, node->position, diagnostic.message, diagnostic.mend);
  diagnostic.field = field;
  return diagnostic;
}

std::string mend_of(const model::PathField& path, const std::string& folder, bool was_relative) {
  if (path.what == model::PathField::What::volume && path.type == model::HostPathType::any)
    return "Make it, or write `type: DirectoryOrCreate` beside it.";
  return was_relative ? fmt::format("Correct the path, or make it: it is relative to {}.", folder)
                      : std::string("Correct the path, or make it.");
}

}  // namespace

std::string folder_of(const std::string& file) {
  std::error_code none;
  const auto here = fs::current_path(none);
  if (file == "-" || !fs::is_regular_file(file, none)) return here.string();
  return below(here, fs::path(file).parent_path().string());
}

base::Diagnostics resolve_paths(model::Object& object, const std::string& folder) {
  base::Diagnostics found;
  model::for_each_path(object.resource, [&](const model::PathField& path) {
    const bool was_relative = !path.is_absolute();
    if (was_relative) {
      path.text = below(folder, path.text);
      object.json[pointer_to(path.field)] = path.text;
    }
    if (auto fault = fault_of(path, was_relative))
      found.push_back(at_field(object, path.field, std::move(fault->message),
                               fault->mend.empty() ? mend_of(path, folder, was_relative) : fault->mend));
  });
  return found;
}

std::string resolve_image(const std::string& image) {
  return model::is_path(image) && !image.starts_with('/') ? below(fs::current_path(), image) : image;
}

}  // namespace weft::cli
