// Whether a Snapshot can be put in force at all.
#pragma once

#include <expected>
#include <string>

#include "snapshot/snapshot.h"

namespace weft::proxy {

/// The lists are sorted with unique names, listeners have addresses, and what they name is there. An error
/// says what is wrong, by name.
std::expected<void, std::string> validate(const snapshot::Snapshot& snapshot);

}  // namespace weft::proxy
