#include "model/reader.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/base64.h"
#include "base/nearest.h"
#include "model/codes.h"
#include "model/decode.h"

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

std::string shown(const yaml::Node& node) {
  if (const std::string* text = node.string()) return *text;
  return yaml::to_json(node).dump(-1, ' ', false, base::Json::error_handler_t::replace);
}

/// Where else in the kind a field of that name is: "spec.template.spec.containers[].image"; empty if nowhere.
std::string elsewhere(std::string_view kind, std::string_view name) {
  for (const std::string& field : field_names(kind)) {
    bool is_it =
        field.ends_with(name) && field.size() > name.size() && field[field.size() - name.size() - 1] == '.';
    if (is_it) return field;
  }
  return {};
}

std::string mend_unknown(std::string_view kind, std::string_view name,
                         const std::vector<std::string_view>& known) {
  if (std::string_view near = base::nearest(name, known); !near.empty())
    return fmt::format("Did you mean `{}`?", near);
  if (std::string other = elsewhere(kind, name); !other.empty())
    return fmt::format("Move it to where it belongs: `{}`.", other);
  return fmt::format("Remove it, or use one of {}.", fmt::join(known, ", "));
}

}  // namespace

void report_wrong_type(Report& report, const yaml::Node& node, const Path& path, std::string_view wanted) {
  std::string mend = fmt::format("Write {}.", wanted);
  bool is_scalar = !node.is_map() && !node.is_list() && !node.is_null();
  if (wanted == "a string" && is_scalar) mend = fmt::format("Put it in quotes: \"{}\".", shown(node));
  if (wanted == "a whole number" && node.string()) mend = "Write the number without quotes.";
  if (wanted == "a list" && node.is_map()) mend = "Put a dash before it (`- `): it is a list of such maps.";
  if (wanted == "a list" && node.string())
    mend = fmt::format("Write it as a list: [\"{}\"].", *node.string());
  if (wanted == "a map" && node.is_list()) mend = "Remove the dash (`- `): it is one map, no list.";
  report.add(error, code::wrong_type, node.position, path.to_string(),
             fmt::format("{} must be {}, not {}", subject(path), wanted, yaml::type_name(node)),
             std::move(mend));
}

void report_invalid(Report& report, const yaml::Node& node, const Path& path, std::string message,
                    std::string mend) {
  bool is_scalar = !node.is_map() && !node.is_list();
  std::string value = is_scalar ? fmt::format(": `{}`", shown(node)) : std::string{};
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
  if (!node.string()) return report_wrong_type(report, node, path, "a string");
  std::string_view near = base::nearest(*node.string(), names);
  std::string list = fmt::format("{}", fmt::join(names, ", "));
  std::string message =
      names.size() == 1 ? fmt::format("must be {}", list) : fmt::format("must be one of {}", list);
  report_invalid(report, node, path, std::move(message),
                 near.empty() ? "Choose one of them." : fmt::format("Did you mean `{}`?", near));
}

void report_missing(Report& report, const yaml::Node& map, const Path& path, std::string_view name) {
  std::string field = Path{&path, name}.to_string();
  report.add(error, code::missing_field, map.position, std::move(field),
             fmt::format("{} has no `{}`", owner(report, path), name),
             fmt::format("Add `{}:` and its value.", name));
}

void report_unknown(Report& report, const yaml::Entry& entry, const Path& path,
                    const std::vector<std::string_view>& known) {
  // The search costs more than all else, and nobody sees what it finds for one that is only counted.
  std::string mend =
      report.diagnostics.is_full(error) ? std::string() : mend_unknown(report.kind, entry.key, known);
  report.add(error, code::unknown_field, entry.position, Path{&path, entry.key}.to_string(),
             fmt::format("{} has no field `{}`", owner(report, path), entry.key), std::move(mend));
}

void report_ignored(Report& report, const yaml::Entry& entry, const Path& path) {
  report.add(base::Severity::warning, code::ignored_field, entry.position, Path{&path, entry.key}.to_string(),
             fmt::format("weft does not act on `{}`", Path{&path, entry.key}.to_string()),
             "Leave it for Kubernetes (it is kept as it is), or remove it.");
}

void read_text(Report& report, const yaml::Node& node, const Path& path, std::string& out) {
  if (const std::string* text = node.string())
    out = *text;
  else
    report_wrong_type(report, node, path, "a string");
}

void read_bool(Report& report, const yaml::Node& node, const Path& path, bool& out) {
  if (const bool* value = node.boolean())
    out = *value;
  else
    report_wrong_type(report, node, path, "true or false");
}

void read_whole(Report& report, const yaml::Node& node, const Path& path, Range range, std::int64_t& out) {
  const std::int64_t* value = node.integer();
  if (!value) return report_wrong_type(report, node, path, "a whole number");
  out = *value;
  if (*value >= range.least && *value <= range.most) return;
  bool has_upper_end = range.most < INT32_MAX;
  report_invalid(report, node, path,
                 has_upper_end ? fmt::format("must be from {} to {}", range.least, range.most)
                               : fmt::format("must be at least {}{}", range.least,
                                             *value > range.most ? ", and is too big" : ""),
                 "Change the number.");
}

void read_duration(Report& report, const yaml::Node& node, const Path& path, base::Duration& out) {
  std::optional<base::Duration> value;
  if (const std::string* text = node.string()) value = base::parse_duration(*text);
  if (value && *value >= base::Duration::zero()) {
    out = *value;
    return;
  }
  std::string mend = node.integer() ? fmt::format("Add a unit: {}s.", *node.integer())
                                    : "Write it like 1h30m, 30s or 250ms.";
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
    if (is_number) return report_wrong_type(report, node, path, "a whole number");
    Fault fault = port_name_fault(*name);
    if (!fault.empty())
      report_invalid(report, node, path, "as a port's name " + fault,
                     "Give a port number or the name of a port.");
  } else {
    report_wrong_type(report, node, path, "a port number or the name of a port");
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
    report_wrong_type(report, node, path, "the number or the name of a user or group");
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
  read_text(report, node, path, out);
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
    report_wrong_type(report, node, path, "a whole number or a percentage");
  }
}

void read_labels(Report& report, const yaml::Node& node, const Path& path, MapRule rule, Labels& out) {
  const yaml::Map* map = node.map();
  if (!map) return report_wrong_type(report, node, path, "a map");
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
    std::string& value = out[entry.key];
    read_text(report, entry.value, at, value);
    if (rule != MapRule::labels || !entry.value.string()) continue;
    if (fault = label_value_fault(value); !fault.empty())
      report_invalid(report, entry.value, at, fault, "Change the value.");
  }
}

}  // namespace weft::model
