#include "model/reader.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>

#include "base/base64.h"
#include "base/nearest.h"
#include "base/words.h"
#include "model/codes.h"
#include "model/decode.h"
#include "model/kinds.h"
#include "yaml/lookalike.h"

namespace weft::model {
namespace {

constexpr auto error = base::Severity::error;

/// The name of the field, for messages: its last part, or what it is an item of.
std::string subject(const Path& path) {
  if (!path.key.empty()) return fmt::format("`{}`", path.key);
  return path.parent && !path.parent->key.empty()
             ? fmt::format("item {} of `{}`", path.index, path.parent->key)
             : "the document";
}

/// The struct that a path leads to: "`spec.ports[0]`", or "a Deployment" for the whole.
std::string owner(const Report& report, const Path& path) {
  std::string text = path.to_string();
  return text.empty() ? fmt::format("a {}", report.kind) : fmt::format("`{}`", text);
}

/// Where in a kind a field of that name is: "spec.template.spec.containers[].image"; empty if nowhere. Of
/// several, the nearest one up from `from`, else the one that the longest way there is common with.
std::string place_in(std::string_view kind, std::string_view name, std::string_view from = {}) {
  std::string place;
  std::size_t most = 0;
  for (std::string& field : field_names(kind)) {
    bool is_it =
        field.ends_with(name) && field.size() > name.size() && field[field.size() - name.size() - 1] == '.';
    if (!is_it) continue;
    const auto parent = std::string_view(field).substr(0, field.size() - name.size());
    const std::string start = std::string(from) + ".";
    const auto common = static_cast<std::size_t>(std::ranges::mismatch(parent, start).in1 - parent.begin());
    // One up comes before all others.
    const std::size_t rank = 1 + common + (common == parent.size() ? start.size() : 0);
    if (rank > most) place = std::move(field);
    most = std::max(most, rank);
  }
  return place;
}

/// A field that does not exist: which one is meant, as a path of the schema where it is of this kind.
struct Meant {
  std::string path;
  Mend mend;
};

/// Of an entry of a container: what others call so.
std::optional<Meant> meant_in_container(const Report& report, const yaml::Node& map, const yaml::Entry& entry,
                                        const Path& path) {
  const auto written = [&](const yaml::Node& value) { return report.written(value); };
  const auto ours = entry_of(entry, written);
  if (ours && !map.find(ours->field)) {
    const std::string text = fmt::format("{}: {}", ours->field, ours->value);
    Mend mend(fmt::format("Write `{}`.", text));
    const auto key = report.source ? report.source->written({entry.key, entry.position}) : std::nullopt;
    const auto value = report.source ? report.source->written(entry.value) : std::nullopt;
    if (key && value) {
      // Both are parts of one text.
      mend.change = report.source->replace({key->begin(), value->end()}, text);
    }
    return Meant{schema_path(Path{&path, ours->field}.to_string()), std::move(mend)};
  }
  auto words = ours ? std::string() : instead_of(entry);
  if (words.empty()) return std::nullopt;
  const bool is_image = entry.key == "build" && !map.find("image");
  return Meant{is_image ? schema_path(Path{&path, "image"}.to_string()) : "", std::move(words)};
}

Meant meant_by(const Report& report, const yaml::Node& map, const yaml::Entry& entry, const Path& path,
               const std::vector<std::string_view>& known) {
  const std::string key = yaml::without_lookalikes(entry.key);
  std::string_view other = renamed(key);
  const auto has = [&](std::string_view field) { return std::ranges::find(known, field) != known.end(); };
  if (has("volumeMounts")) {
    if (auto meant = meant_in_container(report, map, entry, path)) return *std::move(meant);
  }
  const bool is_here = has(other);
  std::string_view near = is_here ? other : base::nearest(key, known);
  if (!near.empty()) {
    if (map.find(near))
      return {{}, fmt::format("Did you mean `{}`? That is there, too: join the two.", near)};
    auto words = is_here ? fmt::format("Write `{}:`.", near) : fmt::format("Did you mean `{}`?", near);
    // In the text, a key is of the same form as a value.
    return {schema_path(Path{&path, near}.to_string()),
            report.replace({entry.key, entry.position}, std::move(words), std::string(near))};
  }
  const std::string_view name = other.empty() ? std::string_view(key) : other;
  const std::string as = other.empty() ? "" : fmt::format(" as `{}:`", name);
  const std::string here = schema_path(path.to_string());
  if (std::string place = place_in(report.kind, name, here); !place.empty())
    return {place, fmt::format("Move it{} to where it belongs: `{}`.", as, place)};
  for (const Kind& kind : kinds()) {
    if (std::string place = place_in(kind.kind, name); !place.empty())
      return {{}, fmt::format("It belongs to a {}{}: `{}`.", kind.kind, as, place)};
  }
  return {{}, fmt::format("Remove it, or use one of {}.", fmt::join(known, ", "))};
}

/// The whole number that a text means, as others and people write it: "3", 1_000, 3.0.
std::optional<std::int64_t> meant_number(std::string_view text) {
  std::string digits;
  for (const char c : text)
    if (c != '_' && c != ',' && c != '\'') digits += c;
  if (digits.ends_with(".0")) digits.resize(digits.size() - 2);
  std::int64_t number = 0;
  const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  const bool is_all = result.ec == std::errc{} && result.ptr == digits.data() + digits.size();
  return is_all ? std::optional(number) : std::nullopt;
}

std::string range_words(Range range, std::int64_t value) {
  if (range.most < INT32_MAX) return fmt::format("must be from {} to {}", range.least, range.most);
  return fmt::format("must be at least {}{}", range.least, value > range.most ? ", and is too big" : "");
}

/// The lines of a map as those of a list's item.
std::string as_item(std::string_view lines) {
  std::string text = "- ";
  for (const char c : lines) {
    text += c;
    if (c == '\n') text += "  ";
  }
  return text;
}

/// A rule of the value that it would be in quotes: that of its field, or for a resource's name that of its
/// kind.
TextRule rule_of(const Report& report, const Path& path, TextRule rule) {
  const bool is_name = path.key == "name" && path.parent && path.parent->key == "metadata" &&
                       path.parent->parent && !path.parent->parent->parent;
  const Kind* kind = is_name ? find_kind(report.kind) : nullptr;
  return kind ? kind->name_fault : rule;
}

}  // namespace

void report_wrong_type(Report& report, const yaml::Node& node, const Path& path, std::string_view wanted,
                       Mend mend) {
  std::string_view type = yaml::type_name(node);
  std::string shown = node.is_map() || node.is_list() || node.is_null() || report.hides(path.to_string())
                          ? std::string(type)
                          : fmt::format("{} `{}`", type, report.written(node));
  report.add(error, code::wrong_type, node.position, path.to_string(),
             fmt::format("{} must be {}, not {}", subject(path), wanted, shown), std::move(mend));
}

void report_no_map(Report& report, const yaml::Node& node, const Path& path, Shorthand shorthand) {
  Mend mend("Write a map: names with their values below it.");
  const yaml::List* list = node.list();
  const auto written = report.source ? report.source->written(node) : std::nullopt;
  if (const auto map = list ? map_of(*list) : std::nullopt) {
    mend = report.replace(node, fmt::format("Write it as a map: {}.", *map), *map);
  } else if (list && list->size() == 1 && list->front().is_map()) {
    mend.words = "Remove the dash (`- `): it is one map, no list.";
    if (written && written->starts_with('-'))
      mend.change = report.source->replace(written->substr(0, 1), " ");
    if (written && written->starts_with('['))
      mend =
          report.replace(node, "Remove the brackets: it is one map, no list.", report.written(list->front()));
  } else if (const auto item =
                 node.is_map() || list ? std::nullopt : item_of(shorthand, report.written(node))) {
    mend = report.replace(node, fmt::format("Write it as a map: {}.", *item), *item);
    if (const auto port = node.string() ? published_port(*node.string()) : std::nullopt;
        port && shorthand == Shorthand::container_port)
      mend.words += fmt::format(
          " The local port is its Service's: write the annotation `weft.dev/local-port: \"{}\"` there.",
          *port);
  }
  if (shorthand == Shorthand::variable && node.string() && !mend.change)
    mend.words = fmt::format("Give it a value: {{name: {}, value: ...}}.", in_quotes(*node.string()));
  report_wrong_type(report, node, path, "a map", std::move(mend));
}

bool report_entry(Report& report, const yaml::Node& node, const Path& path, Shorthand shorthand) {
  constexpr std::string_view known[] = {"name", "value", "valueFrom", "kind", "namespace", "condition"};
  const yaml::Map& map = *node.map();
  if (map.size() != 1 || !base::nearest(map.front().key, known).empty()) return false;
  const auto written = [&](const yaml::Node& value) { return report.written(value); };
  const auto item = item_of(shorthand, map.front(), written);
  if (!item) return false;
  report.add(error, code::unknown_field, node.position, path.to_string(),
             fmt::format("{} has no field `{}`", owner(report, path), map.front().key),
             report.replace(node, fmt::format("Write {}.", *item), *item));
  return true;
}

void report_no_list(Report& report, const yaml::Node& node, const Path& path, Shorthand shorthand) {
  Mend mend("Write a list: each item in a line of its own behind a dash (`- `).");
  const auto written = [&](const yaml::Node& value) { return report.written(value); };
  const bool is_command = shorthand == Shorthand::word && (path.key == "command" || path.key == "args");
  const auto list =
      is_command && node.string() ? words_of(path.key, *node.string()) : list_of(shorthand, node, written);
  if (list) {
    mend = report.replace(node, fmt::format("Write it as a list: {}.", *list), *list);
  } else if (is_command && node.string()) {
    mend.words = base::split_words(*node.string())
                     ? fmt::format(
                           "It takes a shell: write `command: [\"sh\", \"-c\", {}]` in its place, with the "
                           "program's path for PROGRAM.",
                           in_quotes("exec PROGRAM " + *node.string()))
                     : "Close its quote, and write each word as an item of a list.";
  } else if (node.is_map() && shorthand == Shorthand::variable && !node.find("name")) {
    mend.words =
        "Write each as an item, with a name without blanks and its value as text: `- {name: A, value: "
        "\"1\"}`.";
  } else if (node.is_map() && shorthand != Shorthand::word) {
    mend.words =
        "Put a dash before it (`- `), and two spaces before its other lines: it is a list of such maps.";
    if (const auto text = report.source ? report.source->written(node) : std::nullopt) {
      if (text->starts_with('{'))
        mend =
            report.replace(node, fmt::format("Write it as a list: [{}].", *text), fmt::format("[{}]", *text));
      else
        mend.change = report.source->replace(*text, as_item(*text));
    }
  }
  report_wrong_type(report, node, path, "a list", std::move(mend));
}

void report_invalid(Report& report, const yaml::Node& node, const Path& path, std::string message,
                    Mend mend) {
  bool is_shown = !node.is_map() && !node.is_list() && !report.hides(path.to_string());
  std::string value = is_shown ? fmt::format(": `{}`", report.written(node)) : std::string{};
  report.add(error, code::invalid_value, node.position, path.to_string(),
             fmt::format("{}{} {}", subject(path), value, message), std::move(mend));
}

bool has_right_size(Report& report, const yaml::Node& node, const Path& path, std::size_t size,
                    Items wanted) {
  if (size < wanted.least) {
    report_invalid(report, node, path, "must not be empty", "Give the list at least one item.");
  } else if (size > wanted.most) {
    report.add(error, code::too_large, node.position, path.to_string(),
               fmt::format("{} has {} items, at most {} are allowed", subject(path), size, wanted.most),
               "Leave some out, or spread them over several resources.");
  }
  return size >= wanted.least && size <= wanted.most;
}

void report_not_one_of(Report& report, const yaml::Node& node, const Path& path,
                       const std::vector<std::string_view>& names) {
  if (node.is_map() || node.is_list())
    return report_wrong_type(report, node, path, "a string", fmt::format("Write {}.", names.front()));
  const std::string written = report.written(node);
  const std::string_view ours = renamed_condition(written);
  const bool is_condition = std::ranges::find(names, ours) != names.end();
  if (is_condition && ours == "completed")
    return report_invalid(report, node, path, "is Compose's",
                          "Write `completed`, and `kind: Job` beside it.");
  std::string_view near = is_condition ? ours : base::nearest(written, names);
  std::string list = fmt::format("{}", fmt::join(names, ", "));
  std::string message =
      names.size() == 1 ? fmt::format("must be {}", list) : fmt::format("must be one of {}", list);
  report_invalid(report, node, path, std::move(message),
                 near.empty()
                     ? Mend("Choose one of them.")
                     : report.replace(node, fmt::format("Did you mean `{}`?", near), std::string(near)));
}

void report_missing(Report& report, const yaml::Node& map, const Path& path, std::string_view name) {
  std::string field = Path{&path, name}.to_string();
  const yaml::Entry* empty = map.entry(name);
  auto& missing = report.missing.is_full(error) ? report.diagnostics : report.missing;
  missing.add(error, [&] {
    return report.make(error, code::missing_field, empty ? empty->position : map.position, std::move(field),
                       empty ? fmt::format("`{}:` of {} has no value", name, owner(report, path))
                             : fmt::format("{} has no `{}`", owner(report, path), name),
                       empty ? fmt::format("Write its value behind `{}:`, or below it.", name)
                             : fmt::format("Add `{}:` and its value.", name));
  });
}

void report_unknown(Report& report, const yaml::Node& map, const yaml::Entry& entry, const Path& path,
                    const std::vector<std::string_view>& known) {
  // The search costs more than all else, and nobody sees what it finds for one that is only counted.
  Mend mend("");
  if (!report.diagnostics.is_full(error)) {
    auto meant = meant_by(report, map, entry, path, known);
    if (!meant.path.empty()) report.meant.insert(std::move(meant.path));
    mend = std::move(meant.mend);
  }
  report.add(error, code::unknown_field, entry.position, Path{&path, entry.key}.to_string(),
             fmt::format("{} has no field `{}`", owner(report, path), entry.key), std::move(mend));
}

void report_ignored(Report& report, const yaml::Entry& entry, const Path& path) {
  report.add(base::Severity::warning, code::ignored_field, entry.position, Path{&path, entry.key}.to_string(),
             fmt::format("weft does not act on `{}`", Path{&path, entry.key}.to_string()),
             "Leave it for Kubernetes (it is kept as it is), or remove it.");
}

void read_text(Report& report, const yaml::Node& node, const Path& path, TextRule rule, std::string& out) {
  if (node.is_map() || node.is_list())
    return report_wrong_type(report, node, path, "a string", "Write one value there.");
  const std::string text = report.written(node);
  const bool is_string = node.string() != nullptr;
  if (is_string) out = text;
  // What is no string must be more than quoted if it breaks the rule.
  const TextRule whole = is_string ? rule : rule_of(report, path, rule);
  if (Fault fault = whole ? whole(text) : Fault(); !fault.empty()) {
    const auto near = near_name(text, whole);
    report_invalid(report, node, path, std::move(fault),
                   near.empty() ? Mend("Change the value.")
                                : report.replace(node, fmt::format("Write `{}`.", near), near));
  } else if (!is_string) {
    report_wrong_type(
        report, node, path, "a string",
        report.replace(node, fmt::format("Put it in quotes: {}.", in_quotes(text)), in_quotes(text)));
  }
}

void read_bool(Report& report, const yaml::Node& node, const Path& path, bool& out) {
  if (const bool* value = node.boolean()) {
    out = *value;
    return;
  }
  constexpr std::string_view words[] = {"true", "yes", "on", "y", "1", "false", "no", "off", "n", "0"};
  const bool is_scalar = !node.is_map() && !node.is_list();
  Mend mend("Write true or false.");
  std::string text = is_scalar ? report.written(node) : std::string();
  std::ranges::transform(text, text.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; });
  for (std::size_t i = 0; i < std::size(words); ++i) {
    if (text != words[i]) continue;
    const std::string meant = i < std::size(words) / 2 ? "true" : "false";
    mend = report.replace(node, fmt::format("Write `{}`.", meant), meant);
  }
  report_wrong_type(report, node, path, "true or false", std::move(mend));
}

void read_whole(Report& report, const yaml::Node& node, const Path& path, Range range, std::int64_t& out) {
  const std::int64_t* value = node.integer();
  if (value && *value >= range.least && *value <= range.most) {
    out = *value;
    return;
  }
  if (value) return report_invalid(report, node, path, range_words(range, *value), "Change the number.");
  const bool is_scalar = !node.is_map() && !node.is_list();
  const auto meant = is_scalar ? meant_number(report.written(node)) : std::nullopt;
  if (meant && (*meant < range.least || *meant > range.most))
    return report_invalid(report, node, path, range_words(range, *meant), "Change the number.");
  report_wrong_type(
      report, node, path, "a whole number",
      meant ? report.replace(node, fmt::format("Write the number alone: {}.", *meant), std::to_string(*meant))
            : Mend("Write a number, in digits alone."));
}

void read_duration(Report& report, const yaml::Node& node, const Path& path, base::Duration& out) {
  std::optional<base::Duration> value;
  if (const std::string* text = node.string()) value = base::parse_duration(*text);
  if (value && *value >= base::Duration::zero()) {
    out = *value;
    return;
  }
  Mend mend("Write it like 1h30m, 30s or 250ms.");
  if (node.integer() && *node.integer() >= 0) {
    const auto seconds = fmt::format("{}s", *node.integer());
    mend = report.replace(node, fmt::format("Add a unit: {}.", seconds), seconds);
  }
  report_invalid(report, node, path, "must be a duration", std::move(mend));
}

void read_port(Report& report, const yaml::Node& node, const Path& path, IntOrString& out) {
  if (node.integer()) {
    std::int64_t number = 0;
    read_whole(report, node, path, port_range, number);
    out.value = static_cast<std::int32_t>(number);
  } else if (const std::string* name = node.string()) {
    out.value = *name;
    bool is_number = name->find_first_not_of("0123456789") == std::string::npos && !name->empty();
    std::int64_t number = 0;
    if (is_number) return read_whole(report, node, path, port_range, number);
    Fault fault = port_name_fault(*name);
    if (!fault.empty())
      report_invalid(report, node, path, "as a port's name " + fault,
                     "Give a port number or the name of a port.");
  } else {
    report_wrong_type(report, node, path, "a port number or the name of a port",
                      "Give a port number or the name of a port.");
  }
}

void read_account(Report& report, const yaml::Node& node, const Path& path, Account& out) {
  // The kernel's (uid_t)-1 stands for none.
  constexpr Range numbers{0, UINT32_MAX - 1};
  if (node.integer()) {
    std::int64_t number = 0;
    read_whole(report, node, path, numbers, number);
    out.text = std::to_string(number);
  } else if (const std::string* name = node.string(); name && !name->empty()) {
    out.text = *name;
    // useradd(8), and what directories have: user@realm, DOMAIN\\user.
    const bool is_name = name->size() <= 255 && name->find_first_of(":/ \t\r\n") == std::string::npos &&
                         name->front() != '-' && name->find_first_not_of("0123456789") != std::string::npos;
    if (!is_name)
      report_invalid(report, node, path, "is no name of a user or group", "Write its number or its name.");
  } else {
    report_wrong_type(report, node, path, "the number or the name of a user or group",
                      "Write its number or its name.");
  }
}

namespace {

/// The value of a key of a ConfigMap or Secret. It is told of without being shown.
void read_data(Report& report, const yaml::Node& node, const Path& path, MapRule rule, std::string& out) {
  if (node.is_null()) {
    report.add(error, code::missing_field, node.position, path.to_string(),
               fmt::format("the key `{}` has no value", path.key),
               "Write one; \"\" if it is meant to be empty.");
    return;
  }
  read_text(report, node, path, nullptr, out);
  if (rule == MapRule::base64 && node.string() && !base::decode_base64(out)) {
    report.add(error, code::invalid_value, node.position, path.to_string(),
               fmt::format("the value of the key `{}` is not base64", path.key),
               out.starts_with("(hidden") ? "Write the value itself: this is what weft shows in its place."
               : report.kind == Secret::kind
                   ? "Encode it (`printf %s VALUE | base64 -w0`), or write it as it is below `stringData`."
                   : "Encode it (`base64 -w0 FILE`), or write text as it is below `data`.");
  }
}

}  // namespace

void read_share(Report& report, const yaml::Node& node, const Path& path, IntOrPercent& out) {
  const std::string* text = node.string();
  if (node.integer()) {
    std::int64_t amount = 0;
    read_whole(report, node, path, from_zero, amount);
    out = {static_cast<std::int32_t>(amount), false};
  } else if (const auto share = text ? parse_percent(*text) : std::nullopt) {
    out = *share;
  } else if (text && text->ends_with('%')) {
    report_invalid(report, node, path, "must be a percentage", "Write it like 25%.");
  } else {
    report_wrong_type(report, node, path, "a whole number or a percentage",
                      "Write a number such as 1, or a share such as 25%.");
  }
}

void read_labels(Report& report, const yaml::Node& node, const Path& path, MapRule rule, Labels& out) {
  const yaml::Map* map = node.map();
  if (!map) return report_no_map(report, node, path);
  if (!has_right_size(report, node, path, map->size(), {})) return;
  const bool is_data = rule == MapRule::data || rule == MapRule::base64;
  for (const yaml::Entry& entry : *map) {
    Path at{&path, entry.key, 0, true};
    Fault fault = is_data ? data_key_fault(entry.key) : label_key_fault(entry.key);
    if (!fault.empty()) {
      report.add(error, code::invalid_value, entry.position, at.to_string(),
                 fmt::format("the key `{}` {}", entry.key, fault), "Change the key.");
    }
    if (is_data) {
      read_data(report, entry.value, at, rule, out[entry.key]);
      continue;
    }
    if (entry.value.is_null()) {
      out[entry.key];
      continue;
    }
    read_text(report, entry.value, at, rule == MapRule::labels ? label_value_fault : nullptr, out[entry.key]);
  }
}

}  // namespace weft::model
