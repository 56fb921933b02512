#include "store/lock.h"

#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>

#include "runtime/error.h"

namespace weft::store {

namespace {

std::string holder(int fd) {
  std::array<char, 32> text{};
  const auto length = ::pread(fd, text.data(), text.size(), 0);
  std::string pid(text.data(), length > 0 ? static_cast<std::size_t>(length) : 0);
  while (!pid.empty() && pid.back() == '\n') pid.pop_back();
  return pid.empty() ? "another process" : "process " + pid;
}

}  // namespace

Result<runtime::Fd> lock_file(const std::string& path) {
  auto fd = runtime::open_private(path);
  if (!fd) {
    return base::fail(StoreErrorKind::io,
                      fmt::format("cannot open {}: {}", path, runtime::IoError{errno}.message()));
  }
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) {
      return base::fail(StoreErrorKind::io,
                        fmt::format("cannot lock {}: {}", path, runtime::IoError{errno}.message()));
    }
    return base::fail(StoreErrorKind::locked, fmt::format("{} is held by {}", path, holder(fd.get())));
  }
  // On a disk that is full or read-only the lock holds all the same; only the message of whoever comes second
  // knows less.
  const auto pid = fmt::format("{}\n", ::getpid());
  [[maybe_unused]] const bool written =
      ::ftruncate(fd.get(), 0) == 0 && ::pwrite(fd.get(), pid.data(), pid.size(), 0) > 0;
  return fd;
}

}  // namespace weft::store
