// The file of `weft proxy --config`: a Snapshot as YAML, for a proxy without a control plane. See
// docs/proxy.md.
#pragma once

#include <expected>
#include <functional>
#include <string>
#include <string_view>

#include "base/diagnostic.h"
#include "snapshot/snapshot.h"

namespace weft::snapshot {

/// Why a file that the config file names cannot be had: "cannot read web.crt: ...", and what to do.
struct FileFault {
  std::string why;
  std::string mend;
};
/// Gives the text of the file of that path.
using ReadFile = std::function<std::expected<std::string, FileFault>(const std::string& path)>;

/// Reads a config file's text; `file` is its name in diagnostics. The context is that of the edge. Every
/// listener gets a name (its address unless it has one), and all lists are sorted. The files that it names,
/// from the folder of `file` on, are read by `read`, each once; without that none can be had.
std::expected<Snapshot, base::Diagnostics> parse_config(std::string_view text, std::string_view file,
                                                        const ReadFile& read = {});

}  // namespace weft::snapshot
