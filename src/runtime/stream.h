// Stream: bytes in both directions, over a socket or over memory; the seam where tests put a pipe.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/address.h"
#include "runtime/error.h"
#include "runtime/reactor.h"
#include "runtime/task.h"

namespace weft::runtime {

/// What a Deadline can break.
class Breakable {
 public:
  /// Breaks both directions: what waits and what comes later ends with `error`. The peer sees a reset or an
  /// end.
  virtual void fail(IoError error) = 0;
  /// Bytes that were written and have not been taken yet: the peer's machine has them not (tcp(7), SIOCOUTQ),
  /// or its windows are closed; 0 where that is not known.
  virtual std::size_t unsent() const { return 0; }

 protected:
  ~Breakable() = default;
};

class Stream : public Breakable {
 public:
  virtual ~Stream() = default;

  /// Bytes read into `into`; 0 at the peer's end; EAGAIN if nothing is there yet (readable() is notified
  /// later).
  virtual IoResult<std::size_t> try_read(std::span<char> into) = 0;
  /// The same bytes as try_read, from the front of what has come, but they stay to be read. What readable()
  /// tells of is what comes after them; 0 only if the peer has ended and nothing is left to read. EOPNOTSUPP
  /// where nobody asks for it.
  virtual IoResult<std::size_t> try_peek(std::span<char> into);
  /// False: a read would surely find nothing.
  virtual bool may_read() const { return true; }
  /// Asks the kernel whether anything has come that it has not told of yet, the end too: what reads find, and
  /// may_read(), take that in. One system call, unless a read is worth one anyway.
  virtual void catch_up() {}
  /// The peer has ended its side or the connection is broken: known without reading what came before.
  virtual bool has_ended() const = 0;
  /// Bytes taken from the front of `from`; EAGAIN if there is no room (writable() is notified later). At most
  /// IOV_MAX parts.
  virtual IoResult<std::size_t> try_write(std::span<const iovec> from) = 0;
  /// It holds some of what was written, or the end, which leave only while it lives: writable() is notified
  /// when they have. Never so of what the kernel or the peer's end holds, nor once it is broken.
  virtual bool holds_back() const { return false; }
  /// Tells the peer that nothing more comes; reading goes on.
  virtual void shutdown_write() = 0;
  /// What the peer sees once this is destroyed: an end, or (true) a reset, also after fail() and if the
  /// process dies, so that it cannot take what it got for whole. A Unix socket knows no reset: it ends.
  virtual void reset_at_close(bool on) { resets_at_close_ = on; }
  bool resets_at_close() const { return resets_at_close_; }
  /// The peer's address; none for memory.
  virtual const base::Address& peer() const;
  /// Once a read has given the peer's end: how many of the first `written` bytes that were written to it its
  /// program had taken when it ended. At most those: what it did not read at all it answers by a reset. None
  /// if that is not known.
  virtual std::optional<std::uint64_t> taken_of(std::uint64_t written) const = 0;
  /// The descriptor, -1 for memory and where what it carries is not what is read here (TLS).
  virtual int fd() const { return -1; }
  /// As try_read and try_write, but to and from a pipe, within the kernel (splice(2)). EOPNOTSUPP for memory.
  virtual IoResult<std::size_t> try_read_into(int pipe, std::size_t size);
  virtual IoResult<std::size_t> try_write_from(int pipe, std::size_t size);

  Readiness& readable() { return readable_; }
  Readiness& writable() { return writable_; }

 protected:
  Readiness readable_;
  Readiness writable_;

 private:
  bool resets_at_close_ = false;
};

/// `co_await read(stream, buffer)`: bytes read, 0 at the end, never EAGAIN. Allocates nothing.
class Read final : public Waiter {
 public:
  Read(Stream& stream, std::span<char> into) : stream_(stream), into_(into) {}
  Read(const Read&) = delete;
  Read& operator=(const Read&) = delete;
  ~Read() { stream_.readable().cancel(*this); }
  bool await_ready() { return attempt(); }
  void await_suspend(std::coroutine_handle<> handle) {
    handle_ = handle;
    stream_.readable().wait(*this);
  }
  IoResult<std::size_t> await_resume() const { return result_; }
  void wake() override {
    if (attempt()) {
      handle_.resume();
    } else {
      stream_.readable().wait(*this);
    }
  }

 private:
  bool attempt() {
    result_ = stream_.try_read(into_);
    return result_.has_value() || !result_.error().would_block();
  }
  Stream& stream_;
  std::span<char> into_;
  IoResult<std::size_t> result_;
  std::coroutine_handle<> handle_;
};

inline Read read(Stream& stream, std::span<char> into) { return {stream, into}; }

class Deadline;

/// `co_await write(stream, parts)`: writes all of it. The parts are consumed in place and must live as long.
class Write final : public Waiter {
 public:
  Write(Stream& stream, std::span<iovec> parts) : stream_(stream), parts_(parts) {}
  /// Each wait for the peer to take anything ends after `limit`, by `deadline`, which belongs to the stream.
  void limit_pauses(Deadline& deadline, base::Duration limit) {
    deadline_ = &deadline;
    pause_limit_ = limit;
  }
  Write(const Write&) = delete;
  Write& operator=(const Write&) = delete;
  ~Write() { stream_.writable().cancel(*this); }
  bool await_ready() { return attempt(); }
  void await_suspend(std::coroutine_handle<> handle) {
    handle_ = handle;
    wait();
  }
  IoResult<void> await_resume() const { return result_; }
  void wake() override {
    if (attempt()) {
      handle_.resume();
    } else {
      wait();
    }
  }

 private:
  bool attempt();
  void wait();
  Stream& stream_;
  std::span<iovec> parts_;
  Deadline* deadline_ = nullptr;
  base::Duration pause_limit_{};
  IoResult<void> result_;
  std::coroutine_handle<> handle_;
};

inline Write write(Stream& stream, std::span<iovec> parts) { return {stream, parts}; }
/// Writes all of `bytes`, which the task keeps.
Task<IoResult<void>> write_all(Stream& stream, std::string bytes);

/// Breaks a stream with ETIMEDOUT when its time is over. Moving the time costs next to nothing.
class Deadline final : public Waiter {
 public:
  explicit Deadline(Reactor& reactor) : reactor_(reactor), timer_(reactor, *this) {}
  Deadline(Reactor& reactor, Breakable& stream) : Deadline(reactor) { attach(stream); }
  /// From now on it is for that stream, and has no time.
  void attach(Breakable& stream) {
    stream_ = &stream;
    clear();
  }
  /// From the reactor's coarse time; a zero or negative duration means none.
  void expires_after(base::Duration duration);
  /// The same, for one who waits until more can be written: not as long as the peer takes what was. The
  /// kernel tells that there is room only when much of it is, which a slow peer may take minutes to make.
  void expires_without_progress(base::Duration duration);
  void clear() { at_ = {}; }
  bool has_time() const { return at_ != base::MonoTime{}; }
  void wake() override;

 private:
  Reactor& reactor_;
  Breakable* stream_ = nullptr;
  Timer timer_;
  base::MonoTime at_{};     // the epoch means none
  base::Duration pause_{};  // zero: progress does not matter
  std::size_t unsent_ = 0;
};

/// Two ends of a pipe in memory; each direction holds at most `capacity` bytes.
std::pair<std::unique_ptr<Stream>, std::unique_ptr<Stream>> memory_pair(Reactor& reactor,
                                                                        std::size_t capacity = 65536);

}  // namespace weft::runtime
