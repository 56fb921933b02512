#include "http/h1/parse.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "http/h1/limits.h"
#include "http/h1/target.h"
#include "message/authority.h"
#include "message/scan.h"
#include "message/syntax.h"

namespace weft::http::h1 {
namespace {

using message::FieldId;
using message::Method;
using message::Version;

bool is_space(char c) { return c == ' ' || c == '\t'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// RFC 9112, 2.3: "HTTP/" DIGIT "." DIGIT. A higher minor version is taken as 1.1 (RFC 9110, 2.5).
std::expected<Version, Refusal> parse_version(std::string_view text) {
  if (text.size() != 8 || !text.starts_with("HTTP/") || !is_digit(text[5]) || text[6] != '.' ||
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

/// Fields that must mean one thing to every reader. Tabs around a value are allowed (RFC 9112, 5.1), but not
/// all take them off: llhttp 9 reads a response with "chunked\t" until its end.
bool knows_no_tab(FieldId id) {
  return id == FieldId::host || id == FieldId::content_length || id == FieldId::transfer_encoding;
}

/// The fields that decide where a message ends and whom it is for, gathered in one pass.
struct Facts {
  std::string_view host;
  std::string_view content_length;
  std::string_view transfer_encoding;
  std::size_t hosts = 0;
  std::size_t content_lengths = 0;
  std::size_t transfer_encodings = 0;
  bool connection_names_framing = false;
};

bool names_framing(std::string_view options) {
  std::string_view member;
  while (message::next_member(options, member)) {
    const auto id = message::identify_field(member);
    if (id == FieldId::host || id == FieldId::content_length || id == FieldId::transfer_encoding) return true;
  }
  return false;
}

Facts gather(const message::Headers& headers) {
  Facts facts;
  for (const auto field : headers) {
    if (field.id == FieldId::other) continue;
    if (field.id == FieldId::host) {
      facts.host = field.value;
      ++facts.hosts;
    } else if (field.id == FieldId::content_length) {
      facts.content_length = field.value;
      ++facts.content_lengths;
    } else if (field.id == FieldId::transfer_encoding) {
      facts.transfer_encoding = field.value;
      ++facts.transfer_encodings;
    } else if (field.id == FieldId::connection) {
      facts.connection_names_framing = facts.connection_names_framing || names_framing(field.value);
    }
  }
  return facts;
}

/// RFC 9112, 3.2: exactly one valid Host, which only HTTP/1.0 may leave out.
std::expected<void, Refusal> check_host(const Facts& facts, Version version) {
  if (facts.hosts > 1) return std::unexpected(Refusal::repeated_host);
  if (facts.hosts == 0) {
    if (version == Version::http_1_0) return {};
    return std::unexpected(Refusal::missing_host);
  }
  if (!message::split_authority(facts.host)) return std::unexpected(Refusal::bad_host);
  return {};
}

std::expected<std::uint64_t, Refusal> parse_length(std::string_view text) {
  std::uint64_t length = 0;
  if (text.empty() || !std::ranges::all_of(text, is_digit))
    return std::unexpected(Refusal::bad_content_length);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), length);
  if (error != std::errc{} || length > max_body_length) return std::unexpected(Refusal::bad_content_length);
  return length;
}

/// What Content-Length and Transfer-Encoding say, where neither may leave any doubt (RFC 9112, 6.1 to 6.3
/// and 11.2). Kind::none: neither is there.
std::expected<Framing, Refusal> declared_framing(const Facts& facts, Version version) {
  if (facts.connection_names_framing) return std::unexpected(Refusal::connection_names_framing);
  if (facts.content_lengths > 1) return std::unexpected(Refusal::repeated_content_length);
  if (facts.content_lengths > 0 && facts.transfer_encodings > 0) {
    return std::unexpected(Refusal::length_and_transfer_encoding);
  }
  if (facts.content_lengths > 0) {
    const auto length = parse_length(facts.content_length);
    if (!length) return std::unexpected(length.error());
    return Framing::of_length(*length);
  }
  if (facts.transfer_encodings == 0) return Framing{};
  if (version == Version::http_1_0) return std::unexpected(Refusal::transfer_encoding_in_http_1_0);
  if (facts.transfer_encodings > 1 || !message::equals_ignore_case(facts.transfer_encoding, "chunked")) {
    return std::unexpected(Refusal::unsupported_transfer_encoding);
  }
  return Framing::chunked();
}

/// RFC 9112, 6.3.
Framing response_framing(const Framing& declared, int status, Method request) {
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

std::expected<void, Refusal> parse_request_line(std::string_view line, message::RequestHead& into,
                                                std::string& authority) {
  const auto method_end = line.find(' ');
  if (method_end == std::string_view::npos) return std::unexpected(Refusal::bad_request_line);
  const auto method = line.substr(0, method_end);
  if (method.size() > max_method_bytes || !message::is_token(method))
    return std::unexpected(Refusal::bad_method);
  const auto target_end = line.rfind(' ');
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
  into.set_method(method);
  return parse_target(target, into, authority);
}

/// RFC 9112, 4. The reason may be empty; that its space is left out as well is common enough to be taken.
std::expected<void, Refusal> parse_status_line(std::string_view line, message::ResponseHead& into) {
  const auto version = parse_version(line.substr(0, line.find(' ')));
  if (!version) return std::unexpected(version.error());
  if (line.size() < 12) return std::unexpected(Refusal::bad_status_line);
  const auto digits = line.substr(9, 3);
  if (!std::ranges::all_of(digits, is_digit) || digits.front() == '0')
    return std::unexpected(Refusal::bad_status_line);
  if (line.size() > 12 && line[12] != ' ') return std::unexpected(Refusal::bad_status_line);
  into.version = *version;
  into.status = (digits[0] - '0') * 100 + (digits[1] - '0') * 10 + (digits[2] - '0');
  into.reason = line.substr(std::min<std::size_t>(13, line.size()));
  return {};
}

}  // namespace

std::expected<std::optional<std::string_view>, Refusal> LineScanner::next(std::string_view bytes) {
  const auto end = message::find_control(bytes, scanned_);
  if (end == bytes.size() || (bytes[end] == '\r' && end + 1 == bytes.size())) {
    scanned_ = end;
    return std::nullopt;
  }
  if (bytes[end] == '\n') return std::unexpected(Refusal::bare_lf);
  if (bytes[end] != '\r') return std::unexpected(Refusal::control_byte);
  if (bytes[end + 1] != '\n') return std::unexpected(Refusal::bare_cr);
  const auto line = bytes.substr(position_, end - position_);
  position_ = scanned_ = end + 2;
  return line;
}

std::expected<bool, Refusal> parse_fields(LineScanner& lines, std::string_view bytes,
                                          message::Headers& into) {
  while (true) {
    const auto line = lines.next(bytes);
    if (!line) return std::unexpected(line.error());
    if (!*line) return false;
    if ((*line)->empty()) return true;
    const auto text = **line;
    const auto name = std::min(text.find(':'), text.size());
    const auto id = message::identify_field(text.substr(0, name));
    // The name of a known field needs no further look.
    if (name == text.size() || (id == FieldId::other && !message::is_token(text.substr(0, name))))
      return std::unexpected(refusal_of_name(text));
    if (into.size() == max_fields) return std::unexpected(Refusal::too_many_fields);
    if (knows_no_tab(id) && text.find('\t') != std::string_view::npos)
      return std::unexpected(Refusal::tab_in_framing);
    std::size_t begin = name + 1;
    std::size_t end = text.size();
    while (begin < end && is_space(text[begin])) ++begin;
    while (end > begin && is_space(text[end - 1])) --end;
    const bool is_line = begin == name + 2 && text[name + 1] == ' ' && end == text.size();
    const auto offset = static_cast<std::uint32_t>(text.data() - bytes.data());
    into.add_slice(id, {offset, static_cast<std::uint32_t>(name)},
                   {offset + static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(end - begin)},
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
    const auto line = lines_.next(bytes);
    if (!line) return std::unexpected(line.error());
    if (!*line) {
      // Longer than any line that could be accepted: do not wait for its end.
      if (bytes.size() > max_method_bytes + max_target_bytes + sizeof " HTTP/1.1") {
        return std::unexpected(Refusal::target_too_long);
      }
      return false;
    }
    // RFC 9112, 2.2: an empty line before the request line is to be ignored.
    if ((*line)->empty() && at_start) continue;
    if (auto parsed = parse_request_line(**line, into, authority_); !parsed)
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
  const auto facts = gather(into.headers);
  if (auto host = check_host(facts, into.version); !host) return std::unexpected(host.error());
  const auto framing = declared_framing(facts, into.version);
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
    const auto line = lines_.next(bytes);
    if (!line) return std::unexpected(line.error());
    if (!*line) {
      if (bytes.size() >= max_head_bytes) return std::unexpected(Refusal::head_too_large);
      return std::nullopt;
    }
    if (auto parsed = parse_status_line(**line, into); !parsed) return std::unexpected(parsed.error());
    have_first_line_ = true;
  }
  const auto complete = parse_fields(lines_, bytes, into.headers);
  if (!complete) return std::unexpected(complete.error());
  const auto size = *complete ? lines_.position() : bytes.size();
  if (size > max_head_bytes || (!*complete && size == max_head_bytes))
    return std::unexpected(Refusal::head_too_large);
  if (!*complete) return std::nullopt;

  into.headers.hold(bytes.substr(0, size));
  const auto framing = declared_framing(gather(into.headers), into.version);
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
