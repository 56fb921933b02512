#include "store/change.h"

#include <fmt/format.h>

namespace weft::store {

namespace {

using base::Json;

std::string describe(const Key& key) {
  return key.ns.empty() ? fmt::format("{} {}", key.kind, key.name)
                        : fmt::format("{} {}/{}", key.kind, key.ns, key.name);
}

/// The string at metadata.`field`, empty if there is none.
std::string metadata_text(const Json& object, const char* field) {
  auto metadata = object.find("metadata");
  if (metadata == object.end() || !metadata->is_object()) return {};
  auto it = metadata->find(field);
  return it != metadata->end() && it->is_string() ? it->get<std::string>() : std::string();
}

Result<void> check_based_on(const Json& current, const Json& object, const Key& key) {
  const auto version = metadata_text(object, "resourceVersion");
  const auto current_version = metadata_text(current, "resourceVersion");
  if (!version.empty() && version != current_version) {
    return base::fail(
        StoreErrorKind::conflict,
        fmt::format("{} was changed meanwhile: resourceVersion {} is asked for, {} is the current one",
                    describe(key), version, current_version));
  }
  const auto uid = metadata_text(object, "uid");
  if (!uid.empty() && uid != metadata_text(current, "uid")) {
    return base::fail(StoreErrorKind::conflict,
                      fmt::format("{} is a different object with the same name: uid {} is "
                                  "asked for",
                                  describe(key), uid));
  }
  return {};
}

/// Copies a field of `from` into `to`, also its absence.
void carry(const Json& from, Json& to, const char* field) {
  if (auto it = from.find(field); it != from.end()) {
    to[field] = *it;
  } else {
    to.erase(field);
  }
}

/// Whether anything outside metadata and status differs.
bool has_new_content(const Json& a, const Json& b) {
  const auto differs = [](const Json& from, const Json& to) {
    for (const auto& [field, value] : from.items()) {
      if (field == "metadata" || field == "status") continue;
      auto it = to.find(field);
      if (it == to.end() || *it != value) return true;
    }
    return false;
  };
  return differs(a, b) || differs(b, a);
}

std::unexpected<StoreError> missing(const Key& key) {
  return base::fail(StoreErrorKind::not_found, fmt::format("{} does not exist", describe(key)));
}

}  // namespace

Result<Object> created(const Object& current, Json object, Stamp stamp) {
  const auto key = key_of(object);
  if (current)
    return base::fail(StoreErrorKind::already_exists, fmt::format("{} already exists", describe(key)));
  auto& metadata = object["metadata"];
  metadata["uid"] = std::move(stamp.uid);
  metadata["creationTimestamp"] = base::format_rfc3339(stamp.time);
  metadata["generation"] = 1;
  metadata["resourceVersion"] = stamp.version.text();
  return std::make_shared<const Json>(std::move(object));
}

Result<Object> updated(const Object& current, Json object, const Stamp& stamp) {
  const auto key = key_of(object);
  if (!current) return missing(key);
  if (auto based = check_based_on(*current, object, key); !based) return std::unexpected(based.error());
  auto& metadata = object["metadata"];
  const auto& old = current->at("metadata");
  for (const auto* field : {"uid", "creationTimestamp", "generation", "resourceVersion"})
    carry(old, metadata, field);
  carry(*current, object, "status");
  if (object == *current) return current;
  if (has_new_content(*current, object))
    metadata["generation"] = old.at("generation").get<std::int64_t>() + 1;
  metadata["resourceVersion"] = stamp.version.text();
  return std::make_shared<const Json>(std::move(object));
}

Result<Object> status_updated(const Object& current, Json object, const Stamp& stamp) {
  const auto key = key_of(object);
  if (!current) return missing(key);
  if (auto based = check_based_on(*current, object, key); !based) return std::unexpected(based.error());
  const auto old = current->find("status");
  const auto now = object.find("status");
  if ((old == current->end()) == (now == object.end()) && (old == current->end() || *old == *now))
    return current;
  Json next = *current;
  carry(object, next, "status");
  next["metadata"]["resourceVersion"] = stamp.version.text();
  return std::make_shared<const Json>(std::move(next));
}

Result<Object> removed(const Object& current, const Key& key, const std::optional<Version>& version,
                       const Stamp& stamp) {
  if (!current) return missing(key);
  if (const auto has = version_of(*current); version && *version != has) {
    return base::fail(
        StoreErrorKind::conflict,
        fmt::format("{} was changed meanwhile: resourceVersion {} is asked for, {} is the current one",
                    describe(key), version->text(), has.text()));
  }
  Json last = *current;
  last["metadata"]["resourceVersion"] = stamp.version.text();
  return std::make_shared<const Json>(std::move(last));
}

}  // namespace weft::store
