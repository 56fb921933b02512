// Sessions that may be resumed: those of a server's clients, and the last one with a server.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/recent_map.h"
#include "tls/openssl.h"
#include "tls/tls.h"

namespace weft::tls {

/// Most that are kept: with a client's certificate one has some 6 KB.
inline constexpr std::size_t max_sessions = 4096;
/// How long one may be resumed, if its certificate does not end before: nginx's and HAProxy's five minutes.
inline constexpr auto session_life = std::chrono::minutes(5);

/// A session, and until when it may be resumed. That a resumed connection verifies nobody makes the end of
/// the peer's certificate one of its session: it goes from each to the one that follows it.
struct Resumable {
  SslSession session;  // null: there is none
  base::WallTime good_until{};
  base::WallTime peer_good_until = base::WallTime::max();

  bool is_good(base::WallTime now) const { return session && now < good_until && now < peer_good_until; }
};

/// Of all threads: a client comes back to another one.
class SessionStore {
 public:
  /// The session of that name, held for the caller too; none if its time is over.
  Resumable find(std::string_view name, base::WallTime now);
  void add(std::string_view name, Resumable session);
  void remove(std::string_view name);

 private:
  std::mutex mutex_;
  base::RecentMap<std::string, Resumable> by_name_{max_sessions};
};

class Resumption {
 public:
  /// The session for the next connection by that context, if there is one. One of TLS 1.3 is used once,
  /// so that nobody sees which connections are one client's (RFC 8446, C.4); for one of TLS 1.2 servers give
  /// no new one when it is resumed.
  Resumable take(std::uint64_t context, base::WallTime now);
  void put(std::uint64_t context, Resumable session);

 private:
  Resumable session_;
  std::uint64_t context_ = 0;
};

}  // namespace weft::tls
