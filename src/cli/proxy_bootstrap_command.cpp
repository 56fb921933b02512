// `proxy bootstrap`: what a foreign data plane is started with, to be told by this mesh what a workload's own
// proxy is.
#include <fmt/format.h>

#include "base/json.h"
#include "base/printable.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/session.h"
#include "model/values.h"

namespace weft::cli {

using base::Json;

namespace {

struct Options {
  bool envoy = false;
  bool grpc = false;
  std::string workload;
};

Json ads() { return {{"resource_api_version", "V3"}, {"ads", Json::object()}}; }

/// Envoy dials it by HTTP/2 alone.
Json control_plane_cluster(const std::string& socket) {
  constexpr const char* http_options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
  const Json endpoint{{"endpoint", {{"address", {{"pipe", {{"path", socket}}}}}}}};
  return {{"name", "weft"},
          {"type", "STATIC"},
          {"connect_timeout", "1s"},
          {"typed_extension_protocol_options",
           {{http_options,
             {{"@type", fmt::format("type.googleapis.com/{}", http_options)},
              {"explicit_http_config", {{"http2_protocol_options", Json::object()}}}}}}},
          {"load_assignment",
           {{"cluster_name", "weft"},
            {"endpoints", Json::array({{{"lb_endpoints", Json::array({endpoint})}}})}}}};
}

Json of_envoy(const std::string& node, const std::string& socket) {
  const Json service{{"envoy_grpc", {{"cluster_name", "weft"}}}};
  return {{"node", {{"id", node}, {"cluster", node}}},
          {"dynamic_resources",
           {{"ads_config",
             {{"api_type", "DELTA_GRPC"},
              {"transport_api_version", "V3"},
              {"set_node_on_first_message_only", true},
              {"grpc_services", Json::array({service})}}},
            {"cds_config", ads()},
            {"lds_config", ads()}}},
          {"static_resources", {{"clusters", Json::array({control_plane_cluster(socket)})}}}};
}

Json of_grpc(const std::string& node, const std::string& socket) {
  return {{"node", {{"id", node}}},
          {"xds_servers",
           Json::array({{{"server_uri", "unix:" + socket},
                         {"channel_creds", Json::array({{{"type", "insecure"}}})},
                         // What the mesh does not tell of for a moment is not gone.
                         {"server_features", Json::array({"xds_v3", "ignore_resource_deletion"})}}})}};
}

/// NAMESPACE/WORKLOAD; without a namespace that of -n.
Result<std::string> node_of(const Invocation& invocation, const std::string& workload) {
  const auto slash = workload.find('/');
  const auto ns = slash == std::string::npos ? invocation.ns : workload.substr(0, slash);
  const auto name = slash == std::string::npos ? workload : workload.substr(slash + 1);
  if (!model::dns1123_label_fault(ns).empty() || !model::dns1123_subdomain_fault(name).empty()) {
    return failure(Exit::usage, fmt::format("--for={} names no workload", base::printable(workload)), {},
                   "write NAMESPACE/NAME of a Deployment or Job, such as default/web");
  }
  return ns + "/" + name;
}

Result<void> show(const Invocation& invocation, const Options& options) {
  if (options.envoy == options.grpc) {
    return failure(Exit::usage,
                   options.envoy ? "--envoy and --grpc exclude each other" : "for what, it does not say", {},
                   "give --envoy or --grpc");
  }
  const auto home = home_of(invocation);
  if (!home) return std::unexpected(home.error());
  const auto node = node_of(invocation, options.workload);
  if (!node) return std::unexpected(node.error());
  const auto socket = home->xds_socket();
  print((options.envoy ? of_envoy(*node, socket) : of_grpc(*node, socket)).dump(2) + "\n");
  return {};
}

}  // namespace

void add_proxy_bootstrap(Command parent, Invocation& invocation) {
  auto options = std::make_shared<Options>();
  auto command = parent.add("bootstrap",
                            "Print what Envoy, or gRPC without a proxy, is started with to call what a "
                            "workload may call (docs/xds.md)",
                            "weft proxy bootstrap --envoy --for default/web > envoy.json\n"
                            "weft proxy bootstrap --grpc --for default/web > grpc.json");
  command.flag("--envoy", options->envoy, "For `envoy -c FILE`");
  command.flag("--grpc", options->grpc, "For an application with GRPC_XDS_BOOTSTRAP=FILE");
  command.option("--for", options->workload, "Whose dependencies it may call: a Deployment or Job",
                 {.required = true, .value = "NAMESPACE/NAME"});
  command.ns(invocation);
  command.home(invocation);
  command.run(invocation, [&invocation, options] { return show(invocation, *options); });
}

}  // namespace weft::cli
