#include "runtime/file_watch.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

#include "runtime/socket.h"

namespace weft::runtime {
namespace {

namespace fs = std::filesystem;

/// What a file that is there is replaced by, or goes by, or becomes readable by. Not its creation: it is
/// empty then.
constexpr std::uint32_t replaced = IN_CLOSE_WRITE | IN_MOVED_TO | IN_ATTRIB | IN_DELETE | IN_MOVED_FROM;
/// What makes a path that leads nowhere lead on.
constexpr std::uint32_t appeared = replaced | IN_CREATE;
/// What makes a path lead past a folder on its way.
constexpr std::uint32_t moved = IN_MOVE_SELF;
/// As many as the kernel follows in one path (path_resolution(7)).
constexpr int most_links = 40;

}  // namespace

IoResult<FileWatch> FileWatch::make(Reactor& reactor) {
  Fd fd(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!fd) return last_error();
  return FileWatch(reactor, std::move(fd));
}

FileWatch::FileWatch(Reactor& reactor, Fd fd) : reactor_(&reactor), fd_(std::move(fd)) {}

IoResult<void> FileWatch::add(std::string path) {
  // In this order: what changes in between is told of.
  auto followed = follow(path);
  const auto known = identity_of(path);
  files_.push_back({std::move(path), known});
  return followed;
}

IoResult<void> FileWatch::watch(const fs::path& folder, std::uint32_t events) {
  const auto* name = folder.empty() ? "." : folder.c_str();
  if (::inotify_add_watch(fd_.get(), name, events | IN_MASK_ADD) < 0) return last_error();
  return {};
}

IoResult<void> FileWatch::follow(const fs::path& path, int links) {
  fs::path folder;
  for (auto part = path.begin(); part != path.end(); ++part) {
    const auto here = folder / *part;
    std::error_code error;
    const auto kind = fs::symlink_status(here, error).type();
    if (kind == fs::file_type::not_found) return watch(folder, appeared);
    if (kind == fs::file_type::symlink && links < most_links) {
      if (auto watched = watch(folder, replaced); !watched) return watched;
      const auto target = fs::read_symlink(here, error);
      if (auto followed = follow(folder / target, links + 1); !followed) return followed;
    }
    if (std::next(part) == path.end()) return watch(folder, replaced);
    // One that may be passed, but not read, cannot be watched: its files still can.
    (void)watch(here, moved);
    folder = here;
  }
  return {};
}

bool FileWatch::has_changed() {
  bool any = false;
  for (auto& file : files_) {
    // What cannot be watched now may be at its next change.
    (void)follow(file.path);
    const auto now = identity_of(file.path);
    if (now == file.known) continue;
    file.known = now;
    any = true;
  }
  return any;
}

Task<void> FileWatch::next() {
  while (true) {
    // What happened is of no interest, only that something did: the files themselves are looked at.
    std::array<char, 4096> events;
    while (::read(fd_.get(), events.data(), events.size()) > 0) {
    }
    if (has_changed()) co_return;
    co_await until_readable(*reactor_, fd_.get());
  }
}

}  // namespace weft::runtime
