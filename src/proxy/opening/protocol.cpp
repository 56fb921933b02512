#include "proxy/opening/protocol.h"

#include <algorithm>
#include <array>

#include "message/syntax.h"
#include "proxy/opening/proxy_header.h"

namespace weft::proxy::opening {
namespace {

/// What str.split() of Python divides by, in Latin-1, but for the line's end: http.server reads a request
/// line so.
constexpr auto blanks = [] {
  std::array<bool, 256> table{};
  for (const std::size_t c : {0x09, 0x0b, 0x0c, 0x0d, 0x1c, 0x1d, 0x1e, 0x1f, 0x20, 0x85, 0xa0})
    table[c] = true;
  return table;
}();

bool is_blank(char c) { return blanks[static_cast<unsigned char>(c)]; }
bool is_visible(char c) { return c > ' ' && c < 0x7f; }
/// Ends what is looked at of a line: its end, or what is not text.
bool ends_text(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (byte < 0x20 || byte == 0x7f) && !is_blank(c);
}

bool begins_with(std::string_view text, std::string_view lower) {
  return message::equals_ignore_case(text.substr(0, lower.size()), lower);
}

/// Whether `text`, from behind a blank on, has a word that begins like HTTP's version.
bool has_version(std::string_view text) {
  for (std::size_t at = 0; at < text.size(); ++at) {
    if ((at == 0 || is_blank(text[at - 1])) && begins_with(text.substr(at), "http/")) return true;
  }
  return false;
}

/// Whether `text` begins with a scheme, as URIs do (RFC 3986, 3.1).
bool is_absolute(std::string_view text) {
  const auto* const end = std::ranges::find_if_not(text, [](char c) {
    const char lower = message::ascii_lower(c);
    return message::is_digit(c) || (lower >= 'a' && lower <= 'z') || c == '+' || c == '-' || c == '.';
  });
  return std::string_view(end, text.end()).starts_with("://");
}

/// Of what stands behind a method, which bytes follow, and blanks.
Protocol of_target(std::string_view method, std::string_view target, Protocol if_short) {
  if (target.empty()) return if_short;
  // HTTP/0.9 needs no version (RFC 1945, 5): then http.server takes any target of GET, llhttp of CONNECT.
  const bool has_space = *method.end() == ' ';
  if ((method == "GET" || method == "CONNECT" || method == "PROXY") && (target.front() != '\n' || has_space))
    return Protocol::http1;
  if (target.front() == '/' || is_absolute(target)) return Protocol::http1;
  const auto* const end = std::ranges::find_if(target, ends_text);
  const std::string_view text(target.begin(), end);
  if (text.starts_with('*') && (text.size() > 1 ? is_blank(text[1]) : end != target.end() && *end == '\n'))
    return Protocol::http1;
  if (has_version(text)) return Protocol::http1;
  if (end == target.end()) return if_short;
  if (*end == '\n') return Protocol::other;
  // A length or a type that a binary protocol begins with may look like a method of one byte and a blank.
  const bool is_binary = (method.size() == 1 && text.empty()) || !message::is_token(method);
  return is_binary ? Protocol::other : Protocol::http1;
}

/// Of what may be a line of text. `if_short`: what it is if it ends before that is known.
Protocol of_text(std::string_view bytes, Protocol if_short) {
  const auto* const begin = std::ranges::find_if_not(bytes, [](char c) { return is_blank(c) || c == '\n'; });
  // JSON and XML would else wait for a blank that may never come.
  if (begin != bytes.end() && std::string_view("{[<\"").contains(*begin)) return Protocol::other;
  const auto* const method_end = std::find_if_not(begin, bytes.end(), is_visible);
  if (method_end == bytes.end()) return if_short;
  if (method_end == begin || !is_blank(*method_end)) return Protocol::other;
  const auto* const target = std::find_if_not(method_end, bytes.end(), is_blank);
  return of_target({begin, method_end}, {target, bytes.end()}, if_short);
}

/// Whether `bytes` begin as `text` does; undecided as long as they are a part of it.
Protocol match(std::string_view bytes, std::string_view text, Protocol matched) {
  const auto common = std::min(bytes.size(), text.size());
  if (bytes.substr(0, common) != text.substr(0, common)) return Protocol::other;
  return common == text.size() ? matched : Protocol::undecided;
}

/// A handshake record of any version whose first message is a ClientHello (RFC 8446, 4 and 5.1).
Protocol of_tls(std::string_view bytes) {
  constexpr std::size_t record_header = 5;
  if (match(bytes, "\x16\x03", Protocol::tls) == Protocol::other) return Protocol::other;
  if (bytes.size() <= record_header) return Protocol::undecided;
  return bytes[record_header] == 1 ? Protocol::tls : Protocol::other;
}

}  // namespace

Protocol of_client(std::string_view bytes, bool has_ended) {
  const bool is_whole = bytes.size() >= max_undecided_bytes;
  bytes = bytes.substr(0, max_undecided_bytes);
  const auto if_short = is_whole ? Protocol::http1 : has_ended ? Protocol::other : Protocol::undecided;
  for (const auto known : {match(bytes, h2_preface, Protocol::http2),
                           match(bytes, proxy_v2_signature, Protocol::http1), of_tls(bytes)}) {
    if (known == Protocol::undecided && !has_ended) return known;
    if (known != Protocol::undecided && known != Protocol::other) return known;
  }
  return of_text(bytes, if_short);
}

Protocol of_server(std::string_view bytes, bool has_ended) {
  if (const auto http1 = match(bytes, "HTTP/", Protocol::http1); http1 != Protocol::other)
    return http1 == Protocol::undecided && has_ended ? Protocol::other : http1;
  // A frame's header (RFC 9113, 4.1): a length below 64 KiB, the type of SETTINGS, no flags, stream 0.
  constexpr std::string_view settings("\0??\4\0\0\0\0\0", max_server_bytes);
  for (std::size_t at = 0; at < std::min(bytes.size(), settings.size()); ++at) {
    if (settings[at] != '?' && bytes[at] != settings[at]) return Protocol::other;
  }
  if (bytes.size() >= settings.size()) return Protocol::http2;
  return has_ended ? Protocol::other : Protocol::undecided;
}

}  // namespace weft::proxy::opening
