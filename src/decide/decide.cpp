#include "decide/decide.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace weft::decide {
namespace {

/// The longest host that can be anybody's (RFC 1035, 2.3.4).
constexpr std::size_t max_host = 255;

std::string_view without_port(std::string_view host) {
  const auto colon = host.rfind(':');
  if (colon == std::string_view::npos || colon < host.rfind(']') + 1) return host;
  return host.substr(0, colon);
}

std::string_view without_query(std::string_view path) { return path.substr(0, path.find('?')); }

/// "*" asks about the host as a whole (RFC 9110, 9.3.7), and CONNECT has no path: whoever takes all paths
/// takes those too.
bool matches(const snapshot::Match& match, std::string_view path) {
  switch (match.path_kind) {
    case snapshot::Match::Path::prefix:
      return path.starts_with(match.path) || (!path.starts_with('/') && match.path == "/");
    case snapshot::Match::Path::exact: return path == match.path;
  }
  return false;
}

std::string_view relation(const snapshot::Match& match, bool taken) {
  switch (match.path_kind) {
    case snapshot::Match::Path::prefix: return taken ? "begins with" : "does not begin with";
    case snapshot::Match::Path::exact: return taken ? "is" : "is not";
  }
  return {};
}

template <class Element>
const Element* find_name(const std::vector<Element>& sorted, std::string_view name) {
  const auto found = std::ranges::lower_bound(sorted, name, {}, &Element::name);
  return found != sorted.end() && found->name == name ? &*found : nullptr;
}

}  // namespace

std::string_view describe(Refusal refusal) {
  switch (refusal) {
    case Refusal::no_route_table: return "the listener has no route table";
    case Refusal::no_virtual_host: return "no virtual host takes this host";
    case Refusal::no_route: return "no route takes this path";
    case Refusal::no_cluster: return "the route's cluster does not exist";
  }
  return {};
}

Index::Index(const snapshot::Snapshot& snapshot) : snapshot_(snapshot) {
  for (const auto& source : snapshot.routes) {
    auto& table = tables_[source.name];
    table.hosts.reserve(source.virtual_hosts.size());
    for (const auto& virtual_host : source.virtual_hosts) {
      auto& host = table.hosts.emplace_back(&virtual_host);
      for (const auto& route : virtual_host.routes) {
        host.routes.push_back({&route, find_cluster(snapshot, route.cluster)});
      }
      for (const auto& domain : virtual_host.domains) {
        if (domain == "*") {
          if (table.any == nullptr) table.any = &host;
        } else {
          table.by_domain.emplace(domain, &host);
        }
      }
    }
  }
  for (const auto& listener : snapshot.listeners) {
    const auto table = tables_.find(listener.routes);
    listener_tables_.push_back(table == tables_.end() ? nullptr : &table->second);
    listener_clusters_.push_back(find_cluster(snapshot, listener.cluster));
  }
}

const snapshot::Listener* Index::listener(std::string_view name) const {
  return find_name(snapshot_.listeners, name);
}

const snapshot::Listener* Index::listener(const base::Address& address) const {
  const auto found = std::ranges::find(snapshot_.listeners, address, &snapshot::Listener::address);
  return found == snapshot_.listeners.end() ? nullptr : &*found;
}

const Index::Host* Index::find_host(const Table& table, std::string_view host, Trace* trace) const {
  const Host* found = table.any;
  const auto bare = without_port(host);
  if (!table.by_domain.empty() && bare.size() <= max_host) {
    std::array<char, max_host> lower;
    std::ranges::transform(bare, lower.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    const auto exact = table.by_domain.find(std::string_view(lower.data(), bare.size()));
    if (exact != table.by_domain.end()) found = exact->second;
  }
  if (trace != nullptr) {
    for (const auto& candidate : table.hosts) {
      const bool taken = &candidate == found;
      trace->push_back({"virtual host",
                        candidate.virtual_host->name,
                        taken,
                        fmt::format("its domains {} host {}", taken ? "take" : "do not take", bare),
                        {}});
    }
  }
  return found;
}

std::expected<Decision, Refusal> Index::request(const snapshot::Listener& listener, const Request& request,
                                                Trace* trace) const {
  const auto* table = listener_tables_[static_cast<std::size_t>(&listener - snapshot_.listeners.data())];
  if (table == nullptr) return std::unexpected(Refusal::no_route_table);
  const auto* host = find_host(*table, request.host, trace);
  if (host == nullptr) return std::unexpected(Refusal::no_virtual_host);
  const auto path = without_query(request.path);
  for (const auto& [route, cluster] : host->routes) {
    const bool taken = matches(route->match, path);
    if (trace != nullptr) {
      trace->push_back({"route", route->name, taken,
                        fmt::format("path {} {} {}", path, relation(route->match, taken), route->match.path),
                        route->origin});
    }
    if (!taken) continue;
    if (trace != nullptr) {
      trace->push_back({"cluster", route->cluster, cluster != nullptr,
                        cluster != nullptr ? "the route names it" : "it does not exist",
                        cluster != nullptr ? cluster->origin : base::Origin{}});
    }
    if (cluster == nullptr) return std::unexpected(Refusal::no_cluster);
    return Decision{host->virtual_host, route, cluster};
  }
  return std::unexpected(Refusal::no_route);
}

std::expected<const snapshot::Cluster*, Refusal> Index::connection(const snapshot::Listener& listener,
                                                                   Trace* trace) const {
  const auto* cluster = listener_clusters_[static_cast<std::size_t>(&listener - snapshot_.listeners.data())];
  if (trace != nullptr) {
    trace->push_back({"cluster", listener.cluster, cluster != nullptr,
                      cluster != nullptr ? "the listener names it" : "it does not exist",
                      cluster != nullptr ? cluster->origin : base::Origin{}});
  }
  if (cluster == nullptr) return std::unexpected(Refusal::no_cluster);
  return cluster;
}

}  // namespace weft::decide
