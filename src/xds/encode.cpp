// A Snapshot's parts as Envoy's messages. decode.cpp and decode_routes.cpp are its mirror.
#include <algorithm>
#include <array>
#include <set>

#include "base/hash.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/config/route/v3/route.pb.h"
#include "envoy/extensions/filters/http/router/v3/router.pb.h"
#include "envoy/extensions/filters/listener/http_inspector/v3/http_inspector.pb.h"
#include "envoy/extensions/filters/listener/proxy_protocol/v3/proxy_protocol.pb.h"
#include "envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"
#include "envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.pb.h"
#include "envoy/extensions/transport_sockets/proxy_protocol/v3/upstream_proxy_protocol.pb.h"
#include "envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer.pb.h"
#include "envoy/extensions/upstreams/http/v3/http_protocol_options.pb.h"
#include "weft/mesh/v1/mesh.pb.h"
#include "xds/names.h"
#include "xds/serialize.h"
#include "xds/wire.h"

namespace weft::xds {
namespace {

namespace core = envoy::config::core::v3;
namespace listener_v3 = envoy::config::listener::v3;
namespace route_v3 = envoy::config::route::v3;
namespace hcm = envoy::extensions::filters::network::http_connection_manager::v3;

/// Every request of gRPC has this method.
constexpr std::string_view grpc_method = "POST";

/// TLS is said in config files alone. Who is sent this in its place refuses what it stands in, and does not
/// take it for plaintext.
constexpr std::string_view no_form = "weft.tls";

Resource resource(Type type, std::string name, const google::protobuf::MessageLite& message) {
  Resource made{.type = type, .name = std::move(name), .version = {}, .body = serialize(message)};
  made.version = base::content_hash(made.body);
  return made;
}

google::protobuf::Struct& weft_struct(core::Metadata& metadata) {
  return (*metadata.mutable_filter_metadata())[std::string(metadata_name)];
}

void put(google::protobuf::Struct& into, std::string_view key, const std::string& value) {
  if (!value.empty()) (*into.mutable_fields())[std::string(key)].set_string_value(value);
}

void put_origin(google::protobuf::Struct& into, const base::Origin& origin) {
  put(into, key_kind, origin.kind);
  put(into, key_namespace, origin.ns);
  put(into, key_name, origin.name);
  put(into, key_field, origin.field);
}

void set_duration(google::protobuf::Duration& into, std::chrono::milliseconds duration) {
  into.set_seconds(duration.count() / 1000);
  into.set_nanos(static_cast<std::int32_t>(duration.count() % 1000) * 1'000'000);
}

void set_address(core::Address& into, const base::Address& address) {
  switch (address.family()) {
    case base::Address::Family::none: return;
    case base::Address::Family::unix_path: into.mutable_pipe()->set_path(address.path()); return;
    case base::Address::Family::ipv4:
    case base::Address::Family::ipv6:
      into.mutable_socket_address()->set_address(address.ip());
      into.mutable_socket_address()->set_port_value(address.port());
      return;
  }
}

void set_ads(core::ConfigSource& source) {
  source.mutable_ads();
  source.set_resource_api_version(core::V3);
}

core::TrafficDirection direction_of(snapshot::Direction direction) {
  switch (direction) {
    case snapshot::Direction::edge: return core::UNSPECIFIED;
    case snapshot::Direction::outbound: return core::OUTBOUND;
    case snapshot::Direction::inbound: return core::INBOUND;
  }
  return core::UNSPECIFIED;
}

core::HealthStatus health_of(snapshot::Health health) {
  switch (health) {
    case snapshot::Health::healthy: return core::HEALTHY;
    case snapshot::Health::unhealthy: return core::UNHEALTHY;
    case snapshot::Health::draining: return core::DRAINING;
  }
  return core::UNKNOWN;
}

hcm::HttpConnectionManager connection_manager(const snapshot::Listener& listener) {
  hcm::HttpConnectionManager manager;
  manager.set_stat_prefix(listener.name);
  manager.mutable_rds()->set_route_config_name(listener.routes);
  set_ads(*manager.mutable_rds()->mutable_config_source());
  auto& router = *manager.add_http_filters();
  router.set_name("envoy.filters.http.router");
  pack(*router.mutable_typed_config(), envoy::extensions::filters::http::router::v3::Router());
  if (listener.allow_connect) manager.add_upgrade_configs()->set_upgrade_type(std::string(upgrade_connect));
  manager.set_xff_num_trusted_hops(listener.trusted_hops);
  if (listener.idle_timeout) {
    set_duration(*manager.mutable_common_http_protocol_options()->mutable_idle_timeout(),
                 *listener.idle_timeout);
  }
  return manager;
}

envoy::extensions::filters::network::tcp_proxy::v3::TcpProxy tcp_proxy(const snapshot::Listener& listener,
                                                                       const std::string& cluster) {
  envoy::extensions::filters::network::tcp_proxy::v3::TcpProxy proxy;
  proxy.set_stat_prefix(listener.name);
  proxy.set_cluster(cluster);
  if (listener.opaque_idle_timeout)
    set_duration(*proxy.mutable_idle_timeout(), *listener.opaque_idle_timeout);
  return proxy;
}

void add_filter(listener_v3::FilterChain& chain, const char* name,
                const google::protobuf::MessageLite& config) {
  auto& filter = *chain.add_filters();
  filter.set_name(name);
  pack(*filter.mutable_typed_config(), config);
}

void add_http(listener_v3::FilterChain& chain, const snapshot::Listener& listener) {
  add_filter(chain, "envoy.filters.network.http_connection_manager", connection_manager(listener));
}

void add_tcp(listener_v3::FilterChain& chain, const snapshot::Listener& listener,
             const std::string& cluster) {
  add_filter(chain, "envoy.filters.network.tcp_proxy", tcp_proxy(listener, cluster));
}

void add_listener_filter(listener_v3::Listener& into, const char* name,
                         const google::protobuf::MessageLite& config) {
  auto& filter = *into.add_listener_filters();
  filter.set_name(name);
  pack(*filter.mutable_typed_config(), config);
}

void add_server_names(listener_v3::Listener& into, const snapshot::Listener& listener,
                      const snapshot::ServerNames& names) {
  auto& chain = *into.add_filter_chains();
  auto& match = *chain.mutable_filter_chain_match();
  match.set_transport_protocol(std::string(found_tls));
  // Envoy has no star for all: a chain without names takes them.
  for (const auto& host : names.hosts)
    if (host != "*") match.add_server_names(host);
  add_tcp(chain, listener, names.cluster);
  const bool has_all = std::ranges::find(names.hosts, "*") != names.hosts.end();
  if (has_all && names.hosts.size() > 1) add_server_names(into, listener, {{"*"}, names.cluster});
}

void set_filter_chains(listener_v3::Listener& into, const snapshot::Listener& listener) {
  namespace filters = envoy::extensions::filters::listener;
  if (listener.proxy_protocol) {
    add_listener_filter(into, "envoy.filters.listener.proxy_protocol",
                        filters::proxy_protocol::v3::ProxyProtocol());
  }
  switch (listener.protocol) {
    case snapshot::ListenerProtocol::http: return add_http(*into.add_filter_chains(), listener);
    case snapshot::ListenerProtocol::tcp:
      return add_tcp(*into.add_filter_chains(), listener, listener.cluster);
    case snapshot::ListenerProtocol::tls:
      add_listener_filter(into, "envoy.filters.listener.tls_inspector",
                          filters::tls_inspector::v3::TlsInspector());
      for (const auto& names : listener.sni) add_server_names(into, listener, names);
      return;
    case snapshot::ListenerProtocol::automatic: {
      add_listener_filter(into, "envoy.filters.listener.http_inspector",
                          filters::http_inspector::v3::HttpInspector());
      // Of a client that says nothing the service may speak first. Envoy would go on without a PROXY header
      // too.
      if (!listener.proxy_protocol) {
        set_duration(*into.mutable_listener_filters_timeout(), first_word_time);
        into.set_continue_on_listener_filters_timeout(true);
      }
      auto& http = *into.add_filter_chains();
      for (const auto found : found_http)
        http.mutable_filter_chain_match()->add_application_protocols(std::string(found));
      add_http(http, listener);
      return add_tcp(*into.mutable_default_filter_chain(), listener, listener.cluster);
    }
  }
}

core::HttpProtocolOptions connection_limits(const snapshot::Cluster& cluster) {
  core::HttpProtocolOptions limits;
  if (cluster.idle_timeout.count() > 0) set_duration(*limits.mutable_idle_timeout(), cluster.idle_timeout);
  if (cluster.max_connection_age.count() > 0)
    set_duration(*limits.mutable_max_connection_duration(), cluster.max_connection_age);
  if (cluster.max_requests_per_connection > 0)
    limits.mutable_max_requests_per_connection()->set_value(cluster.max_requests_per_connection);
  return limits;
}

/// What Envoy takes a cluster for that says nothing stays unsaid: HTTP/1.1, where bytes are not meant.
void set_protocol(envoy::config::cluster::v3::Cluster& into, const snapshot::Cluster& cluster) {
  auto limits = connection_limits(cluster);
  envoy::extensions::upstreams::http::v3::HttpProtocolOptions options;
  switch (cluster.protocol) {
    case snapshot::ClusterProtocol::http1:
    case snapshot::ClusterProtocol::tcp:
      if (limits.ByteSizeLong() > 0) *into.mutable_common_http_protocol_options() = std::move(limits);
      return;
    case snapshot::ClusterProtocol::http2:
      options.mutable_explicit_http_config()->mutable_http2_protocol_options();
      break;
    case snapshot::ClusterProtocol::automatic:
      options.mutable_use_downstream_protocol_config()->mutable_http2_protocol_options();
      break;
  }
  // Envoy reads no others beside these.
  *options.mutable_common_http_protocol_options() = std::move(limits);
  pack((*into.mutable_typed_extension_protocol_options())[std::string(http_options)], options);
}

void set_proxy_protocol(envoy::config::cluster::v3::Cluster& into, snapshot::ProxyProtocol version) {
  if (version == snapshot::ProxyProtocol::none) return;
  envoy::extensions::transport_sockets::proxy_protocol::v3::ProxyProtocolUpstreamTransport transport;
  transport.mutable_config()->set_version(
      version == snapshot::ProxyProtocol::v1 ? core::ProxyProtocolConfig::V1 : core::ProxyProtocolConfig::V2);
  auto& inner = *transport.mutable_transport_socket();
  inner.set_name("envoy.transport_sockets.raw_buffer");
  pack(*inner.mutable_typed_config(), envoy::extensions::transport_sockets::raw_buffer::v3::RawBuffer());
  into.mutable_transport_socket()->set_name("envoy.transport_sockets.upstream_proxy_protocol");
  pack(*into.mutable_transport_socket()->mutable_typed_config(), transport);
}

void set_match(route_v3::RouteMatch& into, const snapshot::Match& match, Dialect dialect) {
  switch (match.path_kind) {
    case snapshot::Match::Path::prefix: into.set_prefix(match.path); break;
    case snapshot::Match::Path::segments: into.set_path_separated_prefix(match.path); break;
    case snapshot::Match::Path::exact: into.set_path(match.path); break;
  }
  const auto add = [&](std::string_view name, const std::optional<std::string>& value) {
    auto& header = *into.add_headers();
    header.set_name(std::string(name));
    if (value) {
      header.mutable_string_match()->set_exact(*value);
    } else {
      header.set_present_match(true);
    }
  };
  if (!match.method.empty() && dialect != Dialect::grpc) add(method_header, match.method);
  for (const auto& [name, value] : match.headers) add(name, value);
  for (const auto& [name, value] : match.query) {
    auto& parameter = *into.add_query_parameters();
    parameter.set_name(name);
    if (value) {
      parameter.mutable_string_match()->set_exact(*value);
    } else {
      parameter.set_present_match(true);
    }
  }
}

/// Envoy reads % in a header's value as the beginning of a command.
std::string without_commands(std::string_view value) {
  std::string text;
  for (const char c : value) text.append(c == '%' ? 2 : 1, c);
  return text;
}

void set_headers(route_v3::Route& into, const snapshot::HeaderChanges& changes) {
  for (const auto& name : changes.remove) into.add_request_headers_to_remove(name);
  const auto add = [&](const auto& fields, core::HeaderValueOption::HeaderAppendAction action) {
    for (const auto& [name, value] : fields) {
      auto& option = *into.add_request_headers_to_add();
      option.mutable_header()->set_key(name);
      option.mutable_header()->set_value(without_commands(value));
      option.set_append_action(action);
      option.set_keep_empty_value(value.empty());
    }
  };
  add(changes.set, core::HeaderValueOption::OVERWRITE_IF_EXISTS_OR_ADD);
  add(changes.add, core::HeaderValueOption::APPEND_IF_EXISTS_OR_ADD);
}

void set_action(route_v3::Route& into, const snapshot::Forward& forward) {
  auto& action = *into.mutable_route();
  if (forward.to.size() == 1 && forward.to.front().weight == 1) {
    action.set_cluster(forward.to.front().cluster);
  } else {
    for (const auto& [cluster, weight] : forward.to) {
      auto& target = *action.mutable_weighted_clusters()->add_clusters();
      target.set_name(cluster);
      target.mutable_weight()->set_value(weight);
    }
  }
  set_duration(*action.mutable_timeout(), forward.timeout);
  set_duration(*action.mutable_idle_timeout(), forward.idle_timeout);
  if (!forward.host.empty()) action.set_host_rewrite_literal(forward.host);
  if (forward.missing_is_error)
    action.set_cluster_not_found_response_code(route_v3::RouteAction::INTERNAL_SERVER_ERROR);
  set_headers(into, forward.headers);
  if (!forward.limited_by.empty())
    put(weft_struct(*into.mutable_metadata()), key_limited_by, forward.limited_by);
}

route_v3::RedirectAction::RedirectResponseCode code_of(snapshot::Redirect::Code code) {
  using enum snapshot::Redirect::Code;
  switch (code) {
    case moved_permanently: return route_v3::RedirectAction::MOVED_PERMANENTLY;
    case found: return route_v3::RedirectAction::FOUND;
    case see_other: return route_v3::RedirectAction::SEE_OTHER;
    case temporary_redirect: return route_v3::RedirectAction::TEMPORARY_REDIRECT;
    case permanent_redirect: return route_v3::RedirectAction::PERMANENT_REDIRECT;
  }
  return route_v3::RedirectAction::FOUND;
}

void set_action(route_v3::Route& into, const snapshot::Redirect& redirect) {
  auto& action = *into.mutable_redirect();
  switch (redirect.scheme) {
    case snapshot::Redirect::Scheme::as_asked: break;
    case snapshot::Redirect::Scheme::http: action.set_scheme_redirect(std::string(scheme_http)); break;
    case snapshot::Redirect::Scheme::https: action.set_scheme_redirect(std::string(scheme_https)); break;
  }
  action.set_host_redirect(redirect.host);
  action.set_port_redirect(redirect.port);
  switch (redirect.path_kind) {
    case snapshot::Redirect::Path::as_asked: break;
    case snapshot::Redirect::Path::whole: action.set_path_redirect(redirect.path); break;
    case snapshot::Redirect::Path::prefix: action.set_prefix_rewrite(redirect.path); break;
  }
  action.set_response_code(code_of(redirect.code));
}

void set_action(route_v3::Route& into, const snapshot::Reply& reply) {
  into.mutable_direct_response()->set_status(reply.status);
  // As bytes: a string must be UTF-8.
  if (!reply.body.empty()) into.mutable_direct_response()->mutable_body()->set_inline_bytes(reply.body);
}

void set_route(route_v3::Route& into, const snapshot::Route& route, const snapshot::Match& match,
               Dialect dialect) {
  into.set_name(route.name);
  set_match(*into.mutable_match(), match, dialect);
  std::visit([&](const auto& action) { set_action(into, action); }, route.action);
  put_origin(weft_struct(*into.mutable_metadata()), route.origin);
}

void add_route(route_v3::VirtualHost& into, const snapshot::Route& route, Dialect dialect) {
  auto match = route.match;
  using Path = snapshot::Match::Path;
  if (dialect == Dialect::grpc) {
    if (!match.method.empty() && match.method != grpc_method) return;
    // It refuses a whole table in which paths are matched by segments.
    if (match.path_kind == Path::segments) {
      match.path_kind = Path::exact;
      set_route(*into.add_routes(), route, match, dialect);
      match.path_kind = Path::prefix;
      match.path += '/';
    }
  }
  set_route(*into.add_routes(), route, match, dialect);
}

}  // namespace

Resource encode_context(const snapshot::Snapshot& snapshot) {
  weft::mesh::v1::Context message;
  message.set_namespace_(snapshot.context.ns);
  message.set_workload(snapshot.context.workload);
  message.set_identity(snapshot.identity);
  return resource(Type::context, snapshot.context.to_string(), message);
}

Resource encode_placement(const snapshot::ContextId& context) {
  weft::mesh::v1::Placement message;
  message.set_namespace_(context.ns);
  message.set_workload(context.workload);
  return resource(Type::placement, context.to_string(), message);
}

Resource encode_cluster(const snapshot::Cluster& cluster, Dialect dialect) {
  namespace v3 = envoy::config::cluster::v3;
  v3::Cluster message;
  message.set_name(cluster.name);
  message.set_type(v3::Cluster::EDS);
  set_ads(*message.mutable_eds_cluster_config()->mutable_eds_config());
  set_duration(*message.mutable_connect_timeout(), cluster.connect_timeout);
  switch (cluster.load_balancing) {
    case snapshot::LoadBalancing::round_robin: message.set_lb_policy(v3::Cluster::ROUND_ROBIN); break;
    case snapshot::LoadBalancing::least_request:
      // Which gRPC refuses by this name.
      message.set_lb_policy(dialect == Dialect::grpc ? v3::Cluster::ROUND_ROBIN : v3::Cluster::LEAST_REQUEST);
      break;
  }
  auto& thresholds = *message.mutable_circuit_breakers()->add_thresholds();
  thresholds.mutable_max_connections()->set_value(cluster.max_connections);
  thresholds.mutable_max_pending_requests()->set_value(cluster.max_pending);
  set_protocol(message, cluster);
  set_proxy_protocol(message, cluster.proxy_protocol);
  if (cluster.tls) {
    message.clear_transport_socket();
    message.mutable_transport_socket()->set_name(std::string(no_form));
  }
  auto& weft = weft_struct(*message.mutable_metadata());
  put_origin(weft, cluster.origin);
  put(weft, key_service, cluster.service);
  put(weft, key_service_namespace, cluster.service_ns);
  put(weft, key_policy, cluster.policy);
  if (cluster.protocol == snapshot::ClusterProtocol::tcp) put(weft, key_protocol, std::string(protocol_tcp));
  return resource(Type::cluster, cluster.name, message);
}

Resource encode_endpoints(const snapshot::Cluster& cluster, Dialect dialect) {
  envoy::config::endpoint::v3::ClusterLoadAssignment message;
  message.set_cluster_name(cluster.name);
  std::set<base::Address> told;
  for (const auto& endpoint : cluster.endpoints) {
    if (dialect != Dialect::weft &&
        (endpoint.health != snapshot::Health::healthy || !told.insert(endpoint.address).second))
      continue;
    auto& group = message.endpoints().empty() ? *message.add_endpoints() : *message.mutable_endpoints(0);
    if (dialect != Dialect::weft) {
      // gRPC passes over a locality without these.
      group.mutable_locality();
      group.mutable_load_balancing_weight()->set_value(1);
    }
    auto& into = *group.add_lb_endpoints();
    set_address(*into.mutable_endpoint()->mutable_address(), endpoint.address);
    into.set_health_status(health_of(endpoint.health));
    if (endpoint.weight != 1) into.mutable_load_balancing_weight()->set_value(endpoint.weight);
    if (!endpoint.instance.empty())
      put(weft_struct(*into.mutable_metadata()), key_instance, endpoint.instance);
  }
  return resource(Type::endpoints, cluster.name, message);
}

Resource encode_listener(const snapshot::Listener& listener, Dialect dialect) {
  listener_v3::Listener message;
  message.set_name(listener.name);
  if (dialect == Dialect::grpc) {
    pack(*message.mutable_api_listener()->mutable_api_listener(), connection_manager(listener));
    return resource(Type::listener, listener.name, message);
  }
  set_address(*message.mutable_address(), listener.address);
  message.set_traffic_direction(direction_of(listener.direction));
  set_filter_chains(message, listener);
  if (listener.tls) message.add_listener_filters()->set_name(std::string(no_form));
  auto& weft = weft_struct(*message.mutable_metadata());
  put_origin(weft, listener.origin);
  put(weft, key_service, listener.service);
  put(weft, key_service_namespace, listener.service_ns);
  if (listener.service_port != 0) put(weft, key_service_port, std::to_string(listener.service_port));
  if (listener.drain) put(weft, key_drain, std::to_string(listener.drain->count()));
  return resource(Type::listener, listener.name, message);
}

Resource encode_routes(const snapshot::RouteTable& routes, Dialect dialect) {
  envoy::config::route::v3::RouteConfiguration message;
  message.set_name(routes.name);
  for (const auto& host : routes.virtual_hosts) {
    auto& into = *message.add_virtual_hosts();
    into.set_name(host.name);
    for (const auto& domain : host.domains) into.add_domains(domain);
    for (const auto& route : host.routes) add_route(into, route, dialect);
  }
  put_origin(weft_struct(*message.mutable_metadata()), routes.origin);
  return resource(Type::routes, routes.name, message);
}

std::vector<Resource> encode(const snapshot::Snapshot& snapshot) {
  std::vector<Resource> resources{encode_context(snapshot)};
  resources.reserve(1 + 2 * snapshot.clusters.size() + snapshot.listeners.size() + snapshot.routes.size());
  for (const auto& cluster : snapshot.clusters) resources.push_back(encode_cluster(cluster));
  for (const auto& cluster : snapshot.clusters) resources.push_back(encode_endpoints(cluster));
  for (const auto& listener : snapshot.listeners) resources.push_back(encode_listener(listener));
  for (const auto& routes : snapshot.routes) resources.push_back(encode_routes(routes));
  return resources;
}

std::optional<Resource> encode_one(const snapshot::Snapshot& snapshot, Type type, std::string_view name,
                                   Dialect dialect) {
  const auto encoded = [name, dialect](const auto& parts, auto encode) -> std::optional<Resource> {
    const auto* part = parts.find(name);
    return part == nullptr ? std::nullopt : std::optional(encode(*part, dialect));
  };
  switch (type) {
    case Type::context:
      if (snapshot.context.to_string() == name) return encode_context(snapshot);
      return std::nullopt;
    case Type::cluster: return encoded(snapshot.clusters, encode_cluster);
    case Type::endpoints: return encoded(snapshot.clusters, encode_endpoints);
    case Type::routes: return encoded(snapshot.routes, encode_routes);
    case Type::listener: return encoded(snapshot.listeners, encode_listener);
    case Type::placement: return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace weft::xds
