#include "proxy/h1_session.h"

#include <array>
#include <utility>

#include "proxy/endpoint.h"
#include "runtime/combine.h"

namespace weft::proxy {
namespace {

/// How long an end may be ahead of the reset, or the acknowledgement, that says what it means for what was
/// sent.
constexpr auto verdict_time = std::chrono::milliseconds(5);

}  // namespace

H1Session::H1Session(runtime::Reactor& reactor, ConnectionPlace at, std::unique_ptr<runtime::Stream> stream,
                     bool leads_to_chain)
    : PooledSession(std::move(at), leads_to_chain, reactor.coarse_now()),
      reactor_(reactor),
      stream_(std::move(stream)),
      reader_(*stream_),
      writer_(*stream_),
      deadline_(reactor, *stream_),
      write_deadline_(reactor, *stream_) {}

H1Session::~H1Session() { unwatch(); }

Pool<H1Session>& H1Session::pool_of(EndpointState& endpoint) { return endpoint.h1; }

bool H1Session::seems_open() {
  stream_->catch_up();
  return is_at_rest();
}

bool H1Session::is_at_rest() {
  // An end, an error and unasked bytes all make the connection useless.
  std::array<char, 1> byte{};
  const auto got = stream_->try_read(byte);
  return !got && got.error().would_block();
}

void H1Session::wake() {
  if (is_at_rest()) {
    watch();
  } else {
    place.endpoint().h1.drop(*this);
  }
}

runtime::Task<Taken> H1Session::taken(http::ReadError end, bool has_lost_error) {
  const auto sent = writer_.bytes_sent();
  if (sent == sent_before_) co_return Taken::nothing;
  if (end.kind != http::ReadError::Kind::closed || has_lost_error) co_return Taken::unknown;
  auto taken = stream_->taken_of(sent);
  if (!taken) {
    co_await reactor_.sleep(verdict_time);
    taken = stream_->taken_of(sent);
  }
  if (taken && *taken <= sent_before_) co_return Taken::nothing;
  co_return taken == sent ? Taken::all : Taken::unknown;
}

}  // namespace weft::proxy
