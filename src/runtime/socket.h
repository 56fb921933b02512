// Stream sockets (TCP and Unix) on a reactor, and descriptors passed between processes.
#pragma once

#include <sys/socket.h>
#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/address.h"
#include "runtime/error.h"
#include "runtime/fd.h"
#include "runtime/reactor.h"
#include "runtime/stream.h"
#include "runtime/task.h"

namespace weft::runtime {

/// A connected, non-blocking stream socket. One that moves much pauses after its share of a turn (as if
/// nothing were there, or no room), so that no loop over what is there keeps others from theirs.
class Socket final : public Stream {
 public:
  Socket(Reactor& reactor, Fd fd, base::Address peer);

  IoResult<std::size_t> try_read(std::span<char> into) override;
  IoResult<std::size_t> try_peek(std::span<char> into) override;
  bool may_read() const override { return failed_.code != 0 || registration_.may_read(); }
  void catch_up() override;
  bool has_ended() const override { return failed_.code != 0 || registration_.has_ended(); }
  IoResult<std::size_t> try_write(std::span<const iovec> from) override;
  IoResult<std::size_t> try_read_into(int pipe, std::size_t size) override;
  IoResult<std::size_t> try_write_from(int pipe, std::size_t size) override;
  void shutdown_write() override;
  void fail(IoError error) override;
  void reset_at_close(bool on) override;
  const base::Address& peer() const override { return peer_; }
  std::size_t unsent() const override;
  std::optional<std::uint64_t> taken_of(std::uint64_t written) const override;
  int fd() const override { return fd_.get(); }

 private:
  IoResult<std::size_t> splice(int from, int to, std::size_t size);

  Fd fd_;
  base::Address peer_;
  IoError failed_;
  Registration registration_;
};

/// A bound and listening, non-blocking, close-on-exec socket. Of TCP: what it accepts sends without delay,
/// and finds out within two minutes that the peer's machine is gone. A Unix path is made with mode 0600 (an
/// existing socket file that nobody listens on is replaced).
IoResult<Fd> listen_on(const base::Address& address, int backlog = 4096);
/// Makes a listening stream socket that came from another process like one of listen_on(). ENOTSOCK, EINVAL
/// if it is none.
IoResult<void> take_listening(int fd, int backlog = 4096);
/// The address that a socket is bound to (with the port that the kernel picked for port 0).
base::Address local_address(int fd);
base::Address peer_address(int fd);

/// Whether accept(2) failed for want of descriptors or memory: later it may go well.
bool is_out_of_resources(int code);

/// Connections that one listening socket yields before everything else has a turn.
inline constexpr int accepts_per_turn = 16;

/// Takes connections from a listening descriptor, of streams or of messages.
class Acceptor {
 public:
  /// While `may_accept` is false it takes none and backs off; how often it does so is added to `backoffs`.
  Acceptor(Reactor& reactor, Fd listening, std::function<bool()> may_accept = {},
           std::uint64_t* backoffs = nullptr);
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;

  /// The next connection. Errors of one connection (ECONNABORTED) are passed over; at EMFILE and the like it
  /// backs off and goes on. An error is returned once the descriptor is of no use any more.
  Task<IoResult<Fd>> accept_fd();
  /// The same, of streams.
  Task<IoResult<std::unique_ptr<Stream>>> accept();
  base::Address address() const { return address_; }
  int fd() const { return fd_.get(); }

 private:
  Task<void> back_off();

  Reactor& reactor_;
  Fd fd_;
  base::Address address_;
  Readiness readable_;
  Readiness unused_;
  Registration registration_;
  std::function<bool()> may_accept_;
  std::uint64_t* backoffs_;
  int accepted_ = 0;
};

/// Connects within `limit`, else ETIMEDOUT.
Task<IoResult<std::unique_ptr<Stream>>> connect(Reactor& reactor, base::Address to, base::Duration limit);

/// Ends when `fd` (a pidfd, signalfd, eventfd, pipe) is readable. `fd` must be non-blocking.
Task<void> until_readable(Reactor& reactor, int fd);

/// One message with the descriptors that came with it: the first of those that were sent, as many as this
/// process may have more.
struct Message {
  std::string bytes;
  std::vector<Fd> fds;
};

/// Whole messages with descriptors over a Unix socket of type SOCK_SEQPACKET.
class MessageSocket {
 public:
  /// Most bytes and descriptors of one message.
  static constexpr std::size_t max_bytes = 1024 * 1024;
  static constexpr std::size_t max_fds = 64;

  MessageSocket(Reactor& reactor, Fd fd);
  MessageSocket(const MessageSocket&) = delete;
  MessageSocket& operator=(const MessageSocket&) = delete;

  /// One sender at a time and one receiver at a time.
  Task<IoResult<void>> send(std::string bytes, std::vector<int> fds = {});
  /// Nothing at the peer's end.
  Task<IoResult<std::optional<Message>>> receive();
  /// The peer's process, user and group (SO_PEERCRED).
  IoResult<ucred> peer_credentials() const;
  /// For another process, which goes on with it once nobody sends or receives here any more.
  int fd() const { return fd_.get(); }

 private:
  Fd fd_;
  Readiness readable_;
  Readiness writable_;
  Registration registration_;
};

/// A listening SOCK_SEQPACKET socket at `path` with mode 0600.
IoResult<Fd> listen_messages(const std::string& path);
/// Of such a socket that came from another process: who connects from now on sees this one at the other end.
IoResult<void> take_messages(int listening);
IoResult<Fd> connect_messages(const std::string& path);

}  // namespace weft::runtime
