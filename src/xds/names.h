// Keys of what weft adds to Envoy's messages, in metadata.filter_metadata["weft"].
#pragma once

#include <array>
#include <chrono>
#include <string_view>

namespace weft::xds {

inline constexpr std::string_view metadata_name = "weft";
inline constexpr std::string_view key_kind = "kind";
inline constexpr std::string_view key_namespace = "namespace";
inline constexpr std::string_view key_name = "name";
inline constexpr std::string_view key_field = "field";
inline constexpr std::string_view key_service = "service";
inline constexpr std::string_view key_service_namespace = "service_namespace";
inline constexpr std::string_view key_service_port = "service_port";
inline constexpr std::string_view key_policy = "policy";
inline constexpr std::string_view key_limited_by = "limited_by";
inline constexpr std::string_view key_instance = "instance";
inline constexpr std::string_view key_protocol = "protocol";
inline constexpr std::string_view key_drain = "drain_ms";
/// Among the features of a node (Node.client_features): by unsubscribing from a listener that drains, it
/// tells that nothing is under way there any more.
inline constexpr std::string_view feature_drain = "dev.weft.drain";
/// Envoy's name for CONNECT among the upgrades of a connection manager.
inline constexpr std::string_view upgrade_connect = "CONNECT";
/// Envoy's name for the method where it stands among the headers.
inline constexpr std::string_view method_header = ":method";
inline constexpr std::string_view scheme_http = "http";
inline constexpr std::string_view scheme_https = "https";
inline constexpr std::string_view protocol_tcp = "tcp";
/// Where Envoy has the protocol of a cluster: among its typed_extension_protocol_options.
inline constexpr std::string_view http_options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
/// What Envoy's tls_inspector calls what it has found.
inline constexpr std::string_view found_tls = "tls";
/// What Envoy's http_inspector calls what it has found, which a filter chain asks for.
inline constexpr std::array<std::string_view, 3> found_http{"http/1.0", "http/1.1", "h2c"};
/// How long it waits for a client's first word where the service may speak first: as long as this proxy does
/// (proxy/opaque.cpp).
inline constexpr std::chrono::milliseconds first_word_time{5};

}  // namespace weft::xds
