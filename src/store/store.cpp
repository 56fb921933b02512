// What every implementation of the store shares: keys, which kinds are durable, the words of errors.
#include "store/store.h"

#include <algorithm>
#include <array>

namespace weft::store {

namespace {

std::string text_at(const base::Json& object, const char* field) {
  if (!object.is_object()) return {};
  auto it = object.find(field);
  return it != object.end() && it->is_string() ? it->get<std::string>() : std::string();
}

}  // namespace

std::string_view to_string(StoreErrorKind kind) {
  switch (kind) {
    case StoreErrorKind::not_found: return "not found";
    case StoreErrorKind::already_exists: return "already exists";
    case StoreErrorKind::conflict: return "conflict";
    case StoreErrorKind::gone: return "gone";
    case StoreErrorKind::malformed: return "malformed";
    case StoreErrorKind::full: return "disk full";
    case StoreErrorKind::read_only: return "disk read-only";
    case StoreErrorKind::io: return "disk error";
    case StoreErrorKind::locked: return "in use";
    case StoreErrorKind::corrupt: return "damaged";
    case StoreErrorKind::newer: return "from a newer weft";
  }
  return {};
}

bool can_retry(StoreErrorKind kind) {
  switch (kind) {
    case StoreErrorKind::full:
    case StoreErrorKind::read_only:
    case StoreErrorKind::io:
    case StoreErrorKind::locked: return true;
    case StoreErrorKind::not_found:
    case StoreErrorKind::already_exists:
    case StoreErrorKind::conflict:
    case StoreErrorKind::gone:
    case StoreErrorKind::malformed:
    case StoreErrorKind::corrupt:
    case StoreErrorKind::newer: return false;
  }
  return false;
}

Key key_of(const base::Json& object) {
  Key key{.kind = text_at(object, "kind"), .ns = {}, .name = {}};
  if (!object.is_object()) return key;
  auto metadata = object.find("metadata");
  if (metadata == object.end()) return key;
  key.ns = text_at(*metadata, "namespace");
  key.name = text_at(*metadata, "name");
  return key;
}

Version version_of(const base::Json& object) {
  const auto metadata = object.find("metadata");
  return metadata == object.end() ? Version() : Version(text_at(*metadata, "resourceVersion"));
}

bool is_ephemeral(std::string_view kind) {
  static constexpr std::array<std::string_view, 3> kinds{"Pod", "Event", "EndpointSlice"};
  return std::ranges::find(kinds, kind) != kinds.end();
}

}  // namespace weft::store
