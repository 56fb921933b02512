#include "yaml/scalar.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string>

namespace weft::yaml {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_any_of(std::string_view text, std::span<const std::string_view> words) {
  return std::ranges::find(words, text) != words.end();
}

constexpr std::array<std::string_view, 5> nulls{"", "~", "null", "Null", "NULL"};
constexpr std::array<std::string_view, 3> trues{"true", "True", "TRUE"};
constexpr std::array<std::string_view, 3> falses{"false", "False", "FALSE"};
/// Booleans of YAML 1.1 (https://yaml.org/type/bool.html), floats and the merge key: strings to weft, not to
/// others.
constexpr std::array<std::string_view, 30> other_readers{
    "y",     "Y",     "yes",   "Yes",   "YES",   "n",    "N",    "no",   "No",   "NO",
    "on",    "On",    "ON",    "off",   "Off",   "OFF",  ".inf", ".Inf", ".INF", "-.inf",
    "-.Inf", "-.INF", "+.inf", "+.Inf", "+.INF", ".nan", ".NaN", ".NAN", "<<",   "="};

/// Digits of one base with an optional sign; nothing if there is another character or it does not fit.
std::optional<std::int64_t> whole(std::string_view digits, bool negative, int base) {
  std::string text = negative ? "-" : "";
  text += digits;
  std::int64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (digits.empty() || digits[0] == '-' || error != std::errc{} || end != text.data() + text.size())
    return {};
  return value;
}

std::optional<std::int64_t> parse_integer(std::string_view text) {
  bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  if (text.empty() || !is_digit(text[0])) return {};
  if (text.starts_with("0x")) return whole(text.substr(2), negative, 16);
  if (text.starts_with("0o")) return whole(text.substr(2), negative, 8);
  if (text.size() > 1 && text[0] == '0') return whole(text.substr(1), negative, 8);
  return whole(text, negative, 10);
}

/// [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?   (YAML 1.2, 10.3.2)
bool looks_like_number(std::string_view text) {
  std::size_t at = 0;
  auto digits = [&] {
    std::size_t from = at;
    while (at < text.size() && is_digit(text[at])) ++at;
    return at - from;
  };
  auto take = [&](std::string_view any) {
    bool is_there = at < text.size() && any.find(text[at]) != std::string_view::npos;
    if (is_there) ++at;
    return is_there;
  };
  take("-+");
  std::size_t before = digits();
  std::size_t after = take(".") ? digits() : 0;
  if (before == 0 && after == 0) return false;
  if (take("eE")) {
    take("-+");
    if (digits() == 0) return false;
  }
  return at == text.size();
}

std::optional<double> parse_number(std::string_view text) {
  if (!looks_like_number(text)) return {};
  if (text[0] == '+') text.remove_prefix(1);
  double value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return {};
  return value;
}

}  // namespace

decltype(Node::value) plain_value(std::string_view text) {
  if (is_any_of(text, nulls)) return std::monostate{};
  if (is_any_of(text, trues)) return true;
  if (is_any_of(text, falses)) return false;
  if (auto integer = parse_integer(text)) return *integer;
  if (auto number = parse_number(text)) return *number;
  return std::string(text);
}

bool is_safe_plain(std::string_view text) {
  if (!std::holds_alternative<std::string>(plain_value(text)) || is_any_of(text, other_readers)) return false;
  // Numbers and times of YAML 1.1 (1_000, 12:30:45, 2026-01-31) and what else begins like one.
  if (is_digit(text[0]) ||
      ((text[0] == '.' || text[0] == '+' || text[0] == '-') && text.size() > 1 && is_digit(text[1])))
    if (text.find_first_not_of("0123456789_:+-.eExXoabcdefABCDEFTZ ") == std::string_view::npos) return false;
  if (text.find_first_of("\n\r\t\"\\") != std::string_view::npos) return false;
  if (std::string_view("-?:,[]{}#&*!|>'%@` ").find(text[0]) != std::string_view::npos) return false;
  if (text.back() == ' ' || text.back() == ':' || text.starts_with("---") || text.starts_with("..."))
    return false;
  if (text.find(": ") != std::string_view::npos || text.find(" #") != std::string_view::npos) return false;
  // Anything beyond ASCII may hold a break or a space of Unicode; quoted it always reads back.
  return std::ranges::all_of(text, [](char c) { return c >= 0x20 && c < 0x7F; });
}

}  // namespace weft::yaml
