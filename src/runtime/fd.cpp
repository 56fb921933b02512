#include "runtime/fd.h"

#include <fcntl.h>
#include <unistd.h>

namespace weft::runtime {

void Fd::reset() {
  // Not repeated at EINTR: Linux has closed the descriptor by then (close(2)).
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

Fd Fd::duplicate() const { return Fd(::fcntl(fd_, F_DUPFD_CLOEXEC, 0)); }

}  // namespace weft::runtime
