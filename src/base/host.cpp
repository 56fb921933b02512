#include "base/host.h"

#include <algorithm>

#include "base/address.h"

namespace weft::base {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool has_long_label(std::string_view name) {
  std::size_t size = 0;
  return std::ranges::any_of(name, [&size](char c) {
    size = c == '.' ? 0 : size + 1;
    return size > max_label_bytes;
  });
}

std::optional<Address> in_brackets(std::string_view host) {
  if (!host.starts_with('[') || !host.ends_with(']')) return std::nullopt;
  auto address = Address::parse_ip(host.substr(1, host.size() - 2), 0);
  return address && address->family() == Address::Family::ipv6 ? std::move(address) : std::nullopt;
}

}  // namespace

bool is_numeric(std::string_view host) {
  return !host.empty() && is_digit(host.back()) &&
         std::ranges::all_of(host, [](char c) { return is_digit(c) || c == '.'; });
}

// By hand: it is on the way of every request to an address.
bool is_ipv4(std::string_view text) {
  std::size_t octets = 1;
  std::size_t digits = 0;
  int value = 0;
  for (const char c : text) {
    if (c == '.') {
      if (digits == 0) return false;
      ++octets;
      digits = 0;
      value = 0;
      continue;
    }
    if (!is_digit(c) || (digits > 0 && value == 0)) return false;
    value = value * 10 + (c - '0');
    ++digits;
    if (value > 255) return false;
  }
  return octets == 4 && digits > 0;
}

bool is_host_name(std::string_view host) {
  if (host.ends_with('.')) host.remove_suffix(1);
  if (is_numeric(host)) return is_ipv4(host);
  if (host.empty() || host.size() > max_host_bytes || host.front() == '.' || host.back() == '.') return false;
  return host.find("..") == std::string_view::npos &&
         (host.size() <= max_label_bytes || !has_long_label(host));
}

bool is_ipv6(std::string_view host) { return in_brackets(host).has_value(); }

std::optional<std::string> canonical_ipv6(std::string_view host) {
  const auto address = in_brackets(host);
  if (!address) return std::nullopt;
  return "[" + address->ip() + "]";
}

}  // namespace weft::base
