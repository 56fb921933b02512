#include "model/env_file.h"

#include <fmt/format.h>

#include <map>

#include "model/values.h"

namespace weft::model {
namespace {

constexpr std::string_view blanks = " \t\r";

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(blanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(blanks) - begin + 1);
}

char unescaped(char c) { return c == 'n' ? '\n' : c == 'r' ? '\r' : c == 't' ? '\t' : c; }

/// The error is a message without the value.
std::expected<std::string, std::string> value_of(std::string_view text) {
  if (text.empty() || (text.front() != '"' && text.front() != '\'')) return std::string(text);
  const char quote = text.front();
  std::string value;
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (text[i] == quote) {
      if (i + 1 == text.size()) return value;
      return std::unexpected("something follows its closing quote: put all of the value within the quotes");
    }
    const bool is_escape = quote == '"' && text[i] == '\\' && i + 1 < text.size() &&
                           std::string_view("nrt\"$\\").contains(text[i + 1]);
    value += is_escape ? unescaped(text[++i]) : text[i];
  }
  return std::unexpected("its quote is not closed in this line: close it, and write \\n for a line's end");
}

}  // namespace

std::expected<std::vector<std::pair<std::string, std::string>>, EnvFileFault> parse_env_file(
    std::string_view text,
    const std::function<std::optional<std::string>(const std::string& name)>& environment) {
  std::vector<std::pair<std::string, std::string>> variables;
  std::map<std::string, std::size_t> lines;
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  for (std::size_t number = 1; !text.empty(); ++number) {
    const auto end = std::min(text.find('\n'), text.size());
    auto line = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() || line.front() == '#') continue;
    if (line.starts_with("export ") || line.starts_with("export\t")) line = trimmed(line.substr(7));
    const auto equals = line.find('=');
    const std::string name(trimmed(line.substr(0, equals)));
    // What is no name may be a value that was broken over lines.
    if (!data_key_fault(name).empty())
      return std::unexpected(EnvFileFault{
          number, "it is not NAME=VALUE, with a NAME of letters, digits, -, _ and .: correct it"});
    const auto [first, is_new] = lines.emplace(name, number);
    if (!is_new)
      return std::unexpected(
          EnvFileFault{number, fmt::format("{} is also in line {}: keep one of them", name, first->second)});
    if (equals == std::string_view::npos) {
      auto value = environment(name);
      if (!value)
        return std::unexpected(
            EnvFileFault{number, "it has no =, and is no variable that is set here: write NAME=VALUE"});
      variables.emplace_back(name, std::move(*value));
      continue;
    }
    auto value = value_of(trimmed(line.substr(equals + 1)));
    if (!value)
      return std::unexpected(EnvFileFault{number, fmt::format("the value of {}: {}", name, value.error())});
    variables.emplace_back(name, std::move(*value));
  }
  return variables;
}

}  // namespace weft::model
