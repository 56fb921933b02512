// An HTTP/2 connection to an endpoint: a session that lends many streams at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "http/h2/connection.h"
#include "message/patch.h"
#include "proxy/h2_tunnel.h"
#include "proxy/pool.h"
#include "proxy/side.h"
#include "runtime/frame_pool.h"
#include "runtime/reactor.h"
#include "runtime/stream.h"
#include "runtime/task.h"

namespace weft::proxy {

/// The endpoint's side of one request (proxy/side.h).
class H2Upstream final : private runtime::Breakable {
 public:
  /// A stream of `connection`, which lives as long.
  H2Upstream(runtime::Reactor& reactor, http::h2::ClientStream stream,
             const http::h2::Connection& connection);
  H2Upstream(const H2Upstream&) = delete;
  H2Upstream& operator=(const H2Upstream&) = delete;
  static void* operator new(std::size_t size) { return runtime::allocate_frame(size); }
  static void operator delete(void* memory, std::size_t size) { runtime::release_frame(memory, size); }

  // The request.
  void put_head(const message::RequestHead& head, const message::Content& content,
                const message::Patch& patch);
  http::h2::RequestStream::Sending write(std::string_view piece, bool last,
                                         const message::Headers* trailers) {
    return stream_.write(piece, last && !stream_.is_tunnel(), trailers);
  }
  void limit_write_pauses(base::Duration limit) { stream_.limit_pauses(write_deadline_, limit); }

  // The response.
  std::optional<http::ReadResult<void>> try_head(message::Method method);
  const message::ResponseHead& head() const { return stream_.head(); }
  message::Content content() const { return stream_.content(); }
  std::optional<http::ReadResult<std::string_view>> try_body() { return stream_.try_body(); }
  bool is_body_done() const { return stream_.body_done(); }
  bool has_more() const { return stream_.has_more(); }
  const message::Headers& trailers() const { return stream_.trailers(); }
  runtime::Readiness& readable() { return stream_.readable(); }
  runtime::Deadline& deadline() { return deadline_; }
  static runtime::Task<Taken> taken(http::ReadError end, bool has_lost_error);
  static bool is_reusable() { return true; }
  void reset() { fail({ECANCELED}); }

  // A tunnel.
  runtime::Stream& stream();
  static std::string_view buffered() { return {}; }

 private:
  void fail(runtime::IoError error) override { stream_.reset(http::h2::ResetCode::cancel, error); }
  std::size_t unsent() const override { return stream_.unsent(); }

  http::h2::ClientStream stream_;
  const http::h2::Connection& connection_;
  /// Of a request by extended CONNECT: the answer to HTTP/1.1's handshake that its 2xx stands for.
  std::string accept_;
  runtime::Deadline deadline_;
  runtime::Deadline write_deadline_;
  std::unique_ptr<H2Tunnel> tunnel_;
};

class H2Session final : public PooledSession, private runtime::Waiter {
 public:
  H2Session(runtime::Reactor& reactor, ConnectionPlace place, std::unique_ptr<runtime::Stream> stream,
            bool leads_to_chain);
  H2Session(const H2Session&) = delete;
  H2Session& operator=(const H2Session&) = delete;
  ~H2Session();

  static constexpr Speaks speaks = Speaks::http2;
  static constexpr bool is_shared = true;
  /// What a peer is sure to take before it has said how many (RFC 9113, 6.5.2).
  static constexpr std::uint32_t first_streams = 100;
  using Lent = std::unique_ptr<H2Upstream>;
  static Pool<H2Session>& pool_of(EndpointState& endpoint);
  Lent lend();
  bool can_lend(std::uint32_t lent) const;
  static bool is_quiet() { return true; }
  /// Takes in what the peer may have sent while nobody waited for anything.
  bool seems_open();
  // It watches all the time: a GOAWAY may come whenever.
  static void watch() {}
  static void unwatch() {}

  /// Ends when the peer has said what it takes, or the connection has ended.
  runtime::Task<void> settled();

 private:
  void wake() override;

  runtime::Reactor& reactor_;
  http::h2::Connection connection_;
  runtime::Event settled_;
};

}  // namespace weft::proxy
