#include "base/expansion.h"

#include <fmt/format.h>

#include <algorithm>

namespace weft::base {
namespace {

/// What execve(2) counts for a string: its bytes, NUL and pointer.
std::size_t cost(std::size_t bytes) { return bytes + 1 + sizeof(char*); }
/// Of "NAME=value".
std::size_t cost(std::string_view name, std::string_view value) {
  return cost(name.size() + 1 + value.size());
}

/// As what weft sets at the start. $(date) in a script for a shell is none.
bool may_be_set_later(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
}

std::expected<void, ExpansionErrorKind> fits(std::size_t bytes) {
  if (bytes > most_string_bytes) return std::unexpected(ExpansionErrorKind::string_too_long);
  return {};
}

}  // namespace

std::string to_words(ExpansionErrorKind kind) {
  switch (kind) {
    case ExpansionErrorKind::string_too_long:
      return fmt::format("is longer than {} bytes once it is expanded", most_string_bytes);
    case ExpansionErrorKind::all_too_large: return "makes the command line and environment too large";
    case ExpansionErrorKind::has_nul: return "has a NUL byte in it";
  }
  return {};
}

std::string literal(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    escaped += c;
    if (c == '$') escaped += c;
  }
  return escaped;
}

std::expected<void, ExpansionErrorKind> Expansion::set(const std::string& name, std::string value) {
  if (value.find('\0') != std::string::npos) return std::unexpected(ExpansionErrorKind::has_nul);
  if (auto fit = fits(name.size() + 1 + value.size()); !fit) return fit;
  auto [there, is_new] = variables_.try_emplace(name);
  if (!is_new) left_ += cost(name, there->second);
  if (auto taken = take(cost(name, value)); !taken) {
    variables_.erase(there);
    return taken;
  }
  there->second = std::move(value);
  return {};
}

std::expected<void, ExpansionErrorKind> Expansion::define(const std::string& name, std::string_view text) {
  auto value = expand(text);
  if (!value) return std::unexpected(value.error());
  return set(name, std::move(*value));
}

std::expected<std::string, ExpansionErrorKind> Expansion::argument(std::string_view text) {
  if (text.find('\0') != std::string_view::npos) return std::unexpected(ExpansionErrorKind::has_nul);
  auto value = expand(text);
  if (!value) return value;
  if (auto taken = take(cost(value->size())); !taken) return std::unexpected(taken.error());
  return value;
}

std::expected<void, ExpansionErrorKind> Expansion::take(std::size_t bytes) {
  if (bytes > left_) return std::unexpected(ExpansionErrorKind::all_too_large);
  left_ -= bytes;
  return {};
}

std::expected<std::string, ExpansionErrorKind> Expansion::expand(std::string_view text) const {
  if (auto fit = fits(text.size()); !fit) return std::unexpected(fit.error());
  std::string result;
  bool may_close = true;  // there may be a ) ahead
  const auto add = [&](std::string_view part, std::size_t read) {
    result += part;
    text.remove_prefix(read);
  };
  while (!text.empty()) {
    if (auto fit = fits(result.size()); !fit) return std::unexpected(fit.error());
    if (text.front() != '$') {
      const auto plain = text.substr(0, text.find('$'));
      add(plain, plain.size());
      continue;
    }
    const auto end = may_close && text.starts_with("$(") ? text.find(')') : std::string_view::npos;
    may_close = may_close && (end != std::string_view::npos || !text.starts_with("$("));
    if (text.starts_with("$$")) {
      add("$", 2);
    } else if (end == std::string_view::npos) {
      add("$", 1);
    } else {
      const auto name = text.substr(2, end - 2);
      const auto found = variables_.find(std::string(name));
      const bool later = found == variables_.end() && !unset_.empty() && may_be_set_later(name);
      add(found != variables_.end() ? found->second : later ? unset_ : text.substr(0, end + 1), end + 1);
    }
  }
  if (auto fit = fits(result.size()); !fit) return std::unexpected(fit.error());
  return result;
}

}  // namespace weft::base
