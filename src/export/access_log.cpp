#include "export/access_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "runtime/error.h"
#include "runtime/log.h"

namespace weft::exporter {
namespace {

/// Buffers kept for reuse: one for each worker of a large machine.
constexpr std::size_t max_spare = 64;

void append(std::string& line, std::uint64_t value) {
  char digits[20];
  auto* end = digits + sizeof digits;
  auto* at = end;
  do {
    *--at = static_cast<char>('0' + value % 10);
    value /= 10;
  } while (value != 0);
  line.append(at, end);
}

/// `value` with exactly `width` digits.
void append_padded(std::string& line, std::uint64_t value, int width) {
  char digits[20];
  for (int i = width; i-- > 0; value /= 10) digits[i] = static_cast<char>('0' + value % 10);
  line.append(digits, static_cast<std::size_t>(width));
}

/// 2026-01-31T08:00:00.000000Z without a detour over a string of its own.
void append_time(std::string& line, base::WallTime time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const auto us =
      static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(time - day).count());
  append_padded(line, static_cast<std::uint64_t>(static_cast<int>(date.year())), 4);
  line += '-';
  append_padded(line, static_cast<unsigned>(date.month()), 2);
  line += '-';
  append_padded(line, static_cast<unsigned>(date.day()), 2);
  line += 'T';
  append_padded(line, us / 3'600'000'000, 2);
  line += ':';
  append_padded(line, us / 60'000'000 % 60, 2);
  line += ':';
  append_padded(line, us / 1'000'000 % 60, 2);
  line += '.';
  append_padded(line, us % 1'000'000, 6);
  line += 'Z';
}

bool is_plain(char c) { return c >= 0x20 && c < 0x7f && c != '"' && c != '\\'; }

/// Text of a peer: what could break the line, the quotes or the encoding is escaped, \u00e9 (JSON) or \xe9.
void append_escaped(std::string& line, std::string_view text, AccessLogFormat format) {
  const auto plain = static_cast<std::size_t>(std::ranges::find_if_not(text, is_plain) - text.begin());
  line.append(text.substr(0, plain));
  for (const char c : text.substr(plain)) {
    if (is_plain(c)) {
      line += c;
    } else if (c == '"' || c == '\\') {
      line += '\\';
      line += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      line += format == AccessLogFormat::json ? "\\u00" : "\\x";
      line += "0123456789abcdef"[byte >> 4];
      line += "0123456789abcdef"[byte & 15];
    }
  }
}

/// Writes the fields of one record in one of the two formats.
class LineWriter {
 public:
  LineWriter(AccessLogFormat format, std::string& line) : format_(format), line_(line) {}

  void text(std::string_view key, std::string_view value) {
    if (value.empty()) return;
    begin(key);
    if (format_ == AccessLogFormat::json ||
        !std::ranges::all_of(value, [](char c) { return is_plain(c) && c != ' '; })) {
      line_ += '"';
      append_escaped(line_, value, format_);
      line_ += '"';
    } else {
      line_ += value;
    }
  }
  void number(std::string_view key, std::uint64_t value) {
    begin(key);
    append(line_, value);
  }
  void address(std::string_view key, const base::Address* address) {
    if (address != nullptr && *address) text(key, address->to_string());
  }
  void time(std::string_view key, base::WallTime time) {
    begin(key);
    if (format_ == AccessLogFormat::json) line_ += '"';
    append_time(line_, time);
    if (format_ == AccessLogFormat::json) line_ += '"';
  }

 private:
  void begin(std::string_view key) {
    if (format_ == AccessLogFormat::json) {
      line_ += is_first_ ? "{\"" : ",\"";
      line_ += key;
      line_ += "\":";
    } else {
      if (!is_first_) line_ += ' ';
      line_ += key;
      line_ += '=';
    }
    is_first_ = false;
  }

  AccessLogFormat format_;
  std::string& line_;
  bool is_first_ = true;
};

}  // namespace

void write_line(const telemetry::AccessRecord& record, AccessLogFormat format, std::string& line) {
  LineWriter writer(format, line);
  writer.time("time", record.start);
  writer.text("listener", record.listener);
  if (!record.method.empty()) {
    writer.text("method", record.method);
    writer.text("host", record.host);
    writer.text("path", record.path);
    writer.number("status", static_cast<std::uint64_t>(record.status));
  }
  writer.text("flags", telemetry::letters(record.flag));
  writer.text("reason", record.reason);
  writer.number("duration_us",
                static_cast<std::uint64_t>(std::max<std::int64_t>(record.duration.count() / 1000, 0)));
  writer.number("bytes_received", record.bytes_received);
  writer.number("bytes_sent", record.bytes_sent);
  writer.address("client", record.client);
  writer.text("source_workload", record.source_workload);
  writer.text("source_namespace", record.source_namespace);
  writer.text("route", record.route);
  writer.text("cluster", record.cluster);
  writer.text("endpoint", record.endpoint);
  writer.address("upstream", record.upstream);
  writer.number("attempts", static_cast<std::uint64_t>(record.attempts));
  writer.text("request_id", record.request_id);
  writer.text("trace_id", record.trace_id);
  line += format == AccessLogFormat::json ? "}\n" : "\n";
}

AccessLogFile::AccessLogFile(AccessLogOptions options) : options_(std::move(options)) {
  if (!is_on()) return;
  if (options_.path == "-") {
    fd_ = runtime::Fd(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3));
  } else {
    fd_ = runtime::Fd(::open(options_.path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640));
  }
  if (!fd_) {
    runtime::log::error("proxy", "cannot open the access log {}: {}", options_.path,
                        runtime::IoError{errno}.message());
  }
  thread_ = std::thread([this] { run(); });
}

AccessLogFile::~AccessLogFile() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void AccessLogFile::submit(std::string& lines) {
  if (lines.empty()) return;
  std::string spare;
  {
    const std::lock_guard lock(mutex_);
    if (waiting_bytes_ + lines.size() > max_waiting) {
      dropped_ += static_cast<std::uint64_t>(std::ranges::count(lines, '\n'));
      lines.clear();
      return;
    }
    if (!spare_.empty()) {
      spare = std::move(spare_.back());
      spare_.pop_back();
    }
    waiting_bytes_ += lines.size();
    waiting_.push_back(std::move(lines));
  }
  wake_.notify_one();
  lines = std::move(spare);
}

void AccessLogFile::flush() {
  if (!thread_.joinable()) return;
  std::unique_lock lock(mutex_);
  written_.wait(lock, [this] { return waiting_.empty() && !is_writing_; });
}

void AccessLogFile::run() {
  std::vector<std::string> batch;
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return is_stopping_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    batch.swap(waiting_);
    is_writing_ = true;
    lock.unlock();
    std::size_t bytes = 0;
    for (auto& lines : batch) {
      write_out(lines);
      bytes += lines.size();
      lines.clear();
    }
    lock.lock();
    waiting_bytes_ -= bytes;
    is_writing_ = false;
    while (!batch.empty() && spare_.size() < max_spare) {
      spare_.push_back(std::move(batch.back()));
      batch.pop_back();
    }
    batch.clear();
    written_.notify_all();
  }
}

void AccessLogFile::write_out(const std::string& lines) {
  std::string_view rest = lines;
  while (!rest.empty()) {
    const auto written = fd_ ? ::write(fd_.get(), rest.data(), rest.size()) : -1;
    if (written < 0 && fd_ && errno == EINTR) continue;
    if (written < 0) {
      // A full disk loses lines, never requests.
      dropped_ += static_cast<std::uint64_t>(std::ranges::count(rest, '\n'));
      return;
    }
    rest.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace weft::exporter
