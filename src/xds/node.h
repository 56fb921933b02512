// Who asks, as the first request of a stream says.
#pragma once

#include <expected>
#include <optional>
#include <string>

#include "envoy/config/core/v3/base.pb.h"
#include "snapshot/snapshot.h"
#include "xds/dialect.h"

namespace weft::xds {

struct NodeId {
  /// Of weft's own proxies; a foreign client is of none.
  std::string proxy;
  /// Nothing: the stream that tells a proxy its contexts.
  std::optional<snapshot::ContextId> context;
  Dialect dialect = Dialect::weft;

  bool is_foreign() const { return dialect != Dialect::weft; }
  /// For logs: "proxy local", "the envoy of default/web".
  std::string to_string() const;
};

/// From node.id: "PROXY" or "PROXY/NAMESPACE/WORKLOAD" of weft's own proxies, "NAMESPACE/WORKLOAD" of foreign
/// clients, of which node.user_agent_name says whether they are gRPC ("gRPC C-core", "gRPC Go", "grpc-java").
/// The error is fit for the peer.
std::expected<NodeId, std::string> parse_node(const envoy::config::core::v3::Node& node);

}  // namespace weft::xds
