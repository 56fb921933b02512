#include "http/h2/fields.h"

#include <charconv>
#include <string>

namespace weft::http::h2 {
namespace {

using message::FieldId;

/// Fields of one connection, and Content-Length, which is put by the Content.
constexpr auto never_taken_over =
    message::Headers::bit(FieldId::connection) | message::Headers::bit(FieldId::keep_alive) |
    message::Headers::bit(FieldId::proxy_connection) | message::Headers::bit(FieldId::transfer_encoding) |
    message::Headers::bit(FieldId::upgrade) | message::Headers::bit(FieldId::http2_settings) |
    message::Headers::bit(FieldId::content_length);

bool is_left_out(const message::Headers::Field& field, bool with_host) {
  if ((never_taken_over & message::Headers::bit(field.id)) != 0) return true;
  if (field.id == FieldId::te) return field.value != "trailers";
  return field.id == FieldId::host && !with_host;
}

}  // namespace

void Fields::put(std::string_view name, std::string_view value) {
  // nghttp2 copies both; its interface predates const.
  const auto bytes = [](std::string_view text) {
    return const_cast<std::uint8_t*>(reinterpret_cast<const std::uint8_t*>(text.data()));
  };
  fields_.push_back({bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE});
}

void Fields::put(const message::Headers& headers, const message::Patch& patch, bool with_host) {
  for (const auto field : headers) {
    if (!is_left_out(field, with_host) && !patch.leaves_out(field.id, field.name))
      put(field.name, field.value);
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
                 const message::Patch& patch) {
  fields_.clear();
  put(":method", head.method_text());
  if (head.method != message::Method::connect) {
    put(":scheme", "http");
    put(":path", head.target);
  }
  if (const auto authority = patch.result(head.headers, FieldId::host)) put(":authority", *authority);
  put(head.headers, patch, false);
  put_length(content);
}

void Fields::set(const message::ResponseHead& head, const message::Content& content,
                 const message::Patch& patch) {
  fields_.clear();
  std::to_chars(status_.data(), status_.data() + status_.size(), head.status);
  put(":status", {status_.data(), status_.size()});
  put(head.headers, patch, true);
  put_length(content);
}

void Fields::set(const message::Headers& trailers) {
  fields_.clear();
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
