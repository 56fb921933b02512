// Who is at the other end of a Unix socket.
#pragma once

#include <sys/socket.h>

#include "runtime/error.h"

namespace weft::runtime {

/// The process, user and group that connected (SO_PEERCRED, unix(7)).
IoResult<ucred> peer_credentials(int fd);

}  // namespace weft::runtime
