#include "provider/process/log_reader.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "runtime/fd.h"
#include "runtime/socket.h"

namespace weft::provider::process {
namespace {

constexpr std::size_t chunk_bytes = std::size_t{64} * 1024;
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

/// Where the last lines before `end` begin, at most `wanted`; reduces `wanted` by those that there are.
off_t start_of_tail(int fd, off_t end, int& wanted) {
  off_t at = std::max<off_t>(end, 0);
  std::string chunk(chunk_bytes, '\0');
  bool last_byte = true;  // the end of the last line begins no line
  while (at > 0) {
    auto size = std::min<off_t>(at, static_cast<off_t>(chunk.size()));
    at -= size;
    if (::pread(fd, chunk.data(), static_cast<std::size_t>(size), at) != size) break;
    for (off_t i = size - 1; i >= 0; --i) {
      if (chunk[static_cast<std::size_t>(i)] != '\n' || std::exchange(last_byte, false)) continue;
      if (--wanted == 0) return at + i + 1;
    }
  }
  if (!last_byte) --wanted;  // the first line of the file
  return 0;
}

class LogFileReader final : public LogReader {
 public:
  LogFileReader(runtime::Reactor& reactor, std::string path, LogOptions options)
      : reactor_(reactor), path_(std::move(path)), options_(options), current_(open_file(path_)) {
    auto older = open_file(path_ + ".1");
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

  runtime::Task<Result<std::optional<std::string>>> next() override {
    while (true) {
      if (!reading_) {
        if (!current_) co_return std::optional<std::string>{};
        reading_ = std::move(current_);
        is_current_ = true;
      }
      auto text = read_lines();
      if (!text)
        co_return base::fail(ProviderErrorKind::failed, fmt::format("{}: {}", path_, text.error().message()));
      if (!text->empty()) co_return std::optional(std::move(*text));
      if (!is_current_) {
        reading_.reset();
      } else if (!options_.follow) {
        co_return std::optional<std::string>{};
      } else if (watch()) {
        co_await more();
      }
    }
  }

 private:
  /// Whole lines, as far as there are any now; empty at the end of the file.
  runtime::IoResult<std::string> read_lines() {
    std::string chunk(chunk_bytes, '\0');
    while (true) {
      auto got = ::read(reading_.get(), chunk.data(), std::min(chunk.size(), left()));
      if (got < 0) return runtime::last_error();
      if (got == 0) return std::string();
      partial_.append(chunk, 0, static_cast<std::size_t>(got));
      auto end = partial_.rfind('\n');
      if (end == std::string::npos) continue;
      auto whole = partial_.substr(0, end + 1);
      partial_.erase(0, end + 1);
      return options_.timestamps ? whole : without_times(whole);
    }
  }

  /// How much may be read: of a file that grows as fast as it is read, no more than it was.
  std::size_t left() const {
    if (!is_current_ || options_.follow) return chunk_bytes;
    return static_cast<std::size_t>(std::max<off_t>(end_ - ::lseek(reading_.get(), 0, SEEK_CUR), 0));
  }

  static std::string without_times(std::string_view lines) {
    std::string text;
    while (!lines.empty()) {
      auto end = lines.find('\n') + 1;
      auto line = lines.substr(0, end);
      auto space = line.find(' ');
      text += space == std::string_view::npos ? line : line.substr(space + 1);
      lines.remove_prefix(end);
    }
    return text;
  }

  /// False if the file was not watched until now: something may have come just before.
  bool watch() {
    if (watched_) return true;
    watch_ = runtime::Fd(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    auto open_one = fmt::format("/proc/self/fd/{}", reading_.get());
    ::inotify_add_watch(watch_.get(), open_one.c_str(),
                        IN_MODIFY | IN_MOVE_SELF | IN_ATTRIB | IN_DELETE_SELF);
    watched_ = true;
    return false;
  }

  /// Waits for a change; goes on to the new file when this one was rotated away, to the end when it was
  /// removed.
  runtime::Task<void> more() {
    switch (compare()) {
      case Place::other: next_file(); break;
      case Place::missing:
        co_await reactor_.sleep(rotation_pause);
        if (compare() == Place::missing) options_.follow = false;  // removed: what was read is all
        break;
      case Place::same: co_await changed(); break;
    }
  }

  runtime::Task<void> changed() {
    if (!watch_) {  // no more of them for this user (fs.inotify.max_user_instances)
      co_await reactor_.sleep(poll_pause);
      co_return;
    }
    char events[4096];
    while (::read(watch_.get(), events, sizeof events) <= 0) {
      co_await runtime::until_readable(reactor_, watch_.get());
    }
  }

  enum class Place : std::uint8_t { same, other, missing };

  /// What is at the path now, against the file that is open.
  Place compare() const {
    struct stat here{};
    struct stat there{};
    if (::fstat(reading_.get(), &here) != 0 || ::stat(path_.c_str(), &there) != 0) return Place::missing;
    return here.st_ino == there.st_ino && here.st_dev == there.st_dev ? Place::same : Place::other;
  }

  void next_file() {
    // Only the second time: its last lines may have come between our last read and the rotation.
    if (rotated_once_) {
      auto fresh = open_file(path_);
      if (!fresh) return;  // rotated again just now
      reading_ = std::move(fresh);
      watched_ = false;
    }
    rotated_once_ = !rotated_once_;
  }

  runtime::Reactor& reactor_;
  std::string path_;
  LogOptions options_;
  runtime::Fd current_;
  runtime::Fd reading_;
  off_t end_ = 0;  // of the current file, when it was opened
  bool is_current_ = false;
  std::string partial_;
  runtime::Fd watch_;
  bool watched_ = false;
  bool rotated_once_ = false;
};

}  // namespace

std::unique_ptr<LogReader> open_log(runtime::Reactor& reactor, const std::string& path, LogOptions options) {
  return std::make_unique<LogFileReader>(reactor, path, options);
}

}  // namespace weft::provider::process
