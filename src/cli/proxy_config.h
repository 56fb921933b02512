// The file of `proxy --config`, with the certificates and keys that it names.
#pragma once

#include <optional>
#include <string>

#include "cli/failure.h"
#include "runtime/file_watch.h"
#include "runtime/reactor.h"
#include "runtime/task.h"
#include "snapshot/snapshot.h"

namespace weft::cli {

class ProxyConfig {
 public:
  ProxyConfig(runtime::Reactor& reactor, std::string path) : reactor_(reactor), path_(std::move(path)) {}

  const std::string& path() const { return path_; }
  /// What it says now. Fails if it, or a file that it names, cannot be read or is not valid.
  Result<snapshot::Snapshot> read();
  /// Ends when any file that read() looked at last differs from what it was then. Goes on for ever if none
  /// can be watched, which read() has said.
  runtime::Task<void> changed();

 private:
  void begin_watch();
  /// From now on that one too.
  void watch(const std::string& file);

  runtime::Reactor& reactor_;
  std::string path_;
  std::optional<runtime::FileWatch> watch_;
};

}  // namespace weft::cli
