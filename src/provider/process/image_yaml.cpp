#include "provider/process/image_yaml.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <span>
#include <string_view>

#include "base/nearest.h"
#include "provider/process/descriptors.h"
#include "yaml/parse.h"

namespace weft::provider::process {
namespace {

constexpr std::string_view code = "image/invalid";

/// It is read anew at each start, by the one who serves all instances.
constexpr std::size_t most_image_yaml_bytes = std::size_t{256} * 1024;

Result<std::string> read_whole(const std::string& path) {
  // Not waiting for the other end of a pipe that somebody put there.
  const runtime::Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat found{};
  if (!file || ::fstat(file.get(), &found) != 0)
    return cannot(fmt::format("read {}", path), runtime::IoError{errno});
  std::string text(most_image_yaml_bytes + 1, '\0');
  const auto got = S_ISREG(found.st_mode) ? ::read(file.get(), text.data(), text.size()) : -1;
  if (got < 0 || static_cast<std::size_t>(got) > most_image_yaml_bytes) {
    return base::fail(ProviderErrorKind::failed,
                      fmt::format("{} is no file of at most {} bytes", path, most_image_yaml_bytes));
  }
  text.resize(static_cast<std::size_t>(got));
  return text;
}

/// Walks the document and keeps the first thing that is wrong.
class Reader {
 public:
  explicit Reader(const yaml::Source& source) : source_(source) {}

  void fields(const yaml::Node& node, std::string_view what, std::span<const std::string_view> known) {
    const auto* map = node.map();
    if (map == nullptr) return wrong(node.position, fmt::format("{} must be a map", what));
    for (const auto& entry : *map) {
      if (std::ranges::find(known, entry.key) != known.end()) continue;
      auto near = base::nearest(entry.key, known);
      wrong(entry.position, fmt::format("{} has no field \"{}\"", what, entry.key),
            near.empty() ? "" : fmt::format("Did you mean \"{}\"?", near));
    }
  }
  std::string text(const yaml::Node& node, std::string_view what) {
    if (const auto* string = node.string()) return *string;
    wrong(node.position, fmt::format("{} must be a string, this is {}", what, yaml::type_name(node)),
          "Quote it.");
    return {};
  }
  std::vector<std::string> texts(const yaml::Node* node, std::string_view what) {
    std::vector<std::string> result;
    if (node == nullptr) return result;
    const auto* list = node->list();
    if (list == nullptr) {
      wrong(node->position, fmt::format("{} must be a list of strings", what));
      return result;
    }
    for (const auto& item : *list) result.push_back(text(item, fmt::format("an item of {}", what)));
    return result;
  }
  std::map<std::string, std::string> environment(const yaml::Node* node) {
    std::map<std::string, std::string> result;
    if (node == nullptr) return result;
    if (node->map() == nullptr) wrong(node->position, "env must be a map of names to strings");
    for (const auto& entry : node->map() != nullptr ? *node->map() : yaml::Map{}) {
      result[entry.key] = text(entry.value, fmt::format("env {}", entry.key));
    }
    return result;
  }
  std::vector<ContainerPort> ports(const yaml::Node* node) {
    static constexpr std::array<std::string_view, 2> known = {"name", "containerPort"};
    std::vector<ContainerPort> result;
    if (node == nullptr) return result;
    if (node->list() == nullptr) wrong(node->position, "ports must be a list of {name, containerPort}");
    for (const auto& item : node->list() != nullptr ? *node->list() : yaml::List{}) {
      fields(item, "a port", known);
      ContainerPort port;
      if (const auto* name = item.find("name")) port.name = text(*name, "a port's name");
      const auto* number = item.find("containerPort");
      const auto* value = number != nullptr ? number->integer() : nullptr;
      if (value == nullptr || *value < 1 || *value > 65535) {
        wrong(number != nullptr ? number->position : item.position,
              "containerPort must be a number from 1 to 65535");
        continue;
      }
      port.number = static_cast<std::uint16_t>(*value);
      result.push_back(std::move(port));
    }
    return result;
  }
  void wrong(base::Position position, std::string message, std::string mend = {}) {
    if (fault_.empty())
      fault_ = base::render(source_.error(code, position, std::move(message), std::move(mend)));
  }
  const std::string& fault() const { return fault_; }

 private:
  const yaml::Source& source_;
  std::string fault_;
};

}  // namespace

Result<Image> read_image_yaml(const std::string& folder) {
  static constexpr std::array<std::string_view, 5> known = {"command", "args", "env", "ports", "workingDir"};
  auto path = folder + "/image.yaml";
  auto text = read_whole(path);
  if (!text) return std::unexpected(text.error());
  yaml::Source source(path, std::move(*text));
  auto parsed = yaml::parse(source);
  if (base::has_errors(parsed.diagnostics)) {
    return base::fail(ProviderErrorKind::failed, base::render(parsed.diagnostics));
  }
  if (parsed.documents.size() != 1) {
    return base::fail(ProviderErrorKind::failed, fmt::format("{} must hold one document", path));
  }
  const auto& root = parsed.documents.front();
  Reader reader(source);
  reader.fields(root, "an image", known);
  Image image;
  image.path = folder;
  image.folder = folder;
  image.command = reader.texts(root.find("command"), "command");
  image.args = reader.texts(root.find("args"), "args");
  image.environment = reader.environment(root.find("env"));
  image.ports = reader.ports(root.find("ports"));
  if (const auto* directory = root.find("workingDir"))
    image.working_directory = reader.text(*directory, "workingDir");
  if (image.command.empty()) reader.wrong(root.position, "command is missing", "Add command: [./program].");
  if (!reader.fault().empty()) return base::fail(ProviderErrorKind::failed, reader.fault());
  return image;
}

}  // namespace weft::provider::process
