// A log file that never grows beyond a limit.
#pragma once

#include <cstddef>
#include <limits>
#include <string>
#include <string_view>

#include "runtime/fd.h"

namespace weft::runtime {

struct RotatingFileOptions {
  /// At so many bytes a file becomes `<path>.1`, in place of the one before it, and a new one begins: about
  /// twice this is on disk at most. By default there is no limit.
  std::size_t file_bytes = std::numeric_limits<std::size_t>::max();
  /// In a folder of weft's own: no link is followed, and nobody else may read it. Else one that is there
  /// keeps its mode, and a new one is 0640 less the umask.
  bool is_private = true;
};

/// What is there is appended to, also behind the end that others gave it (logrotate's copytruncate). What is
/// no regular file (a pipe, a terminal) has no limit, but loses what its reader does not take. A link has no
/// limit either: what it points to has another name and may be another's.
class RotatingFile {
 public:
  RotatingFile(std::string path, RotatingFileOptions options);
  /// Writes to an open file (a standard stream), whatever it is, without a limit.
  explicit RotatingFile(Fd fd) : fd_(std::move(fd)) {}

  /// Writes whole lines, and opens the file first if that failed before. False if they cannot be written (a
  /// full disk): then nothing of them is in a regular file. Waits for the disk, and for the reader of a pipe
  /// a second.
  bool append(std::string_view lines);
  /// Others have deleted the file that is open.
  bool is_removed() const;
  /// Bytes until the next file begins.
  std::size_t room() const { return size_ < options_.file_bytes ? options_.file_bytes - size_ : 0; }
  /// Opens it if it is not open. False with errno if it cannot be.
  bool open();
  /// Until more comes.
  void close() { fd_.reset(); }
  /// What is at its path now is gone on with, or made.
  void reopen();
  const Fd& fd() const { return fd_; }
  const std::string& path() const { return path_; }

  /// Deletes a log with its older part.
  static void remove(const std::string& path);

 private:
  bool append_to_file(std::string_view lines);
  bool append_to_reader(std::string_view lines);
  void rotate();

  std::string path_;
  RotatingFileOptions options_;
  Fd fd_;
  std::size_t size_ = 0;
  /// Who reads the other end took nothing for too long.
  bool is_stalled_ = false;
};

}  // namespace weft::runtime
