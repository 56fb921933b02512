#include "runtime/socket.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "runtime/combine.h"

namespace weft::runtime {
namespace {

// How long accept() pauses when the process is out of descriptors.
constexpr auto accept_pause = std::chrono::milliseconds(10);

// Those who talk to the mesh's own processes: more than there are at once.
constexpr int message_backlog = 128;

// A peer that says nothing is asked whether its machine is still there, so that a wait without a time limit
// ends when it is not: after a minute, four times.
constexpr int keepalive_idle_s = 60;
constexpr int keepalive_interval_s = 15;
constexpr int keepalive_probes = 4;

struct SockAddr {
  sockaddr_storage storage{};
  socklen_t size = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

IoResult<SockAddr> to_sockaddr(const base::Address& address) {
  SockAddr result;
  switch (address.family()) {
    case base::Address::Family::ipv4: {
      auto* in = reinterpret_cast<sockaddr_in*>(&result.storage);
      in->sin_family = AF_INET;
      in->sin_port = htons(address.port());
      std::memcpy(&in->sin_addr, address.bytes().data(), 4);
      result.size = sizeof *in;
      return result;
    }
    case base::Address::Family::ipv6: {
      auto* in = reinterpret_cast<sockaddr_in6*>(&result.storage);
      in->sin6_family = AF_INET6;
      in->sin6_port = htons(address.port());
      std::memcpy(&in->sin6_addr, address.bytes().data(), 16);
      result.size = sizeof *in;
      return result;
    }
    case base::Address::Family::unix_path: {
      auto* un = reinterpret_cast<sockaddr_un*>(&result.storage);
      un->sun_family = AF_UNIX;
      if (address.path().size() >= sizeof un->sun_path) return io_error(ENAMETOOLONG);
      std::memcpy(un->sun_path, address.path().data(), address.path().size());
      result.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address.path().size() + 1);
      return result;
    }
    case base::Address::Family::none: break;
  }
  return io_error(EAFNOSUPPORT);
}

base::Address from_sockaddr(const sockaddr_storage& storage, socklen_t size) {
  if (storage.ss_family == AF_INET) {
    const auto* in = reinterpret_cast<const sockaddr_in*>(&storage);
    std::array<std::uint8_t, 4> bytes;
    std::memcpy(bytes.data(), &in->sin_addr, bytes.size());
    return base::Address::ipv4(bytes, ntohs(in->sin_port));
  }
  if (storage.ss_family == AF_INET6) {
    const auto* in = reinterpret_cast<const sockaddr_in6*>(&storage);
    std::array<std::uint8_t, 16> bytes;
    std::memcpy(bytes.data(), &in->sin6_addr, bytes.size());
    return base::Address::ipv6(bytes, ntohs(in->sin6_port));
  }
  if (storage.ss_family == AF_UNIX && size > offsetof(sockaddr_un, sun_path)) {
    const auto* un = reinterpret_cast<const sockaddr_un*>(&storage);
    return base::Address::unix_path(std::string(un->sun_path, strnlen(un->sun_path, sizeof un->sun_path)));
  }
  return {};
}

IoResult<Fd> open_socket(const base::Address& address, int type) {
  int domain = AF_UNIX;
  if (address.family() == base::Address::Family::ipv4) domain = AF_INET;
  if (address.family() == base::Address::Family::ipv6) domain = AF_INET6;
  Fd fd(::socket(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return last_error();
  return fd;
}

void set_option(int fd, int level, int option, int value) {
  ::setsockopt(fd, level, option, &value, sizeof value);
}

/// What every TCP connection wants. Of a listening socket what it accepts inherits it (tcp(7)).
void set_up_tcp(int fd) {
  set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, keepalive_idle_s);
  set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, keepalive_interval_s);
  set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, keepalive_probes);
}

/// Removes a socket file that nobody listens on; one with a listener is left for bind to report.
void remove_stale(const base::Address& address, const SockAddr& name, int type) {
  struct stat status{};
  if (::lstat(address.path().c_str(), &status) != 0 || !S_ISSOCK(status.st_mode)) return;
  const auto probe = open_socket(address, type);
  if (!probe) return;
  if (::connect(probe->get(), name.get(), name.size) != 0 && errno == ECONNREFUSED)
    ::unlink(address.path().c_str());
}

IoResult<Fd> listen_typed(const base::Address& address, int type, int backlog) {
  const auto name = to_sockaddr(address);
  if (!name) return std::unexpected(name.error());
  auto fd = open_socket(address, type);
  if (!fd) return fd;
  if (address.family() == base::Address::Family::unix_path) {
    remove_stale(address, *name, type);
    // The file gets the socket's mode less the umask: nobody else may connect, not even for a moment.
    ::fchmod(fd->get(), 0600);
  } else {
    set_option(fd->get(), SOL_SOCKET, SO_REUSEADDR, 1);
    set_up_tcp(fd->get());
  }
  if (::bind(fd->get(), name->get(), name->size) != 0) return last_error();
  if (::listen(fd->get(), backlog) != 0) return last_error();
  return fd;
}

int pending_error(int fd) {
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) return errno;
  return error;
}

/// Waits for writability of `fd`, then puts the connection's outcome into `error`.
Task<void> until_connected(Reactor& reactor, int fd, int* error) {
  Readiness readable;
  Readiness writable;
  const Registration registration(reactor, fd, readable, writable);
  co_await Wait(writable);
  *error = pending_error(fd);
}

// recv(2), send(2) and sendmsg(2). glibc makes them points where a thread can be cancelled, which costs a
// process with threads more instructions than all else on the way to the kernel; nobody cancels a thread
// here.
ssize_t receive(int fd, std::span<char> into, int flags = 0) {
  return ::syscall(SYS_recvfrom, fd, into.data(), into.size(), flags, nullptr, nullptr);
}
ssize_t send(int fd, std::span<const iovec> parts) {
  // By send(2) the kernel is spared the copy of what describes the parts.
  if (parts.size() == 1) {
    const auto [bytes, size] = parts.front();
    return ::syscall(SYS_sendto, fd, bytes, size, MSG_NOSIGNAL, nullptr, std::size_t{0});
  }
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(parts.data());
  message.msg_iovlen = parts.size();
  return ::syscall(SYS_sendmsg, fd, &message, MSG_NOSIGNAL);
}

/// Errors after which a listening socket is of no use any more; all others are of the one connection
/// (accept(2)).
bool is_of_listener(int code) {
  return code == EBADF || code == EINVAL || code == ENOTSOCK || code == EOPNOTSUPP;
}

}  // namespace

bool is_out_of_resources(int code) {
  return code == EMFILE || code == ENFILE || code == ENOBUFS || code == ENOMEM;
}

Socket::Socket(Reactor& reactor, Fd fd, base::Address peer)
    : fd_(std::move(fd)), peer_(std::move(peer)), registration_(reactor, fd_.get(), readable_, writable_) {}

IoResult<std::size_t> Socket::try_read(std::span<char> into) {
  if (failed_.code != 0) return std::unexpected(failed_);
  if (!registration_.may_read() || !registration_.has_share()) return io_error(EAGAIN);
  while (true) {
    const auto count = receive(fd_.get(), into);
    if (count >= 0) {
      const auto size = static_cast<std::size_t>(count);
      registration_.spend(size);
      if (size > 0 && size < into.size()) registration_.found_nothing_more();
      return size;
    }
    if (errno == EINTR) continue;
    if (errno == EAGAIN) registration_.found_nothing_more();
    return last_error();
  }
}

IoResult<std::size_t> Socket::try_peek(std::span<char> into) {
  if (failed_.code != 0) return std::unexpected(failed_);
  if (!registration_.may_read() || !registration_.has_share()) return io_error(EAGAIN);
  while (true) {
    const auto count = receive(fd_.get(), into, MSG_PEEK);
    if (count >= 0) {
      registration_.spend(static_cast<std::size_t>(count));
      return static_cast<std::size_t>(count);
    }
    if (errno == EINTR) continue;
    if (errno == EAGAIN) registration_.found_nothing_more();
    return last_error();
  }
}

IoResult<std::size_t> Socket::try_write(std::span<const iovec> from) {
  if (failed_.code != 0) return std::unexpected(failed_);
  if (!registration_.has_share()) return io_error(EAGAIN);
  while (true) {
    const auto count = send(fd_.get(), from);
    if (count >= 0) {
      registration_.spend(static_cast<std::size_t>(count));
      return static_cast<std::size_t>(count);
    }
    if (errno != EINTR) return last_error();
  }
}

IoResult<std::size_t> Socket::splice(int from, int to, std::size_t size) {
  if (failed_.code != 0) return std::unexpected(failed_);
  if (!registration_.has_share()) return io_error(EAGAIN);
  while (true) {
    const auto count = ::splice(from, nullptr, to, nullptr, size, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (count >= 0) {
      registration_.spend(0);  // the kernel moves pages: bulk in smaller turns took a fifth more of the CPU
      return static_cast<std::size_t>(count);
    }
    if (errno != EINTR) return last_error();
  }
}

IoResult<std::size_t> Socket::try_read_into(int pipe, std::size_t size) {
  return splice(fd_.get(), pipe, size);
}
IoResult<std::size_t> Socket::try_write_from(int pipe, std::size_t size) {
  return splice(pipe, fd_.get(), size);
}

void Socket::catch_up() {
  if (may_read()) return;
  char byte = 0;
  if (receive(fd_.get(), {&byte, 1}, MSG_PEEK) >= 0 || errno != EAGAIN) registration_.found_more();
}

std::size_t Socket::unsent() const {
  int bytes = 0;
  return ::ioctl(fd_.get(), SIOCOUTQ, &bytes) == 0 && bytes > 0 ? static_cast<std::size_t>(bytes) : 0;
}

std::optional<std::uint64_t> Socket::taken_of(std::uint64_t written) const {
  // A program that ends a connection with bytes unread resets it; what comes after its end is reset too
  // (RFC 1122, 4.2.2.13). So what an end without a reset acknowledges has been taken.
  if (peer_.family() == base::Address::Family::unix_path) return written;
  tcp_info info{};
  socklen_t size = sizeof info;
  if (::getsockopt(fd_.get(), IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return std::nullopt;
  // The peer's end has come; and then a reset, or not yet (the kernel's tcp_states.h).
  constexpr std::uint8_t closed = 7;
  constexpr std::uint8_t close_wait = 8;
  // The handshake counts as one byte.
  const std::uint64_t acknowledged = info.tcpi_bytes_acked > 0 ? info.tcpi_bytes_acked - 1 : 0;
  if (info.tcpi_state == closed) return std::min(acknowledged, written);
  if (info.tcpi_state == close_wait && unsent() == 0) return written;
  return std::nullopt;
}

void Socket::shutdown_write() { ::shutdown(fd_.get(), SHUT_WR); }

void Socket::fail(IoError error) {
  if (failed_.code != 0) return;
  failed_ = error;
  // A shutdown would end it cleanly before the reset.
  if (!resets_at_close()) ::shutdown(fd_.get(), SHUT_RDWR);
  registration_.notify_both();
}

void Socket::reset_at_close(bool on) {
  if (resets_at_close() == on) return;
  Stream::reset_at_close(on);
  // A close that lingers for no time is a reset (socket(7), SO_LINGER).
  const linger none{on ? 1 : 0, 0};
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &none, sizeof none);
}

IoResult<Fd> listen_on(const base::Address& address, int backlog) {
  return listen_typed(address, SOCK_STREAM, backlog);
}

IoResult<void> take_listening(int fd, int backlog) {
  int listens = 0;
  int type = 0;
  socklen_t size = sizeof listens;
  if (::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0 ||
      ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0)
    return last_error();
  if (listens == 0 || type != SOCK_STREAM) return io_error(EINVAL);
  ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
  if (local_address(fd).family() != base::Address::Family::unix_path) set_up_tcp(fd);
  if (::listen(fd, backlog) != 0) return last_error();
  return {};
}

base::Address local_address(int fd) {
  SockAddr name;
  name.size = sizeof name.storage;
  if (::getsockname(fd, name.get(), &name.size) != 0) return {};
  return from_sockaddr(name.storage, name.size);
}

base::Address peer_address(int fd) {
  SockAddr name;
  name.size = sizeof name.storage;
  if (::getpeername(fd, name.get(), &name.size) != 0) return {};
  return from_sockaddr(name.storage, name.size);
}

Acceptor::Acceptor(Reactor& reactor, Fd listening, std::function<bool()> may_accept, std::uint64_t* backoffs)
    : reactor_(reactor),
      fd_(std::move(listening)),
      address_(local_address(fd_.get())),
      registration_(reactor, fd_.get(), readable_, unused_),
      may_accept_(std::move(may_accept)),
      backoffs_(backoffs) {}

Task<void> Acceptor::back_off() {
  if (backoffs_ != nullptr) ++*backoffs_;
  co_await reactor_.sleep(accept_pause);
}

Task<IoResult<Fd>> Acceptor::accept_fd() {
  while (true) {
    if (may_accept_ && !may_accept_()) {
      co_await back_off();
      continue;
    }
    // Before the next one, not after: who is cancelled while it waits must not have a client in hand.
    if (accepted_ == accepts_per_turn) {
      accepted_ = 0;
      co_await reactor_.yield();
      continue;
    }
    Fd fd(::accept4(fd_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (fd) {
      ++accepted_;
      co_return fd;
    }
    const int code = errno;
    if (code == EAGAIN) {
      accepted_ = 0;
      co_await Wait(readable_);
    } else if (is_out_of_resources(code)) {
      co_await back_off();
    } else if (is_of_listener(code)) {
      co_return io_error(code);
    }
  }
}

Task<IoResult<std::unique_ptr<Stream>>> Acceptor::accept() {
  auto fd = co_await accept_fd();
  if (!fd) co_return std::unexpected(fd.error());
  auto peer = peer_address(fd->get());
  co_return std::make_unique<Socket>(reactor_, std::move(*fd), std::move(peer));
}

Task<IoResult<std::unique_ptr<Stream>>> connect(Reactor& reactor, base::Address to, base::Duration limit) {
  const auto name = to_sockaddr(to);
  if (!name) co_return std::unexpected(name.error());
  auto fd = open_socket(to, SOCK_STREAM);
  if (!fd) co_return std::unexpected(fd.error());
  if (to.family() != base::Address::Family::unix_path) set_up_tcp(fd->get());
  if (::connect(fd->get(), name->get(), name->size) != 0) {
    // A Unix socket whose backlog is full answers EAGAIN and never becomes writable for it: that is a
    // refusal.
    if (errno != EINPROGRESS) co_return io_error(errno == EAGAIN ? ECONNREFUSED : errno);
    int error = 0;
    if (!co_await within(reactor, limit, until_connected(reactor, fd->get(), &error)))
      co_return io_error(ETIMEDOUT);
    if (error != 0) co_return io_error(error);
  }
  co_return std::make_unique<Socket>(reactor, std::move(*fd), std::move(to));
}

Task<void> until_readable(Reactor& reactor, int fd) {
  Readiness readable;
  Readiness writable;
  const Registration registration(reactor, fd, readable, writable);
  co_await Wait(readable);
}

IoResult<Fd> listen_messages(const std::string& path) {
  return listen_typed(base::Address::unix_path(path), SOCK_SEQPACKET, message_backlog);
}

IoResult<void> take_messages(int listening) {
  // The kernel notes who listens (SO_PEERCRED) each time.
  if (::listen(listening, message_backlog) != 0) return last_error();
  return {};
}

IoResult<Fd> connect_messages(const std::string& path) {
  const auto address = base::Address::unix_path(path);
  const auto name = to_sockaddr(address);
  if (!name) return std::unexpected(name.error());
  auto fd = open_socket(address, SOCK_SEQPACKET);
  if (!fd) return fd;
  if (::connect(fd->get(), name->get(), name->size) != 0) return last_error();
  return fd;
}

}  // namespace weft::runtime
