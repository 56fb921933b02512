#include "proxy/tls_contexts.h"

#include <algorithm>

#include "runtime/log.h"

namespace weft::proxy {
namespace {

using snapshot::ClientTls;
using snapshot::ServerTls;

std::string text_of(const snapshot::PemFile& file) { return file.text ? *file.text : std::string(); }

tls::ServerSettings settings_of(const ServerTls& tls, snapshot::ListenerProtocol protocol) {
  tls::ServerSettings settings{.own = {text_of(tls.certificate), text_of(tls.key)}};
  if (tls.client_ca) settings.client_ca = text_of(tls.client_ca);
  if (takes_http(protocol)) settings.protocols = {"h2", "http/1.1", "http/1.0"};
  settings.takes_others = takes_bytes(protocol);
  return settings;
}

tls::ClientSettings settings_of(const ClientTls& tls) {
  return {.ca = text_of(tls.ca), .name = tls.name, .own = {text_of(tls.certificate), text_of(tls.key)}};
}

}  // namespace

void count_handshake(telemetry::TlsCounters& counters,
                     const tls::Result<std::unique_ptr<tls::Connection>>& handshake) {
  constexpr auto last = static_cast<std::size_t>(tls::FaultKind::refused);
  static_assert(telemetry::TlsCounters::reasons.size() == last + 1);
  if (!handshake) {
    ++counters.failures[static_cast<std::size_t>(handshake.error().kind)];
    return;
  }
  ++counters.handshakes;
  if ((*handshake)->is_resumed()) ++counters.resumed;
}

tls::Library& TlsContexts::library() {
  if (!library_) library_.emplace(sessions_, tls::Measures{}, clock_);
  return *library_;
}

template <class Key, class Context, class Make>
std::shared_ptr<Context> TlsContexts::find(Known<Key, Context>& known, const Key& key, Make make) {
  std::erase_if(known, [](const auto& one) { return one.second.expired(); });
  const auto found = std::ranges::find(known, key, &Known<Key, Context>::value_type::first);
  if (found != known.end()) return found->second.lock();
  auto made = make();
  if (!made) {
    runtime::log::error("proxy", "no TLS: {}", made.error());
    return nullptr;
  }
  known.emplace_back(key, *made);
  return std::move(*made);
}

std::shared_ptr<tls::ServerContext> TlsContexts::of(const snapshot::Listener& listener) {
  if (!listener.tls) return nullptr;
  return find(servers_, {listener.tls, listener.protocol},
              [&] { return library().server(settings_of(*listener.tls, listener.protocol)); });
}

std::shared_ptr<tls::ClientContext> TlsContexts::of(const snapshot::Cluster& cluster) {
  if (!cluster.tls) return nullptr;
  return find(clients_, cluster.tls, [&] { return library().client(settings_of(*cluster.tls)); });
}

}  // namespace weft::proxy
