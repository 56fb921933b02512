// The contexts of TLS that a worker's listeners and clusters use.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "snapshot/snapshot.h"
#include "telemetry/shard.h"
#include "tls/tls.h"

namespace weft::proxy {

/// Of one worker. Listeners that have the same settings share a context, and so do clusters; one that nobody
/// uses any more goes. Without TLS it is empty.
class TlsContexts {
 public:
  TlsContexts(std::shared_ptr<tls::SessionStore> sessions, base::Clock& clock)
      : sessions_(std::move(sessions)), clock_(clock) {}

  /// Null, and said in the log, if it cannot be made, which who reads the files has ruled out: nobody is
  /// served without TLS then.
  std::shared_ptr<tls::ServerContext> of(const snapshot::Listener& listener);
  std::shared_ptr<tls::ClientContext> of(const snapshot::Cluster& cluster);

 private:
  template <class Key, class Context>
  using Known = std::vector<std::pair<Key, std::weak_ptr<Context>>>;
  template <class Key, class Context, class Make>
  static std::shared_ptr<Context> find(Known<Key, Context>& known, const Key& key, Make make);
  tls::Library& library();

  std::shared_ptr<tls::SessionStore> sessions_;
  base::Clock& clock_;
  /// Made when it is first needed.
  std::optional<tls::Library> library_;
  /// By their settings, and whether the listener takes HTTP.
  Known<std::pair<snapshot::Shared<snapshot::ServerTls>, snapshot::ListenerProtocol>, tls::ServerContext>
      servers_;
  Known<snapshot::Shared<snapshot::ClientTls>, tls::ClientContext> clients_;
};

void count_handshake(telemetry::TlsCounters& counters,
                     const tls::Result<std::unique_ptr<tls::Connection>>& handshake);

}  // namespace weft::proxy
