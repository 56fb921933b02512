#include "provider/process/image.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <set>

#include "base/nearest.h"
#include "provider/process/image_yaml.h"

namespace weft::provider::process {
namespace {

namespace fs = std::filesystem;

/// `closed`: this user may not look, so that nobody knows what is there.
enum class Found : std::uint8_t { nothing, program, not_executable, folder, closed };

Found look_at(const std::string& path) {
  struct stat found{};
  if (stat(path.c_str(), &found) != 0) return errno == EACCES ? Found::closed : Found::nothing;
  if (S_ISDIR(found.st_mode)) {
    struct stat description{};
    if (stat((path + "/image.yaml").c_str(), &description) == 0) return Found::folder;
    return errno == EACCES ? Found::closed : Found::nothing;
  }
  if (!S_ISREG(found.st_mode)) return Found::nothing;
  return access(path.c_str(), X_OK) == 0 ? Found::program : Found::not_executable;
}

/// "web:1.2" -> "web"; the colon of a registry's port stands before a slash.
std::string_view without_tag(std::string_view name) {
  auto colon = name.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return name;
  return name.find('/', colon) == std::string_view::npos ? name.substr(0, colon) : name;
}

bool leaves_its_folder(std::string_view name) {
  return std::ranges::any_of(fs::path(name), [](const fs::path& part) { return part == ".."; });
}

std::unexpected<ProviderError> not_found(std::string_view name, const std::vector<std::string>& folders) {
  std::set<std::string> names;
  for (const auto& folder : folders) {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(folder, error)) {
      auto found = look_at(entry.path().string());
      if (found == Found::program || found == Found::folder) names.insert(entry.path().filename().string());
    }
  }
  std::vector<std::string_view> candidates(names.begin(), names.end());
  auto near = base::nearest(without_tag(name), candidates);
  auto where = folders.empty() ? std::string("no folder (set WEFT_IMAGES)")
                               : fmt::format("{}", fmt::join(folders, ", "));
  auto words = fmt::format("no image \"{}\" in {}", name, where);
  const auto program = installed_program(name);
  if (!near.empty())
    words += fmt::format("; did you mean \"{}\"?", near);
  else
    words += "; weft runs programs of this machine, containers come later";
  if (near.empty() && !program.empty()) words += fmt::format(": it has {}", program);
  return base::fail(ProviderErrorKind::image_not_found, std::move(words));
}

std::unexpected<ProviderError> closed(const std::string& path) {
  return base::fail(
      ProviderErrorKind::image_not_executable,
      fmt::format("{}: permission denied: let this user read it, and enter the folders above it", path));
}

std::unexpected<ProviderError> not_executable(const std::string& path) {
  return base::fail(ProviderErrorKind::image_not_executable,
                    fmt::format("{} is not executable: run chmod +x on it", path));
}

/// The image at `path`, where look_at() found one.
Result<Image> image_at(const std::string& path, Found found) {
  if (found == Found::not_executable) return not_executable(path);
  if (found == Found::closed) return closed(path);
  if (found == Found::program) {
    Image image;
    image.path = path;
    image.folder = fs::path(path).parent_path().string();
    image.command = {path};
    return image;
  }
  auto image = read_image_yaml(path);
  if (image && !image->working_directory.starts_with('/')) {
    image->working_directory =
        image->working_directory.empty() ? path : path + "/" + image->working_directory;
  }
  return image;
}

/// How images of registries are called whose program has another name.
constexpr std::pair<std::string_view, std::string_view> programs_of_images[] = {{"mariadb", "mariadbd"},
                                                                                {"mongo", "mongod"},
                                                                                {"mysql", "mysqld"},
                                                                                {"python", "python3"},
                                                                                {"redis", "redis-server"}};

}  // namespace

std::string installed_program(std::string_view image) {
  auto name = without_tag(image.substr(0, image.find('@')));
  if (const auto slash = name.rfind('/'); slash != std::string_view::npos) name.remove_prefix(slash + 1);
  for (const auto& [theirs, ours] : programs_of_images)
    if (name == theirs) name = ours;
  if (name.empty() || name == "..") return {};
  const char* variable = std::getenv("PATH");
  // Servers are often there, which is on the PATH of root alone.
  const auto search =
      fmt::format("{}:/usr/local/sbin:/usr/sbin", variable != nullptr ? variable : "/usr/bin");
  for (std::string_view rest = search; !rest.empty();) {
    const auto end = std::min(rest.find(':'), rest.size());
    const auto path = fmt::format("{}/{}", rest.substr(0, end), name);
    if (path.starts_with('/') && look_at(path) == Found::program) return path;
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return {};
}

std::vector<std::string> image_folders() {
  std::vector<std::string> folders;
  const char* variable = std::getenv("WEFT_IMAGES");
  if (variable == nullptr || *variable == '\0') {
    std::error_code error;
    auto program = fs::read_symlink("/proc/self/exe", error);
    if (!error) folders.push_back((program.parent_path().parent_path() / "images").string());
    return folders;
  }
  std::string_view rest = variable;
  while (!rest.empty()) {
    auto end = std::min(rest.find(':'), rest.size());
    std::error_code error;
    auto folder = fs::absolute(fs::path(rest.substr(0, end)), error);
    if (end > 0 && !error) folders.push_back(folder.lexically_normal().string());
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return folders;
}

Result<Image> find_image(std::string_view name, const std::vector<std::string>& folders) {
  if (name.starts_with('/')) {
    std::string path(name);
    auto found = look_at(path);
    if (found != Found::nothing) return image_at(path, found);
    return base::fail(ProviderErrorKind::image_not_found,
                      fmt::format("{} is neither a file nor a folder with an image.yaml", name));
  }
  if (name.empty() || leaves_its_folder(name)) return not_found(name, folders);
  for (auto wanted : {name, without_tag(name)}) {
    for (const auto& folder : folders) {
      auto path = fmt::format("{}/{}", folder, wanted);
      auto found = look_at(path);
      if (found != Found::nothing) return image_at(path, found);
    }
  }
  return not_found(name, folders);
}

Result<std::string> find_program(const std::string& name, const std::string& folder,
                                 std::string_view search_path) {
  std::vector<std::string> candidates;
  if (name.starts_with('/')) {
    candidates.push_back(name);
  } else {
    candidates.push_back((fs::path(folder) / name).lexically_normal().string());
    bool searched = name.find('/') == std::string::npos;
    for (std::string_view rest = searched ? search_path : ""; !rest.empty();) {
      auto end = std::min(rest.find(':'), rest.size());
      candidates.push_back(fmt::format("{}/{}", rest.substr(0, end), name));
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  }
  std::optional<std::unexpected<ProviderError>> fault;
  for (const auto& candidate : candidates) {
    auto found = look_at(candidate);
    if (found == Found::program) return candidate;
    if (found == Found::not_executable && !fault) fault = not_executable(candidate);
    // Of a folder of PATH that is closed, nobody knows whether it has the program.
    if (found == Found::closed && !fault && candidate == candidates.front()) fault = closed(candidate);
  }
  if (fault) return *fault;
  return base::fail(ProviderErrorKind::image_not_found,
                    fmt::format("no program \"{}\" in {}{}", name, folder,
                                name.find('/') == std::string::npos ? " or on PATH" : ""));
}

std::vector<std::string> command_line(const InstanceSpec& spec, const Image& image) {
  auto line = spec.command.empty() ? image.command : spec.command;
  const auto& args = spec.args.empty() && spec.command.empty() ? image.args : spec.args;
  line.insert(line.end(), args.begin(), args.end());
  return line;
}

}  // namespace weft::provider::process
