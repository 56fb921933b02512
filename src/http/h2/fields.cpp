#include "http/h2/fields.h"

#include <charconv>
#include <string>

#include "message/syntax.h"

namespace weft::http::h2 {
namespace {

using message::FieldId;

/// Fields of one connection; and those that are put apart: Content-Length and TE.
constexpr auto never_taken_over =
    message::Headers::bit(FieldId::connection) | message::Headers::bit(FieldId::keep_alive) |
    message::Headers::bit(FieldId::proxy_connection) | message::Headers::bit(FieldId::transfer_encoding) |
    message::Headers::bit(FieldId::upgrade) | message::Headers::bit(FieldId::http2_settings) |
    message::Headers::bit(FieldId::te) | message::Headers::bit(FieldId::content_length);

bool is_left_out(const message::Headers::Field& field, bool with_host) {
  if ((never_taken_over & message::Headers::bit(field.id)) != 0) return true;
  return field.id == FieldId::host && !with_host;
}

/// A call's own time, and its bytes. Besides, what one client sends of these shall not stay in a connection
/// that others share: servers of gRPC have been seen to stumble over a bad one again and again.
bool is_passing(const message::Headers::Field& field) {
  return field.id == FieldId::grpc_timeout || field.name.ends_with("-bin");
}

/// The key is of HTTP/1.1's handshake alone (RFC 8441, 5).
bool is_of_handshake(FieldId id) {
  return id == FieldId::sec_websocket_key || id == FieldId::sec_websocket_accept;
}

}  // namespace

void Fields::put(std::string_view name, std::string_view value, bool is_passing) {
  // nghttp2 copies both; its interface predates const.
  const auto bytes = [](std::string_view text) {
    return const_cast<std::uint8_t*>(reinterpret_cast<const std::uint8_t*>(text.data()));
  };
  const auto flag = is_passing ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE;
  fields_.push_back({bytes(name), bytes(value), name.size(), value.size(), static_cast<std::uint8_t>(flag)});
}

void Fields::put(const message::Headers& headers, const message::Patch& patch, bool with_host) {
  for (const auto field : headers) {
    if (!is_left_out(field, with_host) && !patch.leaves_out(field.id, field.name) &&
        !(opens_tunnel_ && is_of_handshake(field.id)))
      put(field.name, field.value, is_passing(field));
  }
  for (const auto field : patch.added) {
    if (!is_left_out(field, with_host)) put(field.name, field.value);
  }
}

void Fields::put_length(const message::Content& content) {
  const bool has_length = content.kind == message::Content::Kind::length;
  if (!has_length && !content.announced) return;
  const auto end = std::to_chars(length_.data(), length_.data() + length_.size(),
                                 has_length ? content.length : *content.announced)
                       .ptr;
  put("content-length", {length_.data(), end});
}

void Fields::set(const message::RequestHead& head, const message::Content& content,
                 const message::Patch& patch, std::string_view protocol) {
  fields_.clear();
  opens_tunnel_ = !protocol.empty();
  put(":method", opens_tunnel_ ? to_string(message::Method::connect) : head.method_text());
  if (opens_tunnel_) put(":protocol", protocol);
  if (head.method != message::Method::connect) {
    const auto scheme = patch.result(head.headers, FieldId::x_forwarded_proto);
    put(":scheme", scheme && message::equals_ignore_case(*scheme, "https") ? "https" : "http");
    put(":path", head.target);
  }
  if (const auto authority = patch.result(head.headers, FieldId::host)) put(":authority", *authority);
  put(head.headers, patch, false);
  if (head.headers.has_token(FieldId::te, "trailers")) put("te", "trailers");
  put_length(content);
}

void Fields::set(const message::ResponseHead& head, const message::Content& content,
                 const message::Patch& patch) {
  fields_.clear();
  opens_tunnel_ = head.status == 101;
  std::to_chars(status_.data(), status_.data() + status_.size(), opens_tunnel_ ? 200 : head.status);
  put(":status", {status_.data(), status_.size()});
  put(head.headers, patch, true);
  put_length(content);
}

void Fields::set(const message::Headers& trailers) {
  fields_.clear();
  opens_tunnel_ = false;
  put(trailers, {}, true);
}

void take_field(message::RequestHead& head, std::string_view name, std::string_view value) {
  if (name == ":method") {
    head.set_method(value);
  } else if (name == ":path") {
    head.target = value;
  } else if (name == ":authority" || name == "host") {
    // RFC 9113, 8.3.1: they may not differ.
    if (head.headers.find(FieldId::host) != value) head.headers.add(FieldId::host, value);
  } else if (name == ":protocol") {
    head.headers.add(FieldId::upgrade, value);
  } else if (!name.starts_with(':')) {
    head.headers.add(name, value);
  }
}

void take_field(message::ResponseHead& head, std::string_view name, std::string_view value) {
  if (name == ":status") {
    std::from_chars(value.data(), value.data() + value.size(), head.status);
  } else {
    head.headers.add(name, value);
  }
}

void join_cookies(message::Headers& headers) {
  if (headers.count(FieldId::cookie) < 2) return;
  std::string joined;
  for (const auto field : headers) {
    if (field.id != FieldId::cookie) continue;
    if (!joined.empty()) joined += "; ";
    joined += field.value;
  }
  headers.set(FieldId::cookie, joined);
}

}  // namespace weft::http::h2
