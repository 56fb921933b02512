#include "http/h2/fields.h"

#include <charconv>

namespace weft::http::h2 {
namespace {

nghttp2_nv field(std::string_view name, std::string_view value) {
  // nghttp2 copies both; its interface predates const.
  auto bytes = [](std::string_view text) {
    return const_cast<std::uint8_t*>(reinterpret_cast<const std::uint8_t*>(text.data()));
  };
  return {bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
}

bool is_of_one_connection(const message::Headers::Field& field) {
  using message::FieldId;
  switch (field.id) {
    case FieldId::connection:
    case FieldId::keep_alive:
    case FieldId::proxy_connection:
    case FieldId::transfer_encoding:
    case FieldId::upgrade:
    case FieldId::http2_settings: return true;
    case FieldId::te: return field.value != "trailers";
    default: return false;
  }
}

void append(Fields& fields, const message::Headers& headers, bool with_host) {
  for (auto each : headers) {
    if (is_of_one_connection(each) || (each.id == message::FieldId::host && !with_host)) continue;
    fields.push_back(field(each.name, each.value));
  }
}

}  // namespace

Fields fields_of(const message::RequestHead& head) {
  Fields fields;
  fields.reserve(head.headers.size() + 4);
  fields.push_back(field(":method", head.method_text()));
  if (head.method != message::Method::connect) {
    fields.push_back(field(":scheme", "http"));
    fields.push_back(field(":path", head.target));
  }
  if (!head.authority().empty()) fields.push_back(field(":authority", head.authority()));
  append(fields, head.headers, false);
  return fields;
}

Fields fields_of(const message::ResponseHead& head, std::string& status_text) {
  status_text = std::to_string(head.status);
  Fields fields;
  fields.reserve(head.headers.size() + 1);
  fields.push_back(field(":status", status_text));
  append(fields, head.headers, true);
  return fields;
}

Fields fields_of(const message::Headers& trailers) {
  Fields fields;
  fields.reserve(trailers.size());
  append(fields, trailers, true);
  return fields;
}

void take_field(message::RequestHead& head, std::string_view name, std::string_view value) {
  if (name == ":method") {
    head.set_method(value);
  } else if (name == ":path") {
    head.target = value;
  } else if (name == ":authority") {
    head.headers.set(message::FieldId::host, value);
  } else if (name == "host") {
    // :authority wins over Host (RFC 9113, 8.3.1); they are one field here.
    if (!head.headers.has(message::FieldId::host)) head.headers.add(name, value);
  } else if (!name.starts_with(':')) {
    head.headers.add(name, value);
  }
}

void take_field(message::ResponseHead& head, std::string_view name, std::string_view value) {
  if (name == ":status") {
    std::from_chars(value.data(), value.data() + value.size(), head.status);
  } else if (!name.starts_with(':')) {
    head.headers.add(name, value);
  }
}

}  // namespace weft::http::h2
