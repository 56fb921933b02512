#include "message/headers.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <span>

#include "message/scan.h"
#include "message/syntax.h"

namespace weft::message {
namespace {

using base::put;

/// In the order of FieldId.
constexpr std::array<std::string_view, 46> names{"",
                                                 "accept",
                                                 "accept-encoding",
                                                 "accept-language",
                                                 "authorization",
                                                 "cache-control",
                                                 "connection",
                                                 "content-encoding",
                                                 "content-length",
                                                 "content-type",
                                                 "cookie",
                                                 "date",
                                                 "etag",
                                                 "expect",
                                                 "forwarded",
                                                 "grpc-message",
                                                 "grpc-status",
                                                 "grpc-timeout",
                                                 "host",
                                                 "http2-settings",
                                                 "keep-alive",
                                                 "last-modified",
                                                 "location",
                                                 "origin",
                                                 "proxy-connection",
                                                 "referer",
                                                 "sec-websocket-accept",
                                                 "sec-websocket-key",
                                                 "server",
                                                 "set-cookie",
                                                 "te",
                                                 "traceparent",
                                                 "tracestate",
                                                 "trailer",
                                                 "transfer-encoding",
                                                 "upgrade",
                                                 "user-agent",
                                                 "vary",
                                                 "via",
                                                 "x-forwarded-client-cert",
                                                 "x-forwarded-for",
                                                 "x-forwarded-host",
                                                 "x-forwarded-port",
                                                 "x-forwarded-proto",
                                                 "x-request-id",
                                                 "x-weft-refused"};
static_assert(names.back() == "x-weft-refused" &&
              names[static_cast<std::size_t>(FieldId::x_weft_refused)] == names.back());

static_assert(names.size() <= 64, "Headers::seen_ has a bit for each");

/// A place for each known name, that its size, its first byte and the one at three quarters tell. The numbers
/// are such that no two meet.
constexpr std::size_t places = 256;
constexpr std::size_t place_of(std::string_view name) {
  const auto byte = [](char c) { return static_cast<std::size_t>(static_cast<unsigned char>(c) | 0x20); };
  return (name.size() * 4 + byte(name.front()) + byte(name[name.size() * 3 / 4]) * 9) % places;
}

constexpr auto by_place = [] {
  std::array<FieldId, places> table{};
  for (std::size_t i = 1; i < names.size(); ++i) {
    auto& entry = table[place_of(names[i])];
    if (entry != FieldId::other) throw "two names have one place";  // an error where it is compiled
    entry = static_cast<FieldId>(i);
  }
  return table;
}();

/// Whether `name`, without control bytes and as long as `known`, is that in any case. Known names are of
/// lower-case letters, digits and '-'; |0x20 takes to one of these only itself, its upper case and a control
/// byte.
bool matches(std::string_view name, std::string_view known) {
  const auto same = [&]<class Word>(Word, std::size_t at) {
    Word ours;
    Word theirs;
    std::memcpy(&ours, known.data() + at, sizeof ours);
    std::memcpy(&theirs, name.data() + at, sizeof theirs);
    return (theirs | static_cast<Word>(0x2020202020202020)) == ours;
  };
  const auto size = known.size();
  if (size >= 8) {
    for (std::size_t i = 0; i + 8 < size; i += 8) {
      if (!same(std::uint64_t{}, i)) return false;
    }
    return same(std::uint64_t{}, size - 8);
  }
  if (size >= 4) return same(std::uint32_t{}, 0) && same(std::uint32_t{}, size - 4);
  return same(std::uint16_t{}, 0) && same(std::uint16_t{}, size - 2);
}
static_assert(std::ranges::all_of(names, [](auto name) { return name.size() != 1; }),
              "matches() takes two bytes");

}  // namespace

std::string_view to_string(FieldId id) { return names[static_cast<std::size_t>(id)]; }

FieldId identify_field(std::string_view name) {
  if (name.empty()) return FieldId::other;
  const auto id = by_place[place_of(name)];
  const auto known = to_string(id);
  return known.size() == name.size() && matches(name, known) ? id : FieldId::other;
}

Headers::Headers(std::initializer_list<std::pair<std::string_view, std::string_view>> fields) {
  for (const auto& [name, value] : fields) add(name, value);
}

Headers::Entry Headers::store(FieldId id, std::string_view name, std::string_view value) {
  seen_ |= bit(id);
  const auto offset = bytes_.size();
  const auto value_offset = offset + name.size() + 2;
  const auto size = value_offset + value.size() + 2;
  const auto append_line = [&](char* bytes, std::size_t) {
    put(put(put(put(bytes + offset, name), ": "), value), "\r\n");
    return size;
  };
  if (bytes_.capacity() < size) {
    // `name` and `value` may be views into bytes_ itself, which must not go before they are copied.
    std::string grown;
    grown.reserve(std::max(2 * offset, size));
    grown = bytes_;
    grown.resize_and_overwrite(size, append_line);
    bytes_ = std::move(grown);
  } else {
    bytes_.resize_and_overwrite(size, append_line);
  }
  const auto slice = [](std::size_t at, std::size_t length) {
    return Slice{static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(length)};
  };
  return {id, true, slice(offset, name.size()), slice(value_offset, value.size())};
}

Headers::Entry Headers::store_checked(FieldId id, std::string_view name, std::string_view value) {
  const auto entry = store(id, name, trim(value));
  const auto stored = std::span(bytes_).subspan(entry.value.offset, entry.value.size);
  if (!is_field_value(text(entry.value))) std::ranges::replace_if(stored, is_control, ' ');
  return entry;
}

bool Headers::add(std::string_view name, std::string_view value) {
  if (!is_token(name)) return false;
  entries_.push_back(store_checked(identify_field(name), name, value));
  return true;
}

bool Headers::add(FieldId id, std::string_view value) {
  if (id == FieldId::other) return false;
  entries_.push_back(store_checked(id, to_string(id), value));
  return true;
}

void Headers::add_own(std::span<const Own> fields) {
  const auto start = bytes_.size();
  auto size = start;
  for (const auto& field : fields) size += to_string(field.id).size() + field.value.size() + 4;
  bytes_.resize_and_overwrite(size, [&](char* bytes, std::size_t) {
    char* to = bytes + start;
    const auto offset = [&] { return static_cast<std::uint32_t>(to - bytes); };
    for (const auto& [id, value] : fields) {
      const auto known = to_string(id);
      const auto name_at = offset();
      to = put(put(to, known), ": ");
      const auto value_at = offset();
      to = put(put(to, value), "\r\n");
      add_slice(id, {name_at, static_cast<std::uint32_t>(known.size())},
                {value_at, static_cast<std::uint32_t>(value.size())}, true);
    }
    return size;
  });
}

bool Headers::set(std::string_view name, std::string_view value) {
  if (!is_token(name)) return false;
  replace(identify_field(name), name, value);
  return true;
}

bool Headers::set(FieldId id, std::string_view value) {
  if (id == FieldId::other) return false;
  replace(id, to_string(id), value);
  return true;
}

void Headers::replace(FieldId id, std::string_view name, std::string_view value) {
  const bool is_new = !may_have(id);
  const auto entry = store_checked(id, name, value);
  const auto same = [&](const Entry& other) {
    return other.id == entry.id &&
           (entry.id != FieldId::other || equals_ignore_case(text(other.name), text(entry.name)));
  };
  const auto first = is_new ? entries_.end() : std::ranges::find_if(entries_, same);
  if (first == entries_.end()) {
    entries_.push_back(entry);
    return;
  }
  *first = entry;
  entries_.erase(std::remove_if(first + 1, entries_.end(), same), entries_.end());
}

std::size_t Headers::remove(std::string_view name) {
  const auto id = identify_field(name);
  if (id != FieldId::other) return remove(id);
  return std::erase_if(entries_, [&](const Entry& entry) {
    return entry.id == FieldId::other && equals_ignore_case(text(entry.name), name);
  });
}

std::size_t Headers::erase(FieldId id) {
  seen_ &= ~bit(id);
  return std::erase_if(entries_, [&](const Entry& entry) { return entry.id == id; });
}

std::optional<std::string_view> Headers::find(std::string_view name) const {
  const auto id = identify_field(name);
  if (id != FieldId::other) return find(id);
  for (const auto& entry : entries_) {
    if (entry.id == FieldId::other && equals_ignore_case(text(entry.name), name)) return text(entry.value);
  }
  return std::nullopt;
}

std::optional<std::string_view> Headers::search(FieldId id) const {
  for (const auto& entry : entries_) {
    if (entry.id == id) return text(entry.value);
  }
  return std::nullopt;
}

std::size_t Headers::count(FieldId id) const {
  return may_have(id) ? static_cast<std::size_t>(std::ranges::count(entries_, id, &Entry::id)) : 0;
}

std::string Headers::joined(FieldId id) const {
  std::string list;
  for (const auto& entry : entries_) {
    if (entry.id != id || entry.value.size == 0) continue;
    if (!list.empty()) list += ", ";
    list += text(entry.value);
  }
  return list;
}

bool Headers::has_token(FieldId id, std::string_view token) const {
  if (!may_have(id)) return false;
  return std::ranges::any_of(
      entries_, [&](const Entry& entry) { return entry.id == id && has_member(text(entry.value), token); });
}

bool operator==(const Headers& a, const Headers& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (!equals_ignore_case(a[i].name, b[i].name) || a[i].value != b[i].value) return false;
  }
  return true;
}

}  // namespace weft::message
