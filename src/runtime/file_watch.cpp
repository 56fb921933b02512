#include "runtime/file_watch.h"

#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <utility>

#include "runtime/socket.h"

namespace weft::runtime {

IoResult<FileWatch> FileWatch::of(Reactor& reactor, std::string path) {
  Fd fd(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!fd) return last_error();
  auto folder = std::filesystem::path(path).parent_path().string();
  if (folder.empty()) folder = ".";
  constexpr std::uint32_t events = IN_CLOSE_WRITE | IN_MOVED_TO;
  if (::inotify_add_watch(fd.get(), folder.c_str(), events) < 0) return last_error();
  return FileWatch(reactor, std::move(path), std::move(fd));
}

FileWatch::FileWatch(Reactor& reactor, std::string path, Fd fd)
    : reactor_(&reactor), path_(std::move(path)), fd_(std::move(fd)), known_(look()) {}

FileWatch::Identity FileWatch::look() const {
  struct stat status{};
  if (::stat(path_.c_str(), &status) != 0) return {};
  return {status.st_ino, status.st_size, status.st_mtim.tv_sec * 1'000'000'000 + status.st_mtim.tv_nsec};
}

Task<void> FileWatch::next() {
  while (true) {
    // What happened is of no interest, only that something did: the file itself is looked at.
    std::array<char, 4096> events;
    while (::read(fd_.get(), events.data(), events.size()) > 0) {
    }
    const auto now = look();
    if (now != Identity{} && now != known_) {
      known_ = now;
      co_return;
    }
    co_await until_readable(*reactor_, fd_.get());
  }
}

}  // namespace weft::runtime
