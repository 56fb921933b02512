// Reads the log that LogFile writes, also while it grows and is rotated.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "provider/process/instance_log.h"
#include "provider/provider.h"
#include "runtime/error.h"
#include "runtime/fd.h"
#include "runtime/reactor.h"

namespace weft::provider::process {

/// From the beginning of the older part, or the last lines. Regular files are read on the reactor's thread,
/// 64 KB at a time: they lie in the page cache, just written by the supervisor.
class LogFileReader final : public LogReader {
 public:
  LogFileReader(runtime::Reactor& reactor, const InstanceLog& log, const LogOptions& options);

  /// What there is now and was not given out yet, a part of it; empty if that is all (see has_ended). For
  /// one who knows when to look again.
  runtime::IoResult<std::string> read();
  /// Why not all of the log could be opened, an errno; 0: it could, or there is none.
  int fault() const { return fault_; }
  /// Nothing more comes.
  bool has_ended() const { return has_ended_; }
  runtime::Task<Result<std::optional<std::string>>> next() override;

 private:
  enum class Place : std::uint8_t { same, other, missing, closed };

  runtime::IoResult<std::string> read_lines();
  std::size_t left() const;
  std::string shown(std::string_view lines);
  bool watch();
  runtime::Task<void> changed();
  Place compare() const;
  void next_file();

  runtime::Reactor& reactor_;
  std::string path_;
  LogOptions options_;
  /// The times of the lines that are shown, as they are written; empty: no limit.
  std::string from_;
  std::string before_;
  runtime::Fd current_;
  runtime::Fd reading_;
  off_t end_ = 0;  // of the current file, when it was opened
  bool is_current_ = false;
  std::string partial_;
  bool is_within_line_ = false;  // more parts of the last line come
  bool is_shown_ = true;         // of that line: its first part was
  runtime::Fd watch_;
  bool is_watched_ = false;
  bool is_rotated_ = false;
  bool is_closed_ = false;  // nothing was written after what is read now
  bool has_ended_ = false;
  int fault_ = 0;
};

}  // namespace weft::provider::process
