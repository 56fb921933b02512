#include "model/kinds.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace weft::model {
namespace {

constexpr std::array<std::string_view, 1> namespace_short{"ns"};
constexpr std::array<std::string_view, 1> service_short{"svc"};
constexpr std::array<std::string_view, 1> deployment_short{"deploy"};
constexpr std::array<std::string_view, 1> pod_short{"po"};
constexpr std::array<std::string_view, 1> event_short{"ev"};
constexpr std::array<std::string_view, 1> mesh_config_short{"mc"};
constexpr std::array<std::string_view, 1> traffic_policy_short{"tp"};
constexpr std::array<std::string_view, 1> config_map_short{"cm"};
constexpr std::array<std::string_view, 1> external_short{"es"};

constexpr std::array<std::string_view, 2> service_conditions{"Ready", "DependenciesReady"};
constexpr std::array<std::string_view, 3> deployment_conditions{"Available", "Progressing",
                                                                "DependenciesReady"};
constexpr std::array<std::string_view, 4> job_conditions{"Complete", "Failed", "Suspended",
                                                         "DependenciesReady"};
constexpr std::array<std::string_view, 1> pod_conditions{"Ready"};
constexpr std::array<std::string_view, 1> external_conditions{"Ready"};
constexpr std::array<std::string_view, 1> policy_conditions{"Accepted"};
constexpr std::array<std::string_view, 2> route_conditions{"Accepted", "ResolvedRefs"};

constexpr std::string_view mesh_api = "weft.dev/v1alpha1";

constexpr auto registry = std::to_array<Kind>({
    {"Namespace", "v1", "namespaces", "namespace", namespace_short, false, false, dns1123_label_fault, {}},
    {"MeshConfig",
     mesh_api,
     "meshconfigs",
     "meshconfig",
     mesh_config_short,
     false,
     false,
     mesh_config_name_fault,
     {}},
    {"Provider", mesh_api, "providers", "provider", {}, false, false, dns1123_subdomain_fault, {}},
    {"TrafficPolicy", mesh_api, "trafficpolicies", "trafficpolicy", traffic_policy_short, true, false,
     dns1123_subdomain_fault, policy_conditions},
    {"ConfigMap",
     "v1",
     "configmaps",
     "configmap",
     config_map_short,
     true,
     false,
     dns1123_subdomain_fault,
     {}},
    {"Secret", "v1", "secrets", "secret", {}, true, false, dns1123_subdomain_fault, {}},
    {"ExternalService", mesh_api, "externalservices", "externalservice", external_short, true, false,
     dns1035_label_fault, external_conditions},
    {"Service", "v1", "services", "service", service_short, true, false, dns1035_label_fault,
     service_conditions},
    {"HTTPRoute",
     "gateway.networking.k8s.io/v1",
     "httproutes",
     "httproute",
     {},
     true,
     false,
     dns1123_subdomain_fault,
     route_conditions},
    {"Deployment", "apps/v1", "deployments", "deployment", deployment_short, true, false, workload_name_fault,
     deployment_conditions},
    {"Job", "batch/v1", "jobs", "job", {}, true, false, workload_name_fault, job_conditions},
    {"ControllerRevision",
     "apps/v1",
     "controllerrevisions",
     "controllerrevision",
     {},
     true,
     false,
     dns1123_subdomain_fault,
     {}},
    {"Pod", "v1", "pods", "pod", pod_short, true, true, dns1123_subdomain_fault, pod_conditions},
    {"Event", "v1", "events", "event", event_short, true, true, dns1123_subdomain_fault, {}},
    {"EndpointSlice",
     "discovery.k8s.io/v1",
     "endpointslices",
     "endpointslice",
     {},
     true,
     true,
     dns1123_subdomain_fault,
     {}},
});

bool equals_folded(std::string_view a, std::string_view b) {
  return std::ranges::equal(
      a, b, [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

}  // namespace

std::string_view Kind::group() const {
  std::size_t slash = api_version.find('/');
  return slash == std::string_view::npos ? std::string_view{} : api_version.substr(0, slash);
}

std::string_view Kind::version() const {
  std::size_t slash = api_version.find('/');
  return slash == std::string_view::npos ? api_version : api_version.substr(slash + 1);
}

std::span<const Kind> kinds() { return registry; }

const Kind* find_kind(std::string_view name) {
  for (const Kind& kind : registry) {
    bool is_it = equals_folded(name, kind.kind) || equals_folded(name, kind.plural) ||
                 std::ranges::any_of(kind.short_names,
                                     [&](std::string_view other) { return equals_folded(name, other); });
    if (is_it) return &kind;
  }
  return nullptr;
}

const Kind* find_kind(std::string_view group, std::string_view version, std::string_view plural) {
  for (const Kind& kind : registry)
    if (kind.plural == plural && kind.group() == group && kind.version() == version) return &kind;
  return nullptr;
}

}  // namespace weft::model
