// Golden files: testdata/<case>.yaml is compiled with made-up instances and addresses, testdata/<case>.golden
// is what must come out. WEFT_UPDATE_GOLDENS=1 writes them anew.
#include "control/compile/compile.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "model/load.h"

namespace weft::control::compile {
namespace {

/// What an instance of the tests is: "ready", "unready", "draining", "ready@8080" with the ports of an image,
/// or "ready%there" on a node of that name.
constexpr const char* instances_annotation = "test/instances";

std::string read(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

struct Stored {
  std::vector<model::Service> services;
  std::vector<model::Deployment> deployments;
  std::vector<model::Job> jobs;
  model::MeshConfigSpec mesh;
};

Stored stored(const std::string& yaml) {
  auto loaded = model::load(yaml, "test.yaml");
  EXPECT_FALSE(base::has_errors(loaded.diagnostics)) << base::render(loaded.diagnostics);
  Stored all;
  for (auto& object : loaded.objects) {
    if (auto* service = std::get_if<model::Service>(&object.resource))
      all.services.push_back(std::move(*service));
    if (auto* deployment = std::get_if<model::Deployment>(&object.resource)) {
      all.deployments.push_back(std::move(*deployment));
    }
    if (auto* job = std::get_if<model::Job>(&object.resource)) all.jobs.push_back(std::move(*job));
    if (auto* mesh = std::get_if<model::MeshConfig>(&object.resource)) all.mesh = mesh->spec;
  }
  return all;
}

template <class T>
std::vector<const T*> pointers(const std::vector<T>& values) {
  std::vector<const T*> list;
  for (const auto& value : values) list.push_back(&value);
  return list;
}

/// The instances that the annotation asks for; the applications listen from port 30001 on.
template <class T>
void add_instances(const T& workload, model::DependencyKind kind, std::uint16_t& port,
                   std::vector<Instance>& to) {
  const auto at = workload.metadata.annotations.find(instances_annotation);
  if (at == workload.metadata.annotations.end()) return;
  std::istringstream words(at->second);
  std::string word;
  for (int i = 0; words >> word; ++i) {
    Instance instance;
    instance.ns = workload.metadata.ns;
    instance.name = fmt::format("{}-{}", workload.metadata.name, i);
    instance.workload = {kind, workload.metadata.ns, workload.metadata.name};
    const auto node = word.find('%');
    instance.node = node == std::string::npos ? "here" : word.substr(node + 1);
    instance.ready = word.starts_with("ready");
    instance.draining = word.starts_with("draining");
    if (const auto image_port = word.find('@'); image_port != std::string::npos) {
      const auto number = static_cast<std::uint16_t>(std::stoi(word.substr(image_port + 1)));
      instance.ports.push_back({{"", number}, base::Address::loopback(++port)});
    }
    for (const auto& declared : workload.spec.pod_template.spec.containers.front().ports) {
      instance.ports.push_back({{declared.name, static_cast<std::uint16_t>(declared.container_port)},
                                base::Address::loopback(++port)});
    }
    to.push_back(std::move(instance));
  }
}

std::string words(const snapshot::Listener& listener) {
  constexpr std::array directions{"edge", "outbound", "inbound"};
  const auto trusted =
      listener.trusted_hops > 0 ? fmt::format(" behind {}", listener.trusted_hops) : std::string();
  return fmt::format("  listener {}\n    {} {} {} -> {}{}\n    service {}/{}\n    origin {}\n", listener.name,
                     listener.address.to_string(), directions[static_cast<std::size_t>(listener.direction)],
                     listener.protocol == snapshot::Protocol::tcp ? "tcp" : "http",
                     listener.protocol == snapshot::Protocol::tcp ? listener.cluster : listener.routes,
                     trusted, listener.service_ns, listener.service, listener.origin.to_string());
}

std::string words(const snapshot::RouteTable& table) {
  auto text = fmt::format("  routes {}\n", table.name);
  for (const auto& host : table.virtual_hosts) {
    for (const auto& route : host.routes) {
      text += fmt::format("    {} {} -> {} within {} ms\n", fmt::join(host.domains, ","), route.match.path,
                          route.cluster, route.timeout.count());
    }
  }
  return text;
}

std::string words(const snapshot::Cluster& cluster) {
  constexpr std::array healths{"healthy", "unhealthy", "draining"};
  auto text = fmt::format(
      "  cluster {}\n    {} {} service {}/{}\n    origin {}\n", cluster.name,
      cluster.protocol == snapshot::Protocol::tcp ? "tcp" : "http",
      cluster.load_balancing == snapshot::LoadBalancing::round_robin ? "round robin" : "least request",
      cluster.service_ns, cluster.service, cluster.origin.to_string());
  for (const auto& endpoint : cluster.endpoints) {
    text += fmt::format("    {} {} {}\n", endpoint.address.to_string(), endpoint.instance,
                        healths[static_cast<std::size_t>(endpoint.health)]);
  }
  return text;
}

std::string words(const snapshot::Snapshot& snapshot) {
  auto text = fmt::format("context {}\n  identity {}\n", snapshot.context.to_string(), snapshot.identity);
  for (const auto& listener : snapshot.listeners) text += words(listener);
  for (const auto& table : snapshot.routes) text += words(table);
  for (const auto& cluster : snapshot.clusters) text += words(cluster);
  return text;
}

/// Compiles twice, as the publisher does: first for the keys, then with an address for each of them.
struct Output {
  Snapshots snapshots;
  Wanted wanted;
};

Output compile_all(const Stored& all) {
  const auto services = pointers(all.services);
  const auto deployments = pointers(all.deployments);
  const auto jobs = pointers(all.jobs);
  const model::DependencyGraph graph(services, deployments, jobs);
  std::vector<Instance> instances;
  std::uint16_t port = 30'000;
  for (const auto& deployment : all.deployments) {
    add_instances(deployment, model::DependencyKind::deployment, port, instances);
  }
  for (const auto& job : all.jobs) add_instances(job, model::DependencyKind::job, port, instances);
  std::set<std::size_t> active;
  for (std::size_t i = 0; i < graph.workloads().size(); ++i) {
    const auto& ref = graph.workloads()[i].ref;
    if (std::ranges::find(instances, ref, &Instance::workload) != instances.end()) active.insert(i);
  }
  Addresses addresses;
  const Input input{all.mesh, services, deployments, jobs, graph, active, instances, addresses, "here"};
  std::uint16_t reserved = 20'000;
  const auto keys = wanted(input);
  for (const auto& [key, owner] : keys) addresses.emplace(key, base::Address::loopback(++reserved));
  return {compile(input), keys};
}

class Golden : public testing::TestWithParam<const char*> {};

TEST_P(Golden, Compiles) {
  const auto base = std::string(WEFT_SOURCE_DIR "/src/control/compile/testdata/") + GetParam();
  const auto output = compile_all(stored(read(base + ".yaml")));
  std::string text;
  for (const auto& [context, snapshot] : output.snapshots.at("here")) text += words(*snapshot);
  text += "wanted\n";
  for (const auto& [key, owner] : output.wanted) text += "  " + key + "\n";
  if (std::getenv("WEFT_UPDATE_GOLDENS")) std::ofstream(base + ".golden") << text;
  EXPECT_EQ(text, read(base + ".golden"));
}

INSTANTIATE_TEST_SUITE_P(Cases, Golden,
                         testing::Values("one_service", "dependencies", "missing_dependency", "target_ports",
                                         "tcp", "health", "namespaces", "scope_namespace", "not_started"),
                         [](const auto& info) { return std::string(info.param); });

TEST(Compile, TheEdgeIsThereWithoutAnything) {
  const auto output = compile_all({});
  ASSERT_EQ(output.snapshots.size(), 1U);
  ASSERT_EQ(output.snapshots.at("here").size(), 1U);
  EXPECT_EQ(output.snapshots.at("here").at(snapshot::edge_context)->context, snapshot::edge_context);
  EXPECT_TRUE(output.wanted.empty());
}

std::string deployment(const char* name, const char* instances) {
  return fmt::format(R"(---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {0}, annotations: {{{1}: "{2}"}}}}
spec:
  selector: {{matchLabels: {{app: {0}}}}}
  template:
    metadata: {{labels: {{app: {0}}}}}
    spec: {{containers: [{{name: {0}, image: x}}]}}
)",
                     name, instances_annotation, instances);
}

using Names = std::vector<std::string>;

Names names(const auto& parts) {
  Names list;
  for (const auto& part : parts) list.push_back(part.name);
  return list;
}

TEST(Nodes, AContextIsWhereItsInstancesAre) {
  const auto output =
      compile_all(stored(deployment("cart", "ready%there") + deployment("db", "ready") +
                         deployment("web", "ready draining%there unready%third") + deployment("idle", "")));
  std::map<std::string, Names> placed;
  for (const auto& [node, contexts] : output.snapshots) {
    for (const auto& [context, snapshot] : contexts) placed[node].push_back(context.to_string());
  }
  const std::map<std::string, Names> expected{{"here", {"default/db", "default/web", "weft-system/edge"}},
                                              {"there", {"default/cart", "default/web"}},
                                              {"third", {"default/web"}}};
  EXPECT_EQ(placed, expected);
}

TEST(Nodes, AContextHasTheInboundListenersOfItsNode) {
  const auto output = compile_all(stored(R"(---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}], dependsOn: [{name: cart}]}
)" + deployment("web", "ready@8080 ready@8080%there unready@8080%there")));
  const snapshot::ContextId web{"default", "web"};
  const auto& here = *output.snapshots.at("here").at(web);
  const auto& there = *output.snapshots.at("there").at(web);
  const std::string call = "outbound/default/web/default/cart";
  const auto inbound = [](int instance) {
    return inbound_key("default", fmt::format("web-{}", instance), 8080);
  };
  EXPECT_EQ(names(here.listeners), (Names{inbound(0), call}));
  EXPECT_EQ(names(there.listeners), (Names{inbound(1), inbound(2), call}));
  EXPECT_EQ(names(here.routes), names(here.listeners));
  EXPECT_EQ(names(there.routes), names(there.listeners));
  const auto cart = cluster_name("default", "cart", 0);
  EXPECT_EQ(names(here.clusters), (Names{inbound(0), cart}));
  EXPECT_EQ(names(there.clusters), (Names{inbound(1), inbound(2), cart}));
  EXPECT_EQ(here.clusters.back(), there.clusters.back());
  EXPECT_EQ(here.identity, there.identity);
  EXPECT_EQ(output.snapshots.at("here").at(snapshot::edge_context)->clusters[0].endpoints.size(), 3U);
}

}  // namespace
}  // namespace weft::control::compile
