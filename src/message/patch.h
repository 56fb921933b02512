// What the fields of a message lose and gain on the way through. The message itself stays as it came, so that
// it can be decided by, logged, and sent again with another patch.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "message/headers.h"

namespace weft::message {

class Patch {
 public:
  /// Changes nothing any more. Keeps the memory.
  void clear() {
    left_out_ = 0;
    other_names_.clear();
    added.clear();
  }
  /// All fields of that name are left out. A view: it must live as long as the patch.
  void leave_out(std::string_view name);
  void leave_out(FieldId id) { left_out_ |= Headers::bit(id); }
  /// Those of these ids, by Headers::bit().
  void leave_out_all(std::uint64_t ids) { left_out_ |= ids; }
  /// Leaves out what concerns only the connection that these came on (RFC 9110, 7.6.1): Connection and what
  /// it names, Keep-Alive, Proxy-Connection, TE, Transfer-Encoding, Upgrade, HTTP2-Settings. Of what it names
  /// it keeps views.
  void leave_out_hop_by_hop(const Headers& headers) {
    for (const auto id :
         {FieldId::connection, FieldId::http2_settings, FieldId::keep_alive, FieldId::proxy_connection,
          FieldId::te, FieldId::transfer_encoding, FieldId::upgrade})
      leave_out(id);
    if (headers.has(FieldId::connection)) leave_out_what_connection_names(headers);
  }

  /// The ids that are left out, by Headers::bit(); and whether names without an id are.
  std::uint64_t left_out() const { return left_out_; }
  bool names_others() const { return !other_names_.empty(); }
  bool leaves_out(FieldId id) const { return (left_out_ & Headers::bit(id)) != 0; }
  bool leaves_out(FieldId id, std::string_view name) const {
    return leaves_out(id) || (id == FieldId::other && is_named(name));
  }
  /// What of `headers` is left: the first field of that id.
  std::optional<std::string_view> kept(const Headers& headers, FieldId id) const {
    return leaves_out(id) ? std::nullopt : headers.find(id);
  }
  /// The first field of that id in what leaves.
  std::optional<std::string_view> result(const Headers& headers, FieldId id) const {
    const auto own = added.find(id);
    return own ? own : kept(headers, id);
  }

  /// Bytes of memory that it keeps.
  std::size_t capacity() const {
    return added.capacity() + other_names_.capacity() * sizeof(std::string_view);
  }

  /// Stand behind what is left.
  Headers added;

 private:
  void leave_out_what_connection_names(const Headers& headers);
  bool is_named(std::string_view name) const;

  std::uint64_t left_out_ = 0;
  std::vector<std::string_view> other_names_;
};

}  // namespace weft::message
