#include "runtime/fd.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace weft::runtime {

void Fd::reset() {
  // Not repeated at EINTR: Linux has closed the descriptor by then (close(2)).
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

Fd Fd::duplicate() const { return Fd(::fcntl(fd_, F_DUPFD_CLOEXEC, 0)); }

Fd open_private(const std::string& path) {
  Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd && (errno == EROFS || errno == EACCES)) {
    return Fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  }
  if (fd) ::fchmod(fd.get(), 0600);
  return fd;
}

}  // namespace weft::runtime
