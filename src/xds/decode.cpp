// Envoy's messages as a Snapshot's parts but for route tables (decode_routes.cpp): the mirror of encode.cpp,
// and the border where a peer's input is checked.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>
#include <utility>

#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/extensions/filters/http/router/v3/router.pb.h"
#include "envoy/extensions/filters/listener/http_inspector/v3/http_inspector.pb.h"
#include "envoy/extensions/filters/listener/proxy_protocol/v3/proxy_protocol.pb.h"
#include "envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"
#include "envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.pb.h"
#include "envoy/extensions/transport_sockets/proxy_protocol/v3/upstream_proxy_protocol.pb.h"
#include "envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer.pb.h"
#include "envoy/extensions/upstreams/http/v3/http_protocol_options.pb.h"
#include "snapshot/patterns.h"
#include "weft/mesh/v1/mesh.pb.h"
#include "xds/names.h"
#include "xds/policies.h"
#include "xds/reading.h"
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
namespace upstreams = envoy::extensions::upstreams::http::v3;

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
  if (manager.codec_type() != hcm::HttpConnectionManager::AUTO)
    reading.refuse("its codec_type is not AUTO: which version of HTTP a client speaks, its first bytes say");
  listener.protocol = snapshot::ListenerProtocol::http;
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
  listener.protocol = snapshot::ListenerProtocol::tcp;
  listener.cluster = proxy.cluster();
  if (listener.cluster.empty()) reading.refuse("it names no cluster");
  if (proxy.has_idle_timeout())
    listener.opaque_idle_timeout = duration(proxy.idle_timeout(), "idle_timeout", reading);
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

/// What is looked for in a connection's first bytes.
struct Inspected {
  bool http = false;
  bool tls = false;
};

Inspected read_listener_filters(const listener_v3::Listener& message, snapshot::Listener& listener,
                                Reading& reading) {
  namespace filters = envoy::extensions::filters::listener;
  Inspected inspected;
  for (const auto& filter : message.listener_filters()) {
    reading.scan(filter, policies::listener_filter);
    filters::http_inspector::v3::HttpInspector http;
    filters::tls_inspector::v3::TlsInspector tls;
    filters::proxy_protocol::v3::ProxyProtocol proxy;
    if (unpack(filter.typed_config(), http)) {
      inspected.http = true;
    } else if (unpack(filter.typed_config(), tls)) {
      inspected.tls = true;
    } else if (unpack(filter.typed_config(), proxy)) {
      reading.scan(proxy, policies::proxy_protocol);
      listener.proxy_protocol = true;
      if (proxy.allow_requests_without_proxy_protocol())
        reading.refuse("anybody could write the header of the PROXY protocol that it allows to be missing");
    } else {
      reading.refuse(fmt::format("the listener filter {} is not supported", filter.name()));
    }
  }
  return inspected;
}

/// Whether the chain takes HTTP of all versions, and nothing else. One that leaves HTTP/1.0 out has it too:
/// what begins like HTTP is never passed on as bytes.
bool is_for_http(const listener_v3::FilterChainMatch& match) {
  const auto& asked = match.application_protocols();
  const auto has = [&](std::string_view protocol) {
    return std::ranges::find(asked, protocol) != asked.end();
  };
  return has("http/1.1") && has("h2c") && std::ranges::all_of(asked, [](const std::string& protocol) {
           return std::ranges::find(found_http, protocol) != found_http.end();
         });
}

bool is_for_tls(const listener_v3::FilterChainMatch& match) {
  return match.transport_protocol() == found_tls ||
         (match.transport_protocol().empty() && !match.server_names().empty());
}

/// One name, or all names below one: Envoy has no other patterns here.
bool is_server_name(const snapshot::Domain& domain) {
  using enum snapshot::Domain::Kind;
  return !domain.has_port &&
         (domain.kind == exact || (domain.kind == suffix && domain.text.starts_with('.')));
}

/// The names that are spoken for.
using Owned = std::set<std::string>;

void read_server_names(const listener_v3::FilterChain& chain, snapshot::Listener& listener, Owned& owned,
                       Reading& reading) {
  snapshot::ServerNames names;
  const auto own = [&](std::string name) {
    if (!owned.insert(name).second)
      reading.refuse(fmt::format("the server name \"{}\" belongs to another filter chain already", name));
    names.hosts.push_back(std::move(name));
  };
  const auto& match = chain.filter_chain_match();
  // Envoy has no star for all: a chain without names takes them.
  if (match.server_names().empty()) own("*");
  for (const auto& text : match.server_names()) {
    const auto domain = snapshot::parse_domain(text);
    if (!domain || !is_server_name(*domain)) {
      return reading.refuse(fmt::format(
          "the server name \"{}\" is neither one that a client of TLS asks for nor *.NAME", text));
    }
    own(domain->to_string());
  }
  const auto limit = std::exchange(listener.opaque_idle_timeout, std::nullopt);
  read_filter_chain(chain, listener, reading);
  if (listener.protocol != snapshot::ListenerProtocol::tcp || !is_for_tls(match) ||
      !match.application_protocols().empty()) {
    reading.refuse("a filter chain of it is not one of TCP for TLS, as the others are");
  }
  if (!listener.sni.empty() && listener.opaque_idle_timeout != limit)
    reading.refuse("its filter chains have different idle timeouts");
  names.cluster = std::exchange(listener.cluster, {});
  listener.sni.push_back(std::move(names));
}

/// One chain for all, one for HTTP and one for everything else, or several for TLS by server names.
void read_filter_chains(const listener_v3::Listener& message, snapshot::Listener& listener,
                        Reading& reading) {
  const auto inspected = read_listener_filters(message, listener, reading);
  for (const auto& chain : message.filter_chains())
    reading.scan(chain.filter_chain_match(), policies::filter_chain_match);
  if (inspected.tls && !message.has_default_filter_chain() && !message.filter_chains().empty() &&
      is_for_tls(message.filter_chains(0).filter_chain_match())) {
    Owned owned;
    for (const auto& chain : message.filter_chains()) read_server_names(chain, listener, owned, reading);
    listener.protocol = snapshot::ListenerProtocol::tls;
    return;
  }
  if (message.filter_chains_size() != 1) return reading.refuse("it has not exactly one filter chain");
  const auto& chain = message.filter_chains(0);
  const auto& match = chain.filter_chain_match();
  if (!match.server_names().empty() || !match.transport_protocol().empty())
    reading.refuse(
        "its filter chain asks for TLS, or for none, where that is not all that tells chains apart");
  read_filter_chain(chain, listener, reading);
  if (!message.has_default_filter_chain() && match.application_protocols().empty()) return;
  const bool has_http = listener.protocol == snapshot::ListenerProtocol::http;
  read_filter_chain(message.default_filter_chain(), listener, reading);
  const bool has_tcp = listener.protocol == snapshot::ListenerProtocol::tcp;
  if (!inspected.http || inspected.tls || !is_for_http(match) || !has_http || !has_tcp) {
    reading.refuse(
        "it has two filter chains that are not one of HTTP, which http_inspector finds, and a default one of "
        "TCP");
  }
  listener.protocol = snapshot::ListenerProtocol::automatic;
}

/// Other times than this proxy's own are not kept.
void read_filters_timeout(const listener_v3::Listener& message, const snapshot::Listener& listener,
                          Reading& reading) {
  const bool has_one =
      message.has_listener_filters_timeout() || message.continue_on_listener_filters_timeout();
  const bool is_kept =
      listener.protocol == snapshot::ListenerProtocol::automatic &&
      message.continue_on_listener_filters_timeout() &&
      duration(message.listener_filters_timeout(), "listener_filters_timeout", reading) == first_word_time;
  if (has_one && !is_kept) reading.pass_over("Listener listener_filters_timeout");
}

/// Milliseconds in decimal.
std::optional<std::chrono::milliseconds> read_drain(const std::string& text, Reading& reading) {
  constexpr std::int64_t most = 1'000'000'000'000;  // 31 years, which a clock can be advanced by
  if (text.empty()) return std::nullopt;
  std::int64_t value = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < 0 || value > most)
    reading.refuse(fmt::format("its {} is no time in milliseconds", key_drain));
  return std::chrono::milliseconds(value);
}

std::uint16_t read_port(const std::string& text, Reading& reading) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  const bool is_port = error == std::errc{} && end == text.data() + text.size();
  if (!text.empty() && !is_port) reading.refuse(fmt::format("its {} is no port", key_service_port));
  return port;
}

snapshot::Direction direction_of(core::TrafficDirection direction) {
  switch (direction) {
    case core::INBOUND: return snapshot::Direction::inbound;
    case core::OUTBOUND: return snapshot::Direction::outbound;
    default: return snapshot::Direction::edge;
  }
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
    if (group.has_load_balancing_weight()) reading.pass_over("LocalityLbEndpoints load_balancing_weight");
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

snapshot::ClusterProtocol protocol_of(const upstreams::HttpProtocolOptions& options, Reading& reading) {
  using Options = upstreams::HttpProtocolOptions;
  const auto& one = options.explicit_http_config();
  reading.scan(one, policies::explicit_http);
  reading.scan(one.http_protocol_options(), policies::http1_options);
  reading.scan(one.http2_protocol_options(), policies::http2_options);
  const auto& same = options.use_downstream_protocol_config();
  reading.scan(same, policies::downstream_http);
  reading.scan(same.http_protocol_options(), policies::http1_options);
  reading.scan(same.http2_protocol_options(), policies::http2_options);
  if (options.has_use_downstream_protocol_config()) return snapshot::ClusterProtocol::automatic;
  switch (one.protocol_config_case()) {
    case Options::ExplicitHttpConfig::kHttpProtocolOptions: return snapshot::ClusterProtocol::http1;
    case Options::ExplicitHttpConfig::kHttp2ProtocolOptions: return snapshot::ClusterProtocol::http2;
    case Options::ExplicitHttpConfig::PROTOCOL_CONFIG_NOT_SET: break;
  }
  reading.refuse("its protocol options name no protocol");
  return {};
}

/// TLS is not spoken yet: plain, or with a header before everything else.
void read_transport(const core::TransportSocket& socket, snapshot::Cluster& cluster, Reading& reading) {
  namespace sockets = envoy::extensions::transport_sockets;
  reading.scan(socket, policies::transport_socket);
  sockets::raw_buffer::v3::RawBuffer raw;
  sockets::proxy_protocol::v3::ProxyProtocolUpstreamTransport proxy;
  if (unpack(socket.typed_config(), raw)) return;
  if (cluster.proxy_protocol != snapshot::ProxyProtocol::none || !unpack(socket.typed_config(), proxy))
    return reading.refuse(fmt::format("the transport socket {} is not supported", socket.name()));
  reading.scan(proxy, policies::proxy_protocol_transport);
  reading.scan(proxy.config(), policies::proxy_protocol_config);
  switch (proxy.config().version()) {
    case core::ProxyProtocolConfig::V1: cluster.proxy_protocol = snapshot::ProxyProtocol::v1; break;
    case core::ProxyProtocolConfig::V2: cluster.proxy_protocol = snapshot::ProxyProtocol::v2; break;
    default: return reading.refuse("this version of the PROXY protocol is not known");
  }
  read_transport(proxy.transport_socket(), cluster, reading);
}

/// Of a foreign control plane the limits may stand beside the protocol, where Envoy had them once.
void read_protocol(const cluster_v3::Cluster& message, snapshot::Cluster& cluster, Reading& reading) {
  read_connection_limits(message.common_http_protocol_options(), cluster, reading);
  for (const auto& [name, any] : message.typed_extension_protocol_options()) {
    upstreams::HttpProtocolOptions options;
    if (name != http_options || !unpack(any, options))
      return reading.refuse(fmt::format("the protocol options {} are not supported", name));
    reading.scan(options, policies::upstream_http);
    read_connection_limits(options.common_http_protocol_options(), cluster, reading);
    cluster.protocol = protocol_of(options, reading);
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
  if (message.has_transport_socket()) read_transport(message.transport_socket(), cluster, reading);
  const bool tells_client = cluster.proxy_protocol != snapshot::ProxyProtocol::none;
  if (tells_client) cluster.protocol = snapshot::ClusterProtocol::tcp;
  read_protocol(message, cluster, reading);
  cluster.service = weft.text(key_service);
  cluster.service_ns = weft.text(key_service_namespace);
  cluster.policy = weft.text(key_policy);
  if (weft.text(key_protocol) == protocol_tcp) cluster.protocol = snapshot::ClusterProtocol::tcp;
  if (tells_client && takes_http(cluster.protocol)) {
    reading.refuse(
        "its connections begin with a PROXY header and carry one client's bytes, and its protocol options "
        "are "
        "of HTTP: leave them out");
  }
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
  listener.service_port = read_port(weft.text(key_service_port), reading);
  listener.drain = read_drain(weft.text(key_drain), reading);
  if (message.has_api_listener()) reading.refuse("it is an api_listener, for clients without a proxy");
  read_filter_chains(message, listener, reading);
  read_filters_timeout(message, listener, reading);
  return reading.result(std::move(listener));
}

}  // namespace weft::xds
