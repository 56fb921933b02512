// Reads the log that LogFile writes, also while it grows and is rotated.
#pragma once

#include <memory>
#include <string>

#include "provider/provider.h"
#include "runtime/reactor.h"

namespace weft::provider::process {

/// From the beginning of the older part, or the last lines. Regular files are read on the reactor's thread,
/// 64 KB at a time: they lie in the page cache, just written by the supervisor.
std::unique_ptr<LogReader> open_log(runtime::Reactor& reactor, const std::string& path, LogOptions options);

}  // namespace weft::provider::process
