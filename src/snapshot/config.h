// The file of `weft proxy --config`: a Snapshot as YAML, for a proxy without a control plane. See
// docs/proxy.md.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

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

/// What is wrong with the text of one of the files of a `tls`.
struct TlsFault {
  enum class File : std::uint8_t { certificate, key, ca };
  File file;
  std::string why;
  std::string mend;
};
/// Looks into them; of a listener `ca` is its clients'. Of a file that is not there `text` is none.
using CheckTls =
    std::function<std::vector<TlsFault>(const PemFile& certificate, const PemFile& key, const PemFile& ca)>;

/// Reads a config file's text; `file` is its name in diagnostics. The context is that of the edge. Every
/// listener gets a name (its address unless it has one), and all lists are sorted. The files that it names,
/// from the folder of `file` on, are read by `read`, each once; without that none can be had. What
/// `check` finds in them is an error.
std::expected<Snapshot, base::Diagnostics> parse_config(std::string_view text, std::string_view file,
                                                        const ReadFile& read = {},
                                                        const CheckTls& check = {});

}  // namespace weft::snapshot
