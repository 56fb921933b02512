// Header and trailer fields as one value: order kept, names compared without case, a field may repeat. All
// text lies in one buffer that clear() keeps, so that a connection's heads allocate nothing once they have
// grown.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weft::message {

/// Fields that weft itself looks at; found by number instead of by text.
enum class FieldId : std::uint8_t {
  other,
  accept,
  authorization,
  connection,
  content_length,
  content_type,
  cookie,
  date,
  expect,
  host,
  http2_settings,
  keep_alive,
  location,
  proxy_connection,
  server,
  te,
  traceparent,
  tracestate,
  trailer,
  transfer_encoding,
  upgrade,
  user_agent,
  via,
  x_forwarded_for,
  x_forwarded_proto,
  x_request_id,
  x_weft_refused,
};

/// The field of a name, a token in any case; `other` for one that is not in the list.
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
  /// Replaces all fields of that name by one, which stands where the first one stood, else at the end.
  bool set(std::string_view name, std::string_view value);
  bool set(FieldId id, std::string_view value);
  /// Removes all fields of that name; how many they were.
  std::size_t remove(std::string_view name);
  std::size_t remove(FieldId id);
  /// Removes the fields for which `predicate(Field)` is true.
  template <class Predicate>
  void remove_if(Predicate predicate) {
    std::erase_if(entries_, [&](const Entry& entry) { return predicate(field(entry)); });
  }

  /// The first field's value.
  std::optional<std::string_view> find(std::string_view name) const;
  std::optional<std::string_view> find(FieldId id) const;
  bool has(std::string_view name) const { return find(name).has_value(); }
  bool has(FieldId id) const { return find(id).has_value(); }
  std::size_t count(FieldId id) const;
  /// Whether any field of that id, read as a comma-separated list, has `token` in any case.
  bool has_token(FieldId id, std::string_view token) const;

  std::size_t size() const { return entries_.size(); }
  bool empty() const { return entries_.empty(); }
  Field operator[](std::size_t index) const { return field(entries_[index]); }
  /// Forgets the fields and keeps the memory.
  void clear() {
    entries_.clear();
    bytes_.clear();
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
  /// `bytes`, and at the end hold(bytes), which copies them. Nothing may be looked up before hold().
  void add_slice(FieldId id, Slice name, Slice value) { entries_.push_back({id, name, value}); }
  void hold(std::string_view bytes) { bytes_.assign(bytes); }

 private:
  struct Entry {
    FieldId id;
    Slice name;
    Slice value;
  };
  std::string_view text(Slice slice) const { return {bytes_.data() + slice.offset, slice.size}; }
  Field field(const Entry& entry) const { return {entry.id, text(entry.name), text(entry.value)}; }
  Entry store(FieldId id, std::string_view name, std::string_view value);
  void replace(FieldId id, std::string_view name, std::string_view value);

  std::string bytes_;
  std::vector<Entry> entries_;
};

/// Removes what concerns only the connection that a message came on (RFC 9110, 7.6.1): Connection and what it
/// names, Keep-Alive, Proxy-Connection, TE, Transfer-Encoding, Upgrade, HTTP2-Settings. Content-Length stays.
void remove_hop_by_hop(Headers& headers);

}  // namespace weft::message
