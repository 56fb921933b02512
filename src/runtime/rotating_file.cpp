#include "runtime/rotating_file.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <optional>

namespace weft::runtime {
namespace {

/// How long the reader of a pipe may take nothing. One that did not come back by then is not waited for
/// again.
constexpr int patience_ms = 1000;

std::string older(const std::string& path) { return path + ".1"; }

std::optional<struct stat> status_of(const Fd& fd) {
  struct stat found{};
  if (!fd || ::fstat(fd.get(), &found) != 0) return std::nullopt;
  return found;
}

ssize_t write(const Fd& fd, std::string_view bytes) {
  ssize_t written = 0;
  do {
    written = ::write(fd.get(), bytes.data(), bytes.size());
  } while (written < 0 && errno == EINTR);
  return written;
}

}  // namespace

RotatingFile::RotatingFile(std::string path, RotatingFileOptions options)
    : path_(std::move(path)), options_(options) {
  open();
}

bool RotatingFile::open() {
  if (fd_ || path_.empty()) return static_cast<bool>(fd_);
  // O_NONBLOCK: a FIFO that nobody reads cannot be opened, in place of waiting for who does.
  constexpr int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK;
  fd_ = options_.is_private ? Fd(::open(path_.c_str(), flags | O_NOFOLLOW, 0600))
                            : Fd(::open(path_.c_str(), flags, 0640));
  const auto found = status_of(fd_);
  if (!found) return false;
  if (options_.is_private) ::fchmod(fd_.get(), 0600);  // one that was there may have been open to others
  size_ = static_cast<std::size_t>(found->st_size);
  return true;
}

bool RotatingFile::append(std::string_view lines) {
  if (!open()) return false;
  const auto found = status_of(fd_);
  if (!found) return false;
  if (!S_ISREG(found->st_mode)) return append_to_reader(lines);
  size_ = static_cast<std::size_t>(found->st_size);
  return append_to_file(lines);
}

void RotatingFile::reopen() {
  if (path_.empty()) return;
  close();
  open();
}

bool RotatingFile::is_removed() const {
  const auto found = status_of(fd_);
  return found && S_ISREG(found->st_mode) && found->st_nlink == 0;
}

bool RotatingFile::append_to_file(std::string_view lines) {
  const auto written = write(fd_, lines);
  if (written != static_cast<ssize_t>(lines.size())) {
    // A part that got in is cut off again, so that the file holds whole lines.
    if (written > 0 && ::ftruncate(fd_.get(), static_cast<off_t>(size_)) != 0) close();
    return false;
  }
  size_ += lines.size();
  if (size_ >= options_.file_bytes) rotate();
  return true;
}

bool RotatingFile::append_to_reader(std::string_view lines) {
  while (!lines.empty()) {
    pollfd ready{fd_.get(), POLLOUT, 0};
    is_stalled_ = ::poll(&ready, 1, is_stalled_ ? 0 : patience_ms) != 1;
    if (is_stalled_) return false;
    // A pipe that is ready takes PIPE_BUF bytes at once (pipe(7)).
    const auto written = write(fd_, lines.substr(0, PIPE_BUF));
    if (written <= 0) {
      if (!path_.empty()) close();
      return false;
    }
    lines.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

void RotatingFile::rotate() {
  struct stat named{};
  // Of a link (/dev/stdout), rename() would move the link.
  if (::lstat(path_.c_str(), &named) == 0 && !S_ISREG(named.st_mode)) return;
  // Another process with the same file has been here before.
  if (const auto own = status_of(fd_); own && own->st_nlink > 0 && own->st_ino != named.st_ino) {
    reopen();
    return;
  }
  if (::rename(path_.c_str(), older(path_).c_str()) != 0) {
    // The limit holds even so; the old lines are worth less than the disk.
    if (::ftruncate(fd_.get(), 0) == 0) size_ = 0;
    return;
  }
  close();
  size_ = 0;
  open();
}

void RotatingFile::remove(const std::string& path) {
  ::unlink(path.c_str());
  ::unlink(older(path).c_str());
}

}  // namespace weft::runtime
