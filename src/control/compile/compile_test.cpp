// Golden files: testdata/<case>.yaml is compiled with made-up instances and addresses, testdata/<case>.golden
// is what must come out. WEFT_UPDATE_GOLDENS=1 writes them anew.
#include "control/compile/compile.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "base/random.h"
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
  Routes routes;
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
    if (auto* route = std::get_if<model::HTTPRoute>(&object.resource))
      all.routes.push_back(std::make_shared<model::HTTPRoute>(std::move(*route)));
    if (auto* mesh = std::get_if<model::MeshConfig>(&object.resource)) all.mesh = mesh->spec;
  }
  return all;
}

/// The workload with the instances that the annotation asks for; the applications listen from port 30001 on.
template <class T>
Workload workload(const T& object, std::uint16_t& port) {
  const auto& spec = object.spec.pod_template.spec;
  Workload made{spec.service_account_name, {}, model::asked_by_http(spec)};
  const auto at = object.metadata.annotations.find(instances_annotation);
  if (at == object.metadata.annotations.end()) return made;
  std::istringstream words(at->second);
  std::string word;
  for (int i = 0; words >> word; ++i) {
    Instance instance;
    instance.name = fmt::format("{}-{}", object.metadata.name, i);
    const auto node = word.find('%');
    instance.node = node == std::string::npos ? "here" : word.substr(node + 1);
    instance.ready = word.starts_with("ready");
    instance.draining = word.starts_with("draining");
    if (const auto image_port = word.find('@'); image_port != std::string::npos) {
      const auto number = static_cast<std::uint16_t>(std::stoi(word.substr(image_port + 1)));
      instance.ports.push_back({{"", number}, base::Address::loopback(++port)});
    }
    for (const auto& declared : spec.containers.front().ports) {
      instance.ports.push_back({{declared.name, static_cast<std::uint16_t>(declared.container_port)},
                                base::Address::loopback(++port)});
    }
    made.instances.push_back(std::move(instance));
  }
  return made;
}

std::string words(const snapshot::Listener& listener) {
  constexpr std::array directions{"edge", "outbound", "inbound"};
  constexpr std::array protocols{"http", "auto", "tcp"};
  const auto ways = listener.protocol == snapshot::ListenerProtocol::automatic
                        ? listener.routes + ", " + listener.cluster
                        : listener.routes + listener.cluster;
  const auto trusted =
      listener.trusted_hops > 0 ? fmt::format(" behind {}", listener.trusted_hops) : std::string();
  return fmt::format("  listener {}\n    {} {} {} -> {}{}\n    service {}/{}\n    origin {}\n", listener.name,
                     listener.address.to_string(), directions[static_cast<std::size_t>(listener.direction)],
                     protocols[static_cast<std::size_t>(listener.protocol)], ways, trusted,
                     listener.service_ns, listener.service, listener.origin.to_string());
}

std::string asked_of(const snapshot::Match& match) {
  constexpr std::array kinds{"", " or below", " exactly"};
  auto text = fmt::format(" {}{}", match.path, kinds[static_cast<std::size_t>(match.path_kind)]);
  if (!match.method.empty()) text += " " + match.method;
  for (const auto& [name, value] : match.headers) text += fmt::format(" {}: {}", name, value.value_or("*"));
  for (const auto& [name, value] : match.query) text += fmt::format(" ?{}={}", name, value.value_or("*"));
  return text;
}

std::string targets_of(const snapshot::Forward& forward) {
  if (forward.to.size() == 1 && forward.to[0].weight == 1) return forward.to[0].cluster;
  std::string text;
  for (const auto& [cluster, weight] : forward.to)
    text += fmt::format("{}{} of {}", text.empty() ? "" : ", ", weight, cluster);
  return text;
}

std::string words(const snapshot::RouteTable& table) {
  auto text = fmt::format("  routes {}\n", table.name);
  for (const auto& host : table.virtual_hosts) {
    for (const auto& route : host.routes) {
      const auto asked =
          fmt::format("{}{}{}", fmt::join(host.domains, ","), asked_of(route.match),
                      route.origin.kind == "HTTPRoute" ? " by " + route.origin.to_string() : "");
      if (const auto* forward = std::get_if<snapshot::Forward>(&route.action)) {
        text +=
            fmt::format("    {} -> {} within {} ms\n", asked, targets_of(*forward), forward->timeout.count());
      } else {
        text += fmt::format("    {} -> {}\n", asked,
                            std::holds_alternative<snapshot::Redirect>(route.action) ? "redirect" : "reply");
      }
    }
  }
  return text;
}

std::string words(const snapshot::Cluster& cluster) {
  constexpr std::array healths{"healthy", "unhealthy", "draining"};
  constexpr std::array protocols{"http1", "http2", "auto", "tcp"};
  auto text = fmt::format(
      "  cluster {}\n    {} {} service {}/{}\n    origin {}\n", cluster.name,
      protocols[static_cast<std::size_t>(cluster.protocol)],
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

template <class T>
std::vector<const T*> pointers(const std::vector<T>& values) {
  std::vector<const T*> list;
  for (const auto& value : values) list.push_back(&value);
  return list;
}

/// What the publisher keeps, for resources that stay.
struct Compiler {
  explicit Compiler(Stored from)
      : all(std::move(from)), graph(pointers(all.services), pointers(all.deployments), pointers(all.jobs)) {
    input.mesh = all.mesh;
    input.graph = &graph;
    input.addresses = &addresses;
    input.node = "here";
    for (const auto& service : all.services) {
      input.services.emplace(
          model::Ref{model::DependencyKind::service, service.metadata.ns, service.metadata.name},
          std::make_shared<const model::Service>(service));
    }
    for (const auto& route : all.routes)
      for (const auto& parent : parents_of(*route)) input.routes[parent].push_back(route);
    std::uint16_t port = 30'000;
    const auto add = [&](model::DependencyKind kind, const auto& objects) {
      for (const auto& object : objects) {
        auto made = workload(object, port);
        const model::Ref ref{kind, object.metadata.ns, object.metadata.name};
        if (!made.instances.empty()) input.workloads.emplace(ref, std::move(made));
        refs.insert(ref);
      }
    };
    add(model::DependencyKind::deployment, all.deployments);
    add(model::DependencyKind::job, all.jobs);
    for (const auto& [ref, service] : input.services) refs.insert(ref);
    update(everything());
  }
  Compiler(const Compiler&) = delete;
  Compiler& operator=(const Compiler&) = delete;

  Affected everything() const {
    auto all_of_it = affected(input, refs);
    all_of_it.contexts.insert(snapshot::edge_context);
    return all_of_it;
  }
  std::set<std::string> keys() const {
    std::set<std::string> keys;
    for (const auto& ref : refs) {
      const auto of_one = wanted(input, ref);
      keys.insert(of_one.begin(), of_one.end());
    }
    return keys;
  }
  /// All keys get an address at once.
  void update(const Affected& what) {
    for (const auto& key : keys()) addresses.try_emplace(key, base::Address::loopback(++reserved));
    for (auto& [node, contexts] : compile(input, what, snapshots)) {
      for (auto& [context, snapshot] : contexts) {
        if (snapshot)
          snapshots[node][context] = std::move(snapshot);
        else
          snapshots[node].erase(context);
      }
      if (snapshots[node].empty()) snapshots.erase(node);
    }
  }

  Stored all;
  model::DependencyGraph graph;
  Refs refs;
  Addresses addresses;
  std::uint16_t reserved = 20'000;
  Input input;
  Snapshots snapshots;
};

class Golden : public testing::TestWithParam<const char*> {};

TEST_P(Golden, Compiles) {
  const auto base = std::string(WEFT_SOURCE_DIR "/src/control/compile/testdata/") + GetParam();
  const Compiler output(stored(read(base + ".yaml")));
  std::string text;
  for (const auto& [context, snapshot] : output.snapshots.at("here")) text += words(*snapshot);
  text += "wanted\n";
  for (const auto& key : output.keys()) text += "  " + key + "\n";
  if (std::getenv("WEFT_UPDATE_GOLDENS")) std::ofstream(base + ".golden") << text;
  EXPECT_EQ(text, read(base + ".golden"));
}

INSTANTIATE_TEST_SUITE_P(Cases, Golden,
                         testing::Values("one_service", "dependencies", "missing_dependency", "target_ports",
                                         "tcp", "protocols", "asked_by_http", "health", "namespaces",
                                         "scope_namespace", "not_started", "canary", "routes"),
                         [](const auto& info) { return std::string(info.param); });

TEST(Compile, TheEdgeIsThereWithoutAnything) {
  const Compiler output{Stored{}};
  ASSERT_EQ(output.snapshots.size(), 1U);
  ASSERT_EQ(output.snapshots.at("here").size(), 1U);
  EXPECT_EQ(output.snapshots.at("here").at(snapshot::edge_context)->context, snapshot::edge_context);
  EXPECT_TRUE(output.keys().empty());
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
  const Compiler output(stored(deployment("cart", "ready%there") + deployment("db", "ready") +
                               deployment("web", "ready draining%there unready%third") +
                               deployment("idle", "")));
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
  const Compiler output(stored(R"(---
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

constexpr std::string_view edge_deployment = R"(---
apiVersion: apps/v1
kind: Deployment
metadata: {name: edge, namespace: weft-system, annotations: {test/instances: "ready@8080"}}
spec:
  selector: {matchLabels: {app: edge}}
  template:
    metadata: {labels: {app: edge}}
    spec: {containers: [{name: edge, image: x}]}
)";

TEST(Compile, AWorkloadMayHaveTheNameOfTheEdge) {
  const Compiler output(stored(R"(---
apiVersion: v1
kind: Service
metadata: {name: edge, namespace: weft-system}
spec: {selector: {app: edge}, ports: [{port: 80, targetPort: 8080}], dependsOn: [{name: cart}]}
)" + std::string(edge_deployment)));
  const auto& edge = *output.snapshots.at("here").at(snapshot::edge_context);
  EXPECT_EQ(names(edge.listeners), (Names{"edge/weft-system/edge/80", "inbound/weft-system/edge-0/8080",
                                          "outbound/weft-system/edge/weft-system/cart"}));
}

// A Service of that name which does not lead to the workload has nothing to do with its inbound listeners.
TEST(Changes, AServiceOfTheNameOfAWorkloadAtTheEdge) {
  Compiler mesh(stored(R"(---
apiVersion: v1
kind: Service
metadata: {name: edge, namespace: weft-system}
spec: {selector: {app: other}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: weft-system}
spec: {selector: {app: edge}, ports: [{port: 80, targetPort: 8080}]}
)" + std::string(edge_deployment)));
  const auto before = words(*mesh.snapshots.at("here").at(snapshot::edge_context));
  mesh.update(affected(mesh.input, {{model::DependencyKind::service, "weft-system", "edge"}}));
  EXPECT_EQ(words(*mesh.snapshots.at("here").at(snapshot::edge_context)), before);
  EXPECT_THAT(before, testing::HasSubstr("inbound/weft-system/edge-0/8080"));
}

/// "s1" calls "s0" and so on, and a Job calls "s1"; each has an instance.
Stored chain(std::string_view mesh = {}) {
  std::string text(mesh);
  for (int i = 0; i < 5; ++i) {
    const auto depends = i == 0 ? std::string() : fmt::format(", dependsOn: [{{name: s{}}}]", i - 1);
    text += fmt::format(R"(---
apiVersion: v1
kind: Service
metadata: {{name: s{0}}}
spec: {{selector: {{app: s{0}}}, ports: [{{port: 80, targetPort: 8080}}]{1}}}
)",
                        i, depends) +
            deployment(fmt::format("s{}", i).c_str(), "ready@8080");
  }
  return stored(text + fmt::format(R"(---
apiVersion: batch/v1
kind: Job
metadata: {{name: job, annotations: {{{}: "ready"}}}}
spec:
  dependsOn: [{{name: s1}}]
  template:
    spec: {{restartPolicy: Never, containers: [{{name: job, image: x}}]}}
)",
                                   instances_annotation));
}

const model::Ref service_s1{model::DependencyKind::service, "default", "s1"};
const model::Ref deployment_s1{model::DependencyKind::deployment, "default", "s1"};

TEST(Changes, LeadToThoseWhoKnowOfThem) {
  Compiler mesh(chain());
  const std::set<snapshot::ContextId> callers{{"default", "job"}, {"default", "s1"}, {"default", "s2"}};
  for (const auto& ref : {service_s1, deployment_s1}) {
    const auto found = affected(mesh.input, {ref});
    EXPECT_EQ(found.services, Refs{service_s1});
    EXPECT_EQ(found.contexts, callers);
  }
  const auto before = mesh.snapshots.at("here");
  mesh.input.workloads.at(deployment_s1).instances[0].ready = false;
  mesh.update(affected(mesh.input, {deployment_s1}));
  std::set<snapshot::ContextId> changed;
  for (const auto& [context, snapshot] : mesh.snapshots.at("here")) {
    if (*snapshot != *before.at(context)) changed.insert(context);
  }
  EXPECT_EQ(changed,
            (std::set<snapshot::ContextId>{{"default", "job"}, {"default", "s2"}, snapshot::edge_context}));
  const auto& edge = *mesh.snapshots.at("here").at(snapshot::edge_context);
  const auto place = *edge.clusters.place(cluster_name("default", "s0", 80));
  EXPECT_EQ(edge.clusters.shared(place), before.at(snapshot::edge_context)->clusters.shared(place));
}

// What a Service is, its callers are told, and those of the Services whose routes lead to it; nobody else.
TEST(Changes, LeadToThoseWhoseRoutesLeadThere) {
  Compiler mesh(chain());
  const model::Ref s0{model::DependencyKind::service, "default", "s0"};
  const model::Ref s3{model::DependencyKind::service, "default", "s3"};
  auto route = std::make_shared<model::HTTPRoute>();
  route->metadata = {.name = "r"};
  route->metadata.ns = "default";
  route->spec.parent_refs.push_back(
      {.group = "", .kind = "Service", .ns = {}, .name = "s3", .section_name = {}});
  route->spec.rules.emplace_back().backend_refs.push_back({.group = {}, .ns = {}, .name = "s0", .port = 80});
  mesh.input.routes[s3].push_back(route);
  mesh.update(affected(mesh.input, {s3}));
  const auto& caller = *mesh.snapshots.at("here").at({"default", "s4"});
  EXPECT_NE(caller.clusters.find(cluster_name("default", "s0", 80)), nullptr);
  const auto found = affected(mesh.input, {s0});
  EXPECT_EQ(found.services, (Refs{s0, s3}));
  EXPECT_EQ(found.contexts,
            (std::set<snapshot::ContextId>{{"default", "s0"}, {"default", "s1"}, {"default", "s4"}}));
}

// The template asks by one of a port's number and name, the Service leads there by the other, and only the
// image has both: callers and instances agree.
TEST(Compile, BothEndsOfAnAskedPortHaveHttpAlone) {
  struct Case {
    std::string_view target;
    model::ContainerPort asked;
    snapshot::ListenerProtocol protocol;
  };
  using enum snapshot::ListenerProtocol;
  for (const auto& [target, asked, protocol] :
       {Case{"web", {"", 8080}, http}, Case{"8080", {"web", 0}, http}, Case{"web", {"", 8081}, automatic},
        Case{"8080", {"db", 0}, automatic}}) {
    Compiler mesh(stored(fmt::format(R"(---
apiVersion: v1
kind: Service
metadata: {{name: s}}
spec: {{selector: {{app: w}}, ports: [{{port: 80, targetPort: {}}}]}}
)",
                                     target) +
                         deployment("w", "ready@8080")));
    const model::Ref ref{model::DependencyKind::deployment, "default", "w"};
    auto& workload = mesh.input.workloads.at(ref);
    workload.instances[0].ports[0].port.name = "web";
    workload.asked_by_http = {asked};
    mesh.update(affected(mesh.input, {ref}));
    const auto protocol_at = [&](const snapshot::ContextId& context, const std::string& listener) {
      return mesh.snapshots.at("here").at(context)->listeners.find(listener)->protocol;
    };
    EXPECT_EQ(protocol_at(snapshot::edge_context, "edge/default/s/80"), protocol) << target;
    EXPECT_EQ(protocol_at({"default", "w"}, inbound_key("default", "w-0", 8080)), protocol) << target;
  }
}

/// Another route for the Service, or none: to two of the chain, which need not have that port.
void change_route(Compiler& mesh, const model::Ref& ref, base::Random& random) {
  mesh.input.routes.erase(ref);
  if (random.below(2) == 0) return;
  auto route = std::make_shared<model::HTTPRoute>();
  route->metadata.ns = ref.ns;
  route->metadata.name = "r";
  route->spec.parent_refs.push_back(
      {.group = "", .kind = "Service", .ns = {}, .name = ref.name, .section_name = {}});
  auto& rule = route->spec.rules.emplace_back();
  for (int i = 0; i < 2; ++i) {
    rule.backend_refs.push_back({.group = {},
                                 .ns = {},
                                 .name = fmt::format("s{}", random.below(6)),
                                 .port = static_cast<std::int32_t>(80 + random.below(2))});
  }
  mesh.input.routes[ref].push_back(std::move(route));
}

/// Changes one Service's ports or routes, or one workload's instances.
void change(Compiler& mesh, const model::Ref& ref, base::Random& random) {
  if (ref.kind == model::DependencyKind::service && random.below(3) == 0)
    return change_route(mesh, ref, random);
  if (ref.kind == model::DependencyKind::service) {
    auto service = std::make_shared<model::Service>(*mesh.input.services.at(ref));
    service->spec.ports.resize(1 + random.below(2), service->spec.ports.front());
    for (std::size_t i = 0; i < service->spec.ports.size(); ++i)
      service->spec.ports[i].port = static_cast<std::int32_t>(80 + 10 * i + random.below(2));
    static constexpr std::array protocols{"tcp", "http", "grpc", ""};
    service->spec.ports[0].app_protocol = protocols[random.below(protocols.size())];
    mesh.input.services[ref] = std::move(service);
    return;
  }
  auto& workload = mesh.input.workloads[ref];
  workload.instances.clear();
  workload.asked_by_http.clear();
  if (random.below(2) == 0) workload.asked_by_http.push_back({"", 8080});
  for (auto left = random.below(3); left > 0; --left) {
    workload.instances.push_back(
        {fmt::format("{}-{}", ref.name, random.below(100)),
         random.below(3) == 0 ? "there" : "here",
         random.below(2) == 0,
         random.below(4) == 0,
         random.below(4) == 0 ? std::optional(std::chrono::milliseconds(3'000)) : std::nullopt,
         {{{"", 8080}, base::Address::loopback(31'000)}}});
  }
  if (random.below(4) == 0) mesh.input.workloads.erase(ref);
}

TEST(Changes, OneByOneMakeTheSameAsAllAtOnce) {
  for (const auto* scope : {"declared", "namespace"}) {
    Compiler mesh(chain(fmt::format(R"(---
apiVersion: weft.dev/v1alpha1
kind: MeshConfig
metadata: {{name: default}}
spec: {{scope: {}}}
)",
                                    scope)));
    base::Random random(1);
    const std::vector<model::Ref> refs(mesh.refs.begin(), mesh.refs.end());
    for (int i = 0; i < 300; ++i) {
      const auto& ref = refs[random.below(refs.size())];
      change(mesh, ref, random);
      mesh.update(affected(mesh.input, {ref}));
      const auto fresh = compile(mesh.input, mesh.everything(), {});
      ASSERT_EQ(fresh.size(), mesh.snapshots.size()) << i;
      for (const auto& [node, contexts] : fresh) {
        ASSERT_EQ(contexts.size(), mesh.snapshots[node].size()) << i;
        for (const auto& [context, snapshot] : contexts)
          ASSERT_EQ(words(*snapshot), words(*mesh.snapshots[node].at(context))) << i;
      }
    }
  }
}

}  // namespace
}  // namespace weft::control::compile
