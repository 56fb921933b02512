// The file of `weft proxy --config`: never a crash, what is wrong with it can be shown, and a Snapshot that
// comes out keeps what snapshot.h promises.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "snapshot/actions.h"
#include "snapshot/config.h"
#include "snapshot/patterns.h"

namespace {

using namespace weft;

void require(bool holds) {
  if (!holds) std::abort();
}

template <class List>
bool is_sorted_and_unique(const List& list) {
  return std::ranges::adjacent_find(list, [](const auto& a, const auto& b) { return a.name >= b.name; }) ==
         list.end();
}

void check(const snapshot::Snapshot& config) {
  require(is_sorted_and_unique(config.listeners) && is_sorted_and_unique(config.routes) &&
          is_sorted_and_unique(config.clusters));
  for (const auto& listener : config.listeners) {
    if (takes_bytes(listener.protocol)) {
      const auto* cluster = config.clusters.find(listener.cluster);
      require(cluster != nullptr && takes_bytes(cluster->protocol));
    }
    for (const auto& [hosts, cluster] : listener.sni) {
      require(config.clusters.find(cluster) != nullptr && !hosts.empty());
      for (const auto& host : hosts) require(snapshot::parse_domain(host).has_value());
    }
    require(!listener.tls || (listener.tls->certificate && listener.tls->key &&
                              listener.protocol != snapshot::ListenerProtocol::tls));
    require(listener.sni.empty() == (listener.protocol != snapshot::ListenerProtocol::tls));
    require(!takes_http(listener.protocol) || config.routes.find(listener.routes) != nullptr);
  }
  for (const auto& cluster : config.clusters) {
    require(!cluster.tls ||
            (cluster.tls->ca && !cluster.tls->name.empty() &&
             static_cast<bool>(cluster.tls->certificate) == static_cast<bool>(cluster.tls->key)));
  }
  for (const auto& table : config.routes) {
    for (const auto& host : table.virtual_hosts) {
      for (const auto& domain : host.domains) {
        const auto parsed = snapshot::parse_domain(domain);
        require(parsed && parsed->to_string() == domain);
      }
      for (const auto& route : host.routes) {
        require(!snapshot::fault_of(route.match) && !snapshot::fault_of(route.action));
        const auto* forward = std::get_if<snapshot::Forward>(&route.action);
        require(forward == nullptr || std::ranges::all_of(forward->to, [&](const auto& target) {
                  const auto* cluster = config.clusters.find(target.cluster);
                  return cluster != nullptr && takes_http(cluster->protocol);
                }));
      }
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto read = [](const std::string& path) -> std::expected<std::string, snapshot::FileFault> {
    if (path.size() % 8 == 0)
      return std::unexpected(snapshot::FileFault{"cannot read " + path, "correct it"});
    return path;
  };
  const auto parsed = snapshot::parse_config({reinterpret_cast<const char*>(data), size}, "fuzz", read);
  if (parsed) {
    check(*parsed);
  } else {
    require(!base::render(parsed.error()).empty());
  }
  return 0;
}
