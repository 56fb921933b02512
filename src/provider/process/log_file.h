// The log of one instance: lines with their time in a file that never grows beyond its limits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "runtime/fd.h"
#include "runtime/reactor.h"
#include "runtime/rotating_file.h"
#include "runtime/task.h"

namespace weft::provider::process {

struct LogLimits {
  /// At this size a file becomes `<path>.1` and a new one begins: an instance has at most about twice this on
  /// disk.
  std::size_t file_bytes = std::size_t{8} * 1024 * 1024;
  /// Longer lines are written in several parts (as container runtimes do), which the reader puts together.
  std::size_t line_bytes = std::size_t{16} * 1024;
};

/// What stands between the time and the text: of a line, or of its last part; of one that goes on in the
/// next.
inline constexpr char last_part = ' ';
inline constexpr char goes_on = '+';

/// Writes lines as "<RFC 3339 time with microseconds> <text>\n". A write that fails (a full disk) loses
/// lines, never stalls; how many were lost is written once there is room again.
class LogFile {
 public:
  /// Appends to what is there. A file that cannot be opened is tried again with later lines.
  LogFile(std::string path, LogLimits limits);

  /// Output as it came from the instance: lines may be cut anywhere between two calls.
  void append(std::string_view bytes, base::WallTime now);
  /// Writes what there is of a line that has no end yet, for whoever waits to read it.
  void flush(base::WallTime now);
  bool has_unwritten() const { return !partial_.empty(); }
  /// Ends an unfinished line and closes the file, until more comes.
  void finish(base::WallTime now);
  /// For whom goes on in this process's place, after a flush().
  bool is_within_line() const { return is_within_line_; }
  /// Goes on where that was.
  void resume(bool is_within_line, std::uint64_t lost_lines) {
    is_within_line_ = is_within_line;
    lost_lines_ = lost_lines;
  }
  const std::string& path() const { return file_.path(); }
  std::uint64_t lost_lines() const { return lost_lines_; }

  /// Deletes a log with its older part.
  static void remove(const std::string& path) { runtime::RotatingFile::remove(path); }

 private:
  void write_line(char mark, base::WallTime now);
  void write_out();

  runtime::RotatingFile file_;
  const std::size_t line_bytes_;
  std::string partial_;          // of the line that has no end yet
  bool is_within_line_ = false;  // its first part is written
  std::string ready_;            // whole lines, not written yet
  std::size_t ready_lines_ = 0;
  std::uint64_t lost_lines_ = 0;
};

/// Copies what comes from `pipe` (non-blocking) into `log` until its other end is closed everywhere; a writer
/// that floods is slowed down by its full pipe. With `echo`, to this process's stderr too.
runtime::Task<void> copy_output(runtime::Reactor& reactor, runtime::Fd pipe, LogFile& log, bool echo);

}  // namespace weft::provider::process
