#include "model/findings.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "model/codes.h"
#include "model/resource.h"
#include "yaml/lookalike.h"

namespace weft::model {

std::string Path::to_string() const {
  std::string text = parent ? parent->to_string() : std::string{};
  if (in_brackets) return text + fmt::format("[{}]", key);
  if (key.empty()) return parent ? text + fmt::format("[{}]", index) : text;
  if (!text.empty()) text += '.';
  return text.append(key);
}

bool Report::hides(std::string_view field) const {
  return kind == Secret::kind && (field.starts_with("data") || field.starts_with("stringData"));
}

base::Diagnostic Report::make(base::Severity severity, std::string_view code, base::Position position,
                              std::string field, std::string message, Mend mend) const {
  base::Diagnostic diagnostic;
  // A mend quotes what was written.
  if (hides(field)) mend.change.reset();
  if (hides(field) && code == code::wrong_type) mend = Mend("Write text in quotes below each key.");
  if (source)
    diagnostic = source->error(code, position, std::move(message), std::move(mend.words));
  else
    diagnostic = {.code = std::string(code), .message = std::move(message), .mend = std::move(mend.words)};
  if (kind == Secret::kind) diagnostic.source.clear();
  diagnostic.severity = severity;
  diagnostic.field = std::move(field);
  diagnostic.replacement = std::move(mend.change);
  return source && severity == base::Severity::error ? yaml::blame_lookalike(*source, std::move(diagnostic))
                                                     : diagnostic;
}

void Report::add(base::Severity severity, std::string_view code, base::Position position, std::string field,
                 std::string message, Mend mend) {
  diagnostics.add(severity, [&] {
    return make(severity, code, position, std::move(field), std::move(message), std::move(mend));
  });
}

std::string Report::written(const yaml::Node& value) const {
  if (const std::string* text = value.string()) return *text;
  if (const auto text = source ? source->written(value) : std::nullopt) return std::string(*text);
  return yaml::to_json(value).dump(-1, ' ', false, base::Json::error_handler_t::replace);
}

Mend Report::replace(const yaml::Node& value, std::string words, std::string text) const {
  Mend mend(std::move(words));
  if (!source) return mend;
  if (const auto part = source->written(value)) mend.change = source->replace(*part, std::move(text));
  return mend;
}

base::Diagnostics Report::finish() {
  for (const base::Diagnostic& one : missing) {
    const std::string field = schema_path(one.field);
    const bool is_meant = std::ranges::any_of(meant, [&](const std::string& path) {
      return path.starts_with(field) && (path.size() == field.size() || path[field.size()] == '.');
    });
    if (!is_meant) diagnostics.push_back(one);
  }
  return std::move(diagnostics);
}

Mend Report::insert(const yaml::Node& map, std::string words, const std::string& entry) const {
  Mend mend(std::move(words));
  if (!source || map.position.line == 0) return mend;
  const auto text = source->from(map.position);
  if (text.starts_with('{'))
    mend.change = source->replace(text.substr(1, 0), text.starts_with("{}") ? entry : entry + ", ");
  else
    mend.change =
        source->replace(text.substr(0, 0), entry + "\n" + std::string(map.position.column - 1, ' '));
  return mend;
}

void Findings::add(base::Severity severity, std::string_view field, std::string_view code,
                   std::string message, Mend mend) {
  std::string path = path_.to_string();
  if (!path.empty() && !field.empty() && !field.starts_with('[')) path += '.';
  path += field;
  const yaml::Node* value = yaml::find_path(node_, field);
  base::Position position =
      value && !value->is_map() && !value->is_list() ? value->position : yaml::locate(node_, field);
  report_.add(severity, code, position, std::move(path), std::move(message), std::move(mend));
}

void Findings::error(std::string_view field, std::string_view code, std::string message, Mend mend) {
  add(base::Severity::error, field, code, std::move(message), std::move(mend));
}

void Findings::warning(std::string_view field, std::string_view code, std::string message, Mend mend) {
  add(base::Severity::warning, field, code, std::move(message), std::move(mend));
}

void Findings::expect(std::string_view field, std::string_view value, Fault (*rule)(std::string_view),
                      std::string otherwise) {
  Fault fault = rule(value);
  if (fault.empty()) return;
  Mend mend(std::move(otherwise));
  if (const auto near = near_name(value, rule); !near.empty())
    mend = replace(field, fmt::format("Write `{}`.", near), near);
  error(field, code::invalid_value, fmt::format("`{}` {}", value, fault), std::move(mend));
}

Mend Findings::replace(std::string_view field, std::string words, std::string text) const {
  const yaml::Node* value = yaml::find_path(node_, field);
  return value ? report_.replace(*value, std::move(words), std::move(text)) : Mend(std::move(words));
}

Mend Findings::insert(std::string_view map, std::string words, const std::string& entry) const {
  const yaml::Node* node = yaml::find_path(node_, map);
  return node && node->is_map() ? report_.insert(*node, std::move(words), entry) : Mend(std::move(words));
}

std::string schema_path(std::string_view path) {
  std::string text;
  bool in_index = false;
  for (const char c : path) {
    if (!in_index || c == ']') text += c;
    if (c == '[' || c == ']') in_index = c == '[';
  }
  return text;
}

std::string near_name(std::string_view value, Fault (*rule)(std::string_view)) {
  std::string name;
  for (const char c : value) {
    if (c >= 'A' && c <= 'Z')
      name += static_cast<char>(c - 'A' + 'a');
    else
      name += c == '_' || c == ' ' ? '-' : c;
  }
  return rule(name).empty() ? name : std::string();
}

}  // namespace weft::model
