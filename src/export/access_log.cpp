#include "export/access_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <utility>

#include "base/put.h"
#include "message/scan.h"
#include "runtime/error.h"
#include "runtime/log.h"

namespace weft::exporter {
namespace {

/// Buffers kept for reuse: one for each worker of a large machine.
constexpr std::size_t max_spare = 64;

constexpr std::size_t most_digits = 20;
/// Keys, separators, numbers, times and marks of cuts in a line: what is not text.
constexpr std::size_t fixed_bytes = 768;
/// What one byte of text becomes at most: \u00e9.
constexpr std::size_t most_escaped = 6;

using base::put;

/// "00" to "99".
constexpr auto digit_pairs = [] {
  std::array<std::array<char, 2>, 100> pairs{};
  for (std::size_t i = 0; i < pairs.size(); ++i)
    pairs[i] = {static_cast<char>('0' + i / 10), static_cast<char>('0' + i % 10)};
  return pairs;
}();

/// `value` below a million, with all six digits.
char* put_six_digits(char* to, std::uint32_t value) {
  const auto pair = [](char* at, std::uint32_t two) { std::memcpy(at, digit_pairs[two].data(), 2); };
  pair(to, value / 10'000);
  pair(to + 2, value / 100 % 100);
  pair(to + 4, value % 100);
  return to + 6;
}

/// 2026-01-31T08:00:00.000000Z. All but the microseconds is made once a second.
char* put_time(char* to, base::WallTime time) {
  struct Second {
    std::chrono::sys_seconds at{std::chrono::seconds(-1)};
    std::array<char, 20> text{};  // "2026-01-31T08:00:00."
  };
  thread_local Second last;
  const auto second = std::chrono::floor<std::chrono::seconds>(time);
  if (second != last.at) {
    const auto text = base::format_rfc3339(second);
    std::memcpy(last.text.data(), text.data(), std::min(text.size(), last.text.size()));
    last.text.back() = '.';
    last.at = second;
  }
  to = put(to, {last.text.data(), last.text.size()});
  const auto us = std::chrono::duration_cast<std::chrono::microseconds>(time - second).count();
  to = put_six_digits(to, static_cast<std::uint32_t>(us));
  *to++ = 'Z';
  return to;
}

/// Whether a byte may stand between quotes as it is.
bool is_plain(char c) { return c == ' ' || message::is_plain_word({&c, 1}); }

/// Text of a peer: what could break the line, the quotes or the encoding is escaped, \u00e9 (JSON) or \xe9.
char* put_escaped(char* to, std::string_view text, AccessLogFormat format) {
  for (const char c : text) {
    if (is_plain(c)) {
      *to++ = c;
    } else if (c == '"' || c == '\\') {
      *to++ = '\\';
      *to++ = c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      to = put(to, format == AccessLogFormat::json ? "\\u00" : "\\x");
      *to++ = "0123456789abcdef"[byte >> 4];
      *to++ = "0123456789abcdef"[byte & 15];
    }
  }
  return to;
}

/// Writes the fields of one record, into room that is large enough.
template <AccessLogFormat format>
class LineWriter {
 public:
  explicit LineWriter(char* to) : to_(to), begin_(to) {}

  template <std::size_t size>
  void text(const char (&key)[size], std::string_view value) {
    if (value.empty()) return;
    const bool is_cut = value.size() > max_text_bytes;
    if (is_cut) value = value.substr(0, max_text_bytes);
    begin(key);
    const bool bare = message::is_plain_word(value);
    const bool in_quotes = !bare || is_json;
    if (in_quotes) *to_++ = '"';
    to_ = bare ? put(to_, value) : put_escaped(to_, value, format);
    if (is_cut) to_ = put(to_, "...");
    if (in_quotes) *to_++ = '"';
  }
  /// Text of weft's own without spaces and quotes.
  template <std::size_t size>
  void word(const char (&key)[size], std::string_view value) {
    if (value.empty()) return;
    begin(key);
    if (is_json) *to_++ = '"';
    to_ = put(to_, value);
    if (is_json) *to_++ = '"';
  }
  template <std::size_t size>
  void number(const char (&key)[size], std::uint64_t value) {
    begin(key);
    if (value < 10) {
      *to_++ = static_cast<char>('0' + value);
    } else {
      to_ = std::to_chars(to_, to_ + most_digits, value).ptr;
    }
  }
  template <std::size_t size>
  void address(const char (&key)[size], const base::Address* address) {
    if (address == nullptr || !*address) return;
    if (address->family() == base::Address::Family::unix_path) {
      text(key, address->to_string());
      return;
    }
    std::array<char, base::Address::max_ip_and_port_text> buffer;
    word(key, address->ip_and_port(buffer));
  }
  template <std::size_t size>
  void time(const char (&key)[size], base::WallTime time) {
    begin(key);
    if (is_json) *to_++ = '"';
    to_ = put_time(to_, time);
    if (is_json) *to_++ = '"';
  }
  /// The fields that `write` puts, from `kept` if they lie there.
  template <class Write>
  void keeping(std::string* kept, Write write) {
    if (kept != nullptr && !kept->empty()) {
      to_ = put(to_, *kept);
      return;
    }
    const char* const start = to_;
    write();
    if (kept != nullptr) kept->assign(start, static_cast<std::size_t>(to_ - start));
  }
  char* end() {
    if (is_json) *to_++ = '}';
    *to_++ = '\n';
    return to_;
  }

 private:
  /// The size is known where it is compiled, so that the key is written by a move or two.
  template <std::size_t size>
  void begin(const char (&key)[size]) {
    if (to_ != begin_) {
      *to_++ = is_json ? ',' : ' ';
    } else if (is_json) {
      *to_++ = '{';
    }
    if (is_json) *to_++ = '"';
    std::memcpy(to_, key, size - 1);
    to_ += size - 1;
    if (is_json) *to_++ = '"';
    *to_++ = is_json ? ':' : '=';
  }

  static constexpr bool is_json = format == AccessLogFormat::json;
  char* to_;
  const char* begin_;
};

std::size_t text_size(const base::Address* address) {
  return address == nullptr ? 0 : address->path().size() + base::Address::max_ip_and_port_text;
}

/// No line of the record is longer.
std::size_t most_bytes(const telemetry::AccessRecord& record) {
  std::size_t text = text_size(record.client) + text_size(record.upstream);
  for (const auto value : {record.listener, record.source_workload, record.source_namespace, record.method,
                           record.host, record.path, record.request_id, record.trace_id, record.reason,
                           record.route, record.cluster, record.endpoint}) {
    text += std::min(value.size(), max_text_bytes);
  }
  return fixed_bytes + most_escaped * text;
}

template <AccessLogFormat format>
char* put_line(const telemetry::AccessRecord& record, char* to) {
  LineWriter<format> writer(to);
  writer.time("time", record.start);
  writer.keeping(record.kept.listener, [&] { writer.text("listener", record.listener); });
  if (!record.method.empty()) {
    writer.text("method", record.method);
    writer.text("host", record.host);
    writer.text("path", record.path);
    writer.number("status", static_cast<std::uint64_t>(record.status));
  } else {
    writer.text("host", record.host);
  }
  writer.word("grpc_status", record.grpc_status);
  writer.word("flags", telemetry::letters(record.flag));
  writer.text("reason", record.reason);
  writer.number("duration_us",
                static_cast<std::uint64_t>(std::max<std::int64_t>(record.duration.count() / 1000, 0)));
  writer.number("bytes_received", record.bytes_received);
  writer.number("bytes_sent", record.bytes_sent);
  writer.keeping(record.kept.client, [&] { writer.address("client", record.client); });
  writer.text("source_workload", record.source_workload);
  writer.text("source_namespace", record.source_namespace);
  writer.text("route", record.route);
  writer.keeping(record.kept.target, [&] {
    writer.text("cluster", record.cluster);
    writer.text("endpoint", record.endpoint);
    writer.address("upstream", record.upstream);
  });
  writer.number("attempts", static_cast<std::uint64_t>(record.attempts));
  writer.text("request_id", record.request_id);
  writer.word("trace_id", record.trace_id);
  return writer.end();
}

}  // namespace

void write_line(const telemetry::AccessRecord& record, AccessLogFormat format, std::string& line) {
  const auto start = line.size();
  line.resize_and_overwrite(start + most_bytes(record), [&](char* bytes, std::size_t) {
    char* const to = bytes + start;
    const char* const end = format == AccessLogFormat::json ? put_line<AccessLogFormat::json>(record, to)
                                                            : put_line<AccessLogFormat::text>(record, to);
    return static_cast<std::size_t>(end - bytes);
  });
}

AccessLogFile::AccessLogFile(AccessLogOptions options)
    : options_(std::move(options)),
      file_(options_.path == "-"
                ? runtime::RotatingFile(runtime::Fd(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3)))
                : runtime::RotatingFile(options_.path, options_.file)) {
  if (!is_on()) return;
  open();
  thread_ = std::thread([this] { run(); });
}

void AccessLogFile::open() {
  if (file_.open()) return;
  runtime::log::error("proxy", "cannot open the access log {}: {}; its lines are lost until it can be",
                      options_.path, runtime::IoError{errno}.message());
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

void AccessLogFile::reopen() {
  {
    const std::lock_guard lock(mutex_);
    is_reopening_ = true;
  }
  wake_.notify_one();
}

void AccessLogFile::flush() {
  if (!thread_.joinable()) return;
  std::unique_lock lock(mutex_);
  written_.wait(lock, [this] { return waiting_.empty() && !is_reopening_ && !is_writing_; });
}

void AccessLogFile::run() {
  std::vector<std::string> batch;
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return is_stopping_ || is_reopening_ || !waiting_.empty(); });
    if (waiting_.empty() && is_stopping_) return;
    const bool is_reopening = std::exchange(is_reopening_, false);
    batch.swap(waiting_);
    is_writing_ = true;
    lock.unlock();
    if (is_reopening || file_.is_removed()) {
      file_.reopen();
      open();
    }
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
  // A full disk loses lines, never requests.
  if (!file_.append(lines)) dropped_ += static_cast<std::uint64_t>(std::ranges::count(lines, '\n'));
}

}  // namespace weft::exporter
