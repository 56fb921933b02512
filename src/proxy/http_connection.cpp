#include "proxy/http_connection.h"

#include <algorithm>
#include <utility>

#include "proxy/worker.h"

namespace weft::proxy {

HttpConnection::HttpConnection(Worker& of, LocalPtr<ListenerState> from, const base::Address& client,
                               Peer caller)
    : ClientConnection(of, std::move(from), client, std::move(caller)) {
  of.clients_.push_back(*this);
}

void HttpConnection::wait_for(base::Duration limit) {
  // Longer than a machine runs: one that waits is known by its time.
  constexpr auto no_limit = std::chrono::years(10);
  wait_until_ = worker.reactor.coarse_now() + (limit > base::Duration::zero() ? limit : no_limit);
  worker.sweep_by(wait_until_);
}

base::MonoTime HttpConnection::end_if_late() {
  const auto until = wait_until_;
  if (until > worker.reactor.coarse_now()) return until;
  end_late();  // may be the end of this
  return base::MonoTime::max();
}

void HttpConnection::hurry_if_idle(base::Duration limit) {
  if (!is_waiting()) return;
  wait_until_ = std::min<base::MonoTime>(wait_until_, worker.reactor.coarse_now() + limit);
  worker.sweep_by(wait_until_);
}

base::Duration HttpConnection::idle_limit() const {
  const auto& config = *listener->config;
  const auto limit = config.idle_timeout.value_or(worker.limits().idle_timeout);
  if (!is_ending()) return limit;
  const auto most = worker.limits().drain_idle_timeout;
  return limit > base::Duration::zero() ? std::min(limit, most) : most;
}

}  // namespace weft::proxy
