// The short forms are those of https://github.com/compose-spec/compose-spec/blob/main/spec.md.
#include "model/shorthand.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <vector>

#include "base/clock.h"
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
  const auto published = published_port(text);
  if (!published) return std::nullopt;
  return *published == *target ? fmt::format("{{port: {}}}", *target)
                               : fmt::format("{{port: {}, targetPort: {}}}", *published, *target);
}

/// A variable; nothing if it may not have that name.
std::optional<std::string> variable_item(std::string_view name, std::string_view value) {
  if (!env_name_fault(name).empty()) return std::nullopt;
  return fmt::format("{{name: {}, value: {}}}", in_quotes(name), in_quotes(value));
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

/// $NAME and ${NAME} as $(NAME), which weft fills in itself. Nothing where a quote or a backslash may be
/// there to keep them as they are.
std::optional<std::string> with_our_variables(std::string_view text) {
  constexpr std::string_view letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";
  if (text.find_first_of("'\\") != std::string_view::npos) return std::nullopt;
  std::string ours;
  while (!text.empty()) {
    const bool has_braces = text.starts_with("${");
    const std::size_t begin = has_braces ? 2 : 1;
    const auto end = std::min(text.find_first_not_of(letters, begin), text.size());
    const char after = end < text.size() ? text[end] : ' ';
    const bool is_whole = has_braces ? after == '}' : after < 'a' || after > 'z';
    const bool is_name = text.front() == '$' && end > begin && is_whole;
    ours += is_name ? fmt::format("$({})", text.substr(begin, end - begin)) : std::string(1, text.front());
    text.remove_prefix(is_name ? end + (has_braces ? 1 : 0) : 1);
  }
  return ours;
}

/// Compose's user[:group] as a securityContext. Nothing for what has a character that needs a closer look.
std::optional<std::string> security_context_of(const std::string& user) {
  constexpr std::string_view digits = "0123456789";
  constexpr std::size_t most_digits = 9;  // of all numbers of so many each is one of a user
  std::vector<std::string> fields;
  std::string_view rest = user;
  for (const std::string_view field : {"runAsUser", "runAsGroup"}) {
    const auto colon = std::min(rest.find(':'), rest.size());
    const auto name = rest.substr(0, colon);
    rest.remove_prefix(colon);
    if (name.empty() || name.front() == '-') return std::nullopt;
    const bool is_plain = std::ranges::all_of(name, [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
             c == '_' || c == '.';
    });
    const bool is_number = name.find_first_not_of(digits) == std::string_view::npos;
    if (!is_plain || (is_number && name.size() > most_digits)) return std::nullopt;
    fields.push_back(fmt::format("{}: {}", field, is_number ? std::string(name) : in_quotes(name)));
    if (rest.empty()) return fmt::format("{{{}}}", fmt::join(fields, ", "));
    rest.remove_prefix(1);
  }
  return std::nullopt;
}

/// Compose's test: [CMD, ...], [CMD-SHELL, ...] or one text for a shell.
std::optional<std::string> test_of(const yaml::Node& test, const Written& written) {
  std::vector<std::string> words;
  if (const std::string* text = test.string()) words = {"CMD-SHELL", *text};
  const yaml::List* list = test.list();
  if (list && list->size() <= most_entries) {
    for (const yaml::Node& item : *list) {
      if (item.is_map() || item.is_list() || item.is_null()) return std::nullopt;
      words.push_back(written(item));
    }
  }
  if (words.size() < 2) return std::nullopt;
  if (words.front() == "CMD-SHELL" && words.size() == 2)
    words = {"", "sh", "-c", words.back()};
  else if (words.front() != "CMD")
    return std::nullopt;
  words.erase(words.begin());
  for (std::string& word : words) word = in_quotes(word);
  return fmt::format("[{}]", fmt::join(words, ", "));
}

/// Compose's healthcheck as a probe; nothing if it has what a probe has not.
std::optional<std::string> probe_of(const yaml::Node& check, const Written& written) {
  constexpr std::pair<std::string_view, std::string_view> names[] = {{"interval", "periodSeconds"},
                                                                     {"timeout", "timeoutSeconds"},
                                                                     {"retries", "failureThreshold"},
                                                                     {"start_period", "initialDelaySeconds"}};
  std::string command;
  std::string more;
  if (!check.map()) return std::nullopt;
  for (const yaml::Entry& entry : *check.map()) {
    if (entry.key == "test") {
      const auto words = test_of(entry.value, written);
      if (!words) return std::nullopt;
      command = *words;
      continue;
    }
    const auto* name = std::ranges::find(names, entry.key, [](const auto& pair) { return pair.first; });
    if (name == std::end(names)) return std::nullopt;
    std::int64_t number = entry.value.integer() ? *entry.value.integer() : 0;
    if (const auto time = entry.value.string() ? base::parse_duration(*entry.value.string()) : std::nullopt)
      number = std::chrono::ceil<std::chrono::seconds>(*time).count();
    if (number < 1 || number > INT32_MAX) return std::nullopt;
    more += fmt::format(", {}: {}", name->second, number);
  }
  if (command.empty()) return std::nullopt;
  return fmt::format("{{exec: {{command: {}}}{}}}", command, more);
}

}  // namespace

std::string in_quotes(std::string_view text) {
  return base::Json(text).dump(-1, ' ', false, base::Json::error_handler_t::replace);
}

std::optional<int> published_port(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto before = text.substr(0, colon);
  return port_number(before.substr(before.rfind(':') + 1));
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
      return variable_item(text.substr(0, equals), text.substr(equals + 1));
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
  return variable_item(entry.key, entry.value.is_null() ? std::string() : written(entry.value));
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
  std::string line(text);
  if (field == "args") {
    // What is no command has no variables before it.
    const auto takes_shell = [](const std::string& args) { return base::needs_shell("x " + args); };
    if (takes_shell(line)) line = with_our_variables(line).value_or(line);
    if (takes_shell(line)) return std::nullopt;
  } else if (base::needs_shell(line)) {
    return fmt::format("[\"sh\", \"-c\", {}]", in_quotes(line));
  }
  const auto words = base::split_words(line);
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

std::optional<EntryText> entry_of(const yaml::Entry& entry, const Written& written) {
  const bool is_scalar = !entry.value.is_map() && !entry.value.is_list() && !entry.value.is_null();
  if (entry.key == "user" && is_scalar) {
    if (auto context = security_context_of(written(entry.value)))
      return EntryText{"securityContext", *std::move(context)};
  }
  if (entry.key == "healthcheck") {
    if (auto probe = probe_of(entry.value, written)) return EntryText{"readinessProbe", *std::move(probe)};
  }
  return std::nullopt;
}

std::string instead_of(const yaml::Entry& entry) {
  const yaml::List* list = entry.value.list();
  if (entry.key == "volumes" && list && !list->empty() && list->front().string())
    return "Write `volumeMounts: [{name: data}]` here, which tells the folder as VOLUME_DATA, and `volumes: "
           "[{name: data, hostPath: {path: ./data, type: DirectoryOrCreate}}]` beside `containers:`.";
  constexpr std::pair<std::string_view, std::string_view> words[] = {
      {"build", "weft builds nothing: build the program, and write where it is, such as `image: ./app`."},
      {"deploy",
       "Write what it has where Kubernetes has it: `replicas:` and `strategy:` in the spec of the "
       "Deployment, "
       "`resources:` in the container."},
      {"env_file",
       "Make a ConfigMap of it, `weft create configmap NAME --from-env-file=FILE`, and write `envFrom: "
       "[{configMapRef: {name: NAME}}]`; with passwords in it, `create secret generic` and `secretRef`."},
      {"healthcheck",
       "Write `readinessProbe: {exec: {command: [PROGRAM, ARGUMENT]}}`, or with `httpGet: {path: /, port: "
       "80}`."},
      {"user", "Write `securityContext: {runAsUser: USER, runAsGroup: GROUP}`."},
  };
  for (const auto& [field, text] : words)
    if (entry.key == field) return std::string(text);
  return {};
}

std::string_view renamed_condition(std::string_view condition) {
  if (condition == "service_started") return "started";
  if (condition == "service_healthy") return "ready";
  return condition == "service_completed_successfully" ? "completed" : std::string_view();
}

bool is_compose_file(const yaml::Node& document) {
  const yaml::Node* services = document.find("services");
  return services && services->is_map() && !document.find("kind") && !document.find("apiVersion");
}

}  // namespace weft::model
