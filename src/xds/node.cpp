#include "xds/node.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <vector>

namespace weft::xds {
namespace {

/// The parts between slashes, of which none is empty; none at all otherwise.
std::vector<std::string> parts_of(std::string_view id) {
  std::vector<std::string> parts;
  for (;;) {
    const auto slash = id.find('/');
    const auto part = id.substr(0, slash);
    if (part.empty()) return {};
    parts.emplace_back(part);
    if (slash == std::string_view::npos) return parts;
    id.remove_prefix(slash + 1);
  }
}

bool is_grpc(std::string_view user_agent) {
  constexpr std::string_view sought = "grpc";
  const auto is_same = [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a - 'A' + 'a' : a) == b; };
  return !std::ranges::search(user_agent, sought, is_same).empty();
}

}  // namespace

std::string NodeId::to_string() const {
  switch (dialect) {
    case Dialect::weft: return "proxy " + proxy;
    case Dialect::envoy: return "the Envoy of " + context->to_string();
    case Dialect::grpc: return "a gRPC client of " + context->to_string();
  }
  return {};
}

std::expected<NodeId, std::string> parse_node(const envoy::config::core::v3::Node& node) {
  auto parts = parts_of(node.id());
  switch (parts.size()) {
    case 1: return NodeId{std::move(parts[0]), std::nullopt, Dialect::weft};
    case 2:
      // The edge has its addresses for weft's own proxy alone.
      if (node.id() == snapshot::edge_context.to_string())
        return std::unexpected(
            "the edge is served by the mesh's own proxy alone: name a workload in node.id");
      return NodeId{{},
                    snapshot::ContextId{std::move(parts[0]), std::move(parts[1])},
                    is_grpc(node.user_agent_name()) ? Dialect::grpc : Dialect::envoy};
    case 3:
      return NodeId{std::move(parts[0]), snapshot::ContextId{std::move(parts[1]), std::move(parts[2])},
                    Dialect::weft};
    default:
      return std::unexpected(
          fmt::format("node.id \"{}\" is neither NAMESPACE/WORKLOAD nor, of weft's own proxies, PROXY or "
                      "PROXY/NAMESPACE/WORKLOAD",
                      node.id().substr(0, 256)));
  }
}

}  // namespace weft::xds
