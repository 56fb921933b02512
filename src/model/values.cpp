#include "model/values.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

namespace weft::model {
namespace {

bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_lower_alnum(char c) { return is_lower(c) || is_digit(c); }
bool is_alnum(char c) { return is_lower_alnum(c) || is_upper(c); }

/// Lower case letters, digits and -, beginning and ending with a letter or digit.
bool is_label(std::string_view text) {
  if (text.empty() || !is_lower_alnum(text.front()) || !is_lower_alnum(text.back())) return false;
  return std::ranges::all_of(text, [](char c) { return is_lower_alnum(c) || c == '-'; });
}

bool is_subdomain(std::string_view text) {
  while (true) {
    std::size_t dot = text.find('.');
    if (!is_label(text.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    text.remove_prefix(dot + 1);
  }
}

/// The name part of a label's key, or its value: letters, digits, - _ . with a letter or digit at both ends.
bool is_qualified(std::string_view text) {
  if (text.empty() || !is_alnum(text.front()) || !is_alnum(text.back())) return false;
  return std::ranges::all_of(text, [](char c) { return is_alnum(c) || c == '-' || c == '_' || c == '.'; });
}

Fault too_long(std::string_view text, std::size_t limit) {
  if (text.size() <= limit) return {};
  return fmt::format("must have at most {} characters (it has {})", limit, text.size());
}

}  // namespace

std::string IntOrString::to_string() const { return number() ? std::to_string(*number()) : *name(); }

int IntOrPercent::rounded_up(int total) const {
  const auto hundredths = std::int64_t{amount} * total;
  return is_percent ? static_cast<int>((hundredths + 99) / 100) : amount;
}

int IntOrPercent::rounded_down(int total) const {
  return is_percent ? static_cast<int>(std::int64_t{amount} * total / 100) : amount;
}

std::string IntOrPercent::to_string() const { return std::to_string(amount) + (is_percent ? "%" : ""); }

std::optional<IntOrPercent> parse_percent(std::string_view text) {
  constexpr std::int32_t most = 10'000;
  if (!text.ends_with('%')) return {};
  text.remove_suffix(1);
  IntOrPercent share{0, true};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), share.amount);
  const bool is_number = error == std::errc() && end == text.data() + text.size();
  if (!is_number || !is_digit(text.front()) || share.amount > most) return {};
  return share;
}

Fault dns1123_label_fault(std::string_view text) {
  if (Fault fault = too_long(text, 63); !fault.empty()) return fault;
  if (is_label(text)) return {};
  return "must be lower case letters, digits and -, with a letter or digit at both ends (DNS-1123 label)";
}

Fault dns1123_subdomain_fault(std::string_view text) {
  if (Fault fault = too_long(text, 253); !fault.empty()) return fault;
  if (is_subdomain(text)) return {};
  return "must be lower case letters, digits, - and ., with a letter or digit at both ends of each part "
         "(DNS-1123 subdomain)";
}

Fault dns1035_label_fault(std::string_view text) {
  if (Fault fault = too_long(text, 63); !fault.empty()) return fault;
  if (is_label(text) && is_lower(text.front())) return {};
  return "must be lower case letters, digits and -, with a letter at the start and a letter or digit at the "
         "end (DNS-1035 label)";
}

Fault workload_name_fault(std::string_view text) {
  if (Fault fault = too_long(text, 63); !fault.empty()) return fault;
  return dns1123_subdomain_fault(text);
}

Fault mesh_config_name_fault(std::string_view text) {
  return text == "default" ? Fault() : "must be `default`, for a mesh has one MeshConfig";
}

Fault port_name_fault(std::string_view text) {
  if (Fault fault = too_long(text, 15); !fault.empty()) return fault;
  if (!is_label(text)) return "must be lower case letters, digits and -, with a letter or digit at both ends";
  if (std::ranges::none_of(text, is_lower)) return "must have at least one letter";
  if (text.find("--") != std::string_view::npos) return "must not have two - in a row";
  return {};
}

Fault label_key_fault(std::string_view text) {
  std::size_t slash = text.find('/');
  if (slash != std::string_view::npos) {
    if (Fault fault = dns1123_subdomain_fault(text.substr(0, slash)); !fault.empty())
      return "before the / " + fault;
    text.remove_prefix(slash + 1);
  }
  if (Fault fault = too_long(text, 63); !fault.empty()) return fault;
  if (is_qualified(text)) return {};
  return "must be letters, digits, -, _ and ., with a letter or digit at both ends, and may have one prefix/ "
         "before it";
}

Fault label_value_fault(std::string_view text) {
  if (Fault fault = too_long(text, 63); !fault.empty()) return fault;
  if (text.empty() || is_qualified(text)) return {};
  return "must be letters, digits, -, _ and ., with a letter or digit at both ends";
}

Fault env_name_fault(std::string_view text) {
  bool is_well =
      !text.empty() && std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7F && c != '='; });
  return is_well ? Fault{} : "must be printable ASCII without spaces and =";
}

Fault env_prefix_fault(std::string_view text) { return text.empty() ? Fault{} : env_name_fault(text); }

Fault data_key_fault(std::string_view text) {
  if (Fault fault = too_long(text, 253); !fault.empty()) return fault;
  constexpr std::string_view allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
  if (text.empty() || text.find_first_not_of(allowed) != std::string_view::npos)
    return "must be letters, digits, -, _ and .";
  return text == "." || text.starts_with("..") ? "must not be . or begin with .." : Fault{};
}

Fault path_below_fault(std::string_view text) {
  if (text.empty() || text.starts_with('/')) return "must be a path without a / at its start";
  // Linux's PATH_MAX, less as much for the folder in which it lies.
  constexpr std::size_t most_bytes = 2048;
  if (text.size() > most_bytes) return fmt::format("must have at most {} bytes", most_bytes);
  if (text.contains('\0')) return "must not have a NUL character";
  for (std::size_t begin = 0; begin <= text.size();) {
    constexpr std::size_t most_name_bytes = 255;  // Linux's NAME_MAX
    const auto end = std::min(text.find('/', begin), text.size());
    const auto part = text.substr(begin, end - begin);
    if (part.starts_with("..")) return "must not have a part that begins with ..";
    if (part.empty() || part == ".") return "must not have a part that is empty or .";
    if (part.size() > most_name_bytes)
      return fmt::format("must not have a part of more than {} bytes", most_name_bytes);
    begin = end + 1;
  }
  return {};
}

std::optional<double> parse_quantity(std::string_view text) {
  struct Suffix {
    std::string_view text;
    double factor;
  };
  constexpr double ki = 1024;
  constexpr Suffix suffixes[] = {{"Ki", ki},
                                 {"Mi", ki * ki},
                                 {"Gi", ki * ki * ki},
                                 {"Ti", ki * ki * ki * ki},
                                 {"Pi", ki * ki * ki * ki * ki},
                                 {"Ei", ki * ki * ki * ki * ki * ki},
                                 {"n", 1e-9},
                                 {"u", 1e-6},
                                 {"m", 1e-3},
                                 {"", 1},
                                 {"k", 1e3},
                                 {"M", 1e6},
                                 {"G", 1e9},
                                 {"T", 1e12},
                                 {"P", 1e15},
                                 {"E", 1e18}};
  bool is_negative = text.starts_with('-');
  if (is_negative || text.starts_with('+')) text.remove_prefix(1);
  std::size_t end = std::min(text.find_first_not_of("0123456789."), text.size());
  std::string_view number = text.substr(0, end);
  std::string_view suffix = text.substr(end);
  if (std::ranges::none_of(number, is_digit) || std::ranges::count(number, '.') > 1) return {};
  double value = 0;
  if (std::from_chars(number.data(), number.data() + number.size(), value).ec != std::errc{}) return {};
  if (is_negative) value = -value;
  for (const Suffix& known : suffixes)
    if (suffix == known.text) return value * known.factor;
  if (suffix.size() < 2 || (suffix[0] != 'e' && suffix[0] != 'E')) return {};
  std::string_view digits = suffix.substr(suffix[1] == '+' ? 2 : 1);
  int exponent = 0;
  auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), exponent);
  if (error != std::errc{} || stop != digits.data() + digits.size() || std::abs(exponent) > 300) return {};
  return value * std::pow(10.0, exponent);
}

Fault quantity_fault(std::string_view text) {
  return parse_quantity(text) ? Fault{} : "must be a quantity such as 100m, 0.5, 128Mi or 2G";
}

}  // namespace weft::model
