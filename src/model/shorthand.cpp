// The short forms are those of https://github.com/compose-spec/compose-spec/blob/main/spec.md.
#include "model/shorthand.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <charconv>
#include <vector>

#include "base/words.h"

namespace weft::model {
namespace {

/// Entries that are written out in one mend: more are not read.
constexpr std::size_t most_entries = 16;

std::optional<int> port_number(std::string_view text) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool is_port =
      error == std::errc{} && end == text.data() + text.size() && number > 0 && number < 65536;
  return is_port ? std::optional(number) : std::nullopt;
}

/// [[HOST:]PUBLISHED:]TARGET[/tcp]
std::optional<std::string> port_item(Shorthand shorthand, std::string_view text) {
  if (text.ends_with("/tcp")) text.remove_suffix(4);
  const auto colon = text.rfind(':');
  const auto target = port_number(colon == std::string_view::npos ? text : text.substr(colon + 1));
  if (!target) return std::nullopt;
  if (shorthand == Shorthand::container_port) return fmt::format("{{containerPort: {}}}", *target);
  if (colon == std::string_view::npos) return fmt::format("{{port: {}}}", *target);
  auto before = text.substr(0, colon);
  if (const auto host = before.rfind(':'); host != std::string_view::npos) before.remove_prefix(host + 1);
  const auto published = port_number(before);
  if (!published) return std::nullopt;
  return *published == *target ? fmt::format("{{port: {}}}", *target)
                               : fmt::format("{{port: {}, targetPort: {}}}", *published, *target);
}

/// Of Compose's long depends_on: db: {condition: service_healthy}.
std::string dependency_item(const yaml::Entry& entry) {
  const yaml::Node* condition = entry.value.find("condition");
  const std::string* text = condition ? condition->string() : nullptr;
  std::string more;
  if (text && *text == "service_started") more = ", condition: started";
  if (text && *text == "service_completed_successfully") more = ", kind: Job";
  return fmt::format("{{name: {}{}}}", in_quotes(entry.key), more);
}

}  // namespace

std::string in_quotes(std::string_view text) {
  return base::Json(text).dump(-1, ' ', false, base::Json::error_handler_t::replace);
}

std::optional<std::string> item_of(Shorthand shorthand, std::string_view text) {
  switch (shorthand) {
    case Shorthand::word: return in_quotes(text);
    case Shorthand::dependency:
      return dns1123_subdomain_fault(text).empty()
                 ? std::optional(fmt::format("{{name: {}}}", in_quotes(text)))
                 : std::nullopt;
    case Shorthand::variable: {
      const auto equals = text.find('=');
      if (equals == 0 || equals == std::string_view::npos) return std::nullopt;
      return fmt::format("{{name: {}, value: {}}}", in_quotes(text.substr(0, equals)),
                         in_quotes(text.substr(equals + 1)));
    }
    case Shorthand::service_port:
    case Shorthand::container_port: return port_item(shorthand, text);
    case Shorthand::none: break;
  }
  return std::nullopt;
}

std::optional<std::string> item_of(Shorthand shorthand, const yaml::Entry& entry, const Written& written) {
  if (shorthand == Shorthand::dependency) return dependency_item(entry);
  if (shorthand != Shorthand::variable || entry.value.is_map() || entry.value.is_list()) return std::nullopt;
  if (entry.value.is_null()) return fmt::format("{{name: {}}}", in_quotes(entry.key));
  return fmt::format("{{name: {}, value: {}}}", in_quotes(entry.key), in_quotes(written(entry.value)));
}

std::optional<std::string> list_of(Shorthand shorthand, const yaml::Node& node, const Written& written) {
  const yaml::Map* map = node.map();
  if (!map) {
    const auto item = item_of(shorthand, written(node));
    return item ? std::optional("[" + *item + "]") : std::nullopt;
  }
  // One item whose dash is missing has these very fields.
  if (map->empty() || map->size() > most_entries || node.find("name")) return std::nullopt;
  std::vector<std::string> items;
  for (const yaml::Entry& entry : *map) {
    auto item = item_of(shorthand, entry, written);
    if (!item) return std::nullopt;
    items.push_back(*std::move(item));
  }
  return fmt::format("[{}]", fmt::join(items, ", "));
}

std::optional<std::string> map_of(const yaml::List& list) {
  if (list.empty() || list.size() > most_entries) return std::nullopt;
  std::vector<std::string> entries;
  for (const yaml::Node& item : list) {
    const std::string* text = item.string();
    const auto equals = text ? text->find('=') : std::string::npos;
    if (equals == std::string::npos || equals == 0) return std::nullopt;
    entries.push_back(in_quotes(text->substr(0, equals)) + ": " + in_quotes(text->substr(equals + 1)));
  }
  return fmt::format("{{{}}}", fmt::join(entries, ", "));
}

std::optional<std::string> words_of(std::string_view field, std::string_view text) {
  while (text.ends_with('\n') || text.ends_with(' ')) text.remove_suffix(1);
  // What is no command has no variables before it.
  const std::string whole = field == "args" ? "x " + std::string(text) : std::string(text);
  if (base::needs_shell(whole)) {
    if (field == "args") return std::nullopt;
    return fmt::format("[\"sh\", \"-c\", {}]", in_quotes(text));
  }
  const auto words = base::split_words(text);
  if (!words) return std::nullopt;
  std::vector<std::string> items;
  for (const std::string& word : *words) items.push_back(in_quotes(word));
  return fmt::format("[{}]", fmt::join(items, ", "));
}

std::string_view renamed(std::string_view field) {
  constexpr std::pair<std::string_view, std::string_view> names[] = {
      {"container_name", "name"},
      {"depends_on", "dependsOn"},
      {"entrypoint", "command"},
      {"env_file", "envFrom"},
      {"environment", "env"},
      {"expose", "ports"},
      {"healthcheck", "readinessProbe"},
      {"links", "dependsOn"},
      {"restart", "restartPolicy"},
      {"scale", "replicas"},
      {"stop_grace_period", "terminationGracePeriodSeconds"},
      {"working_dir", "workingDir"},
  };
  for (const auto& [theirs, ours] : names)
    if (field == theirs) return ours;
  return {};
}

bool is_compose_file(const yaml::Node& document) {
  const yaml::Node* services = document.find("services");
  return services && services->is_map() && !document.find("kind") && !document.find("apiVersion");
}

}  // namespace weft::model
