// Schema's visitor that decodes: a map of nodes into a struct, with a diagnostic for all that does not fit.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "model/config_schema.h"
#include "model/findings.h"
#include "model/route_schema.h"
#include "model/shorthand.h"
#include "yaml/node.h"

namespace weft::model {

/// No rule.
struct AnyValue {};

template <class T>
concept HasSchema = requires { sizeof(Schema<T>); };
template <class T>
concept HasNames = requires { EnumNames<T>::values; };

void report_wrong_type(Report& report, const yaml::Node& node, const Path& path, std::string_view wanted,
                       Mend mend);
/// Whether a map of one entry stands for an item (`A: b` in env), which is reported.
bool report_entry(Report& report, const yaml::Node& node, const Path& path, Shorthand shorthand);
/// A map of this kind belongs there, or a list of such: others may write either shorter.
void report_no_map(Report& report, const yaml::Node& node, const Path& path,
                   Shorthand shorthand = Shorthand::none);
void report_no_list(Report& report, const yaml::Node& node, const Path& path, Shorthand shorthand);
void report_invalid(Report& report, const yaml::Node& node, const Path& path, std::string message, Mend mend);
void report_not_one_of(Report& report, const yaml::Node& node, const Path& path,
                       const std::vector<std::string_view>& names);
void report_missing(Report& report, const yaml::Node& map, const Path& path, std::string_view name);
/// Of an entry of `map`, which `path` leads to.
void report_unknown(Report& report, const yaml::Node& map, const yaml::Entry& entry, const Path& path,
                    const std::vector<std::string_view>& known);
void report_ignored(Report& report, const yaml::Entry& entry, const Path& path);

/// Whether a list or map of `size` items has as many as it may; reports it if not.
bool has_right_size(Report& report, const yaml::Node& node, const Path& path, std::size_t size, Items wanted);

/// Without a rule, any text.
void read_text(Report& report, const yaml::Node& node, const Path& path, TextRule rule, std::string& out);
void read_bool(Report& report, const yaml::Node& node, const Path& path, bool& out);
void read_whole(Report& report, const yaml::Node& node, const Path& path, Range range, std::int64_t& out);
void read_duration(Report& report, const yaml::Node& node, const Path& path, base::Duration& out);
void read_port(Report& report, const yaml::Node& node, const Path& path, IntOrString& out);
/// A number, or a name, which becomes that text.
void read_account(Report& report, const yaml::Node& node, const Path& path, Account& out);
void read_share(Report& report, const yaml::Node& node, const Path& path, IntOrPercent& out);
void read_labels(Report& report, const yaml::Node& node, const Path& path, MapRule rule, Labels& out);

template <HasSchema T>
void read_struct(Report& report, const yaml::Node& node, const Path& path, T& out);

template <class T, class Rule>
void read_value(Report& report, const yaml::Node& node, const Path& path, T& out, Rule rule);

template <class Item, class Rule>
void read_list(Report& report, const yaml::Node& node, const Path& path, std::vector<Item>& out,
               [[maybe_unused]] Rule rule) {
  const yaml::List* list = node.list();
  if (!list) return report_no_list(report, node, path, shorthand_of<Item>);
  // What has far too many items is not read at all: each may be wrong, too.
  Items wanted;
  if constexpr (std::is_same_v<Rule, Items>) wanted = rule;
  if (!has_right_size(report, node, path, list->size(), wanted)) return;
  out.resize(list->size());
  for (std::size_t i = 0; i < list->size(); ++i)
    read_value(report, (*list)[i], Path{&path, {}, i}, out[i], AnyValue{});
}

template <HasNames E>
void read_enum(Report& report, const yaml::Node& node, const Path& path, E& out) {
  std::vector<std::string_view> names;
  for (const auto& [name, value] : EnumNames<E>::values) {
    if (node.string() && *node.string() == name) {
      out = value;
      return;
    }
    names.push_back(name);
  }
  report_not_one_of(report, node, path, names);
}

template <class T, class Rule>
void read_value(Report& report, const yaml::Node& node, const Path& path, T& out, Rule rule) {
  if constexpr (std::is_same_v<T, std::string>) {
    TextRule text_rule = nullptr;
    if constexpr (std::is_convertible_v<Rule, TextRule>) text_rule = rule;
    read_text(report, node, path, text_rule, out);
  } else if constexpr (std::is_same_v<T, bool>) {
    read_bool(report, node, path, out);
  } else if constexpr (std::is_integral_v<T>) {
    std::int64_t value = 0;
    Range range{std::numeric_limits<T>::min(), std::numeric_limits<T>::max()};
    if constexpr (std::is_same_v<Rule, Range>) range = rule;
    read_whole(report, node, path, range, value);
    out = static_cast<T>(value);
  } else if constexpr (std::is_same_v<T, base::Duration>) {
    read_duration(report, node, path, out);
  } else if constexpr (std::is_same_v<T, IntOrString>) {
    read_port(report, node, path, out);
  } else if constexpr (std::is_same_v<T, Account>) {
    read_account(report, node, path, out);
  } else if constexpr (std::is_same_v<T, IntOrPercent>) {
    read_share(report, node, path, out);
  } else if constexpr (std::is_same_v<T, Labels>) {
    read_labels(report, node, path, rule, out);
  } else if constexpr (HasNames<T>) {
    read_enum(report, node, path, out);
  } else if constexpr (HasSchema<T>) {
    read_struct(report, node, path, out);
  } else if constexpr (requires { out.emplace(); }) {
    read_value(report, node, path, out.emplace(), rule);
  } else {
    read_list(report, node, path, out, rule);
  }
}

/// Visits the fields of one struct.
template <class T>
class StructReader {
 public:
  StructReader(Report& report, const yaml::Node& node, const Path& path, T& out)
      : report_(report),
        node_(node),
        path_(path),
        out_(out),
        ignored_(node.map()->size()),
        taken_(node.map()->size()) {}

  template <class M, class Rule = AnyValue>
  void field(std::string_view name, M T::* member, Rule rule = {}) {
    read(name, member, rule);
  }
  template <class M, class Rule = AnyValue>
  void required(std::string_view name, M T::* member, Rule rule = {}) {
    if (!read(name, member, rule)) report_missing(report_, node_, path_, name);
  }
  void kept(std::initializer_list<std::string_view> names) {
    for (std::string_view name : names) take(name);
  }
  void ignored(std::initializer_list<std::string_view> names) {
    for (std::string_view name : names)
      if (std::optional<std::size_t> at = take(name)) ignored_[*at] = !(*node_.map())[*at].value.is_null();
  }

  /// Reports what no field took, in the order of the text.
  void finish() {
    const yaml::Map& map = *node_.map();
    for (std::size_t i = 0; i < map.size(); ++i) {
      if (ignored_[i]) report_ignored(report_, map[i], path_);
      if (!taken_[i]) report_unknown(report_, node_, map[i], path_, known_);
    }
  }

 private:
  std::optional<std::size_t> take(std::string_view name) {
    known_.push_back(name);
    const yaml::Map& map = *node_.map();
    for (std::size_t i = 0; i < map.size(); ++i) {
      if (map[i].key != name) continue;
      taken_[i] = true;
      return i;
    }
    return {};
  }

  /// False if the field is not there. Null counts as not there, as in Kubernetes.
  template <class M, class Rule>
  bool read(std::string_view name, M T::* member, Rule rule) {
    std::optional<std::size_t> at = take(name);
    if (!at) return false;
    const yaml::Node& value = (*node_.map())[*at].value;
    if (value.is_null()) return false;
    read_value(report_, value, Path{&path_, name}, out_.*member, rule);
    return true;
  }

  Report& report_;
  const yaml::Node& node_;
  const Path& path_;
  T& out_;
  std::vector<std::string_view> known_;
  std::vector<bool> ignored_;
  std::vector<bool> taken_;
};

template <HasSchema T>
void read_struct(Report& report, const yaml::Node& node, const Path& path, T& out) {
  if (!node.is_map()) return report_no_map(report, node, path, shorthand_of<T>);
  if constexpr (shorthand_of<T> != Shorthand::none)
    if (report_entry(report, node, path, shorthand_of<T>)) return;
  std::size_t errors_before = report.errors();
  StructReader<T> reader(report, node, path, out);
  Schema<T>::fields(reader);
  reader.finish();
  // Rules over several fields make sense only where each is well.
  if constexpr (requires(Findings& findings) { Schema<T>::check(findings, out); }) {
    Findings findings(report, node, path);
    if (report.errors() == errors_before) Schema<T>::check(findings, out);
  }
}

}  // namespace weft::model
