// supervisor.json: what the supervisor of a home remembers across its lives.
#pragma once

#include <string>

#include "base/json.h"
#include "runtime/error.h"

namespace weft::provider::process {

struct SupervisorState {
  /// Random, made once: marks this home's processes and cgroups even where two homes have one path (chroots).
  std::string identity;
  /// Where the cgroups of the last supervisor were, empty if it used none.
  std::string cgroup_root;
  base::Json ports = base::Json::object();
};

/// Reads it. A file that is not there gives a new state; one that is broken does too, and is kept as
/// `<path>.broken`.
SupervisorState load_state(const std::string& path);
/// Replaces the file at one stroke (a temporary file, fsync, rename): after a power cut it is the old or the
/// new one.
runtime::IoResult<void> save_state(const std::string& path, const SupervisorState& state);

}  // namespace weft::provider::process
