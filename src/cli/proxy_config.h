// The file of `proxy --config`, with the certificates and keys that it names.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "cli/certificate_dates.h"
#include "cli/failure.h"
#include "runtime/file_watch.h"
#include "runtime/reactor.h"
#include "runtime/task.h"
#include "snapshot/snapshot.h"
#include "telemetry/samples.h"

namespace weft::cli {

class ProxyConfig {
 public:
  ProxyConfig(runtime::Reactor& reactor, std::string path) : reactor_(reactor), path_(std::move(path)) {}

  const std::string& path() const { return path_; }
  /// What it says now. Fails if it, or a file that it names, cannot be read or is not valid.
  Result<snapshot::Snapshot> read();
  /// What read() gave last is in force: warns of its certificates. The files that are not what they were when
  /// this was called before.
  std::vector<std::string> put_in_force();
  /// For the metrics: a reload has ended so.
  void count_reload(bool is_in_force) { ++(is_in_force ? reloads_ : refusals_); }
  /// How reloads ended, and when the certificates that are in force do.
  telemetry::Samples samples() const;
  /// Ends when any file that read() looked at last differs from what it was then. Goes on for ever if none
  /// can be watched, which read() has said. Meanwhile it warns of the certificates in force, once a day and
  /// when one expires.
  runtime::Task<void> changed();

 private:
  struct Files {
    /// A hash of what was in each, by name.
    std::map<std::string, std::uint64_t> texts;
    CertificateDates dates;
  };

  void warn();
  runtime::Task<void> remind();
  void begin_watch();
  /// From now on that one too.
  void watch(const std::string& file);

  runtime::Reactor& reactor_;
  std::string path_;
  std::optional<runtime::FileWatch> watch_;
  Files read_;
  Files in_force_;
  /// When warn() was called last.
  base::WallTime warned_{};
  std::uint64_t reloads_ = 0;
  std::uint64_t refusals_ = 0;
};

}  // namespace weft::cli
