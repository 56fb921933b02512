// The rules of a change, without any I/O: what the next state of an object is, or why there is none.
#pragma once

#include <optional>
#include <string>

#include "base/clock.h"
#include "store/store.h"

namespace weft::store {

/// What the store gives to a new state.
struct Stamp {
  Version version;
  base::WallTime time;
  /// For a new object.
  std::string uid;
};

/// `current` is the newest state, also one that is still on its way to the disk; null if there is none.
Result<Object> created(const Object& current, base::Json object, Stamp stamp);
/// Gives `current` itself if nothing would change.
Result<Object> updated(const Object& current, base::Json object, const Stamp& stamp);
/// Gives `current` itself if nothing would change.
Result<Object> status_updated(const Object& current, base::Json object, const Stamp& stamp);
/// The last state, with the deletion's version.
Result<Object> removed(const Object& current, const Key& key, const std::optional<Version>& version,
                       const Stamp& stamp);

}  // namespace weft::store
