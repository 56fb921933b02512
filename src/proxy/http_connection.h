// A client's connection that carries requests: the limits on its patience while it carries none.
#pragma once

#include "base/clock.h"
#include "base/intrusive_list.h"
#include "proxy/client_connection.h"
#include "runtime/error.h"

namespace weft::proxy {

/// Its worker knows it as long as it lives.
class HttpConnection : public ClientConnection, public base::Link<HttpConnection> {
 public:
  /// It shall end: at once if no request is under way, else after those that are.
  virtual void end_soon() = 0;
  /// A request must come within this time if none is under way.
  virtual void hurry_if_idle(base::Duration limit);
  /// Ends it if the time for its next request is over. When that will be; MonoTime::max() while one is under
  /// way.
  base::MonoTime end_if_late();

 protected:
  HttpConnection(Worker& worker, LocalPtr<ListenerState> listener, const base::Address& address, Peer peer);
  ~HttpConnection() = default;

  /// The time for its next request is over.
  virtual void end_late() = 0;
  /// How long it may wait for the next request's first byte.
  base::Duration idle_limit() const;
  /// The wait for a request ends after that time.
  void wait_for(base::Duration limit);
  void wait_no_more() { wait_until_ = base::MonoTime::max(); }
  bool is_waiting() const { return wait_until_ != base::MonoTime::max(); }

 private:
  /// Of the wait for a request; MonoTime::max() while one is under way.
  base::MonoTime wait_until_ = base::MonoTime::max();
};

}  // namespace weft::proxy
