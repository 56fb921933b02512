// Keeps a second process away from a state file.
#pragma once

#include <string>

#include "runtime/fd.h"
#include "store/store.h"

namespace weft::store {

/// Holds the lock on `path` (made if it is missing) until the descriptor closes; the kernel lets go of it
/// when the process dies, however it does. Errors: `locked` with the pid of the holder, `io`.
Result<runtime::Fd> lock_file(const std::string& path);

}  // namespace weft::store
