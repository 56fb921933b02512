#include "xds/dialect.h"

#include <fmt/format.h>

#include <memory>
#include <set>
#include <string_view>

namespace weft::xds {
namespace {

using snapshot::Direction;
using snapshot::Listener;
using snapshot::Snapshot;

/// The names of the tables and clusters that the inbound listeners lead to.
std::set<std::string_view> inbound_parts(const Snapshot& snapshot) {
  std::set<std::string_view> names;
  for (const auto& listener : snapshot.listeners) {
    if (listener.direction != Direction::inbound) continue;
    names.insert(listener.cluster);
    const auto* table = snapshot.routes.find(listener.routes);
    if (table == nullptr) continue;
    names.insert(table->name);
    for (const auto& host : table->virtual_hosts) {
      for (const auto& route : host.routes) {
        const auto* forward = std::get_if<snapshot::Forward>(&route.action);
        if (forward == nullptr) continue;
        for (const auto& target : forward->to) names.insert(target.cluster);
      }
    }
  }
  return names;
}

void translate_listener(Listener& listener, Dialect dialect) {
  if (dialect == Dialect::envoy) {
    listener.address = base::Address::ipv4(envoy_address, listener.address.port());
  } else {
    listener.name = fmt::format("{}.{}:{}", listener.service, listener.service_ns, listener.service_port);
  }
}

}  // namespace

snapshot::SnapshotPtr translate(const Snapshot& snapshot, Dialect dialect,
                                const snapshot::SnapshotPtr& before) {
  auto told = std::make_shared<Snapshot>(snapshot);
  const auto inbound = inbound_parts(snapshot);
  told->listeners.erase_if([&](const Listener& listener) {
    return listener.direction == Direction::inbound ||
           (dialect == Dialect::grpc && !takes_http(listener.protocol));
  });
  for (std::size_t i = 0; i < told->listeners.size(); ++i) translate_listener(told->listeners[i], dialect);
  // Another name is another place; a Deployment and a Job of one name may call the same Service.
  told->listeners.sort();
  told->listeners.make_unique();
  const auto is_inbound = [&](const auto& part) { return inbound.contains(part.name); };
  told->routes.erase_if(is_inbound);
  told->clusters.erase_if(is_inbound);
  if (before) told->listeners.share(before->listeners);
  return told;
}

}  // namespace weft::xds
