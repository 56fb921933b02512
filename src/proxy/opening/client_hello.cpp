#include "proxy/opening/client_hello.h"

#include <algorithm>
#include <utility>

#include "base/host.h"
#include "message/syntax.h"

namespace weft::proxy::opening {
namespace {

constexpr std::size_t record_header_bytes = 5;
constexpr std::size_t handshake_header_bytes = 4;
constexpr std::size_t max_record_bytes = 16 * 1024;  // RFC 8446, 5.1
constexpr unsigned handshake_record = 22;
constexpr unsigned client_hello = 1;

std::unexpected<HelloFault> fault(HelloFault kind) { return std::unexpected(kind); }

/// Takes values off the front of bytes. One that is not there is empty, and is_good() false from then on.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}

  bool empty() const { return rest_.empty(); }
  bool is_good() const { return is_good_; }
  /// All was taken, and was there.
  bool is_done() const { return is_good_ && rest_.empty(); }
  std::string_view take(std::size_t size) {
    if (size > rest_.size()) {
      is_good_ = false;
      rest_ = {};
      return {};
    }
    const auto taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }
  std::size_t number(std::size_t bytes) {
    std::size_t value = 0;
    for (const char c : take(bytes)) value = value << 8U | static_cast<unsigned char>(c);
    return value;
  }
  /// A vector whose length stands before it in that many bytes.
  std::string_view vector(std::size_t length_bytes) { return take(number(length_bytes)); }

 private:
  std::string_view rest_;
  bool is_good_ = true;
};

bool is_host_byte(char c) {
  return message::is_digit(c) || (message::ascii_lower(c) >= 'a' && message::ascii_lower(c) <= 'z') ||
         std::string_view("-._").find(c) != std::string_view::npos;
}

std::expected<void, HelloFault> read_server_name(std::string_view bytes, ClientHello& into) {
  Reader extension(bytes);
  Reader list(extension.vector(2));
  constexpr std::size_t host_name = 0;  // no other type was ever defined
  const auto type = list.number(1);
  const auto name = list.vector(2);
  if (!extension.is_done() || !list.is_done() || type != host_name) return fault(HelloFault::malformed);
  if (name.empty() || name.size() > base::max_host_bytes || !std::ranges::all_of(name, is_host_byte))
    return fault(HelloFault::bad_name);
  into.server_name = name;
  return {};
}

std::expected<void, HelloFault> read_protocols(std::string_view bytes, ClientHello& into) {
  Reader extension(bytes);
  Reader list(extension.vector(2));
  if (!extension.is_done() || list.empty()) return fault(HelloFault::malformed);
  while (!list.empty()) {
    const auto protocol = list.vector(1);
    if (!list.is_good() || protocol.empty()) return fault(HelloFault::malformed);
    into.protocols.emplace_back(protocol);
  }
  return {};
}

std::expected<void, HelloFault> read_extensions(std::string_view bytes, ClientHello& into) {
  constexpr std::size_t server_name = 0;
  constexpr std::size_t alpn = 16;
  bool has_server_name = false;
  bool has_alpn = false;
  Reader extensions(bytes);
  while (!extensions.empty()) {
    const auto type = extensions.number(2);
    const auto value = extensions.vector(2);
    if (!extensions.is_good()) return fault(HelloFault::malformed);
    if (type != server_name && type != alpn) continue;
    // None may be there twice (RFC 8446, 4.2): two readers might take different ones.
    if (std::exchange(type == alpn ? has_alpn : has_server_name, true)) return fault(HelloFault::malformed);
    const auto read = type == alpn ? read_protocols(value, into) : read_server_name(value, into);
    if (!read) return read;
  }
  return {};
}

std::expected<std::optional<ClientHello>, HelloFault> parse_message(std::string_view bytes) {
  Reader message(bytes);
  message.take(2 + 32);  // version, random
  const auto session = message.vector(1);
  const auto ciphers = message.vector(2);
  const auto compression = message.vector(1);
  if (!message.is_good() || session.size() > 32 || ciphers.empty() || ciphers.size() % 2 != 0 ||
      compression.empty()) {
    return fault(HelloFault::malformed);
  }
  ClientHello hello;
  if (message.empty()) return hello;  // before TLS 1.3 there may be no extensions
  const auto extensions = message.vector(2);
  if (!message.is_done()) return fault(HelloFault::malformed);
  if (const auto read = read_extensions(extensions, hello); !read) return fault(read.error());
  return hello;
}

}  // namespace

std::string_view describe(HelloFault fault) {
  switch (fault) {
    case HelloFault::not_tls: return "the client speaks no TLS";
    case HelloFault::bad_record: return "malformed TLS record";
    case HelloFault::not_a_hello: return "TLS without a ClientHello";
    case HelloFault::too_long: return "the ClientHello is too long";
    case HelloFault::malformed: return "malformed ClientHello";
    case HelloFault::bad_name: return "the ClientHello's server name is no host";
  }
  return {};
}

std::expected<std::optional<ClientHello>, HelloFault> parse_client_hello(std::string_view bytes) {
  std::string message;
  bool is_first = true;
  while (true) {
    if (!bytes.empty() && static_cast<unsigned char>(bytes[0]) != handshake_record)
      return fault(is_first ? HelloFault::not_tls : HelloFault::bad_record);
    if (bytes.size() > 1 && bytes[1] != 3)
      return fault(is_first ? HelloFault::not_tls : HelloFault::bad_record);
    if (bytes.size() < record_header_bytes) return std::nullopt;
    const auto size = Reader(bytes.substr(3)).number(2);
    if (size == 0 || size > max_record_bytes) return fault(HelloFault::bad_record);
    const auto fragment = bytes.substr(record_header_bytes, size);
    message += fragment;
    is_first = false;
    if (!message.empty() && message[0] != client_hello) return fault(HelloFault::not_a_hello);
    if (message.size() >= handshake_header_bytes) {
      const auto length = Reader(message).number(handshake_header_bytes) & 0xffffffU;
      if (length > max_client_hello_bytes - handshake_header_bytes) return fault(HelloFault::too_long);
      if (message.size() >= handshake_header_bytes + length)
        return parse_message(std::string_view(message).substr(handshake_header_bytes, length));
    }
    if (fragment.size() < size) return std::nullopt;
    bytes.remove_prefix(record_header_bytes + size);
  }
}

bool has_first_record(std::string_view bytes) {
  Reader record(bytes);
  if (bytes.empty() || record.number(1) != handshake_record) return !bytes.empty();
  record.take(2);  // the version
  const auto size = record.number(2);
  return record.is_good() && (size > max_record_bytes || bytes.size() >= record_header_bytes + size);
}

std::string tls_alert(unsigned char description) {
  std::string record("\x15\x03\x03\x00\x02\x02", 6);  // alert, TLS 1.2's version as in 1.3, 2 bytes; fatal
  record += static_cast<char>(description);
  return record;
}

}  // namespace weft::proxy::opening
