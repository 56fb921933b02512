// Quoting rules: POSIX.1-2017, Shell Command Language, 2.2.
#include "base/words.h"

#include <algorithm>

namespace weft::base {
namespace {

/// The length of $(NAME) at the start of `text`, 0 if there is none.
std::size_t own_variable(std::string_view text) {
  if (!text.starts_with("$(")) return 0;
  const auto end = text.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_", 2);
  return end != std::string_view::npos && end > 2 && text[end] == ')' ? end + 1 : 0;
}

bool is_name(std::string_view text) {
  constexpr std::string_view letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";
  return !text.empty() && letters.contains(text[0]) &&
         text.find_first_not_of(std::string(letters) + "0123456789") == std::string_view::npos;
}

/// Whether it begins with NAME=, as a variable for the command does.
bool begins_with_assignment(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
  const auto equals = text.find('=');
  return equals != std::string_view::npos && is_name(text.substr(0, equals));
}

}  // namespace

std::optional<std::vector<std::string>> split_words(std::string_view text) {
  std::vector<std::string> words;
  std::optional<std::string> word;
  char quote = '\0';
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool blank = c == ' ' || c == '\t' || c == '\n';
    if (quote == '\0' && blank) {
      if (word) words.push_back(std::move(*word));
      word.reset();
      continue;
    }
    if (!word) word.emplace();
    if (quote == '\0' && (c == '\'' || c == '"')) {
      quote = c;
    } else if (c == quote) {
      quote = '\0';
    } else if (c == '\\' && quote != '\'') {
      if (i + 1 == text.size()) return std::nullopt;
      const char next = text[i + 1];
      if (quote == '\0' || next == '"' || next == '\\') {
        *word += next;
        ++i;
      } else {
        *word += c;
      }
    } else {
      *word += c;
    }
  }
  if (quote != '\0') return std::nullopt;
  if (word) words.push_back(std::move(*word));
  return words;
}

bool needs_shell(std::string_view text) {
  if (begins_with_assignment(text)) return true;
  char quote = '\0';
  bool starts_word = true;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quote != '\'' && (c == '$' || c == '`')) {
      const auto length = own_variable(text.substr(i));
      if (length == 0) return true;
      i += length - 1;
    } else if (quote != '\'' && c == '\\') {
      ++i;
    } else if (quote != '\0') {
      if (c == quote) quote = '\0';
    } else if (c == '\'' || c == '"') {
      quote = c;
    } else if (c == ' ' || c == '\t') {
      starts_word = true;
      continue;
    } else if (std::string_view("|&;<>()*?[\n").contains(c) || (starts_word && (c == '#' || c == '~'))) {
      return true;
    }
    starts_word = false;
  }
  return false;
}

}  // namespace weft::base
