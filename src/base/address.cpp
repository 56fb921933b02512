#include "base/address.h"

#include <arpa/inet.h>

#include <charconv>
#include <cstring>

#include "base/hash.h"

namespace weft::base {
namespace {

/// An octet in decimal with a dot behind it.
struct Octet {
  char text[4];
  std::uint8_t size;
};
constexpr auto octets = [] {
  std::array<Octet, 256> table{};
  for (unsigned value = 0; value < table.size(); ++value) {
    auto& [text, size] = table[value];
    if (value >= 100) text[size++] = static_cast<char>('0' + value / 100);
    if (value >= 10) text[size++] = static_cast<char>('0' + value / 10 % 10);
    text[size++] = static_cast<char>('0' + value % 10);
    text[size++] = '.';
  }
  return table;
}();

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return port;
}

}  // namespace

Address Address::ipv4(std::array<std::uint8_t, 4> bytes, std::uint16_t port) {
  Address address;
  address.family_ = Family::ipv4;
  address.port_ = port;
  std::memcpy(address.bytes_.data(), bytes.data(), bytes.size());
  return address;
}

Address Address::ipv6(std::array<std::uint8_t, 16> bytes, std::uint16_t port) {
  Address address;
  address.family_ = Family::ipv6;
  address.port_ = port;
  address.bytes_ = bytes;
  return address;
}

Address Address::unix_path(std::string path) {
  Address address;
  address.family_ = Family::unix_path;
  address.path_ = std::move(path);
  return address;
}

std::optional<Address> Address::parse_ip(std::string_view ip, std::uint16_t port) {
  const std::string text(ip);
  if (text.find('\0') != std::string::npos) return std::nullopt;
  std::array<std::uint8_t, 4> v4{};
  if (inet_pton(AF_INET, text.c_str(), v4.data()) == 1) return ipv4(v4, port);
  std::array<std::uint8_t, 16> v6{};
  if (inet_pton(AF_INET6, text.c_str(), v6.data()) == 1) return ipv6(v6, port);
  return std::nullopt;
}

std::optional<Address> Address::parse(std::string_view text) {
  if (text.starts_with("unix:")) {
    text.remove_prefix(5);
    if (text.empty()) return std::nullopt;
    return unix_path(std::string(text));
  }
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  auto host = text.substr(0, colon);
  const auto port = parse_port(text.substr(colon + 1));
  if (!port) return std::nullopt;
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  auto address = parse_ip(host, *port);
  if (!address || (address->family_ == Family::ipv6) != bracketed) return std::nullopt;
  return address;
}

std::string Address::ip() const {
  char text[max_ip_text];
  return std::string(ip(text));
}

std::string_view Address::ip(std::span<char, max_ip_text> into) const {
  if (family_ == Family::ipv6) return inet_ntop(AF_INET6, bytes_.data(), into.data(), into.size());
  if (family_ != Family::ipv4) return {};
  // By hand: it is on the way of every request, where inet_ntop's printf would be felt.
  char* to = into.data();
  for (std::size_t i = 0; i < 4; ++i) {
    const auto& octet = octets[bytes_[i]];
    std::memcpy(to, octet.text, sizeof octet.text);
    to += octet.size;
  }
  return {into.data(), to - 1};
}

bool Address::is_loopback() const {
  switch (family_) {
    case Family::ipv4: return bytes_[0] == 127;
    case Family::ipv6: return ip() == "::1";
    case Family::unix_path: return true;
    case Family::none: break;
  }
  return false;
}

std::string Address::to_string() const {
  if (family_ == Family::unix_path) return "unix:" + path_;
  char text[max_ip_and_port_text];
  return std::string(ip_and_port(text));
}

std::string_view Address::ip_and_port(std::span<char, max_ip_and_port_text> into) const {
  if (family_ != Family::ipv4 && family_ != Family::ipv6) return {};
  const bool in_brackets = family_ == Family::ipv6;
  char* to = into.data();
  if (in_brackets) *to++ = '[';
  to += ip(std::span<char, max_ip_text>(to, max_ip_text)).size();
  if (in_brackets) *to++ = ']';
  *to++ = ':';
  to = std::to_chars(to, into.data() + into.size(), port_).ptr;
  return {into.data(), to};
}

}  // namespace weft::base

std::size_t std::hash<weft::base::Address>::operator()(const weft::base::Address& address) const noexcept {
  if (address.family() == weft::base::Address::Family::unix_path) return weft::base::hash64(address.path());
  const auto& bytes = address.bytes();
  return weft::base::hash64({reinterpret_cast<const char*>(bytes.data()), bytes.size()}) ^
         (std::size_t{address.port()} << 16);
}
