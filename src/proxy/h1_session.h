// An HTTP/1.1 connection to an endpoint: a session that lends one stream, itself.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "http/h1/reader.h"
#include "http/h1/writer.h"
#include "message/patch.h"
#include "proxy/pool.h"
#include "proxy/side.h"
#include "runtime/reactor.h"
#include "runtime/stream.h"
#include "runtime/task.h"

namespace weft::proxy {

/// On loan it is the endpoint's side of a request (proxy/side.h). At rest it watches for the peer's end.
class H1Session final : public PooledSession, private runtime::Waiter {
 public:
  H1Session(runtime::Reactor& reactor, ConnectionPlace place, std::unique_ptr<runtime::Stream> stream,
            bool leads_to_chain);
  H1Session(const H1Session&) = delete;
  H1Session& operator=(const H1Session&) = delete;
  ~H1Session();

  // For its pool.
  static constexpr Speaks speaks = Speaks::http1;
  static constexpr bool is_shared = false;
  using Lent = H1Session*;
  static Pool<H1Session>& pool_of(EndpointState& endpoint);
  Lent lend() { return this; }
  static bool can_lend(std::uint32_t lent) { return lent == 0; }
  bool is_quiet() { return reader_.is_quiet(); }
  bool seems_open();
  void watch() { stream_->readable().wait(*this); }
  void unwatch() { stream_->readable().cancel(*this); }

  // The request.
  void put_head(const message::RequestHead& head, const message::Content& content,
                const message::Patch& patch) {
    sent_before_ = writer_.bytes_sent();
    writer_.put_head(head, http::h1::Framing::of(content, http::h1::Framing::Kind::chunked), patch);
  }
  http::h1::Writer::Sending write(std::string_view piece, bool last, const message::Headers* trailers) {
    return writer_.write(piece, last, trailers);
  }
  void limit_write_pauses(base::Duration limit) { writer_.limit_pauses(write_deadline_, limit); }

  // The response.
  std::optional<http::ReadResult<void>> try_head(message::Method method) { return reader_.try_head(method); }
  const message::ResponseHead& head() const { return reader_.head(); }
  message::Content content() const { return reader_.framing().content(); }
  std::optional<http::ReadResult<std::string_view>> try_body() { return reader_.try_body(); }
  bool is_body_done() const { return reader_.body_done(); }
  bool has_more() const { return !reader_.buffered().empty(); }
  const message::Headers& trailers() const { return reader_.trailers(); }
  runtime::Readiness& readable() { return stream_->readable(); }
  runtime::Deadline& deadline() { return deadline_; }
  runtime::Task<Taken> taken(http::ReadError end, bool has_lost_error);
  bool is_reusable() const { return reader_.is_reusable() && writer_.is_done(); }
  void reset() { stream_->fail({ECANCELED}); }

  // A tunnel.
  runtime::Stream& stream() { return *stream_; }
  std::string_view buffered() const { return reader_.buffered(); }

 private:
  void wake() override;
  /// Nothing has come that nobody asked for, nor the end.
  bool is_at_rest();

  runtime::Reactor& reactor_;
  const std::unique_ptr<runtime::Stream> stream_;
  http::h1::ResponseReader reader_;
  http::h1::Writer writer_;
  /// For the response.
  runtime::Deadline deadline_;
  /// For one piece of the request to be taken.
  runtime::Deadline write_deadline_;
  /// Bytes that had been sent when the request began.
  std::uint64_t sent_before_ = 0;
};

}  // namespace weft::proxy
