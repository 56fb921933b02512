#include "proxy/opening/proxy_header.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <span>

namespace weft::proxy::opening {
namespace {

using Address = base::Address;
using Family = Address::Family;
using Parsed = std::expected<std::optional<ProxyHeader>, ProxyHeaderFault>;

constexpr std::string_view v1_begin = "PROXY ";
/// The longest line with its end ("the document", 2.1).
constexpr std::size_t max_v1_bytes = 107;
/// Signature, version with command, family with transport, length.
constexpr std::size_t v2_fixed_bytes = 16;
constexpr std::size_t extension_header_bytes = 3;
constexpr unsigned char checksum_type = 3;  // PP2_TYPE_CRC32C
constexpr std::size_t checksum_bytes = 4;
constexpr std::size_t ipv4_bytes = 4;
constexpr std::size_t ipv6_bytes = 16;
constexpr std::size_t unix_path_bytes = 108;

std::unexpected<ProxyHeaderFault> fault(ProxyHeaderFault kind) { return std::unexpected(kind); }

unsigned byte(std::string_view bytes, std::size_t at) { return static_cast<unsigned char>(bytes[at]); }
std::uint16_t number16(std::string_view bytes, std::size_t at) {
  return static_cast<std::uint16_t>(byte(bytes, at) << 8U | byte(bytes, at + 1));
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  const bool has_zero = text.size() > 1 && text.starts_with('0');
  if (error != std::errc{} || end != text.data() + text.size() || has_zero) return std::nullopt;
  return port;
}

/// The words of a line, one space between each two; fewer are empty.
std::array<std::string_view, 5> split(std::string_view line, bool& is_whole) {
  std::array<std::string_view, 5> words;
  for (auto& word : words) {
    const auto end = std::min(line.find(' '), line.size());
    word = line.substr(0, end);
    is_whole = end == line.size();
    line.remove_prefix(std::min(end + 1, line.size()));
  }
  return words;
}

Parsed parse_v1(std::string_view bytes) {
  const auto end = bytes.substr(0, max_v1_bytes).find("\r\n");
  if (end == std::string_view::npos)
    return bytes.size() < max_v1_bytes ? Parsed(std::nullopt) : fault(ProxyHeaderFault::too_long);
  ProxyHeader header{.size = end + 2};
  const auto line = bytes.substr(v1_begin.size(), end - v1_begin.size());
  if (line == "UNKNOWN" || line.starts_with("UNKNOWN ")) return header;
  bool is_whole = false;
  const auto words = split(line, is_whole);
  const auto source_port = parse_port(words[3]);
  const auto destination_port = parse_port(words[4]);
  const auto family = words[0] == "TCP4" ? Family::ipv4 : words[0] == "TCP6" ? Family::ipv6 : Family::none;
  if (!is_whole || !source_port || !destination_port || family == Family::none)
    return fault(ProxyHeaderFault::bad_line);
  header.source = Address::parse_ip(words[1], *source_port).value_or(Address());
  header.destination = Address::parse_ip(words[2], *destination_port).value_or(Address());
  if (header.source.family() != family || header.destination.family() != family)
    return fault(ProxyHeaderFault::bad_line);
  return header;
}

/// The CRC of RFC 3720, appendix B.4.
class Crc32c {
 public:
  void add(std::string_view bytes) {
    constexpr std::uint32_t polynomial = 0x82f63b78;  // reflected
    for (const char c : bytes) {
      state_ ^= static_cast<unsigned char>(c);
      for (int bit = 0; bit < 8; ++bit) state_ = (state_ >> 1U) ^ ((state_ & 1U) * polynomial);
    }
  }
  std::uint32_t value() const { return ~state_; }

 private:
  std::uint32_t state_ = ~std::uint32_t{0};
};

bool has_right_checksum(std::string_view header, std::size_t at) {
  Crc32c crc;
  crc.add(header.substr(0, at));
  crc.add(std::string_view("\0\0\0\0", checksum_bytes));
  crc.add(header.substr(at + checksum_bytes));
  return crc.value() ==
         (std::uint32_t{number16(header, at)} << 16U | std::uint32_t{number16(header, at + 2)});
}

/// Looks through what is appended, from `at` on.
std::expected<void, ProxyHeaderFault> check_extensions(std::string_view header, std::size_t at) {
  while (at < header.size()) {
    if (header.size() - at < extension_header_bytes) return fault(ProxyHeaderFault::bad_extension);
    const auto type = byte(header, at);
    const std::size_t size = number16(header, at + 1);
    at += extension_header_bytes;
    if (header.size() - at < size) return fault(ProxyHeaderFault::bad_extension);
    if (type == checksum_type) {
      if (size != checksum_bytes) return fault(ProxyHeaderFault::bad_extension);
      if (!has_right_checksum(header, at)) return fault(ProxyHeaderFault::bad_checksum);
    }
    at += size;
  }
  return {};
}

template <std::size_t size>
std::array<std::uint8_t, size> bytes_at(std::string_view header, std::size_t at) {
  std::array<std::uint8_t, size> bytes;
  std::ranges::copy(header.substr(at, size), bytes.begin());
  return bytes;
}

/// A path; one that is no file's (unix(7), abstract) is not known.
Address unix_at(std::string_view header, std::size_t at) {
  const auto path = header.substr(at, unix_path_bytes);
  const auto end = std::min(path.find('\0'), path.size());
  return end == 0 ? Address() : Address::unix_path(std::string(path.substr(0, end)));
}

/// Family and transport, as a byte: streams only.
enum class Way : std::uint8_t { unspecified = 0x00, tcp4 = 0x11, tcp6 = 0x21, unix_stream = 0x31 };

std::size_t addresses_size(Way way) {
  switch (way) {
    case Way::unspecified: return 0;
    case Way::tcp4: return 2 * (ipv4_bytes + 2);
    case Way::tcp6: return 2 * (ipv6_bytes + 2);
    case Way::unix_stream: return 2 * unix_path_bytes;
  }
  return 0;
}

void read_addresses(std::string_view header, Way way, ProxyHeader& into) {
  constexpr auto at = v2_fixed_bytes;
  switch (way) {
    case Way::unspecified: return;
    case Way::tcp4:
      into.source = Address::ipv4(bytes_at<ipv4_bytes>(header, at), number16(header, at + 2 * ipv4_bytes));
      into.destination = Address::ipv4(bytes_at<ipv4_bytes>(header, at + ipv4_bytes),
                                       number16(header, at + 2 * ipv4_bytes + 2));
      return;
    case Way::tcp6:
      into.source = Address::ipv6(bytes_at<ipv6_bytes>(header, at), number16(header, at + 2 * ipv6_bytes));
      into.destination = Address::ipv6(bytes_at<ipv6_bytes>(header, at + ipv6_bytes),
                                       number16(header, at + 2 * ipv6_bytes + 2));
      return;
    case Way::unix_stream:
      into.source = unix_at(header, at);
      into.destination = unix_at(header, at + unix_path_bytes);
      return;
  }
}

Parsed parse_v2(std::string_view bytes) {
  if (bytes.size() < v2_fixed_bytes) return std::nullopt;
  constexpr unsigned version = 2;
  constexpr unsigned local = 0;
  constexpr unsigned proxied = 1;
  const auto command = byte(bytes, 12) & 0xfU;
  if (byte(bytes, 12) >> 4U != version) return fault(ProxyHeaderFault::bad_version);
  if (command != local && command != proxied) return fault(ProxyHeaderFault::bad_command);
  const auto way = static_cast<Way>(byte(bytes, 13));
  ProxyHeader header{.size = v2_fixed_bytes + number16(bytes, 14)};
  if (header.size > max_proxy_header_bytes) return fault(ProxyHeaderFault::too_long);
  const bool is_known =
      way == Way::unspecified || way == Way::tcp4 || way == Way::tcp6 || way == Way::unix_stream;
  if (command == proxied && !is_known) return fault(ProxyHeaderFault::bad_family);
  if (command == proxied && header.size < v2_fixed_bytes + addresses_size(way))
    return fault(ProxyHeaderFault::too_short);
  if (bytes.size() < header.size) return std::nullopt;
  // Of what is not used nothing is looked at ("the document", 2.2).
  if (command == local || way == Way::unspecified) return header;
  bytes = bytes.substr(0, header.size);
  if (const auto checked = check_extensions(bytes, v2_fixed_bytes + addresses_size(way)); !checked)
    return fault(checked.error());
  read_addresses(bytes, way, header);
  return header;
}

/// Whether `bytes` begin as `text` does, as far as they go.
bool may_begin_with(std::string_view bytes, std::string_view text) {
  return bytes.substr(0, text.size()) == text.substr(0, bytes.size());
}

bool are_of_one_family(const Address& a, const Address& b) {
  return a.family() == b.family() && (a.family() == Family::ipv4 || a.family() == Family::ipv6);
}

void append16(std::string& into, std::size_t number) {
  into += static_cast<char>(number >> 8U);
  into += static_cast<char>(number & 0xffU);
}

void append_ip(std::string& into, const Address& address) {
  const auto size = address.family() == Family::ipv4 ? ipv4_bytes : ipv6_bytes;
  into.append(reinterpret_cast<const char*>(address.bytes().data()), size);
}

}  // namespace

std::string_view describe(ProxyHeaderFault fault) {
  switch (fault) {
    case ProxyHeaderFault::absent: return "no PROXY header";
    case ProxyHeaderFault::too_long: return "the PROXY header is too long";
    case ProxyHeaderFault::bad_line: return "malformed PROXY line";
    case ProxyHeaderFault::bad_version: return "unknown version of the PROXY header";
    case ProxyHeaderFault::bad_command: return "unknown command in the PROXY header";
    case ProxyHeaderFault::bad_family: return "unknown kind of addresses in the PROXY header";
    case ProxyHeaderFault::too_short: return "the PROXY header is too short for its addresses";
    case ProxyHeaderFault::bad_extension: return "malformed extension of the PROXY header";
    case ProxyHeaderFault::bad_checksum: return "wrong checksum of the PROXY header";
  }
  return {};
}

Parsed parse_proxy_header(std::string_view bytes) {
  if (bytes.starts_with(v1_begin)) return parse_v1(bytes);
  if (bytes.starts_with(proxy_v2_signature)) return parse_v2(bytes);
  if (may_begin_with(bytes, v1_begin) || may_begin_with(bytes, proxy_v2_signature)) return std::nullopt;
  return fault(ProxyHeaderFault::absent);
}

std::string proxy_header_v1(const Address& source, const Address& destination) {
  if (!are_of_one_family(source, destination)) return "PROXY UNKNOWN\r\n";
  std::string line(source.family() == Family::ipv4 ? "PROXY TCP4 " : "PROXY TCP6 ");
  line += source.ip() + " " + destination.ip() + " ";
  line += std::to_string(source.port()) + " " + std::to_string(destination.port()) + "\r\n";
  return line;
}

std::string proxy_header_v2(const Address& source, const Address& destination) {
  const bool is_known = are_of_one_family(source, destination);
  const auto way = !is_known ? Way::unspecified : source.family() == Family::ipv4 ? Way::tcp4 : Way::tcp6;
  std::string header(proxy_v2_signature);
  header += is_known ? '\x21' : '\x20';
  header += static_cast<char>(way);
  append16(header, addresses_size(way));
  if (!is_known) return header;
  append_ip(header, source);
  append_ip(header, destination);
  append16(header, source.port());
  append16(header, destination.port());
  return header;
}

}  // namespace weft::proxy::opening
