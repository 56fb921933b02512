// The descriptors that the supervisor keeps back for what must work always.
#pragma once

#include <expected>

#include "provider/provider.h"
#include "runtime/error.h"
#include "runtime/fd.h"

namespace weft::provider::process {

/// Control plane and proxy take 12 to be started again (pipes, cgroups, their connections), a command one,
/// the state's file and a look into /proc one each.
inline constexpr int spare_descriptors = 32;

/// Whether `fd` is one of the last that this process may open. The kernel gives the lowest free number, so
/// that all below are in use then. Instances, addresses and logs do not take these.
bool is_spare(const runtime::Fd& fd);

/// The error of a call that ran into the limit of descriptors, processes or memory, or failed otherwise:
/// "cannot <what>: too many open files (the limit is 1024: raise it with `ulimit -n`)".
std::unexpected<ProviderError> cannot(std::string_view what, runtime::IoError error);

}  // namespace weft::provider::process
