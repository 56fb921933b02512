#include "message/headers.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <span>

#include "message/syntax.h"

namespace weft::message {
namespace {

/// In the order of FieldId.
constexpr std::array<std::string_view, 27> names{"",
                                                 "accept",
                                                 "authorization",
                                                 "connection",
                                                 "content-length",
                                                 "content-type",
                                                 "cookie",
                                                 "date",
                                                 "expect",
                                                 "host",
                                                 "http2-settings",
                                                 "keep-alive",
                                                 "location",
                                                 "proxy-connection",
                                                 "server",
                                                 "te",
                                                 "traceparent",
                                                 "tracestate",
                                                 "trailer",
                                                 "transfer-encoding",
                                                 "upgrade",
                                                 "user-agent",
                                                 "via",
                                                 "x-forwarded-for",
                                                 "x-forwarded-proto",
                                                 "x-request-id",
                                                 "x-weft-refused"};
static_assert(names.back() == "x-weft-refused" &&
              names[static_cast<std::size_t>(FieldId::x_weft_refused)] == names.back());

static_assert(names.size() <= 32, "Headers::seen_ has a bit for each");

constexpr std::size_t longest_name = 17;

/// The fields whose names have the same length: at most a handful each.
struct Candidates {
  std::array<FieldId, 6> ids{};
  std::size_t count = 0;
};

constexpr auto by_length = [] {
  std::array<Candidates, longest_name + 1> table{};
  for (std::size_t i = 1; i < names.size(); ++i) {
    auto& entry = table[names[i].size()];
    entry.ids[entry.count++] = static_cast<FieldId>(i);
  }
  return table;
}();

/// Whether `name`, without control bytes, is `known` in any case. Known names are of lower-case letters,
/// digits and
/// '-'; |0x20 takes to one of these only itself, its upper case and a control byte.
bool matches(std::string_view name, std::string_view known) {
  constexpr std::uint64_t lower = 0x2020202020202020;
  const auto load = [](const char* from) {
    std::uint64_t word;
    std::memcpy(&word, from, sizeof word);
    return word;
  };
  const auto size = known.size();
  if (size < 8) {
    for (std::size_t i = 0; i < size; ++i) {
      if ((name[i] | 0x20) != known[i]) return false;
    }
    return true;
  }
  for (std::size_t i = 0; i + 8 < size; i += 8) {
    if ((load(name.data() + i) | lower) != load(known.data() + i)) return false;
  }
  return (load(name.data() + size - 8) | lower) == load(known.data() + size - 8);
}

}  // namespace

std::string_view to_string(FieldId id) { return names[static_cast<std::size_t>(id)]; }

FieldId identify_field(std::string_view name) {
  if (name.size() > longest_name || name.empty()) return FieldId::other;
  const auto& candidates = by_length[name.size()];
  for (std::size_t i = 0; i < candidates.count; ++i) {
    const auto known = to_string(candidates.ids[i]);
    if (known.front() == (name.front() | 0x20) && matches(name, known)) return candidates.ids[i];
  }
  return FieldId::other;
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
  if (!is_field_value({bytes_.data() + value_offset, value.size()})) {
    for (auto& c : std::span(bytes_).subspan(value_offset, value.size())) {
      if (!is_field_value({&c, 1})) c = ' ';
    }
  }
  const auto slice = [](std::size_t at, std::size_t length) {
    return Slice{static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(length)};
  };
  return {id, true, slice(offset, name.size()), slice(value_offset, value.size())};
}

bool Headers::add(std::string_view name, std::string_view value) {
  if (!is_token(name)) return false;
  entries_.push_back(store(identify_field(name), name, trim(value)));
  return true;
}

bool Headers::add(FieldId id, std::string_view value) {
  if (id == FieldId::other) return false;
  entries_.push_back(store(id, to_string(id), trim(value)));
  return true;
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
  const auto entry = store(id, name, trim(value));
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

void remove_hop_by_hop(Headers& headers) {
  constexpr auto hop_by_hop = Headers::bit(FieldId::connection) | Headers::bit(FieldId::http2_settings) |
                              Headers::bit(FieldId::keep_alive) | Headers::bit(FieldId::proxy_connection) |
                              Headers::bit(FieldId::te) | Headers::bit(FieldId::transfer_encoding) |
                              Headers::bit(FieldId::upgrade);
  if ((headers.seen_ & hop_by_hop) == 0) return;
  // What Connection names goes first; "close", "keep-alive" and "upgrade" are handled by the list below.
  std::size_t index = 0;
  while (index < headers.size()) {
    if (headers[index].id != FieldId::connection) {
      ++index;
      continue;
    }
    auto options = headers[index].value;  // removing fields moves no text
    headers.remove_if(
        [remove = index, at = std::size_t{0}](const Headers::Field&) mutable { return at++ == remove; });
    std::string_view name;
    while (next_member(options, name)) headers.remove(name);
    index = 0;
  }
  headers.remove_if([](const Headers::Field& field) {
    switch (field.id) {
      case FieldId::http2_settings:
      case FieldId::keep_alive:
      case FieldId::proxy_connection:
      case FieldId::te:
      case FieldId::transfer_encoding:
      case FieldId::upgrade: return true;
      default: return false;
    }
  });
}

}  // namespace weft::message
