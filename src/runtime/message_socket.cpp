// MessageSocket: whole messages with descriptors over SOCK_SEQPACKET.
#include <sys/socket.h>

#include <cstring>

#include "runtime/combine.h"
#include "runtime/credentials.h"
#include "runtime/socket.h"

namespace weft::runtime {
namespace {

/// Room for the control message of max_fds descriptors.
union Control {
  cmsghdr align;
  char bytes[CMSG_SPACE(sizeof(int) * MessageSocket::max_fds)];
};

std::vector<Fd> take_fds(msghdr& header) {
  std::vector<Fd> fds;
  for (auto* part = CMSG_FIRSTHDR(&header); part != nullptr; part = CMSG_NXTHDR(&header, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const auto count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(part) + i * sizeof fd, sizeof fd);
      fds.emplace_back(fd);
    }
  }
  return fds;
}

}  // namespace

MessageSocket::MessageSocket(Reactor& reactor, Fd fd)
    : fd_(std::move(fd)), registration_(reactor, fd_.get(), readable_, writable_) {
  // A message is sent whole or not at all, so that the largest one must fit the socket's buffer.
  const int size = static_cast<int>(max_bytes) * 2;
  if (::setsockopt(fd_.get(), SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) != 0) {
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
  }
}

Task<IoResult<void>> MessageSocket::send(std::string bytes, std::vector<int> fds) {
  if (bytes.empty() || bytes.size() > max_bytes || fds.size() > max_fds) co_return io_error(EMSGSIZE);
  iovec part{bytes.data(), bytes.size()};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  Control control{};
  if (!fds.empty()) {
    header.msg_control = control.bytes;
    header.msg_controllen = CMSG_SPACE(sizeof(int) * fds.size());
    auto* rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int) * fds.size());
    std::memcpy(CMSG_DATA(rights), fds.data(), sizeof(int) * fds.size());
  }
  while (true) {
    if (!registration_.has_share()) {
      co_await Wait(writable_);
      continue;
    }
    if (::sendmsg(fd_.get(), &header, MSG_NOSIGNAL) >= 0) {
      registration_.spend(bytes.size());
      co_return IoResult<void>{};
    }
    if (errno == EAGAIN) {
      co_await Wait(writable_);
    } else if (errno != EINTR) {
      co_return last_error();
    }
  }
}

Task<IoResult<std::optional<Message>>> MessageSocket::receive() {
  Message message;
  while (true) {
    if (!registration_.has_share()) {
      co_await Wait(readable_);
      continue;
    }
    // The size first (MSG_PEEK | MSG_TRUNC), then exactly that: most messages are small.
    char probe = 0;
    const auto size = ::recv(fd_.get(), &probe, 1, MSG_PEEK | MSG_TRUNC);
    if (size < 0 && errno == EAGAIN) {
      co_await Wait(readable_);
      continue;
    }
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) co_return last_error();
    if (size == 0) co_return std::optional<Message>{};
    if (static_cast<std::size_t>(size) > max_bytes) co_return io_error(EMSGSIZE);
    message.bytes.resize(static_cast<std::size_t>(size));
    break;
  }
  iovec part{message.bytes.data(), message.bytes.size()};
  Control control{};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = control.bytes;
  header.msg_controllen = sizeof control.bytes;
  const auto got = ::recvmsg(fd_.get(), &header, MSG_CMSG_CLOEXEC);
  if (got < 0) co_return last_error();
  registration_.spend(static_cast<std::size_t>(got));
  message.fds = take_fds(header);
  if ((header.msg_flags & MSG_TRUNC) != 0) co_return io_error(EMSGSIZE);
  co_return std::optional(std::move(message));
}

IoResult<ucred> peer_credentials(int fd) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return last_error();
  return credentials;
}

IoResult<ucred> MessageSocket::peer_credentials() const { return runtime::peer_credentials(fd_.get()); }

}  // namespace weft::runtime
