#include "http/h1/serialize.h"

#include <charconv>
#include <cstring>
#include <string_view>

#include "base/put.h"

namespace weft::http::h1 {
namespace {

using message::FieldId;

constexpr auto host = message::Headers::bit(FieldId::host);
constexpr auto framing_fields =
    message::Headers::bit(FieldId::content_length) | message::Headers::bit(FieldId::transfer_encoding);

/// Writes the fields of a head as they leave, but those of the ids in `left_out`.
char* put_fields(char* to, const message::Headers& headers, const message::Patch& patch,
                 std::uint64_t left_out) {
  const auto is_in = [](std::uint64_t ids) {
    return [ids](FieldId id, std::string_view) { return (ids & message::Headers::bit(id)) != 0; };
  };
  const auto all = left_out | patch.left_out();
  to = patch.names_others() ? headers.put_lines(to,
                                                [&](FieldId id, std::string_view name) {
                                                  return is_in(all)(id, name) || patch.leaves_out(id, name);
                                                })
                            : headers.put_lines(to, is_in(all));
  return patch.added.put_lines(to, is_in(left_out));
}

std::size_t max_fields_size(const message::Headers& headers, const message::Patch& patch) {
  return headers.max_lines_size() + patch.added.max_lines_size();
}

using base::put;

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

/// Appends at most `most` bytes: those that `write` puts from the given place on, of which it gives the end.
template <class Write>
void append(std::string& out, std::size_t most, Write write) {
  const auto start = out.size();
  out.resize_and_overwrite(start + most, [&](char* bytes, std::size_t) {
    return static_cast<std::size_t>(write(bytes + start) - bytes);
  });
}

}  // namespace

void append_head(std::string& out, const message::RequestHead& head, const Framing& framing,
                 const message::Patch& patch) {
  constexpr std::string_view version = " HTTP/1.1\r\n";
  const auto& headers = head.headers;
  const auto method = head.method_text();
  const auto target =
      head.method == message::Method::connect ? head.authority() : std::string_view(head.target);
  const FramingField framing_field(framing);
  const auto most = method.size() + 1 + target.size() + version.size() + max_fields_size(headers, patch) +
                    framing_field.text().size() + 2;
  append(out, most, [&](char* to) {
    to = put(put(put(put(to, method), " "), target), version);
    if (!headers.empty() && headers[0].id == FieldId::host) {
      to = put_fields(to, headers, patch, framing_fields);
    } else {
      to = put_fields(to, headers, patch, ~host);
      to = put_fields(to, headers, patch, framing_fields | host);
    }
    return put(put(to, framing_field.text()), "\r\n");
  });
}

void append_head(std::string& out, const message::ResponseHead& head, const Framing& framing,
                 const message::Patch& patch) {
  constexpr std::string_view version = "HTTP/1.1 ";
  const auto reason =
      head.reason.empty() ? message::reason_phrase(head.status) : std::string_view(head.reason);
  const char status[] = {static_cast<char>('0' + head.status / 100 % 10),
                         static_cast<char>('0' + head.status / 10 % 10),
                         static_cast<char>('0' + head.status % 10), ' '};
  const FramingField framing_field(framing);
  const auto most = version.size() + sizeof status + reason.size() + 2 +
                    max_fields_size(head.headers, patch) + framing_field.text().size() + 2;
  append(out, most, [&](char* to) {
    to = put(put(put(put(to, version), {status, sizeof status}), reason), "\r\n");
    to = put_fields(to, head.headers, patch, framing_fields);
    return put(put(to, framing_field.text()), "\r\n");
  });
}

void append_chunk_size(std::string& out, std::uint64_t size) {
  char digits[16];
  const auto end = std::to_chars(digits, digits + sizeof digits, size, 16).ptr;
  out.append(digits, end).append("\r\n");
}

void append_last_chunk(std::string& out, const message::Headers& trailers) {
  append(out, trailers.max_lines_size() + 5,
         [&](char* to) { return put(put_fields(put(to, "0\r\n"), trailers, {}, framing_fields), "\r\n"); });
}

}  // namespace weft::http::h1
