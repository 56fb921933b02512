#include "provider/process/log_file.h"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <vector>

#include "base/counted.h"
#include "provider/process/descriptors.h"
#include "runtime/combine.h"

namespace weft::provider::process {
namespace {

/// What is read from an instance at once.
constexpr std::size_t read_bytes = std::size_t{64} * 1024;
/// After so much without a wait, each read counted as least_read at least, there is a pause: a flooding
/// instance writes at most 16 MB a second, and cannot take the supervisor's time from the others.
constexpr std::size_t turn_bytes = read_bytes;
constexpr std::size_t least_read = 1024;
constexpr auto flood_pause = std::chrono::milliseconds(4);
/// A line without an end (a prompt, a bar of dots) is readable after so much; most lines are whole long
/// before.
constexpr auto unfinished_pause = std::chrono::milliseconds(200);

/// As far as it can be written without waiting: a stopped terminal must not stop the supervisor.
void copy_to_stderr(std::string_view bytes) {
  while (!bytes.empty()) {
    pollfd ready{STDERR_FILENO, POLLOUT, 0};
    if (::poll(&ready, 1, 0) != 1 || (ready.revents & POLLOUT) == 0) return;
    // A pipe that is ready takes PIPE_BUF bytes at once (pipe(7)).
    auto written = ::write(STDERR_FILENO, bytes.data(), std::min<std::size_t>(bytes.size(), PIPE_BUF));
    if (written <= 0) return;
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

runtime::Task<void> until(runtime::Readiness& readable) { co_await runtime::Wait(readable); }

}  // namespace

LogFile::LogFile(std::string path, LogLimits limits)
    : file_(std::move(path), {.file_bytes = limits.file_bytes}), line_bytes_(limits.line_bytes) {
  if (is_spare(file_.fd())) file_.close();
}

void LogFile::append(std::string_view bytes, base::WallTime now) {
  while (!bytes.empty()) {
    auto end = bytes.find('\n');
    auto part = bytes.substr(0, end);
    auto room = line_bytes_ - partial_.size();
    if (part.size() > room) {
      partial_ += part.substr(0, room);
      bytes.remove_prefix(room);
    } else {
      partial_ += part;
      bytes.remove_prefix(end == std::string_view::npos ? bytes.size() : end + 1);
      if (end == std::string_view::npos) break;
    }
    write_line(part.size() > room ? goes_on : last_part, now);
  }
  write_out();
}

void LogFile::flush(base::WallTime now) {
  if (has_unwritten()) write_line(goes_on, now);
  write_out();
}

void LogFile::finish(base::WallTime now) {
  if (has_unwritten() || is_within_line_) write_line(last_part, now);
  write_out();
  file_.close();
}

void LogFile::write_line(char mark, base::WallTime now) {
  ready_ += base::format_rfc3339_micro(now);
  ready_ += mark;
  ready_ += partial_;
  ready_ += '\n';
  partial_.clear();
  is_within_line_ = mark == goes_on;
  ++ready_lines_;
  if (ready_.size() >= file_.room()) write_out();
}

void LogFile::write_out() {
  if (ready_.empty()) return;
  std::string note;
  if (lost_lines_ > 0) {
    auto time = std::string_view(ready_).substr(0, ready_.find(' '));
    note = fmt::format("{} weft: lost {} before this one: the log could not be written\n", time,
                       base::counted(lost_lines_, "line"));
  }
  lost_lines_ = file_.append(note + ready_) ? 0 : lost_lines_ + ready_lines_;
  if (is_spare(file_.fd())) file_.close();  // opened for this write alone
  ready_ = {};                              // its memory too: most instances are quiet most of the time
  ready_lines_ = 0;
}

runtime::Task<void> copy_output(runtime::Reactor& reactor, runtime::Fd pipe, LogFile& log, bool echo) {
  // One for all instances: nothing is in it while a task waits.
  thread_local std::vector<char> buffer(read_bytes);
  runtime::Readiness readable;
  runtime::Readiness unused;
  auto left = turn_bytes;
  const runtime::Registration registration(reactor, pipe.get(), readable, unused);
  while (true) {
    auto got = ::read(pipe.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EAGAIN) {
      left = turn_bytes;
      if (!log.has_unwritten()) {
        co_await runtime::Wait(readable);
      } else if (!co_await runtime::within(reactor, unfinished_pause, until(readable))) {
        log.flush(reactor.clock().wall());
      }
      continue;
    }
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    std::string_view bytes(buffer.data(), static_cast<std::size_t>(got));
    log.append(bytes, reactor.clock().wall());
    if (echo) copy_to_stderr(bytes);
    left -= std::min(left, std::max(bytes.size(), least_read));
    if (left > 0) continue;
    left = turn_bytes;
    co_await reactor.sleep(flood_pause);
  }
  log.finish(reactor.clock().wall());
}

}  // namespace weft::provider::process
