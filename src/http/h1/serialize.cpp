#include "http/h1/serialize.h"

#include <charconv>
#include <cstring>
#include <string_view>

namespace weft::http::h1 {
namespace {

using message::FieldId;

bool is_framing(FieldId id) { return id == FieldId::content_length || id == FieldId::transfer_encoding; }

/// Puts text behind text into room that was measured before.
class Cursor {
 public:
  explicit Cursor(char* to) : to_(to) {}
  void put(std::string_view text) {
    std::memcpy(to_, text.data(), text.size());
    to_ += text.size();
  }
  void put_field(std::string_view name, std::string_view value) {
    put(name);
    put(": ");
    put(value);
    put("\r\n");
  }

 private:
  char* to_;
};

/// The line for a framing, with its CRLF; empty for none.
class FramingField {
 public:
  explicit FramingField(const Framing& framing) {
    if (framing.kind == Framing::Kind::chunked) {
      set("transfer-encoding: chunked\r\n");
    } else if (framing.kind == Framing::Kind::length) {
      set_length(framing.length);
    } else if (framing.announced) {
      set_length(*framing.announced);
    }
  }
  std::string_view text() const { return {bytes_, size_}; }

 private:
  void set(std::string_view text) {
    std::memcpy(bytes_ + size_, text.data(), text.size());
    size_ += text.size();
  }
  void set_length(std::uint64_t length) {
    set("content-length: ");
    size_ =
        static_cast<std::size_t>(std::to_chars(bytes_ + size_, bytes_ + sizeof bytes_, length).ptr - bytes_);
    set("\r\n");
  }
  char bytes_[48];
  std::size_t size_ = 0;
};

std::size_t fields_size(const message::Headers& headers) {
  std::size_t size = 0;
  for (const auto field : headers) {
    if (!is_framing(field.id)) size += field.name.size() + field.value.size() + 4;
  }
  return size;
}

void put_fields(Cursor& cursor, const message::Headers& headers, FieldId but) {
  for (const auto field : headers) {
    if (!is_framing(field.id) && (field.id != but || but == FieldId::other))
      cursor.put_field(field.name, field.value);
  }
}

/// Room for `size` more bytes.
Cursor extend(std::string& out, std::size_t size) {
  const auto start = out.size();
  // Not the size that is passed in: libstdc++ 12 passes the capacity that it grew to.
  out.resize_and_overwrite(start + size, [all = start + size](char*, std::size_t) { return all; });
  return Cursor(out.data() + start);
}

}  // namespace

void append_head(std::string& out, const message::RequestHead& head, const Framing& framing) {
  constexpr std::string_view version = " HTTP/1.1\r\n";
  const auto method = head.method_text();
  const auto target =
      head.method == message::Method::connect ? head.authority() : std::string_view(head.target);
  const FramingField framing_field(framing);
  auto cursor = extend(out, method.size() + 1 + target.size() + version.size() + fields_size(head.headers) +
                                framing_field.text().size() + 2);
  cursor.put(method);
  cursor.put(" ");
  cursor.put(target);
  cursor.put(version);
  for (const auto field : head.headers) {
    if (field.id == FieldId::host) cursor.put_field(field.name, field.value);
  }
  put_fields(cursor, head.headers, FieldId::host);
  cursor.put(framing_field.text());
  cursor.put("\r\n");
}

void append_head(std::string& out, const message::ResponseHead& head, const Framing& framing) {
  constexpr std::string_view version = "HTTP/1.1 ";
  const auto reason =
      head.reason.empty() ? message::reason_phrase(head.status) : std::string_view(head.reason);
  const char status[] = {static_cast<char>('0' + head.status / 100 % 10),
                         static_cast<char>('0' + head.status / 10 % 10),
                         static_cast<char>('0' + head.status % 10), ' '};
  const FramingField framing_field(framing);
  auto cursor = extend(out, version.size() + sizeof status + reason.size() + 2 + fields_size(head.headers) +
                                framing_field.text().size() + 2);
  cursor.put(version);
  cursor.put({status, sizeof status});
  cursor.put(reason);
  cursor.put("\r\n");
  put_fields(cursor, head.headers, FieldId::other);
  cursor.put(framing_field.text());
  cursor.put("\r\n");
}

void append_chunk_size(std::string& out, std::uint64_t size) {
  char digits[16];
  const auto end = std::to_chars(digits, digits + sizeof digits, size, 16).ptr;
  out.append(digits, end).append("\r\n");
}

void append_last_chunk(std::string& out, const message::Headers& trailers) {
  out.append("0\r\n");
  auto cursor = extend(out, fields_size(trailers));
  put_fields(cursor, trailers, FieldId::other);
  out.append("\r\n");
}

}  // namespace weft::http::h1
