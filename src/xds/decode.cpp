// Envoy's messages as a Snapshot's parts: the mirror of encode.cpp, and the border where a peer's input is
// checked.
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>

#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/config/route/v3/route.pb.h"
#include "envoy/extensions/filters/http/router/v3/router.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"
#include "envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.pb.h"
#include "snapshot/patterns.h"
#include "weft/mesh/v1/mesh.pb.h"
#include "xds/names.h"
#include "xds/policies.h"
#include "xds/serialize.h"
#include "xds/wire.h"

namespace weft::xds {
namespace {

namespace core = envoy::config::core::v3;
namespace hcm = envoy::extensions::filters::network::http_connection_manager::v3;
namespace tcp = envoy::extensions::filters::network::tcp_proxy::v3;
namespace cluster_v3 = envoy::config::cluster::v3;
namespace endpoint_v3 = envoy::config::endpoint::v3;
namespace listener_v3 = envoy::config::listener::v3;
namespace route_v3 = envoy::config::route::v3;

/// Reads one resource: knows what it is, so that an error says where it stands, and keeps the first error.
class Reading {
 public:
  Reading(std::string_view what, Ignored& ignored) : what_(what), ignored_(ignored) {}

  void name(const std::string& name) { name_ = name; }
  void origin(const base::Origin& origin) { origin_ = origin; }
  void refuse(std::string text) {
    if (refusal_.empty()) refusal_ = std::move(text);
  }
  template <class Message>
  void scan(const Message& message, const UnknownPolicy& policy) {
    if (auto text = scan_unknown(unknown_fields(message), policy, ignored_)) refuse(std::move(*text));
  }
  void pass_over(std::string what) { ignore(ignored_, std::move(what)); }
  bool failed() const { return !refusal_.empty(); }

  template <class T>
  std::expected<T, XdsError> result(T value) const {
    if (!failed()) return value;
    auto origin = origin_.to_string();
    return base::fail(XdsErrorKind::invalid_resource,
                      fmt::format("{} {}{}: {}", what_, name_.empty() ? "without a name" : name_,
                                  origin.empty() ? origin : " (" + origin + ")", refusal_));
  }

 private:
  std::string_view what_;
  Ignored& ignored_;
  std::string name_;
  base::Origin origin_;
  std::string refusal_;
};

template <class Message>
bool parse(Message& message, std::string_view body) {
  return body.size() <= static_cast<std::size_t>(std::numeric_limits<int>::max()) &&
         message.ParseFromArray(body.data(), static_cast<int>(body.size()));
}

constexpr std::string_view unparsable = "the message cannot be parsed";

/// The texts in metadata.filter_metadata["weft"].
class Weft {
 public:
  explicit Weft(const core::Metadata& metadata) {
    auto found = metadata.filter_metadata().find(std::string(metadata_name));
    if (found != metadata.filter_metadata().end()) fields_ = &found->second;
  }
  std::string text(std::string_view key) const {
    if (!fields_) return {};
    auto found = fields_->fields().find(std::string(key));
    return found == fields_->fields().end() ? std::string() : found->second.string_value();
  }
  base::Origin origin() const {
    return {text(key_kind), text(key_namespace), text(key_name), text(key_field)};
  }

 private:
  const google::protobuf::Struct* fields_ = nullptr;
};

/// Rounded up to milliseconds, so that no limit becomes none.
std::chrono::milliseconds duration(const google::protobuf::Duration& message, std::string_view what,
                                   Reading& reading) {
  constexpr std::int64_t max_seconds = 315'576'000'000;  // google.protobuf.Duration's own bound
  bool valid = message.seconds() >= 0 && message.seconds() <= max_seconds && message.nanos() >= 0 &&
               message.nanos() < 1'000'000'000;
  if (!valid) {
    reading.refuse(fmt::format("{} is no valid duration", what));
    return {};
  }
  return std::chrono::milliseconds(message.seconds() * 1000 + (message.nanos() + 999'999) / 1'000'000);
}

base::Address address(const core::Address& message, Reading& reading) {
  if (message.has_pipe()) {
    if (message.pipe().path().empty()) reading.refuse("the address has no path");
    return base::Address::unix_path(message.pipe().path());
  }
  const auto& socket = message.socket_address();
  reading.scan(socket, policies::socket_address);
  if (!message.has_socket_address() || socket.protocol() != core::SocketAddress::TCP ||
      socket.port_value() > 65535 || socket.port_specifier_case() != core::SocketAddress::kPortValue) {
    reading.refuse("the address is not an IP with a TCP port, nor a Unix socket");
    return {};
  }
  auto parsed = base::Address::parse_ip(socket.address(), static_cast<std::uint16_t>(socket.port_value()));
  if (!parsed) reading.refuse(fmt::format("\"{}\" is no IP address", socket.address()));
  return parsed.value_or(base::Address());
}

void require_ads(const core::ConfigSource& source, std::string_view what, Reading& reading) {
  if (!source.has_ads()) reading.refuse(fmt::format("{} come from elsewhere than this ADS stream", what));
}

void read_http_filters(const hcm::HttpConnectionManager& manager, Reading& reading) {
  for (const auto& filter : manager.http_filters()) {
    reading.scan(filter, policies::http_filter);
    envoy::extensions::filters::http::router::v3::Router router;
    if (unpack(filter.typed_config(), router)) {
      reading.scan(router, policies::router);
    } else if (filter.is_optional() || filter.disabled()) {
      reading.pass_over("HTTP filter " + filter.name());
    } else {
      reading.refuse(fmt::format("the HTTP filter {} is not supported", filter.name()));
    }
  }
}

void read_connection_manager(const hcm::HttpConnectionManager& manager, snapshot::Listener& listener,
                             Reading& reading) {
  reading.scan(manager, policies::connection_manager);
  bool http1 = manager.codec_type() == hcm::HttpConnectionManager::AUTO ||
               manager.codec_type() == hcm::HttpConnectionManager::HTTP1;
  if (!http1) reading.refuse("its codec_type is not supported");
  listener.protocol = snapshot::Protocol::http1;
  listener.routes = manager.rds().route_config_name();
  if (listener.routes.empty()) reading.refuse("it names no route table");
  require_ads(manager.rds().config_source(), "its routes", reading);
  read_http_filters(manager, reading);
  const auto& limits = manager.common_http_protocol_options();
  reading.scan(limits, policies::http_protocol_options);
  if (limits.has_idle_timeout())
    listener.idle_timeout = duration(limits.idle_timeout(), "idle_timeout", reading);
  listener.trusted_hops = manager.xff_num_trusted_hops();
  for (const auto& upgrade : manager.upgrade_configs()) {
    reading.scan(upgrade, policies::upgrade_config);
    if (upgrade.has_enabled() && !upgrade.enabled().value()) continue;
    if (upgrade.upgrade_type() == upgrade_connect) listener.allow_connect = true;
  }
}

void read_tcp_proxy(const tcp::TcpProxy& proxy, snapshot::Listener& listener, Reading& reading) {
  reading.scan(proxy, policies::tcp_proxy);
  listener.protocol = snapshot::Protocol::tcp;
  listener.cluster = proxy.cluster();
  if (listener.cluster.empty()) reading.refuse("it names no cluster");
  if (proxy.has_idle_timeout())
    listener.idle_timeout = duration(proxy.idle_timeout(), "idle_timeout", reading);
}

void read_filter_chain(const listener_v3::FilterChain& chain, snapshot::Listener& listener,
                       Reading& reading) {
  reading.scan(chain, policies::filter_chain);
  if (chain.filters_size() != 1) return reading.refuse("it has not exactly one network filter");
  const auto& filter = chain.filters(0);
  reading.scan(filter, policies::filter);
  hcm::HttpConnectionManager manager;
  tcp::TcpProxy proxy;
  if (unpack(filter.typed_config(), manager)) {
    read_connection_manager(manager, listener, reading);
  } else if (unpack(filter.typed_config(), proxy)) {
    read_tcp_proxy(proxy, listener, reading);
  } else {
    reading.refuse(fmt::format("the network filter {} is not supported", filter.name()));
  }
}

snapshot::Direction direction_of(core::TrafficDirection direction) {
  switch (direction) {
    case core::INBOUND: return snapshot::Direction::inbound;
    case core::OUTBOUND: return snapshot::Direction::outbound;
    default: return snapshot::Direction::edge;
  }
}

snapshot::Match read_match(const route_v3::RouteMatch& match, Reading& reading) {
  reading.scan(match, policies::route_match);
  if (match.has_case_sensitive() && !match.case_sensitive().value()) {
    reading.refuse("a match without regard to case is not supported");
  }
  snapshot::Match read;
  switch (match.path_specifier_case()) {
    case route_v3::RouteMatch::kPrefix:
      // The empty one takes all paths, as "/" does.
      if (!match.prefix().empty()) read.path = match.prefix();
      break;
    case route_v3::RouteMatch::kPathSeparatedPrefix:
      read = {snapshot::Match::Path::segments, match.path_separated_prefix()};
      if (read.path.ends_with('/')) reading.refuse("a path_separated_prefix ends with a slash");
      break;
    case route_v3::RouteMatch::kPath: read = {snapshot::Match::Path::exact, match.path()}; break;
    case route_v3::RouteMatch::PATH_SPECIFIER_NOT_SET:
      reading.refuse("a route matches neither a prefix nor a path");
      return {};
  }
  if (const auto fault = snapshot::fault_of(read)) {
    reading.refuse(
        fmt::format("no request has the path \"{}\": {}", read.path, snapshot::describe(*fault).what));
  }
  return read;
}

snapshot::Route read_route(const route_v3::Route& message, Reading& reading) {
  snapshot::Route route;
  Weft weft(message.metadata());
  route.name = message.name();
  route.origin = weft.origin();
  if (!reading.failed() && !route.origin.kind.empty()) reading.origin(route.origin);
  reading.scan(message, policies::route);
  route.match = read_match(message.match(), reading);
  const auto& action = message.route();
  reading.scan(action, policies::route_action);
  route.cluster = action.cluster();
  if (route.cluster.empty()) reading.refuse(fmt::format("the route \"{}\" names no cluster", route.name));
  if (action.has_timeout()) route.timeout = duration(action.timeout(), "a route's timeout", reading);
  if (action.has_idle_timeout()) {
    route.idle_timeout = duration(action.idle_timeout(), "a route's idle_timeout", reading);
  }
  return route;
}

/// The virtual host, by number, that each domain of a route table belongs to.
using DomainOwners = std::map<std::string, std::size_t>;

/// Each domain belongs to one virtual host (Envoy's rule); in there it may stand in several spellings.
void read_domains(const route_v3::VirtualHost& message, snapshot::VirtualHost& host, std::size_t number,
                  DomainOwners& owners, Reading& reading) {
  for (const auto& text : message.domains()) {
    const auto domain = snapshot::parse_domain(text);
    if (!domain) {
      reading.refuse(fmt::format("no host matches the domain \"{}\" of the virtual host \"{}\": {}", text,
                                 host.name, snapshot::describe(domain.error()).what));
      return;
    }
    const auto [owner, is_new] = owners.try_emplace(domain->to_string(), number);
    if (is_new) {
      host.domains.push_back(owner->first);
    } else if (owner->second != number) {
      reading.refuse(fmt::format("the domain \"{}\" of the virtual host \"{}\" belongs to another already",
                                 text, host.name));
    }
  }
  if (host.domains.empty()) reading.refuse(fmt::format("the virtual host \"{}\" has no domain", host.name));
}

snapshot::VirtualHost read_virtual_host(const route_v3::VirtualHost& message, const base::Origin& origin,
                                        std::size_t number, DomainOwners& owners, Reading& reading) {
  reading.scan(message, policies::virtual_host);
  snapshot::VirtualHost host;
  host.name = message.name();
  read_domains(message, host, number, owners, reading);
  host.routes.reserve(static_cast<std::size_t>(message.routes_size()));
  for (const auto& route : message.routes()) host.routes.push_back(read_route(route, reading));
  if (!reading.failed()) reading.origin(origin);
  return host;
}

snapshot::Health health_of(core::HealthStatus health) {
  switch (health) {
    case core::UNHEALTHY:
    case core::TIMEOUT: return snapshot::Health::unhealthy;
    case core::DRAINING: return snapshot::Health::draining;
    default: return snapshot::Health::healthy;
  }
}

snapshot::Endpoint read_endpoint(const endpoint_v3::LbEndpoint& message, Reading& reading) {
  reading.scan(message, policies::lb_endpoint);
  reading.scan(message.endpoint(), policies::endpoint);
  snapshot::Endpoint endpoint;
  endpoint.address = address(message.endpoint().address(), reading);
  endpoint.health = health_of(message.health_status());
  if (message.has_load_balancing_weight()) {
    endpoint.weight = message.load_balancing_weight().value();
    if (endpoint.weight == 0) reading.refuse("an endpoint's weight is 0");
  }
  if (message.has_metadata()) endpoint.instance = Weft(message.metadata()).text(key_instance);
  return endpoint;
}

std::vector<snapshot::Endpoint> read_endpoints(const endpoint_v3::ClusterLoadAssignment& message,
                                               Reading& reading) {
  reading.scan(message, policies::load_assignment);
  std::vector<snapshot::Endpoint> endpoints;
  for (const auto& group : message.endpoints()) {
    reading.scan(group, policies::locality);
    for (const auto& endpoint : group.lb_endpoints()) endpoints.push_back(read_endpoint(endpoint, reading));
  }
  return endpoints;
}

void read_discovery(const cluster_v3::Cluster& message, DecodedCluster& decoded, Reading& reading) {
  switch (message.type()) {
    case cluster_v3::Cluster::STATIC:
      decoded.cluster.endpoints = read_endpoints(message.load_assignment(), reading);
      return;
    case cluster_v3::Cluster::EDS: {
      const auto& eds = message.eds_cluster_config();
      require_ads(eds.eds_config(), "its endpoints", reading);
      decoded.endpoints_name = eds.service_name().empty() ? message.name() : eds.service_name();
      return;
    }
    default: return reading.refuse("its discovery type is not supported");
  }
}

void read_load_balancing(const cluster_v3::Cluster& message, snapshot::Cluster& cluster, Reading& reading) {
  switch (message.lb_policy()) {
    case cluster_v3::Cluster::ROUND_ROBIN:
      cluster.load_balancing = snapshot::LoadBalancing::round_robin;
      return;
    case cluster_v3::Cluster::LEAST_REQUEST:
      cluster.load_balancing = snapshot::LoadBalancing::least_request;
      return;
    default:
      cluster.load_balancing = snapshot::LoadBalancing::least_request;
      reading.pass_over(fmt::format("Cluster lb_policy {}", static_cast<int>(message.lb_policy())));
  }
}

void read_circuit_breakers(const cluster_v3::CircuitBreakers& message, snapshot::Cluster& cluster,
                           Reading& reading) {
  reading.scan(message, policies::circuit_breakers);
  for (const auto& thresholds : message.thresholds()) {
    reading.scan(thresholds, policies::circuit_breakers);
    if (thresholds.priority() != core::DEFAULT) continue;
    if (thresholds.has_max_connections()) cluster.max_connections = thresholds.max_connections().value();
    if (thresholds.has_max_pending_requests())
      cluster.max_pending = thresholds.max_pending_requests().value();
  }
}

void read_connection_limits(const core::HttpProtocolOptions& limits, snapshot::Cluster& cluster,
                            Reading& reading) {
  reading.scan(limits, policies::http_protocol_options);
  if (limits.has_idle_timeout())
    cluster.idle_timeout = duration(limits.idle_timeout(), "idle_timeout", reading);
  if (limits.has_max_connection_duration()) {
    cluster.max_connection_age =
        duration(limits.max_connection_duration(), "max_connection_duration", reading);
  }
  if (limits.has_max_requests_per_connection()) {
    cluster.max_requests_per_connection = limits.max_requests_per_connection().value();
  }
}

}  // namespace

std::expected<DecodedContext, XdsError> decode_context(std::string_view body, Ignored& ignored) {
  Reading reading("context", ignored);
  weft::mesh::v1::Context message;
  if (!parse(message, body)) reading.refuse(std::string(unparsable));
  DecodedContext context{{message.namespace_(), message.workload()}, message.identity()};
  reading.name(context.id.to_string());
  if (context.id.ns.empty() || context.id.workload.empty())
    reading.refuse("it has no namespace or no workload");
  return reading.result(std::move(context));
}

std::expected<snapshot::ContextId, XdsError> decode_placement(std::string_view body, Ignored& ignored) {
  Reading reading("placement", ignored);
  weft::mesh::v1::Placement message;
  if (!parse(message, body)) reading.refuse(std::string(unparsable));
  snapshot::ContextId context{message.namespace_(), message.workload()};
  reading.name(context.to_string());
  if (context.ns.empty() || context.workload.empty()) reading.refuse("it has no namespace or no workload");
  return reading.result(std::move(context));
}

std::expected<DecodedCluster, XdsError> decode_cluster(std::string_view body, Ignored& ignored) {
  Reading reading("cluster", ignored);
  cluster_v3::Cluster message;
  if (!parse(message, body)) reading.refuse(std::string(unparsable));
  DecodedCluster decoded;
  auto& cluster = decoded.cluster;
  Weft weft(message.metadata());
  cluster.name = message.name();
  cluster.origin = weft.origin();
  reading.name(cluster.name);
  reading.origin(cluster.origin);
  if (cluster.name.empty()) reading.refuse("it has no name");
  reading.scan(message, policies::cluster);
  if (message.has_connect_timeout()) {
    cluster.connect_timeout = duration(message.connect_timeout(), "connect_timeout", reading);
  }
  read_load_balancing(message, cluster, reading);
  read_circuit_breakers(message.circuit_breakers(), cluster, reading);
  read_connection_limits(message.common_http_protocol_options(), cluster, reading);
  cluster.service = weft.text(key_service);
  cluster.service_ns = weft.text(key_service_namespace);
  if (weft.text(key_protocol) == protocol_tcp) cluster.protocol = snapshot::Protocol::tcp;
  read_discovery(message, decoded, reading);
  return reading.result(std::move(decoded));
}

std::expected<DecodedEndpoints, XdsError> decode_endpoints(std::string_view body, Ignored& ignored) {
  Reading reading("endpoints of cluster", ignored);
  endpoint_v3::ClusterLoadAssignment message;
  if (!parse(message, body)) reading.refuse(std::string(unparsable));
  reading.name(message.cluster_name());
  DecodedEndpoints decoded{message.cluster_name(), read_endpoints(message, reading)};
  if (decoded.cluster.empty()) reading.refuse("it names no cluster");
  return reading.result(std::move(decoded));
}

std::expected<snapshot::Listener, XdsError> decode_listener(std::string_view body, Ignored& ignored) {
  Reading reading("listener", ignored);
  listener_v3::Listener message;
  if (!parse(message, body)) reading.refuse(std::string(unparsable));
  snapshot::Listener listener;
  Weft weft(message.metadata());
  listener.name = message.name();
  listener.origin = weft.origin();
  reading.name(listener.name);
  reading.origin(listener.origin);
  if (listener.name.empty()) reading.refuse("it has no name");
  reading.scan(message, policies::listener);
  listener.address = address(message.address(), reading);
  listener.direction = direction_of(message.traffic_direction());
  listener.service = weft.text(key_service);
  listener.service_ns = weft.text(key_service_namespace);
  if (message.filter_chains_size() == 1) {
    read_filter_chain(message.filter_chains(0), listener, reading);
  } else {
    reading.refuse("it has not exactly one filter chain");
  }
  return reading.result(std::move(listener));
}

std::expected<snapshot::RouteTable, XdsError> decode_routes(std::string_view body, Ignored& ignored) {
  Reading reading("route table", ignored);
  route_v3::RouteConfiguration message;
  if (!parse(message, body)) reading.refuse(std::string(unparsable));
  snapshot::RouteTable table;
  table.name = message.name();
  table.origin = Weft(message.metadata()).origin();
  reading.name(table.name);
  reading.origin(table.origin);
  if (table.name.empty()) reading.refuse("it has no name");
  reading.scan(message, policies::route_table);
  table.virtual_hosts.reserve(static_cast<std::size_t>(message.virtual_hosts_size()));
  DomainOwners owners;
  for (const auto& host : message.virtual_hosts()) {
    table.virtual_hosts.push_back(
        read_virtual_host(host, table.origin, table.virtual_hosts.size(), owners, reading));
  }
  return reading.result(std::move(table));
}

}  // namespace weft::xds
