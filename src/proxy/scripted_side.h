// A second protocol for tests, that no byte is spent on: heads and pieces are handed over as values, and one
// connection carries several requests at a time.
#pragma once

#include <cerrno>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "message/patch.h"
#include "proxy/client_connection.h"
#include "proxy/endpoint.h"
#include "proxy/pool.h"
#include "proxy/side.h"
#include "runtime/combine.h"
#include "runtime/reactor.h"

namespace weft::proxy::testing {

/// What a head's fields come to with its patch.
inline message::Headers patched(const message::Headers& headers, const message::Patch& patch) {
  message::Headers left;
  for (const auto field : headers) {
    if (!patch.leaves_out(field.id, field.name)) left.add(field.name, field.value);
  }
  for (const auto field : patch.added) left.add(field.name, field.value);
  return left;
}

/// One direction of a message as a test gives or finds it.
struct ScriptedMessage {
  std::string body;
  message::Headers trailers;
  bool is_whole = false;
};

/// What both sides of the scripted protocol do alike.
class ScriptedStream {
 public:
  explicit ScriptedStream(runtime::Reactor& reactor) : deadline_(reactor, *this) {}
  ScriptedStream(const ScriptedStream&) = delete;
  ScriptedStream& operator=(const ScriptedStream&) = delete;

  /// For the proxy.
  const message::Content& content() const { return content_; }
  std::optional<http::ReadResult<std::string_view>> try_body() {
    if (broken_) return std::unexpected(*broken_);
    if (pieces_.empty()) {
      if (is_body_done()) return std::string_view();
      return std::nullopt;
    }
    piece_ = std::move(pieces_.front());
    pieces_.pop_front();
    return std::string_view(piece_);
  }
  bool is_body_done() const { return has_last_ && pieces_.empty(); }
  const message::Headers& trailers() const { return trailers_; }
  bool has_more() const { return !pieces_.empty(); }
  runtime::Readiness& readable() { return readable_; }
  /// Ready at once.
  struct Written {
    runtime::IoResult<void> result;
    static bool await_ready() { return true; }
    static void await_suspend(std::coroutine_handle<>) {}
    runtime::IoResult<void> await_resume() const { return result; }
  };
  Written write(std::string_view piece, bool last, const message::Headers* trailers) {
    if (broken_) return {runtime::io_error(EPIPE)};
    got.body += piece;
    if (trailers != nullptr) got.trailers = *trailers;
    got.is_whole = last;
    return {};
  }
  class Deadline final : private runtime::Waiter {
   public:
    Deadline(runtime::Reactor& reactor, ScriptedStream& of)
        : of_(of), reactor_(reactor), timer_(reactor, *this) {}
    void expires_after(base::Duration time) {
      clear();
      if (time > base::Duration::zero()) timer_.set(reactor_.coarse_now() + time);
    }
    void clear() { timer_.cancel(); }
    bool has_time() const { return timer_.is_set(); }

   private:
    void wake() override { of_.fail({http::ReadError::Kind::io, {}, {ETIMEDOUT}}); }
    ScriptedStream& of_;
    runtime::Reactor& reactor_;
    runtime::Timer timer_;
  };
  Deadline& deadline() { return deadline_; }

  /// For a test.
  void begin(bool has_body) {
    has_last_ = !has_body;
    content_ = has_body ? message::Content::unknown() : message::Content();
  }
  void give(std::string piece, bool last, message::Headers trailers = {}) {
    if (!piece.empty()) pieces_.push_back(std::move(piece));
    has_last_ = last;
    trailers_ = std::move(trailers);
    readable_.notify();
  }
  void fail(http::ReadError error) {
    broken_ = error;
    readable_.notify();
  }
  bool is_broken() const { return broken_.has_value(); }
  ScriptedMessage got;

 protected:
  std::optional<http::ReadError> broken_;

 private:
  message::Content content_;
  std::deque<std::string> pieces_;
  std::string piece_;
  bool has_last_ = false;
  message::Headers trailers_;
  runtime::Readiness readable_;
  Deadline deadline_;
};

/// A request of a client's connection.
class ScriptedClient final : public ScriptedStream {
 public:
  ScriptedClient(ClientConnection& of, message::RequestHead head)
      : ScriptedStream(of.worker.reactor), connection_(of), head_(std::move(head)) {}

  ClientConnection& connection() { return connection_; }
  const message::RequestHead& head() const { return head_; }
  bool has_ended() const { return broken_.has_value(); }
  Deadline& read_deadline() { return deadline(); }
  message::Patch& request_patch() { return request_patch_; }
  message::Patch& response_patch() { return response_patch_; }
  static bool takes_interim() { return true; }
  void put_bare_head(const message::ResponseHead& head, const message::Patch&) {
    interim.push_back(head.status);
  }
  Written flush() { return write({}, false, nullptr); }
  void put_head(const message::ResponseHead& head, const message::Content&, const message::Patch& patch) {
    response = head;
    response->headers = patched(head.headers, patch);
  }
  void take_back() { response.reset(); }
  static void close_after() {}

  std::vector<int> interim;
  std::optional<message::ResponseHead> response;

 private:
  ClientConnection& connection_;
  const message::RequestHead head_;
  message::Patch request_patch_;
  message::Patch response_patch_;
};

/// A request as it came to the endpoint, which a test answers.
class ScriptedUpstream final : public ScriptedStream {
 public:
  using ScriptedStream::ScriptedStream;

  void put_head(const message::RequestHead& head, const message::Content&, const message::Patch& patch) {
    asked = head;
    asked->headers = patched(head.headers, patch);
  }
  static void limit_write_pauses(base::Duration) {}
  std::optional<http::ReadResult<void>> try_head(message::Method) {
    if (broken_) return std::unexpected(*broken_);
    if (heads_.empty()) return std::nullopt;
    head_ = std::move(heads_.front());
    heads_.pop_front();
    return http::ReadResult<void>();
  }
  const message::ResponseHead& head() const { return head_; }
  runtime::Task<Taken> taken(http::ReadError, bool) const { co_return was_taken; }
  bool is_reusable() const { return is_body_done() && got.is_whole && !broken_; }
  void reset() { fail({http::ReadError::Kind::io, {}, {ECANCELED}}); }

  void answer(message::ResponseHead head) {
    heads_.push_back(std::move(head));
    readable().notify();
  }
  std::optional<message::RequestHead> asked;
  /// What the end of the connection is to mean.
  Taken was_taken = Taken::unknown;

 private:
  std::deque<message::ResponseHead> heads_;
  message::ResponseHead head_;
};

/// Lends two streams at a time.
class ScriptedSession final : public PooledSession {
 public:
  ScriptedSession(runtime::Reactor& reactor, ConnectionPlace at, std::unique_ptr<runtime::Stream> stream,
                  bool leads_to_chain)
      : PooledSession(std::move(at), leads_to_chain, reactor.coarse_now()),
        reactor_(reactor),
        stream_(std::move(stream)) {
    ++sessions;
  }

  static constexpr Speaks speaks = Speaks::http1;
  static constexpr bool is_shared = true;
  static constexpr std::uint32_t first_streams = 2;
  using Lent = std::shared_ptr<ScriptedUpstream>;
  static Pool<ScriptedSession>& pool_of(EndpointState& endpoint) {
    return pools.try_emplace(&endpoint, *loop, 16).first->second;
  }
  Lent lend() { return streams.emplace_back(std::make_shared<ScriptedUpstream>(reactor_)); }
  static bool can_lend(std::uint32_t lent) { return lent < 2; }
  static bool is_quiet() { return true; }
  static bool seems_open() { return true; }
  static void watch() {}
  static void unwatch() {}

  /// A test's: the pools of its endpoints, and what was lent, in order. reset() before and after.
  static inline runtime::Reactor* loop = nullptr;
  static inline std::map<EndpointState*, Pool<ScriptedSession>> pools;
  static inline std::vector<Lent> streams;
  static inline std::size_t sessions = 0;
  static void reset(runtime::Reactor* to) {
    loop = to;
    streams.clear();
    for (auto& [endpoint, pool] : pools) pool.close_idle();
    pools.clear();
    sessions = 0;
  }

 private:
  runtime::Reactor& reactor_;
  std::unique_ptr<runtime::Stream> stream_;
};

static_assert(ClientSide<ScriptedClient> && UpstreamSide<ScriptedUpstream> && PoolSession<ScriptedSession>);

}  // namespace weft::proxy::testing
