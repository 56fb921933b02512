#include "proxy/tls_contexts.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <string_view>

#include "runtime/log.h"

namespace weft::proxy {
namespace {

using snapshot::ClientTls;
using snapshot::ServerTls;

std::string text_of(const snapshot::PemFile& file) { return file.text ? *file.text : std::string(); }

tls::ServerSettings settings_of(const ServerTls& tls, snapshot::ListenerProtocol protocol) {
  tls::ServerSettings settings{.own = {text_of(tls.certificate), text_of(tls.key)},
                               .client_ca = text_of(tls.client_ca)};
  if (takes_http(protocol)) settings.protocols = {"h2", "http/1.1", "http/1.0"};
  settings.takes_others = takes_bytes(protocol);
  return settings;
}

tls::ClientSettings settings_of(const ClientTls& tls) {
  return {.ca = text_of(tls.ca), .name = tls.name, .own = {text_of(tls.certificate), text_of(tls.key)}};
}

std::string files_of(std::initializer_list<const snapshot::PemFile*> files) {
  std::vector<std::string_view> names;
  for (const auto* file : files) {
    if (*file) names.push_back(file->name);
  }
  return fmt::format("{}", fmt::join(names, ", "));
}

std::string files_of(const ServerTls& tls) { return files_of({&tls.certificate, &tls.key, &tls.client_ca}); }
std::string files_of(const ClientTls& tls) { return files_of({&tls.ca, &tls.certificate, &tls.key}); }

/// Makes a context as a worker will.
auto make(tls::Library& library, const ServerTls& tls) {
  return library.server(settings_of(tls, snapshot::ListenerProtocol::tcp));
}
auto make(tls::Library& library, const ClientTls& tls) { return library.client(settings_of(tls)); }

/// Checks each of the distinct settings of `parts` once, but for those of `before`.
template <class Part>
std::expected<void, std::string> check_all(std::string_view kind, const snapshot::Parts<Part>& parts,
                                           const snapshot::Parts<Part>* before,
                                           std::optional<tls::Library>& library) {
  std::vector<decltype(Part::tls)> good;
  const auto is_good = [&good](const Part& part) {
    return !part.tls || std::ranges::find(good, part.tls) != good.end();
  };
  if (before != nullptr) {
    for (const auto& part : *before) {
      if (!is_good(part)) good.push_back(part.tls);
    }
  }
  for (const auto& part : parts) {
    if (is_good(part)) continue;
    if (!library) library.emplace(nullptr);
    if (const auto made = make(*library, *part.tls); !made) {
      return std::unexpected(fmt::format("the TLS of {} {} cannot be set up ({}): {}", kind, part.name,
                                         files_of(*part.tls), made.error().detail));
    }
    good.push_back(part.tls);
  }
  return {};
}

}  // namespace

std::expected<void, std::string> check_tls(const snapshot::Snapshot& snapshot,
                                           const snapshot::Snapshot* before) {
  std::optional<tls::Library> library;
  auto checked =
      check_all("listener", snapshot.listeners, before == nullptr ? nullptr : &before->listeners, library);
  if (!checked) return checked;
  return check_all("cluster", snapshot.clusters, before == nullptr ? nullptr : &before->clusters, library);
}

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
    runtime::log::error("proxy", "no TLS: {}", made.error().detail);
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
