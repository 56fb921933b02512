#include "proxy/config_dump.h"

#include "base/clock.h"
#include "base/json.h"
#include "proxy/words.h"

namespace weft::proxy {
namespace {

using base::Json;

Json origin_json(const base::Origin& origin) {
  if (origin == base::Origin{}) return nullptr;
  return {{"kind", origin.kind}, {"namespace", origin.ns}, {"name", origin.name}, {"field", origin.field}};
}

/// The names of the files: what is in them stays here.
Json tls_json(std::initializer_list<std::pair<const char*, const snapshot::PemFile&>> files) {
  Json json;
  for (const auto& [field, file] : files) {
    if (file) json[field] = file.name;
  }
  return json;
}

Json listener_json(const snapshot::Listener& listener) {
  Json json{{"name", listener.name},
            {"address", listener.address.to_string()},
            {"direction", word(listener.direction)},
            {"protocol", word(listener.protocol)},
            {"service", listener.service},
            {"serviceNamespace", listener.service_ns},
            {"origin", origin_json(listener.origin)}};
  if (listener.drain) json["drain"] = base::format_duration(*listener.drain);
  if (listener.proxy_protocol) json["proxyProtocol"] = true;
  if (const auto& tls = listener.tls) {
    json["tls"] =
        tls_json({{"certificate", tls->certificate}, {"key", tls->key}, {"clientCa", tls->client_ca}});
  }
  for (const auto& [hosts, cluster] : listener.sni)
    json["sni"].push_back({{"hosts", hosts}, {"cluster", cluster}});
  if (takes_bytes(listener.protocol)) json["cluster"] = listener.cluster;
  if (const auto& limit = listener.opaque_idle_timeout)
    json["opaqueIdleTimeout"] = base::format_duration(*limit);
  if (takes_http(listener.protocol)) {
    json["routes"] = listener.routes;
    json["connect"] = listener.allow_connect;
    json["trustedHops"] = listener.trusted_hops;
    if (listener.idle_timeout) json["idleTimeout"] = base::format_duration(*listener.idle_timeout);
  }
  return json;
}

Json match_json(const snapshot::Match& match) {
  Json json;
  json[word(match.path_kind)] = match.path;
  if (!match.method.empty()) json["method"] = match.method;
  for (const auto& [name, value] : match.headers) {
    json["headers"].push_back({{"name", name}, {"value", value ? Json(*value) : Json()}});
  }
  for (const auto& [name, value] : match.query)
    json["query"].push_back({{"name", name}, {"value", value ? Json(*value) : Json()}});
  return json;
}

/// Adds what becomes of a request.
void add_action(Json& json, const snapshot::Forward& forward) {
  if (forward.to.size() == 1) {
    json["cluster"] = forward.to.front().cluster;
  } else {
    for (const auto& [cluster, weight] : forward.to)
      json["to"].push_back({{"cluster", cluster}, {"weight", weight}});
  }
  json["timeout"] = base::format_duration(forward.timeout);
  json["idleTimeout"] = base::format_duration(forward.idle_timeout);
  if (!forward.host.empty()) json["host"] = forward.host;
  // What services are told may be secret.
  const auto add_names = [&](const char* field, const auto& fields) {
    for (const auto& one : fields) json[field].push_back(one.name);
  };
  if (!forward.headers.remove.empty()) json["removeHeaders"] = forward.headers.remove;
  add_names("setHeaders", forward.headers.set);
  add_names("addHeaders", forward.headers.add);
  if (forward.missing_is_error) json["missingClusterStatus"] = 500;
  if (!forward.limited_by.empty()) json["limitedBy"] = forward.limited_by;
}

void add_action(Json& json, const snapshot::Redirect& redirect) {
  auto& into = json["redirect"] = {{"code", static_cast<int>(redirect.code)}};
  if (redirect.scheme != snapshot::Redirect::Scheme::as_asked) into["scheme"] = word(redirect.scheme);
  if (!redirect.host.empty()) into["host"] = redirect.host;
  if (redirect.port != 0) into["port"] = redirect.port;
  if (redirect.path_kind != snapshot::Redirect::Path::as_asked)
    into[word(redirect.path_kind)] = redirect.path;
}

void add_action(Json& json, const snapshot::Reply& reply) {
  json["reply"] = {{"status", reply.status}, {"body", reply.body}};
}

Json route_json(const snapshot::Route& route) {
  Json json{{"name", route.name}, {"match", match_json(route.match)}, {"origin", origin_json(route.origin)}};
  std::visit([&](const auto& action) { add_action(json, action); }, route.action);
  return json;
}

Json table_json(const snapshot::RouteTable& table) {
  auto hosts = Json::array();
  for (const auto& host : table.virtual_hosts) {
    auto routes = Json::array();
    for (const auto& route : host.routes) routes.push_back(route_json(route));
    hosts.push_back({{"name", host.name}, {"domains", host.domains}, {"routes", std::move(routes)}});
  }
  return {{"name", table.name}, {"virtualHosts", std::move(hosts)}, {"origin", origin_json(table.origin)}};
}

Json cluster_json(const snapshot::Cluster& cluster) {
  auto endpoints = Json::array();
  for (const auto& endpoint : cluster.endpoints) {
    endpoints.push_back({{"address", endpoint.address.to_string()},
                         {"health", word(endpoint.health)},
                         {"weight", endpoint.weight},
                         {"instance", endpoint.instance}});
  }
  Json json{{"name", cluster.name},
            {"protocol", word(cluster.protocol)},
            {"loadBalancing", word(cluster.load_balancing)},
            {"connectTimeout", base::format_duration(cluster.connect_timeout)},
            {"maxConnections", cluster.max_connections},
            {"maxPending", cluster.max_pending},
            {"maxRequestsPerConnection", cluster.max_requests_per_connection},
            {"maxConnectionAge", base::format_duration(cluster.max_connection_age)},
            {"service", cluster.service},
            {"serviceNamespace", cluster.service_ns},
            {"endpoints", std::move(endpoints)},
            {"origin", origin_json(cluster.origin)}};
  if (cluster.idle_timeout.count() > 0) json["idleTimeout"] = base::format_duration(cluster.idle_timeout);
  if (cluster.proxy_protocol != snapshot::ProxyProtocol::none)
    json["proxyProtocol"] = word(cluster.proxy_protocol);
  if (const auto& tls = cluster.tls) {
    json["tls"] = tls_json({{"ca", tls->ca}, {"certificate", tls->certificate}, {"key", tls->key}});
    json["tls"]["name"] = tls->name;
  }
  if (!cluster.policy.empty()) json["policy"] = cluster.policy;
  return json;
}

}  // namespace

base::Json to_json(const snapshot::Snapshot& snapshot) {
  auto listeners = Json::array();
  for (const auto& listener : snapshot.listeners) listeners.push_back(listener_json(listener));
  auto routes = Json::array();
  for (const auto& table : snapshot.routes) routes.push_back(table_json(table));
  auto clusters = Json::array();
  for (const auto& cluster : snapshot.clusters) clusters.push_back(cluster_json(cluster));
  return {{"context", snapshot.context.to_string()},
          {"identity", snapshot.identity},
          {"listeners", std::move(listeners)},
          {"routes", std::move(routes)},
          {"clusters", std::move(clusters)}};
}

}  // namespace weft::proxy
