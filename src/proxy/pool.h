// Sessions with one endpoint, which lend streams: each stream carries one request at a time. A session of
// HTTP/1.1 has one, and is at rest in between.
#pragma once

#include <algorithm>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <list>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "proxy/connection_place.h"
#include "proxy/local_ptr.h"
#include "runtime/combine.h"
#include "runtime/reactor.h"
#include "runtime/task.h"

namespace weft::proxy {

/// What a chain sends to an endpoint.
enum class Speaks : std::uint8_t { http1, http2, bytes };

/// What bounds the use of one session. Zero: no limit.
struct PoolLimits {
  std::uint32_t max_requests = 0;
  std::chrono::milliseconds max_age{};
  /// At rest. Zero: the proxy's own.
  std::chrono::milliseconds idle_timeout{};
};

template <class Session>
class Pool;

/// What a pool keeps about a session; its session's base.
class PooledSession : public LocalCounted {
 public:
  PooledSession(ConnectionPlace at, bool leads_to_chain, base::MonoTime now)
      : place(std::move(at)), is_to_chain(leads_to_chain), opened_(now) {}

  /// What is on loan is not its first stream.
  bool is_reused() const { return requests_ > 1; }

  const ConnectionPlace place;
  /// It leads to an HTTP chain of this process, whose marks can be believed.
  const bool is_to_chain;

 protected:
  ~PooledSession() = default;

 private:
  template <class Session>
  friend class Pool;
  const base::MonoTime opened_;
  base::MonoTime idle_since_{};
  /// Streams that it has lent, and those that are on loan.
  std::uint64_t requests_ = 0;
  std::uint32_t lent_ = 0;
  /// The pool has it among those with a stream to lend.
  bool is_listed_ = false;
};

/// What a pool asks of a session. With every stream at rest it watches for the peer's end, which makes it
/// drop itself from its pool.
template <class S>
concept PoolSession = std::derived_from<S, PooledSession> && requires(S session, EndpointState& endpoint) {
  { S::speaks } -> std::convertible_to<Speaks>;
  /// Whether it goes on although a stream did not end well, or while others are on loan.
  { S::is_shared } -> std::convertible_to<bool>;
  /// A stream on loan, by operator*. Its end resets the stream unless that has come to its own.
  typename S::Lent;
  { S::pool_of(endpoint) } -> std::same_as<Pool<S>&>;
  { session.lend() } -> std::same_as<typename S::Lent>;
  /// Whether it could lend one more, of `lent` that are on loan.
  { session.can_lend(std::uint32_t{}) } -> std::same_as<bool>;
  /// All its streams have come back: whether nothing has come that nobody asked for, nor the end.
  { session.is_quiet() } -> std::same_as<bool>;
  /// False if the peer has surely ended it. One system call.
  { session.seems_open() } -> std::same_as<bool>;
  session.watch();
  session.unwatch();
};

/// A stream of a session, for one request. Ends by keep(), or the stream was not brought to its end, which a
/// session that is not shared does not survive.
template <class Session>
class Lease {
 public:
  Lease() = default;
  explicit Lease(LocalPtr<Session> session) : session_(std::move(session)), stream_(session_->lend()) {}
  Lease(Lease&& other) noexcept
      : session_(std::move(other.session_)), stream_(std::exchange(other.stream_, {})) {}
  Lease& operator=(Lease&& other) noexcept {
    std::swap(session_, other.session_);
    std::swap(stream_, other.stream_);
    return *this;
  }
  ~Lease() {
    if constexpr (Session::is_shared) keep();
  }

  auto& operator*() const { return *stream_; }
  Session& session() const { return *session_; }
  explicit operator bool() const { return static_cast<bool>(session_); }
  /// Gives the stream back: to who waits for one, or to be lent again.
  void keep() {
    stream_ = {};
    if (session_) Session::pool_of(session_->place.endpoint()).take_back(std::move(session_));
  }

 private:
  LocalPtr<Session> session_;
  typename Session::Lent stream_{};
};

/// Who waits for a stream: in its pool's queue from construction to the end. The pool must outlive it.
template <class Session>
class Pending final : private runtime::Waiter {
 public:
  Pending(runtime::Reactor& reactor, Pool<Session>& pool)
      : pool_(pool), place_(pool.pending_.insert(pool.pending_.end(), this)), soon_(reactor, *this) {}
  Pending(const Pending&) = delete;
  Pending& operator=(const Pending&) = delete;
  ~Pending() {
    if (has_promise_) --pool_.promised_;
    if (is_queued_) {
      pool_.pending_.erase(place_);
    } else if (!is_taken_) {
      pool_.call_next(std::move(lease_));
    }
  }

  /// Ends when it is this request's turn: with a stream that was handed over, or with none, when there may be
  /// room for a new session.
  runtime::Task<void> wait() {
    if (is_queued_) co_await runtime::Wait(called_);
    is_taken_ = true;
  }
  Lease<Session> take() { return std::move(lease_); }

 private:
  friend class Pool<Session>;
  void wake() override { called_.notify(); }

  Pool<Session>& pool_;
  typename std::list<Pending*>::iterator place_;
  bool is_queued_ = true;
  bool is_taken_ = false;
  bool has_promise_ = false;
  Lease<Session> lease_;
  /// Woken by the loop, not by who gave the stream back: no recursion through a chain of waiting requests.
  runtime::Soon soon_;
  runtime::Readiness called_;
};

/// Those sessions of an endpoint that have a stream to lend. The end of a session that comes out of it may be
/// the end of the endpoint, and of this.
template <class Session>
class Pool {
 public:
  Pool(runtime::Reactor& reactor, std::size_t max_free) : reactor_(reactor), max_free_(max_free) {}
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  /// From now on these limits hold. One that is not open takes no stream back to lend it again, and its
  /// sessions at rest are closed.
  void update(const PoolLimits& limits, bool is_open) {
    limits_ = limits;
    is_open_ = is_open;
    if (!is_open) close_idle();
  }

  /// A stream of the session that was used last; empty if none has one to lend. `must_be_open`: of one that
  /// the peer has not ended, which is worth a system call.
  [[gnu::always_inline]] Lease<Session> take(bool must_be_open) {
    while (!free_.empty()) {
      auto session = std::move(free_.back());
      free_.pop_back();
      session->is_listed_ = false;
      if (session->lent_ == 0) session->unwatch();
      if constexpr (Session::is_shared) {
        if (!can_lend(*session)) continue;
      }
      if (!must_be_open || session->seems_open()) return lend(std::move(session));
    }
    return {};
  }
  /// It can lend more than it could.
  void offer(const LocalPtr<Session>& session) {
    give_to_pending(session);
    list(session);
  }

  /// A session that is being opened, which counts as one whose streams are worth waiting for.
  class Opening {
   public:
    explicit Opening(Pool& pool) : pool_(pool) { ++pool_.opening_; }
    Opening(const Opening&) = delete;
    Opening& operator=(const Opening&) = delete;
    ~Opening() {
      --pool_.opening_;
      // Without it they have to look after themselves.
      if constexpr (Session::is_shared) {
        if (pool_.opening_ == 0) pool_.call_all();
      }
    }

   private:
    Pool& pool_;
  };
  /// Whether a session that is being opened will have a stream for one more that waits.
  bool has_coming() const {
    if constexpr (Session::is_shared) {
      return pending_.size() < opening_ * std::size_t{Session::first_streams};
    } else {
      return false;
    }
  }

  /// The first stream of a new session. Further ones go to who waits.
  Lease<Session> add(LocalPtr<Session> session) {
    auto lease = lend(session);
    if constexpr (Session::is_shared) give_to_pending(session);
    return lease;
  }

  /// Requests that wait for a stream, and those of them that were called to open a session.
  std::size_t pending() const { return pending_.size(); }
  std::size_t promised() const { return promised_; }
  /// Tells who waits longest that there may be room; with a stream, if there is one.
  void call_next(Lease<Session> lease) {
    if (pending_.empty()) return;
    auto& next = *pending_.front();
    pending_.pop_front();
    next.is_queued_ = false;
    next.has_promise_ = !lease;
    promised_ += next.has_promise_ ? 1 : 0;
    next.lease_ = std::move(lease);
    next.soon_.set();
  }
  void call_all() {
    while (!pending_.empty()) call_next({});
  }

  /// Those at rest.
  std::size_t idle() const {
    return static_cast<std::size_t>(
        std::ranges::count_if(free_, [](const auto& session) { return session->lent_ == 0; }));
  }
  void close_idle() {
    drop_if([](const Session& session) { return session.lent_ == 0; });
  }
  /// Closes those that have rested for `limit`, or the limit of the pool if it has one.
  void close_stale(base::Duration limit) {
    if (free_.empty()) return;
    if (limits_.idle_timeout.count() > 0) limit = limits_.idle_timeout;
    const base::MonoTime time = reactor_.coarse_now() - limit;
    drop_if([&](const Session& session) { return session.lent_ == 0 && session.idle_since_ <= time; });
  }
  /// It lends no more. It has ended, or goes on until its streams come back.
  void drop(Session& session) {
    drop_if([&](const Session& one) { return &one == &session; });
  }

 private:
  friend class Lease<Session>;
  friend class Pending<Session>;

  Lease<Session> lend(LocalPtr<Session> session) {
    ++session->lent_;
    ++session->requests_;
    if constexpr (Session::is_shared) list(session);
    return Lease<Session>(std::move(session));
  }
  bool can_lend(const Session& session) const {
    return is_open_ && !is_worn_out(session) && session.can_lend(session.lent_);
  }
  void give_to_pending(const LocalPtr<Session>& session) {
    while (!pending_.empty() && can_lend(*session)) call_next(lend(session));
    if (session->is_listed_ && !can_lend(*session)) drop(*session);
  }
  /// Where it can lend another, and is not listed.
  void list(const LocalPtr<Session>& session) {
    if (session->is_listed_ || free_.size() >= max_free_ || !can_lend(*session)) return;
    session->is_listed_ = true;
    free_.push_back(session);
  }
  bool is_worn_out(const Session& session) const {
    if (limits_.max_requests > 0 && session.requests_ >= limits_.max_requests) return true;
    return limits_.max_age.count() > 0 && reactor_.coarse_now() - session.opened_ >= limits_.max_age;
  }
  void take_back(LocalPtr<Session> session) {
    --session->lent_;
    const bool rests = session->lent_ == 0;
    // The peer's end may have come together with the response: then nothing will tell of it again. And who
    // waits may have a request that cannot be sent again. The end of this calls them.
    if (!can_lend(*session) || (rests && !session->is_quiet()) ||
        (!pending_.empty() && !session->seems_open())) {
      if (session->is_listed_) drop(*session);
      return;
    }
    give_to_pending(session);
    list(session);
    if (session->lent_ > 0 || !session->is_listed_) return;
    session->idle_since_ = reactor_.coarse_now();
    session->watch();
  }
  template <class Is>
  void drop_if(Is is) {
    std::vector<LocalPtr<Session>> gone;  // ends last: this may end with it
    for (auto& session : free_) {
      if (!is(*session)) continue;
      session->is_listed_ = false;
      gone.push_back(std::move(session));
    }
    std::erase(free_, LocalPtr<Session>());
  }

  runtime::Reactor& reactor_;
  const std::size_t max_free_;
  PoolLimits limits_;
  bool is_open_ = true;
  std::uint64_t promised_ = 0;
  std::size_t opening_ = 0;
  /// The last used last.
  std::vector<LocalPtr<Session>> free_;
  std::list<Pending<Session>*> pending_;
};

}  // namespace weft::proxy
