#include "model/findings.h"

#include <fmt/format.h>

#include <utility>

#include "model/codes.h"
#include "model/resource.h"

namespace weft::model {

std::string Path::to_string() const {
  std::string text = parent ? parent->to_string() : std::string{};
  if (in_brackets) return text + fmt::format("[{}]", key);
  if (key.empty()) return parent ? text + fmt::format("[{}]", index) : text;
  if (!text.empty()) text += '.';
  return text.append(key);
}

void Report::add(base::Severity severity, std::string_view code, base::Position position, std::string field,
                 std::string message, std::string mend) {
  // A mend quotes what was written.
  const bool is_hidden =
      kind == Secret::kind && (field.starts_with("data") || field.starts_with("stringData"));
  if (is_hidden && code == code::wrong_type) mend = "Write text in quotes below each key.";
  diagnostics.add(severity, [&] {
    base::Diagnostic diagnostic;
    if (source)
      diagnostic = source->error(code, position, std::move(message), std::move(mend));
    else
      diagnostic = {.code = std::string(code), .message = std::move(message), .mend = std::move(mend)};
    diagnostic.severity = severity;
    diagnostic.field = std::move(field);
    return diagnostic;
  });
}

void Findings::add(base::Severity severity, std::string_view field, std::string_view code,
                   std::string message, std::string mend) {
  std::string path = path_.to_string();
  if (!path.empty() && !field.empty() && !field.starts_with('[')) path += '.';
  path += field;
  const yaml::Node* value = yaml::find_path(node_, field);
  base::Position position =
      value && !value->is_map() && !value->is_list() ? value->position : yaml::locate(node_, field);
  report_.add(severity, code, position, std::move(path), std::move(message), std::move(mend));
}

void Findings::error(std::string_view field, std::string_view code, std::string message, std::string mend) {
  add(base::Severity::error, field, code, std::move(message), std::move(mend));
}

void Findings::warning(std::string_view field, std::string_view code, std::string message, std::string mend) {
  add(base::Severity::warning, field, code, std::move(message), std::move(mend));
}

void Findings::expect(std::string_view field, std::string_view value, Fault (*rule)(std::string_view),
                      std::string mend) {
  Fault fault = rule(value);
  if (fault.empty()) return;
  error(field, code::invalid_value, fmt::format("`{}` {}", value, fault),
        mend.empty() ? "Change the value." : std::move(mend));
}

}  // namespace weft::model
