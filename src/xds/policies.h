// Which of Envoy's fields, unknown to this version, change security or routing: by message, with Envoy's
// numbers.
#pragma once

#include <array>

#include "xds/unknown.h"

namespace weft::xds::policies {

inline constexpr std::array listener_critical{
    Critical{4, "use_original_dst"},      Critical{10, "transparent"},
    Critical{18, "udp_listener_config"},  Critical{26, "bind_to_port"},
    Critical{27, "internal_listener"},    Critical{32, "filter_chain_matcher"},
    Critical{33, "additional_addresses"}, Critical{36, "fcds_config"}};
inline constexpr UnknownPolicy listener{"Listener", listener_critical};

inline constexpr std::array listener_filter_critical{Critical{4, "filter_disabled"},
                                                     Critical{5, "config_discovery"}};
inline constexpr UnknownPolicy listener_filter{"ListenerFilter", listener_filter_critical};

inline constexpr std::array proxy_protocol_critical{Critical{4, "disallowed_versions"}};
inline constexpr UnknownPolicy proxy_protocol{"ProxyProtocol", proxy_protocol_critical};

/// All of it says which connections are meant.
inline constexpr UnknownPolicy filter_chain_match{"FilterChainMatch", {}, true};

inline constexpr std::array filter_chain_critical{Critical{4, "use_proxy_proto"},
                                                  Critical{6, "transport_socket"}};
inline constexpr UnknownPolicy filter_chain{"FilterChain", filter_chain_critical};

inline constexpr std::array filter_critical{Critical{5, "config_discovery"}};
inline constexpr UnknownPolicy filter{"Filter", filter_critical};
inline constexpr UnknownPolicy http_filter{"HttpFilter", filter_critical};

inline constexpr std::array connection_manager_critical{Critical{4, "route_config"},
                                                        Critical{14, "use_remote_address"},
                                                        Critical{16, "forward_client_cert_details"},
                                                        Critical{30, "normalize_path"},
                                                        Critical{31, "scoped_routes"},
                                                        Critical{33, "merge_slashes"},
                                                        Critical{43, "path_normalization_options"},
                                                        Critical{45, "path_with_escaped_slashes_action"},
                                                        Critical{46, "original_ip_detection_extensions"},
                                                        Critical{47, "strip_trailing_host_dot"},
                                                        Critical{50, "typed_header_validation_config"},
                                                        Critical{52, "early_header_mutation_extensions"},
                                                        Critical{60, "forward_client_cert_matcher"}};
inline constexpr UnknownPolicy connection_manager{"HttpConnectionManager", connection_manager_critical};

inline constexpr std::array router_critical{Critical{5, "strict_check_headers"},
                                            Critical{8, "upstream_http_filters"}};
inline constexpr std::array upgrade_config_critical{Critical{2, "filters"}};
inline constexpr UnknownPolicy upgrade_config{"UpgradeConfig", upgrade_config_critical};

inline constexpr std::array http_protocol_options_critical{Critical{5, "headers_with_underscores_action"}};
inline constexpr UnknownPolicy http_protocol_options{"HttpProtocolOptions", http_protocol_options_critical};

inline constexpr UnknownPolicy router{"Router", router_critical};

inline constexpr std::array tcp_proxy_critical{
    Critical{9, "metadata_match"}, Critical{10, "weighted_clusters"}, Critical{12, "tunneling_config"}};
inline constexpr UnknownPolicy tcp_proxy{"TcpProxy", tcp_proxy_critical};

inline constexpr std::array route_table_critical{
    Critical{3, "internal_only_headers"},      Critical{6, "request_headers_to_add"},
    Critical{8, "request_headers_to_remove"},  Critical{9, "vhds"},
    Critical{12, "cluster_specifier_plugins"}, Critical{15, "ignore_path_parameters_in_path_matching"},
    Critical{16, "typed_per_filter_config"},   Critical{18, "vhost_header"}};
inline constexpr UnknownPolicy route_table{"RouteConfiguration", route_table_critical};

inline constexpr std::array virtual_host_critical{Critical{4, "require_tls"},
                                                  Critical{6, "rate_limits"},
                                                  Critical{7, "request_headers_to_add"},
                                                  Critical{8, "cors"},
                                                  Critical{13, "request_headers_to_remove"},
                                                  Critical{15, "typed_per_filter_config"},
                                                  Critical{21, "matcher"}};
inline constexpr UnknownPolicy virtual_host{"VirtualHost", virtual_host_critical};

inline constexpr std::array route_critical{Critical{13, "typed_per_filter_config"},
                                           Critical{17, "filter_action"},
                                           Critical{18, "non_forwarding_action"}};
inline constexpr UnknownPolicy route{"Route", route_critical};

inline constexpr std::array route_match_critical{Critical{8, "grpc"},
                                                 Critical{9, "runtime_fraction"},
                                                 Critical{10, "safe_regex"},
                                                 Critical{11, "tls_context"},
                                                 Critical{12, "connect_matcher"},
                                                 Critical{13, "dynamic_metadata"},
                                                 Critical{15, "path_match_policy"},
                                                 Critical{16, "filter_state"}};
inline constexpr UnknownPolicy route_match{"RouteMatch", route_match_critical, true};

inline constexpr std::array route_action_critical{Critical{2, "cluster_header"},
                                                  Critical{4, "metadata_match"},
                                                  Critical{5, "prefix_rewrite"},
                                                  Critical{7, "auto_host_rewrite"},
                                                  Critical{13, "rate_limits"},
                                                  Critical{17, "cors"},
                                                  Critical{29, "host_rewrite_header"},
                                                  Critical{32, "regex_rewrite"},
                                                  Critical{35, "host_rewrite_path_regex"},
                                                  Critical{37, "cluster_specifier_plugin"},
                                                  Critical{39, "inline_cluster_specifier_plugin"},
                                                  Critical{41, "path_rewrite_policy"},
                                                  Critical{44, "host_rewrite"},
                                                  Critical{45, "path_rewrite"}};
inline constexpr UnknownPolicy route_action{"RouteAction", route_action_critical};

inline constexpr std::array weighted_cluster_critical{
    Critical{2, "runtime_key_prefix"}, Critical{4, "header_name"}, Critical{5, "use_hash_policy"}};
inline constexpr UnknownPolicy weighted_cluster{"WeightedCluster", weighted_cluster_critical};

inline constexpr std::array cluster_weight_critical{Critical{3, "metadata_match"},
                                                    Critical{4, "request_headers_to_add"},
                                                    Critical{9, "request_headers_to_remove"},
                                                    Critical{10, "typed_per_filter_config"},
                                                    Critical{11, "host_rewrite_literal"},
                                                    Critical{12, "cluster_header"}};
inline constexpr UnknownPolicy cluster_weight{"ClusterWeight", cluster_weight_critical};

/// What services are told of a request.
inline constexpr UnknownPolicy header_option{"HeaderValueOption", {}, true};
inline constexpr UnknownPolicy header_value{"HeaderValue", {}, true};

/// All of these say which requests are meant, or where a client is sent.
inline constexpr UnknownPolicy header_matcher{"HeaderMatcher", {}, true};
inline constexpr UnknownPolicy query_matcher{"QueryParameterMatcher", {}, true};
inline constexpr UnknownPolicy string_matcher{"StringMatcher", {}, true};
inline constexpr UnknownPolicy redirect_action{"RedirectAction", {}, true};
inline constexpr UnknownPolicy direct_response{"DirectResponseAction", {}, true};
inline constexpr UnknownPolicy data_source{"DataSource", {}, true};

inline constexpr std::array cluster_critical{Critical{14, "http2_protocol_options"},
                                             Critical{22, "lb_subset_config"},
                                             Critical{38, "cluster_type"},
                                             Critical{40, "filters"},
                                             Critical{43, "transport_socket_matches"},
                                             Critical{59, "transport_socket_matcher"}};
inline constexpr UnknownPolicy cluster{"Cluster", cluster_critical};

inline constexpr std::array upstream_http_critical{Critical{5, "auto_config"}, Critical{6, "http_filters"},
                                                   Critical{7, "header_validation_config"}};
inline constexpr UnknownPolicy upstream_http{"upstreams.http.HttpProtocolOptions", upstream_http_critical};
inline constexpr std::array explicit_http_critical{Critical{3, "http3_protocol_options"}};
inline constexpr UnknownPolicy explicit_http{"ExplicitHttpConfig", explicit_http_critical};
inline constexpr UnknownPolicy downstream_http{"UseDownstreamHttpConfig", {}};
inline constexpr UnknownPolicy http1_options{"Http1ProtocolOptions", {}};
inline constexpr UnknownPolicy http2_options{"Http2ProtocolOptions", {}};

/// All of these say what an endpoint is told first.
inline constexpr UnknownPolicy transport_socket{"TransportSocket", {}, true};
inline constexpr UnknownPolicy proxy_protocol_transport{"ProxyProtocolUpstreamTransport", {}, true};
inline constexpr UnknownPolicy proxy_protocol_config{"ProxyProtocolConfig", {}, true};

inline constexpr UnknownPolicy circuit_breakers{"CircuitBreakers", {}};

inline constexpr std::array load_assignment_critical{Critical{5, "named_endpoints"}};
inline constexpr UnknownPolicy load_assignment{"ClusterLoadAssignment", load_assignment_critical};

inline constexpr std::array locality_critical{Critical{5, "priority"}, Critical{7, "load_balancer_endpoints"},
                                              Critical{8, "leds_cluster_locality_config"}};
inline constexpr UnknownPolicy locality{"LocalityLbEndpoints", locality_critical};

inline constexpr std::array lb_endpoint_critical{Critical{5, "endpoint_name"}};
inline constexpr UnknownPolicy lb_endpoint{"LbEndpoint", lb_endpoint_critical};
inline constexpr UnknownPolicy endpoint{"Endpoint", {}};

inline constexpr std::array socket_address_critical{Critical{4, "named_port"},
                                                    Critical{7, "network_namespace_filepath"}};
inline constexpr UnknownPolicy socket_address{"SocketAddress", socket_address_critical};

}  // namespace weft::xds::policies
