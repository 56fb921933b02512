// Waiting for a file to change.
#pragma once

#include <cstdint>
#include <string>

#include "runtime/error.h"
#include "runtime/fd.h"
#include "runtime/reactor.h"
#include "runtime/task.h"

namespace weft::runtime {

/// Watches one file by its folder (inotify(7)), so that a file that is replaced by a rename, or by another
/// target of a symbolic link, is seen as well as one that is written in place.
class FileWatch {
 public:
  /// The errors of inotify_add_watch(2), such as a folder that does not exist.
  static IoResult<FileWatch> of(Reactor& reactor, std::string path);
  /// Ends when the file is there and differs from what it was at the last call, or at of(). May be cancelled
  /// and called again.
  Task<void> next();

 private:
  /// What tells one content of the file from another without reading it.
  struct Identity {
    std::uint64_t inode = 0;
    std::int64_t size = 0;
    std::int64_t modified_ns = 0;
    friend bool operator==(const Identity&, const Identity&) = default;
  };
  FileWatch(Reactor& reactor, std::string path, Fd fd);
  /// All zero if it is not there.
  Identity look() const;

  Reactor* reactor_;
  std::string path_;
  Fd fd_;
  Identity known_;
};

}  // namespace weft::runtime
