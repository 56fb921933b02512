// The file of `weft proxy --config`: a Snapshot as YAML, for a proxy without a control plane. See
// docs/proxy.md.
#pragma once

#include <expected>
#include <string_view>

#include "base/diagnostic.h"
#include "snapshot/snapshot.h"

namespace weft::snapshot {

/// Reads a config file's text; `file` is its name in diagnostics. The context is that of the edge. Every
/// listener gets a name (its address unless it has one), and all lists are sorted.
std::expected<Snapshot, base::Diagnostics> parse_config(std::string_view text, std::string_view file);

}  // namespace weft::snapshot
