#include "http/h1/parse.h"

#include <algorithm>
#include <array>

#include "base/put.h"
#include "http/h1/limits.h"
#include "http/h1/target.h"
#include "message/scan.h"
#include "message/syntax.h"
#include "message/validate.h"

namespace weft::http::h1 {
namespace {

using message::FieldId;
using message::Method;
using message::Version;

bool is_space(char c) { return c == ' ' || c == '\t'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

constexpr std::size_t version_bytes = 8;
/// What a client that speaks TLS begins with: the type of a record of its handshake (RFC 8446, 5.1).
constexpr char tls_handshake = 22;

/// RFC 9112, 2.3: "HTTP/" DIGIT "." DIGIT. A higher minor version is taken as 1.1 (RFC 9110, 2.5).
std::expected<Version, Refusal> parse_version(std::string_view text) {
  if (text.size() != version_bytes || !text.starts_with("HTTP/") || !is_digit(text[5]) || text[6] != '.' ||
      !is_digit(text[7])) {
    return std::unexpected(Refusal::bad_version);
  }
  if (text[5] != '1') return std::unexpected(Refusal::unsupported_version);
  return text[7] == '0' ? Version::http_1_0 : Version::http_1_1;
}

/// Why a line does not begin with a field name and a colon.
Refusal refusal_of_name(std::string_view line) {
  if (is_space(line.front())) return Refusal::folded_field;
  std::size_t size = 0;
  while (size < line.size() && message::is_token_char(line[size])) ++size;
  if (size == line.size()) return Refusal::missing_colon;
  const bool space_and_colon = is_space(line[size]) && message::trim(line.substr(size)).starts_with(':');
  return size > 0 && space_and_colon ? Refusal::space_before_colon : Refusal::bad_field_name;
}

/// What follows the colon is a space and a value without further ones around it. Of a line, so that a tab is
/// the only control byte.
bool is_usual_value(std::string_view text) {
  const auto is_above_space = [](char c) { return static_cast<unsigned char>(c) > ' '; };
  return text.size() >= 2 && text[0] == ' ' && is_above_space(text[1]) && is_above_space(text.back());
}

/// What Content-Length and Transfer-Encoding say, where neither may leave any doubt (RFC 9112, 6.1 to 6.3
/// and 11.2). Kind::none: neither is there.
std::expected<Framing, Refusal> declared_framing(const message::Headers& headers, Version version) {
  if (auto checked = message::check_connection(headers); !checked) return std::unexpected(checked.error());
  const auto transfer_encoding = headers.find(FieldId::transfer_encoding);
  if (!transfer_encoding) {
    const auto length = message::content_length_of(headers);
    if (!length) return std::unexpected(length.error());
    return *length ? Framing::of_length(**length) : Framing{};
  }
  if (headers.has(FieldId::content_length)) {
    return std::unexpected(headers.count(FieldId::content_length) > 1
                               ? Refusal::repeated_content_length
                               : Refusal::length_and_transfer_encoding);
  }
  if (version == Version::http_1_0) return std::unexpected(Refusal::transfer_encoding_in_http_1_0);
  if (headers.count(FieldId::transfer_encoding) > 1 ||
      !message::equals_ignore_case(*transfer_encoding, "chunked")) {
    return std::unexpected(Refusal::unsupported_transfer_encoding);
  }
  return Framing::chunked();
}

std::expected<void, Refusal> parse_request_line(std::string_view line, message::RequestHead& into,
                                                std::string& authority) {
  const auto method_end = message::find_byte(line, 0, ' ');
  if (method_end == line.size()) return std::unexpected(Refusal::bad_request_line);
  into.set_method(line.substr(0, method_end));
  if (auto checked = message::check_method(into); !checked) return checked;
  // Where it is if the version is as long as one must be.
  const auto usual_end = line.size() - std::min<std::size_t>(line.size(), version_bytes + 1);
  const auto target_end = usual_end > method_end && line[usual_end] == ' ' ? usual_end : line.rfind(' ');
  if (target_end == method_end) {
    // "GET /": HTTP/0.9 knows no version.
    return std::unexpected(line.size() > method_end + 1 ? Refusal::unsupported_version
                                                        : Refusal::bad_request_line);
  }
  const auto target = line.substr(method_end + 1, target_end - method_end - 1);
  if (target.empty()) return std::unexpected(Refusal::bad_request_line);
  if (target.size() > max_target_bytes) return std::unexpected(Refusal::target_too_long);
  const auto version = parse_version(line.substr(target_end + 1));
  if (!version) return std::unexpected(version.error());
  into.version = *version;
  return parse_target(target, into, authority);
}

/// RFC 9112, 4. The reason may be empty; that its space is left out as well is common enough to be taken.
std::expected<void, Refusal> parse_status_line(std::string_view line, message::ResponseHead& into) {
  const bool is_usual = line.size() > version_bytes && line[version_bytes] == ' ';
  const auto version = parse_version(line.substr(0, is_usual ? version_bytes : line.find(' ')));
  if (!version) return std::unexpected(version.error());
  if (line.size() < 12) return std::unexpected(Refusal::bad_status_line);
  const auto digits = line.substr(9, 3);
  if (!std::ranges::all_of(digits, is_digit) || digits.front() == '0')
    return std::unexpected(Refusal::bad_status_line);
  if (line.size() > 12 && line[12] != ' ') return std::unexpected(Refusal::bad_status_line);
  into.version = *version;
  into.status = (digits[0] - '0') * 100 + (digits[1] - '0') * 10 + (digits[2] - '0');
  base::assign(into.reason, line.substr(std::min<std::size_t>(13, line.size())));
  return {};
}

}  // namespace

Framing response_framing(const Framing& declared, int status, message::Method request) {
  const bool has_length = declared.kind == Framing::Kind::length;
  if (status < 200 || status == 204) return {};
  if (request == Method::head || status == 304) {
    Framing framing;
    if (has_length) framing.announced = declared.length;
    return framing;
  }
  if (request == Method::connect && status < 300) return {};
  return declared.kind == Framing::Kind::none ? Framing::until_close() : declared;
}

/// What there is in the place of a line's end.
std::expected<bool, Refusal> LineScanner::unusual(std::string_view bytes, std::size_t end) {
  scanned_ = end;
  if (end == bytes.size() || (bytes[end] == '\r' && end + 1 == bytes.size())) return false;
  if (bytes[end] == '\n') return std::unexpected(Refusal::bare_lf);
  return std::unexpected(bytes[end] == '\r' ? Refusal::bare_cr : Refusal::control_byte);
}

std::expected<bool, Refusal> parse_fields(LineScanner& lines, std::string_view bytes,
                                          message::Headers& into) {
  while (true) {
    if (const auto complete = lines.next(bytes); !complete || !*complete) return complete;
    const auto text = lines.line(bytes);
    if (text.empty()) return true;
    const auto offset = static_cast<std::uint32_t>(text.data() - bytes.data());
    // Behind the line, if it has no colon.
    const auto name = std::min(message::find_byte(bytes, offset, ':') - offset, text.size());
    const auto id = message::identify_field(text.substr(0, name));
    // The name of a known field needs no further look.
    if (name == text.size() || (id == FieldId::other && !message::is_token(text.substr(0, name))))
      return std::unexpected(refusal_of_name(text));
    if (into.size() == max_fields) return std::unexpected(Refusal::too_many_fields);
    const auto padded = text.substr(name + 1);
    auto value = padded;
    const bool is_line = is_usual_value(padded);
    if (is_line) {
      value.remove_prefix(1);
    } else {
      // Tabs around a value are allowed (RFC 9112, 5.1), but not all take them off: llhttp 9 reads a response
      // with "chunked\t" until its end. No value of these has one within.
      if (message::decides_framing(id) && padded.find('\t') != std::string_view::npos)
        return std::unexpected(Refusal::tab_in_framing);
      value = message::trim(padded);
    }
    into.add_slice(
        id, {offset, static_cast<std::uint32_t>(name)},
        {static_cast<std::uint32_t>(value.data() - bytes.data()), static_cast<std::uint32_t>(value.size())},
        is_line);
  }
}

void RequestParser::reset() {
  lines_.reset();
  have_first_line_ = false;
  authority_.clear();
  framing_ = {};
}

std::expected<bool, Refusal> RequestParser::parse_first_line(std::string_view bytes,
                                                             message::RequestHead& into) {
  while (true) {
    const bool at_start = lines_.position() == 0;
    const auto complete = lines_.next(bytes);
    if (!complete) {
      const bool is_hello = at_start && bytes.front() == tls_handshake;
      return is_hello ? std::unexpected(Refusal::speaks_tls) : complete;
    }
    if (!*complete) {
      // Longer than any line that could be accepted: do not wait for its end.
      if (bytes.size() > max_method_bytes + max_target_bytes + sizeof " HTTP/1.1") {
        return std::unexpected(Refusal::target_too_long);
      }
      return false;
    }
    // RFC 9112, 2.2: an empty line before the request line is to be ignored.
    const auto line = lines_.line(bytes);
    if (line.empty() && at_start) continue;
    if (auto parsed = parse_request_line(line, into, authority_); !parsed)
      return std::unexpected(parsed.error());
    return true;
  }
}

std::expected<std::optional<std::size_t>, Refusal> RequestParser::parse(std::string_view bytes,
                                                                        message::RequestHead& into) {
  auto size = parse_head(bytes, into);
  if (!size) into.headers.clear();
  return size;
}

std::expected<std::optional<std::size_t>, Refusal> RequestParser::parse_head(std::string_view bytes,
                                                                             message::RequestHead& into) {
  if (!have_first_line_) {
    const auto complete = parse_first_line(bytes, into);
    if (!complete) return std::unexpected(complete.error());
    if (!*complete) return std::nullopt;
    have_first_line_ = true;
  }
  const auto complete = parse_fields(lines_, bytes, into.headers);
  if (!complete) return std::unexpected(complete.error());
  const auto size = *complete ? lines_.position() : bytes.size();
  if (size > max_head_bytes || (!*complete && size == max_head_bytes))
    return std::unexpected(Refusal::head_too_large);
  if (!*complete) return std::nullopt;

  into.headers.hold(bytes.substr(0, size));
  if (auto host = message::check_host(into.headers, into.version); !host)
    return std::unexpected(host.error());
  const auto framing = declared_framing(into.headers, into.version);
  if (!framing) return std::unexpected(framing.error());
  // RFC 9110, 9.3.6: what follows the head is the tunnel's; llhttp takes it so whatever the fields say.
  if (into.method == Method::connect && !framing->is_empty())
    return std::unexpected(Refusal::content_in_connect);
  framing_ = *framing;
  // RFC 9112, 3.2.2: the target's authority counts, Host is replaced.
  if (!authority_.empty()) into.headers.set(FieldId::host, authority_);
  return size;
}

void ResponseParser::reset() {
  lines_.reset();
  have_first_line_ = false;
  framing_ = {};
}

std::expected<std::optional<std::size_t>, Refusal> ResponseParser::parse(std::string_view bytes,
                                                                         message::ResponseHead& into,
                                                                         Method request) {
  auto size = parse_head(bytes, into, request);
  if (!size) into.headers.clear();
  return size;
}

std::expected<std::optional<std::size_t>, Refusal> ResponseParser::parse_head(std::string_view bytes,
                                                                              message::ResponseHead& into,
                                                                              Method request) {
  if (!have_first_line_) {
    const auto complete = lines_.next(bytes);
    if (!complete) return std::unexpected(complete.error());
    if (!*complete) {
      if (bytes.size() >= max_head_bytes) return std::unexpected(Refusal::head_too_large);
      return std::nullopt;
    }
    if (auto parsed = parse_status_line(lines_.line(bytes), into); !parsed)
      return std::unexpected(parsed.error());
    have_first_line_ = true;
  }
  const auto complete = parse_fields(lines_, bytes, into.headers);
  if (!complete) return std::unexpected(complete.error());
  const auto size = *complete ? lines_.position() : bytes.size();
  if (size > max_head_bytes || (!*complete && size == max_head_bytes))
    return std::unexpected(Refusal::head_too_large);
  if (!*complete) return std::nullopt;

  into.headers.hold(bytes.substr(0, size));
  const auto framing = declared_framing(into.headers, into.version);
  if (!framing) return std::unexpected(framing.error());
  framing_ = response_framing(*framing, into.status, request);
  return size;
}

bool keeps_alive(Version version, const message::Headers& headers) {
  if (headers.has_token(FieldId::connection, "close")) return false;
  return version != Version::http_1_0 || headers.has_token(FieldId::connection, "keep-alive");
}

bool expects_continue(const message::RequestHead& head, const Framing& framing) {
  return head.version == Version::http_1_1 && !framing.is_empty() &&
         head.headers.has_token(FieldId::expect, "100-continue");
}

}  // namespace weft::http::h1
