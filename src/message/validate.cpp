#include "message/validate.h"

#include "message/authority.h"
#include "message/scan.h"
#include "message/syntax.h"

namespace weft::message {
namespace {

bool has_good_escapes(std::string_view path) {
  for (auto at = find_byte(path, 0, '%'); at < path.size(); at = find_byte(path, at + 3, '%')) {
    if (at + 2 >= path.size() || !is_hex_digit(path[at + 1]) || !is_hex_digit(path[at + 2])) return false;
    if (path[at + 1] == '0' && path[at + 2] == '0') return false;
  }
  return true;
}

std::expected<std::uint64_t, Refusal> parse_length(std::string_view text) {
  std::uint64_t length = 0;
  if (text.empty()) return std::unexpected(Refusal::bad_content_length);
  for (const char c : text) {
    if (!is_digit(c) || length > max_body_length / 10) return std::unexpected(Refusal::bad_content_length);
    length = length * 10 + static_cast<std::uint64_t>(c - '0');
  }
  if (length > max_body_length) return std::unexpected(Refusal::bad_content_length);
  return length;
}

bool may_be_trailer(FieldId id) {
  switch (id) {
    case FieldId::authorization:
    case FieldId::connection:
    case FieldId::content_length:
    case FieldId::expect:
    case FieldId::host:
    case FieldId::te:
    case FieldId::trailer:
    case FieldId::transfer_encoding:
    case FieldId::upgrade:
    case FieldId::x_weft_refused: return false;
    default: return true;
  }
}

/// What requests and responses share.
std::expected<std::optional<std::uint64_t>, Refusal> check_fields(const Headers& headers) {
  if (headers.size() > max_fields) return std::unexpected(Refusal::too_many_fields);
  if (auto checked = check_connection(headers); !checked) return std::unexpected(checked.error());
  if (headers.has(FieldId::transfer_encoding)) return std::unexpected(Refusal::unsupported_transfer_encoding);
  return content_length_of(headers);
}

}  // namespace

std::expected<void, Refusal> check_method(const RequestHead& head) {
  if (head.method != Method::other) return {};
  if (head.other_method.size() > max_method_bytes || !is_token(head.other_method))
    return std::unexpected(Refusal::bad_method);
  return {};
}

std::expected<void, Refusal> check_target_bytes(std::string_view target) {
  const auto bad = find_no_target_byte(target);
  if (bad == target.size()) return {};
  return std::unexpected(target[bad] == '#' ? Refusal::target_fragment : Refusal::bad_target_byte);
}

std::expected<void, Refusal> check_target(const RequestHead& head) {
  const std::string_view target = head.target;
  const bool is_in_form = head.method == Method::connect ? target.empty()
                          : target == "*"                ? head.method == Method::options
                                                         : target.starts_with('/');
  if (!is_in_form) return std::unexpected(Refusal::bad_target);
  if (!has_good_escapes(head.path())) return std::unexpected(Refusal::bad_target_escape);
  return {};
}

std::expected<void, Refusal> check_authority(std::string_view authority, bool needs_port) {
  if (authority.find('@') != std::string_view::npos) return std::unexpected(Refusal::target_userinfo);
  const auto parts = split_authority(authority);
  if (!parts || (needs_port && !parts->port)) return std::unexpected(Refusal::bad_target);
  return {};
}

std::expected<void, Refusal> check_host(const Headers& headers, Version version) {
  const auto host = headers.find(FieldId::host);
  if (!host) {
    if (version == Version::http_1_0) return {};
    return std::unexpected(Refusal::missing_host);
  }
  if (headers.count(FieldId::host) > 1) return std::unexpected(Refusal::repeated_host);
  if (!split_authority(*host)) return std::unexpected(Refusal::bad_host);
  return {};
}

std::expected<void, Refusal> check_connection(const Headers& headers) {
  if (!headers.has(FieldId::connection)) return {};
  std::size_t names = 0;
  for (const auto field : headers) {
    if (field.id != FieldId::connection) continue;
    auto options = field.value;
    std::string_view name;
    while (next_member(options, name)) {
      if (decides_framing(identify_field(name))) return std::unexpected(Refusal::connection_names_framing);
      if (++names > max_fields) return std::unexpected(Refusal::too_many_fields);
    }
  }
  return {};
}

std::expected<std::optional<std::uint64_t>, Refusal> content_length_of(const Headers& headers) {
  const auto text = headers.find(FieldId::content_length);
  if (!text) return std::nullopt;
  if (headers.count(FieldId::content_length) > 1) return std::unexpected(Refusal::repeated_content_length);
  return parse_length(*text);
}

std::expected<void, Refusal> check_trailers(const Headers& trailers) {
  for (const auto field : trailers) {
    if (!may_be_trailer(field.id)) return std::unexpected(Refusal::bad_trailer);
  }
  return {};
}

std::expected<std::optional<std::uint64_t>, Refusal> validate(const RequestHead& head) {
  const bool is_connect = head.method == Method::connect;
  if (head.target.size() > max_target_bytes) return std::unexpected(Refusal::target_too_long);
  auto checked = check_method(head);
  if (checked) checked = check_target_bytes(head.target);
  if (checked) checked = check_target(head);
  if (checked) checked = check_host(head.headers, head.version);
  if (checked && is_connect) checked = check_authority(head.authority(), true);
  if (!checked) return std::unexpected(checked.error());
  const auto length = check_fields(head.headers);
  if (is_connect && length && length->value_or(0) > 0) return std::unexpected(Refusal::content_in_connect);
  return length;
}

std::expected<std::optional<std::uint64_t>, Refusal> validate(const ResponseHead& head) {
  if (head.status < 100 || head.status > 999) return std::unexpected(Refusal::bad_status_line);
  return check_fields(head.headers);
}

}  // namespace weft::message
