// Header and trailer fields as one value: order kept, names compared without case, a field may repeat. All
// text lies in one buffer that clear() keeps, so that a connection's heads allocate nothing once they have
// grown.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/put.h"

namespace weft::message {

/// Fields that weft itself looks at, found by number instead of by text; and those that are in most messages,
/// whose names need no check then.
enum class FieldId : std::uint8_t {
  other,
  accept,
  accept_encoding,
  accept_language,
  authorization,
  cache_control,
  connection,
  content_encoding,
  content_length,
  content_type,
  cookie,
  date,
  etag,
  expect,
  forwarded,
  grpc_message,
  grpc_status,
  grpc_timeout,
  host,
  http2_settings,
  keep_alive,
  last_modified,
  location,
  origin,
  proxy_connection,
  referer,
  sec_websocket_accept,
  sec_websocket_key,
  server,
  set_cookie,
  te,
  traceparent,
  tracestate,
  trailer,
  transfer_encoding,
  upgrade,
  user_agent,
  vary,
  via,
  x_forwarded_client_cert,
  x_forwarded_for,
  x_forwarded_host,
  x_forwarded_port,
  x_forwarded_proto,
  x_request_id,
  x_weft_refused,
};

/// The field of a name in any case, which has no control bytes; `other` for one that is not in the list.
FieldId identify_field(std::string_view name);
/// The name in lower case; empty for `other`.
std::string_view to_string(FieldId id);

class Headers {
 public:
  /// Views into the Headers: valid until they are changed, moved or cleared.
  struct Field {
    FieldId id;
    std::string_view name;
    std::string_view value;
  };

  Headers() = default;
  Headers(std::initializer_list<std::pair<std::string_view, std::string_view>> fields);

  /// Appends a field. False, and nothing is added, if `name` is no token. Bytes that no value may have (CR,
  /// LF, NUL and other controls) become spaces, so that no value can break out of its field.
  bool add(std::string_view name, std::string_view value);
  bool add(FieldId id, std::string_view value);
  struct Own {
    FieldId id = FieldId::other;
    std::string_view value;
  };
  /// Appends fields that weft has made, whose bytes are surely valid. No view into these Headers.
  void add_own(std::span<const Own> fields);
  void add_own(FieldId id, std::string_view value) { add_own({{Own{id, value}}}); }
  /// Replaces all fields of that name by one, which stands where the first one stood, else at the end.
  bool set(std::string_view name, std::string_view value);
  bool set(FieldId id, std::string_view value);
  /// Removes all fields of that name; how many they were.
  std::size_t remove(std::string_view name);
  std::size_t remove(FieldId id) { return may_have(id) ? erase(id) : 0; }
  /// Removes the fields for which `predicate(Field)` is true.
  template <class Predicate>
  void remove_if(Predicate predicate) {
    std::erase_if(entries_, [&](const Entry& entry) { return predicate(field(entry)); });
  }

  /// The first field's value. Of a field that is a list, which may stand on several lines (RFC 9110, 5.3),
  /// use joined() or has_token().
  std::optional<std::string_view> find(std::string_view name) const;
  std::optional<std::string_view> find(FieldId id) const { return may_have(id) ? search(id) : std::nullopt; }
  bool has(std::string_view name) const { return find(name).has_value(); }
  bool has(FieldId id) const { return find(id).has_value(); }
  std::size_t count(FieldId id) const;
  /// The values of all fields of that id as one list.
  std::string joined(FieldId id) const;
  /// Whether any field of that id, read as a comma-separated list, has `token` in any case.
  bool has_token(FieldId id, std::string_view token) const;

  /// Its place in a set of ids.
  static constexpr std::uint64_t bit(FieldId id) { return std::uint64_t{1} << static_cast<unsigned>(id); }

  /// Bytes of memory that it keeps.
  std::size_t capacity() const { return bytes_.capacity() + entries_.capacity() * sizeof(Entry); }
  std::size_t size() const { return entries_.size(); }
  bool empty() const { return entries_.empty(); }
  Field operator[](std::size_t index) const { return field(entries_[index]); }
  /// Forgets the fields and keeps the memory.
  void clear() {
    entries_.clear();
    bytes_.clear();
    seen_ = 0;
  }

  class Iterator {
   public:
    Iterator(const Headers* headers, std::size_t index) : headers_(headers), index_(index) {}
    Field operator*() const { return (*headers_)[index_]; }
    Iterator& operator++() {
      ++index_;
      return *this;
    }
    friend bool operator==(const Iterator&, const Iterator&) = default;

   private:
    const Headers* headers_;
    std::size_t index_;
  };
  Iterator begin() const { return {this, 0}; }
  Iterator end() const { return {this, size()}; }

  /// Equal fields in equal order; names compare without case.
  friend bool operator==(const Headers& a, const Headers& b);

  /// A part of the held bytes.
  struct Slice {
    std::uint32_t offset = 0;
    std::uint32_t size = 0;
  };
  /// For parsers, in this order: clear(), add_slice() for each field that was found valid at that place in
  /// `bytes`, and at the end hold(bytes), which copies them. `is_line`: there it stands as "Name: value"
  /// CRLF. Nothing may be looked up before hold().
  void add_slice(FieldId id, Slice name, Slice value, bool is_line) {
    seen_ |= bit(id);
    entries_.push_back({id, is_line, name, value});
  }
  void hold(std::string_view bytes) { base::assign(bytes_, bytes); }

  /// put_lines() writes no more.
  std::size_t max_lines_size() const { return bytes_.size() + entries_.size(); }
  /// Writes "Name: value" CRLF for each field but those for which `is_left_out(id, name)`, and gives the end.
  /// Lines that lie together leave together: most of a forwarded head is one copy.
  template <class IsLeftOut>
  char* put_lines(char* to, IsLeftOut is_left_out) const {
    using base::put;
    Slice together;
    for (const auto& entry : entries_) {
      if (is_left_out(entry.id, text(entry.name))) continue;
      if (entry.is_line && entry.name.offset == together.offset + together.size) {
        together.size = line_end(entry) - together.offset;
        continue;
      }
      to = put(to, text(together));
      together = {entry.name.offset, line_end(entry) - entry.name.offset};
      if (entry.is_line) continue;
      to = put(put(put(put(to, text(entry.name)), ": "), text(entry.value)), "\r\n");
      together = {};
    }
    return put(to, text(together));
  }

 private:
  struct Entry {
    FieldId id;
    bool is_line;
    Slice name;
    Slice value;
  };
  static std::uint32_t line_end(const Entry& entry) { return entry.value.offset + entry.value.size + 2; }
  /// False: there is surely none.
  bool may_have(FieldId id) const { return (seen_ & bit(id)) != 0; }
  std::optional<std::string_view> search(FieldId id) const;
  std::size_t erase(FieldId id);
  std::string_view text(Slice slice) const { return {bytes_.data() + slice.offset, slice.size}; }
  Field field(const Entry& entry) const { return {entry.id, text(entry.name), text(entry.value)}; }
  Entry store(FieldId id, std::string_view name, std::string_view value);
  Entry store_checked(FieldId id, std::string_view name, std::string_view value);
  void replace(FieldId id, std::string_view name, std::string_view value);

  std::string bytes_;
  std::vector<Entry> entries_;
  /// A bit for each FieldId that was ever added: most questions are about fields that are not there.
  std::uint64_t seen_ = 0;
};

/// Fields that say how a message is carried and for whom it is, by Headers::bit(): each proxy on the way
/// writes them itself.
inline constexpr std::uint64_t carrying_fields = [] {
  std::uint64_t fields = 0;
  using enum FieldId;
  for (const auto id : {connection, content_length, expect, host, http2_settings, keep_alive,
                        proxy_connection, te, trailer, transfer_encoding, upgrade, x_weft_refused})
    fields |= Headers::bit(id);
  return fields;
}();

}  // namespace weft::message
