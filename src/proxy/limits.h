// Every limit of the data plane, in one place, with its reason.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace weft::proxy {

struct Limits {
  /// A client must have sent a request's whole head this long after its first byte: a byte a second does not
  /// get through.
  std::chrono::milliseconds head_timeout{10'000};
  /// A handshake of TLS takes no longer, a client that stops in it holds no more than its connection for so
  /// long (HAProxy's example: 10 s, nginx: 60 s).
  std::chrono::milliseconds handshake_timeout{10'000};
  /// Where any protocol may come, a client that has said nothing for so long may be one that waits for the
  /// server's first word, and an endpoint is asked for it. Above a round trip within a data centre, so that
  /// few clients of HTTP cause a connection that is not used; below what a person notices.
  std::chrono::milliseconds first_word_wait{5};
  /// A server that speaks first does so within this time; a client that waits for it has as long to begin if
  /// there is none to ask. Above what a server takes that looks up who calls; below what a connection of a
  /// browser in reserve may hold up a service that serves one at a time.
  std::chrono::milliseconds first_word_limit{1'000};
  /// A keep-alive connection may rest this long between requests (nginx: 75 s, Envoy: 1 h).
  std::chrono::milliseconds idle_timeout{75'000};
  /// The same where the listener drains, or the proxy beside its successor. The mesh's own proxies close
  /// theirs as soon as they know that; who has not by then does not know it, and must not be waited for.
  std::chrono::milliseconds drain_idle_timeout{1'000};
  /// The longest pause of a client, within its request's body until the response begins, or before it takes
  /// more of that. All else within a response is the route's (snapshot::Route::idle_timeout).
  std::chrono::milliseconds body_timeout{60'000};
  /// A pooled upstream connection is closed after resting this long; below the idle limit of common servers
  /// (60 s and more), so that it is us who close.
  std::chrono::milliseconds upstream_idle_timeout{50'000};
  /// For a client to take the last bytes that it was sent, and close.
  std::chrono::milliseconds linger_limit{2'000};
  /// An opaque connection or tunnel without a byte in either direction for this long is closed (Envoy: 1 h).
  std::chrono::milliseconds tunnel_idle_timeout{3'600'000};
  /// Connections that one worker takes; above it accepting waits.
  std::size_t max_connections = 20'000;
  /// Sockets of one worker, to clients and endpoints together; the rest of the process's descriptors is for
  /// listeners, logs and the admin interface. Accepting waits at three quarters of it, so that who was
  /// accepted can be served; above it connecting waits.
  std::size_t max_sockets = 40'000;
  /// Idle upstream connections that one worker keeps for one endpoint.
  std::size_t max_idle_per_endpoint = 256;
  /// Requests that one client's connection of HTTP/2 may have under way: as many as a caller of gRPC with
  /// long streams may need.
  std::uint32_t max_streams_per_connection = 1'000;
  /// Requests on one client connection before it is closed, so that load spreads over new workers in the long
  /// run.
  std::size_t max_requests_per_connection = 1'000'000;
};

}  // namespace weft::proxy
