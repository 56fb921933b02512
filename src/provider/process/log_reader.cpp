#include "provider/process/log_reader.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "provider/process/log_file.h"
#include "runtime/socket.h"

namespace weft::provider::process {
namespace {

constexpr std::size_t chunk_bytes = std::size_t{64} * 1024;
/// "2026-01-31T08:00:00.000000Z", which stands in front of each line.
constexpr off_t time_size = 27;
/// How often a followed file is looked at where it cannot be watched.
constexpr auto poll_pause = std::chrono::milliseconds(200);
/// For so long a file that is being rotated may be missing.
constexpr auto rotation_pause = std::chrono::milliseconds(20);

runtime::Fd open_file(const std::string& path) {
  return runtime::Fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
}

bool is_same(int a, int b) {
  struct stat one{};
  struct stat other{};
  return ::fstat(a, &one) == 0 && ::fstat(b, &other) == 0 && one.st_ino == other.st_ino &&
         one.st_dev == other.st_dev;
}

/// Whether the line that begins at `at` is a part of one that goes on in the next.
bool has_next_part(int fd, off_t at) {
  char mark = '\0';
  return ::pread(fd, &mark, 1, at + time_size) == 1 && mark == goes_on;
}

/// Where the last lines before `end` begin, at most `wanted`; reduces `wanted` by those that there are.
off_t start_of_tail(int fd, off_t end, int& wanted) {
  off_t at = std::max<off_t>(end, 0);
  std::string chunk(chunk_bytes, '\0');
  std::optional<off_t> begin;  // of the part after the one that is looked at
  bool last_byte = true;       // the end of the last line begins no line
  while (at > 0) {
    auto size = std::min<off_t>(at, static_cast<off_t>(chunk.size()));
    at -= size;
    if (::pread(fd, chunk.data(), static_cast<std::size_t>(size), at) != size) break;
    for (off_t i = size - 1; i >= 0; --i) {
      if (chunk[static_cast<std::size_t>(i)] != '\n' || std::exchange(last_byte, false)) continue;
      const off_t part = at + i + 1;
      if (begin && !has_next_part(fd, part) && --wanted == 0) return *begin;
      begin = part;
    }
  }
  if (begin && !has_next_part(fd, 0) && --wanted == 0) return *begin;
  if (!last_byte) --wanted;  // the first line of the file
  return 0;
}

}  // namespace

LogFileReader::LogFileReader(runtime::Reactor& reactor, const InstanceLog& log, const LogOptions& options)
    : reactor_(reactor), path_(log.path), options_(options) {
  const auto open = [this](const std::string& path) {
    auto file = open_file(path);
    if (!file && errno != ENOENT) fault_ = errno;
    return file;
  };
  current_ = open(path_);
  if (options.since) from_ = base::format_rfc3339_micro(*options.since);
  if (options.previous && log.runs.size() > 1) {
    const auto& run = log.runs[log.runs.size() - 2];
    from_ = std::max(from_, base::format_rfc3339_micro(run.started));
    before_ = base::format_rfc3339_micro(log.runs.back().started);
  }
  auto older = open(path_ + ".1");
  if (is_same(older.get(), current_.get())) older.reset();  // rotated just now
  if (current_) end_ = ::lseek(current_.get(), 0, SEEK_END);
  int wanted = options_.tail_lines.value_or(0);
  if (!options_.tail_lines) {
    if (current_) ::lseek(current_.get(), 0, SEEK_SET);
    reading_ = std::move(older);
  } else if (wanted > 0) {
    if (current_) ::lseek(current_.get(), start_of_tail(current_.get(), end_, wanted), SEEK_SET);
    if (wanted <= 0 || !older) return;
    const auto size = ::lseek(older.get(), 0, SEEK_END);
    ::lseek(older.get(), start_of_tail(older.get(), size, wanted), SEEK_SET);
    reading_ = std::move(older);
  }
}

runtime::IoResult<std::string> LogFileReader::read() {
  while (!has_ended_) {
    if (!reading_) {
      if (!current_) break;
      reading_ = std::move(current_);
      is_current_ = true;
    }
    auto text = read_lines();
    if (!text || !text->empty()) return text;
    if (!is_current_) {
      reading_.reset();
      continue;
    }
    if (!options_.follow) break;
    const auto place = compare();
    if (place == Place::same || place == Place::missing) return std::string();
    if (place == Place::other) {
      next_file();
    } else if (std::exchange(is_closed_, true)) {  // the last lines may have come just before
      break;
    }
  }
  has_ended_ = true;
  return std::string();
}

runtime::Task<Result<std::optional<std::string>>> LogFileReader::next() {
  while (true) {
    auto text = read();
    if (!text)
      co_return base::fail(ProviderErrorKind::failed, fmt::format("{}: {}", path_, text.error().message()));
    if (!text->empty()) co_return std::optional(std::move(*text));
    if (has_ended_) co_return std::optional<std::string>{};
    if (!watch()) continue;
    if (compare() == Place::missing) {
      co_await reactor_.sleep(rotation_pause);
      if (compare() == Place::missing) has_ended_ = true;  // removed: what was read is all
    } else {
      co_await changed();
    }
  }
}

/// Whole lines in the file, as far as there are any now; empty at its end.
runtime::IoResult<std::string> LogFileReader::read_lines() {
  std::string chunk(chunk_bytes, '\0');
  while (true) {
    auto got = ::read(reading_.get(), chunk.data(), std::min(chunk.size(), left()));
    if (got < 0) return runtime::last_error();
    if (got == 0) return std::string();
    partial_.append(chunk, 0, static_cast<std::size_t>(got));
    auto end = partial_.rfind('\n');
    if (end == std::string::npos) continue;
    auto text = shown(std::string_view(partial_).substr(0, end + 1));
    partial_.erase(0, end + 1);
    if (!text.empty()) return text;
  }
}

/// How much may be read: of a file that grows as fast as it is read, no more than it was.
std::size_t LogFileReader::left() const {
  if (!is_current_ || options_.follow) return chunk_bytes;
  return static_cast<std::size_t>(std::max<off_t>(end_ - ::lseek(reading_.get(), 0, SEEK_CUR), 0));
}

/// The lines as they were written by the instance: parts are put together, and those of other times left out.
std::string LogFileReader::shown(std::string_view lines) {
  std::string text;
  while (!lines.empty()) {
    const auto end = lines.find('\n') + 1;
    auto line = lines.substr(0, end);
    lines.remove_prefix(end);
    const auto mark = std::min(line.find_first_of(std::string{last_part, goes_on}), line.size() - 1);
    const auto time = line.substr(0, mark);
    const bool is_part = line[mark] == goes_on;
    if (!is_within_line_) {
      is_shown_ = time >= from_ && (before_.empty() || time < before_);
      if (is_shown_ && options_.timestamps) text.append(time) += ' ';
    }
    line.remove_prefix(std::min<std::size_t>(mark + 1, line.size() - 1));
    if (is_part) line.remove_suffix(1);
    if (is_shown_) text += line;
    is_within_line_ = is_part;
  }
  return text;
}

/// False if the file was not watched until now: something may have come just before.
bool LogFileReader::watch() {
  if (is_watched_) return true;
  watch_ = runtime::Fd(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  auto open_one = fmt::format("/proc/self/fd/{}", reading_.get());
  ::inotify_add_watch(watch_.get(), open_one.c_str(), IN_MODIFY | IN_MOVE_SELF | IN_ATTRIB | IN_DELETE_SELF);
  is_watched_ = true;
  return false;
}

runtime::Task<void> LogFileReader::changed() {
  if (!watch_) {  // no more of them for this user (fs.inotify.max_user_instances)
    co_await reactor_.sleep(poll_pause);
    co_return;
  }
  char events[4096];
  while (::read(watch_.get(), events, sizeof events) <= 0) {
    co_await runtime::until_readable(reactor_, watch_.get());
  }
}

/// What is at the path now, against the file that is open.
LogFileReader::Place LogFileReader::compare() const {
  struct stat here{};
  struct stat there{};
  if (::fstat(reading_.get(), &here) != 0 || ::stat(path_.c_str(), &there) != 0) return Place::missing;
  if (here.st_ino != there.st_ino || here.st_dev != there.st_dev) return Place::other;
  return (there.st_mode & S_IWUSR) == 0 ? Place::closed : Place::same;
}

void LogFileReader::next_file() {
  // Only the second time: its last lines may have come between our last read and the rotation.
  if (is_rotated_) {
    auto fresh = open_file(path_);
    if (!fresh) return;  // rotated again just now
    reading_ = std::move(fresh);
    is_watched_ = false;
  }
  is_rotated_ = !is_rotated_;
}

}  // namespace weft::provider::process
