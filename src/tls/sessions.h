// Sessions that may be resumed: those of a server's clients, and the last one with a server.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "tls/openssl.h"
#include "tls/tls.h"

namespace weft::tls {

/// Most that are kept: with a client's certificate one has some 6 KB.
inline constexpr std::size_t max_sessions = 4096;
/// How long one may be resumed, if its certificate does not end before: nginx's and HAProxy's five minutes.
inline constexpr auto session_life = std::chrono::minutes(5);

/// Of all threads: a client comes back to another one.
class SessionStore {
 public:
  /// The session of that name, held for the caller; null if there is none, or its time is over.
  SslSession find(std::string_view name, base::WallTime now);
  void add(std::string_view name, SslSession session, base::WallTime good_until);
  void remove(std::string_view name);

 private:
  struct Entry {
    SslSession session;
    base::WallTime good_until;
    std::list<const std::string*>::iterator use;
  };
  using ByName = std::map<std::string, Entry, std::less<>>;
  void erase(ByName::iterator at);

  std::mutex mutex_;
  ByName by_name_;
  std::list<const std::string*> uses_;  // the last used first
};

class Resumption {
 public:
  /// The session for the next connection by that context; null if there is none. One of TLS 1.3 is used once,
  /// so that nobody sees which connections are one client's (RFC 8446, C.4); for one of TLS 1.2 servers give
  /// no new one when it is resumed.
  SslSession take(std::uint64_t context, base::WallTime now);
  void put(std::uint64_t context, SslSession session, base::WallTime good_until);

 private:
  SslSession session_;
  std::uint64_t context_ = 0;
  base::WallTime good_until_;
};

}  // namespace weft::tls
