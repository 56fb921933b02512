#include "model/labels.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "model/values.h"

namespace weft::model {
namespace {

bool has(const std::vector<std::string>& values, const std::string& value) {
  return std::ranges::find(values, value) != values.end();
}

bool holds(const LabelRequirement& requirement, const Labels& labels) {
  auto found = labels.find(requirement.key);
  bool is_there = found != labels.end();
  switch (requirement.op) {
    case LabelRequirement::Operator::in: return is_there && has(requirement.values, found->second);
    case LabelRequirement::Operator::not_in: return !is_there || !has(requirement.values, found->second);
    case LabelRequirement::Operator::exists: return is_there;
    case LabelRequirement::Operator::does_not_exist: return !is_there;
  }
  return false;
}

std::string_view trim(std::string_view text) {
  std::size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

/// Splits at commas that stand outside of parentheses.
std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> parts;
  int depth = 0;
  std::size_t begin = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '(') ++depth;
    if (text[i] == ')') --depth;
    if (text[i] == ',' && depth == 0) {
      parts.push_back(trim(text.substr(begin, i - begin)));
      begin = i + 1;
    }
  }
  parts.push_back(trim(text.substr(begin)));
  return parts;
}

using Parsed = std::expected<LabelRequirement, std::string>;

Parsed checked(LabelRequirement requirement) {
  if (Fault fault = label_key_fault(requirement.key); !fault.empty())
    return std::unexpected(fmt::format("the key `{}` {}", requirement.key, fault));
  for (const std::string& value : requirement.values)
    if (Fault fault = label_value_fault(value); !fault.empty())
      return std::unexpected(fmt::format("the value `{}` {}", value, fault));
  return requirement;
}

/// "key in (a,b)" or "key notin (a,b)".
Parsed parse_set(std::string_view text) {
  std::size_t open = text.find('(');
  if (!text.ends_with(')')) return std::unexpected(fmt::format("`{}` has no closing parenthesis", text));
  std::string_view head = trim(text.substr(0, open));
  std::size_t space = head.find_last_of(" \t");
  std::string_view word = space == std::string_view::npos ? std::string_view{} : head.substr(space + 1);
  if (word != "in" && word != "notin")
    return std::unexpected(fmt::format("`{}` needs `in` or `notin` before its values", text));
  LabelRequirement requirement{
      .key = std::string(trim(head.substr(0, space))),
      .op = word == "in" ? LabelRequirement::Operator::in : LabelRequirement::Operator::not_in,
      .values = {}};
  for (std::string_view value : split(text.substr(open + 1, text.size() - open - 2)))
    requirement.values.emplace_back(value);
  return checked(std::move(requirement));
}

Parsed parse_requirement(std::string_view text) {
  using enum LabelRequirement::Operator;
  if (text.find('(') != std::string_view::npos) return parse_set(text);
  if (std::size_t at = text.find("!="); at != std::string_view::npos)
    return checked({std::string(trim(text.substr(0, at))), not_in, {std::string(trim(text.substr(at + 2)))}});
  if (std::size_t at = text.find('='); at != std::string_view::npos) {
    std::size_t after = text.substr(at).starts_with("==") ? at + 2 : at + 1;
    return checked({std::string(trim(text.substr(0, at))), in, {std::string(trim(text.substr(after)))}});
  }
  if (text.starts_with('!')) return checked({std::string(trim(text.substr(1))), does_not_exist, {}});
  return checked({std::string(text), exists, {}});
}

}  // namespace

bool matches(const LabelSelector& selector, const Labels& labels) {
  bool has_all = selector.match_labels.empty() || service_selects(selector.match_labels, labels);
  return has_all &&
         std::ranges::all_of(selector.match_expressions, [&](const auto& one) { return holds(one, labels); });
}

bool service_selects(const Labels& selector, const Labels& labels) {
  return !selector.empty() && std::ranges::all_of(selector, [&](const auto& pair) {
    auto found = labels.find(pair.first);
    return found != labels.end() && found->second == pair.second;
  });
}

std::expected<LabelSelector, std::string> parse_label_selector(std::string_view text) {
  LabelSelector selector;
  if (trim(text).empty()) return selector;
  for (std::string_view part : split(text)) {
    auto requirement = parse_requirement(part);
    if (!requirement) return std::unexpected(requirement.error());
    selector.match_expressions.push_back(std::move(*requirement));
  }
  return selector;
}

std::string to_string(const LabelSelector& selector) {
  std::vector<std::string> parts;
  for (const auto& [key, value] : selector.match_labels) parts.push_back(fmt::format("{}={}", key, value));
  for (const LabelRequirement& one : selector.match_expressions) {
    bool is_single = one.values.size() == 1;
    std::string values = fmt::format("{}", fmt::join(one.values, ","));
    switch (one.op) {
      case LabelRequirement::Operator::in:
        parts.push_back(is_single ? one.key + "=" + values : one.key + " in (" + values + ")");
        break;
      case LabelRequirement::Operator::not_in:
        parts.push_back(is_single ? one.key + "!=" + values : one.key + " notin (" + values + ")");
        break;
      case LabelRequirement::Operator::exists: parts.push_back(one.key); break;
      case LabelRequirement::Operator::does_not_exist: parts.push_back("!" + one.key); break;
    }
  }
  return fmt::format("{}", fmt::join(parts, ","));
}

}  // namespace weft::model
