// Waiting for files to change.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "runtime/error.h"
#include "runtime/fd.h"
#include "runtime/file_identity.h"
#include "runtime/reactor.h"
#include "runtime/task.h"

namespace weft::runtime {

/// Watches files by their folders (inotify(7)), so that one that is replaced by a rename is seen as well as
/// one that is written in place; by the folders of all symbolic links on the way to them, so that another
/// target of any of those is seen too (Kubernetes swaps a whole folder so); and by all other folders on the
/// way, so that one is seen that is renamed, for another to take its place.
class FileWatch {
 public:
  /// The errors of inotify_init1(2).
  static IoResult<FileWatch> make(Reactor& reactor);
  /// From now on that file too, as it is now: it need not be there yet, nor its folder. The errors of
  /// inotify_add_watch(2).
  IoResult<void> add(std::string path);
  /// Ends when one of them differs, in content or in rights, from what it was at the last call, or at add();
  /// also when it has gone or come. May be cancelled and called again.
  Task<void> next();

 private:
  struct File {
    std::string path;
    FileIdentity known;
  };
  FileWatch(Reactor& reactor, Fd fd);
  /// Watches the folders that decide where the path leads now; `links` were followed to come to it.
  IoResult<void> follow(const std::filesystem::path& path, int links = 0);
  IoResult<void> watch(const std::filesystem::path& folder, std::uint32_t events);
  bool has_changed();

  Reactor* reactor_;
  Fd fd_;
  std::vector<File> files_;
};

}  // namespace weft::runtime
