// Access-log lines, as text or JSON, written by a thread of their own: a request never waits for a disk.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "runtime/rotating_file.h"
#include "telemetry/access.h"

namespace weft::exporter {

enum class AccessLogFormat : std::uint8_t { text, json };

struct AccessLogOptions {
  /// A file that is appended to, "-" for stderr, empty: no access log.
  std::string path;
  AccessLogFormat format = AccessLogFormat::text;
  /// The share of requests that went well which get a line; what failed always gets one.
  double sample = 1;
  runtime::RotatingFileOptions file{.is_private = false};
};

/// The longest text of one field: what a peer sent beyond it is cut off and "..." put in its place. Longer
/// URLs are in use, but those that are told apart behind 2,000 bytes are not.
inline constexpr std::size_t max_text_bytes = 2048;

/// Appends one line (with its end) to `line`.
void write_line(const telemetry::AccessRecord& record, AccessLogFormat format, std::string& line);

/// One file and the thread that writes it.
class AccessLogFile {
 public:
  /// Most bytes that wait for the file; lines beyond are dropped and counted.
  static constexpr std::size_t max_waiting = 4 * 1024 * 1024;

  /// A file that cannot be opened is said in weft's own log, and its lines are counted as dropped.
  explicit AccessLogFile(AccessLogOptions options);
  /// Writes what waits.
  ~AccessLogFile();
  AccessLogFile(const AccessLogFile&) = delete;
  AccessLogFile& operator=(const AccessLogFile&) = delete;

  bool is_on() const { return !options_.path.empty(); }
  AccessLogFormat format() const { return options_.format; }
  double sample() const { return options_.sample; }
  /// Takes whole lines away and leaves an empty string (with memory, so that steady logging allocates
  /// nothing). From any thread.
  void submit(std::string& lines);
  /// Lines that were dropped because the file could not keep up or failed.
  std::uint64_t dropped() const { return dropped_; }
  /// Opens the file anew, for whoever has moved it away (logrotate), or says that it cannot be. From any
  /// thread.
  void reopen();
  /// Waits until what was submitted before is written or dropped, and a reopen() done.
  void flush();

 private:
  /// Says if it cannot be.
  void open();
  void run();
  void write_out(const std::string& lines);

  const AccessLogOptions options_;
  /// Of the thread.
  runtime::RotatingFile file_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable written_;
  std::vector<std::string> waiting_;
  std::vector<std::string> spare_;
  std::size_t waiting_bytes_ = 0;
  bool is_writing_ = false;
  bool is_reopening_ = false;
  bool is_stopping_ = false;
  std::atomic<std::uint64_t> dropped_ = 0;
  std::thread thread_;
};

}  // namespace weft::exporter
