// Where something listens: IPv4, IPv6 or a Unix socket, as a value.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace weft::base {

/// An IP address with a port, or the path of a Unix socket. The text forms are 127.0.0.1:80, [::1]:80,
/// unix:/path.
class Address {
 public:
  enum class Family : std::uint8_t { none, ipv4, ipv6, unix_path };

  Address() = default;
  static Address ipv4(std::array<std::uint8_t, 4> bytes, std::uint16_t port);
  static Address ipv6(std::array<std::uint8_t, 16> bytes, std::uint16_t port);
  static Address unix_path(std::string path);
  /// 127.0.0.1 with `port`.
  static Address loopback(std::uint16_t port) { return ipv4({127, 0, 0, 1}, port); }
  /// Reads the text form; nothing if it is malformed. Host names are not addresses.
  static std::optional<Address> parse(std::string_view text);
  /// Reads an IP without a port ("::1", "10.0.0.1").
  static std::optional<Address> parse_ip(std::string_view ip, std::uint16_t port);

  Family family() const { return family_; }
  explicit operator bool() const { return family_ != Family::none; }
  std::uint16_t port() const { return port_; }
  /// The IP in text without brackets, empty for a Unix socket.
  std::string ip() const;
  /// The longest IP in text, with the zero that inet_ntop(3) puts behind it.
  static constexpr std::size_t max_ip_text = 46;
  /// The same, written into `into`.
  std::string_view ip(std::span<char, max_ip_text> into) const;
  const std::string& path() const { return path_; }
  const std::array<std::uint8_t, 16>& bytes() const { return bytes_; }
  bool is_loopback() const;
  std::string to_string() const;
  /// The longest ip_and_port(), brackets and colon included.
  static constexpr std::size_t max_ip_and_port_text = max_ip_text + 8;
  /// The same, written into `into`; empty for a Unix socket.
  std::string_view ip_and_port(std::span<char, max_ip_and_port_text> into) const;

  friend bool operator==(const Address&, const Address&) = default;
  friend auto operator<=>(const Address&, const Address&) = default;

 private:
  Family family_ = Family::none;
  std::uint16_t port_ = 0;
  std::array<std::uint8_t, 16> bytes_{};
  std::string path_;
};

}  // namespace weft::base

template <>
struct std::hash<weft::base::Address> {
  std::size_t operator()(const weft::base::Address& address) const noexcept;
};
