#include "model/dependency.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <malloc.h>

#include <string>
#include <vector>

#include "model/check.h"
#include "model/load.h"

namespace weft::model {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string service(const std::string& name, const std::string& depends_on,
                    const std::string& selector = "") {
  return "---\napiVersion: v1\nkind: Service\nmetadata: {name: " + name +
         "}\nspec: {selector: {app: " + (selector.empty() ? name : selector) +
         "}, ports: [{port: 80}], dependsOn: [" + depends_on + "]}\n";
}
std::string deployment(const std::string& name, const std::string& depends_on = "",
                       const std::string& label = "") {
  std::string app = label.empty() ? name : label;
  return "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: " + name +
         "}\nspec: {selector: {matchLabels: {app: " + app + "}}, template: {metadata: {labels: {app: " + app +
         "}}, spec: {containers: [{name: c, image: i}]}}, dependsOn: [" + depends_on + "]}\n";
}
std::string job(const std::string& name, const std::string& depends_on = "") {
  return "---\napiVersion: batch/v1\nkind: Job\nmetadata: {name: " + name +
         "}\nspec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: i}]}}, dependsOn: "
         "[" +
         depends_on + "]}\n";
}
std::string both(const std::string& name, const std::string& depends_on = "") {
  return service(name, depends_on) + deployment(name);
}

/// A graph with the objects it is made of.
struct Mesh {
  std::vector<Object> objects;
  std::vector<const Service*> services;
  std::vector<const Deployment*> deployments;
  std::vector<const Job*> jobs;

  explicit Mesh(std::string text) {
    Loaded loaded = load(std::move(text), "f.yaml");
    EXPECT_FALSE(base::has_errors(loaded.diagnostics)) << base::render(loaded.diagnostics);
    objects = std::move(loaded.objects);
    for (const Object& object : objects) {
      if (auto* one = std::get_if<Service>(&object.resource)) services.push_back(one);
      if (auto* one = std::get_if<Deployment>(&object.resource)) deployments.push_back(one);
      if (auto* one = std::get_if<Job>(&object.resource)) jobs.push_back(one);
    }
  }
  DependencyGraph graph() const { return {services, deployments, jobs}; }
};

std::string names(const DependencyGraph& graph, std::span<const std::size_t> indices) {
  std::string text;
  for (std::size_t index : indices) text += (text.empty() ? "" : " ") + graph.workloads()[index].ref.name;
  return text;
}

std::vector<std::string> layers(const DependencyGraph& graph) {
  std::vector<std::string> text;
  for (const auto& layer : graph.start_order()) text.push_back(names(graph, layer));
  return text;
}

std::size_t at(const DependencyGraph& graph, const std::string& name,
               DependencyKind kind = DependencyKind::deployment) {
  return graph.find({kind, "default", name}).value();
}

TEST(Graph, ShopStartsInLayers) {
  Mesh mesh(both("web", "{name: cart}, {name: orders}") + both("cart", "{name: db}") +
            both("orders", "{name: db}, {name: migrate, kind: Job}") + both("db") +
            job("migrate", "{name: db}"));
  DependencyGraph graph = mesh.graph();
  EXPECT_THAT(layers(graph), ElementsAre("db", "cart migrate", "orders", "web"));
  EXPECT_EQ(names(graph, graph.closure(at(graph, "orders"))), "db migrate");
  EXPECT_EQ(names(graph, graph.dependents(at(graph, "db"))), "cart orders migrate");
  EXPECT_THAT(graph.cycles(), IsEmpty());
}

TEST(Graph, EntriesOfAllServicesGateTheWorkload) {
  Mesh mesh(service("a", "{name: x}", "w") + service("b", "{name: y, timeout: 5s}", "w") +
            deployment("w", "{name: z, kind: Deployment}") + both("x") + both("y") + deployment("z"));
  DependencyGraph graph = mesh.graph();
  const Workload& workload = graph.workloads()[at(graph, "w")];
  EXPECT_THAT(workload.services, ElementsAre("a", "b"));
  ASSERT_EQ(workload.dependencies.size(), 3U);
  EXPECT_EQ(workload.dependencies[0].target.to_string(), "Deployment default/z");
  EXPECT_EQ(workload.dependencies[1].origin.to_string(), "Service default/a spec.dependsOn[0]");
  EXPECT_EQ(workload.dependencies[2].timeout, std::chrono::seconds(5));
  EXPECT_EQ(names(graph, graph.behind(workload.dependencies[2].target)), "y");
}

TEST(Graph, BackingWorkloadIsNotWaitedFor) {
  Mesh mesh(service("web", "{name: web, kind: Deployment}") + deployment("web"));
  DependencyGraph graph = mesh.graph();
  ASSERT_EQ(graph.workloads()[0].dependencies.size(), 1U);
  EXPECT_FALSE(graph.workloads()[0].dependencies[0].gates);
  EXPECT_THAT(graph.cycles(), IsEmpty());
}

TEST(Graph, TwoServicesOfOneWorkload) {
  Mesh mesh(service("a", "{name: b}", "w") + service("b", "", "w") + deployment("w"));
  DependencyGraph graph = mesh.graph();
  EXPECT_FALSE(graph.workloads()[0].dependencies[0].gates) << "it does not wait for itself";
  EXPECT_TRUE(graph.workloads()[0].dependencies[0].exists);
  EXPECT_THAT(graph.cycles(), IsEmpty());
}

TEST(Graph, MissingAndOptional) {
  Mesh mesh(both("web", "{name: none}, {name: db, optional: true}, {name: far, namespace: other}") +
            both("db", "{name: web}"));
  DependencyGraph graph = mesh.graph();
  const auto& dependencies = graph.workloads()[at(graph, "web")].dependencies;
  ASSERT_EQ(dependencies.size(), 3U);
  EXPECT_FALSE(dependencies[0].exists);
  EXPECT_TRUE(dependencies[0].gates);
  EXPECT_TRUE(dependencies[1].exists);
  EXPECT_FALSE(dependencies[1].gates);
  EXPECT_EQ(dependencies[2].target.ns, "other");
  EXPECT_THAT(layers(graph), ElementsAre("web", "db")) << "an optional entry makes no order and no circle";
  EXPECT_THAT(graph.cycles(), IsEmpty());
}

TEST(Graph, SelectorsWorkWithinTheirNamespace) {
  Mesh mesh(service("web", "") +
            "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: other}\nspec: "
            "{selector: {matchLabels: {app: web}}, "
            "template: {metadata: {labels: {app: web}}, spec: {containers: [{name: c, image: i}]}}}\n");
  EXPECT_THAT(mesh.graph().workloads()[0].services, IsEmpty());
}

struct Circle {
  std::string name;
  std::string text;
  std::string cycle;
  std::string blocked;  // names of the workloads
};
class Cycles : public ::testing::TestWithParam<Circle> {};

TEST_P(Cycles, AreFoundAndPrinted) {
  Mesh mesh(GetParam().text);
  DependencyGraph graph = mesh.graph();
  ASSERT_EQ(graph.cycles().size(), 1U);
  EXPECT_EQ(graph.cycles()[0].to_string(), GetParam().cycle);
  std::vector<std::size_t> blocked;
  for (std::size_t i = 0; i < graph.workloads().size(); ++i)
    if (graph.blocked_by(i)) blocked.push_back(i);
  EXPECT_EQ(names(graph, blocked), GetParam().blocked);
  std::size_t placed = 0;
  for (const auto& layer : graph.start_order()) placed += layer.size();
  EXPECT_EQ(placed, graph.workloads().size()) << "every workload has its layer";
  base::Diagnostics findings = check(mesh.objects);
  base::Diagnostics errors;
  for (const auto& one : findings)
    if (one.severity == base::Severity::error) errors.push_back(one);
  ASSERT_EQ(errors.size(), 1U) << base::render(findings);
  EXPECT_EQ(errors[0].code, "model/dependency-cycle");
  EXPECT_THAT(errors[0].message, HasSubstr(GetParam().cycle));
  EXPECT_NE(errors[0].position.line, 0U);
}

const Circle circles[] = {
    {"TwoServices", both("a", "{name: b}") + both("b", "{name: a}"), "a -> b -> a", "a b"},
    {"WithOnesThatWait", both("a", "{name: b}") + both("b", "{name: a}") + both("c", "{name: b}") + both("d"),
     "a -> b -> a", "a b c"},
    {"Long",
     both("a", "{name: b}") + both("b", "{name: c}") + both("c", "{name: d}") + both("d", "{name: a}"),
     "a -> b -> c -> d -> a", "a b c d"},
    {"ShortestOfTwo", both("a", "{name: b}, {name: c}") + both("b", "{name: c}") + both("c", "{name: a}"),
     "a -> c -> a", "a b c"},
    {"ServicesAlone", service("a", "{name: b}") + service("b", "{name: a}"), "a -> b -> a", ""},
    {"Itself", both("a", "{name: a}"), "a -> a", ""},
    {"ItselfAlone", service("a", "{name: a}"), "a -> a", ""},
    {"ThroughADeployment", both("a", "{name: b, kind: Deployment}") + both("b", "{name: a}"),
     "Service a -> Deployment b -> Service a", "a b"},
    {"ThroughAJob", both("a", "{name: j, kind: Job}") + job("j", "{name: a}"),
     "Service a -> Job j -> Service a", "a j"},
};
INSTANTIATE_TEST_SUITE_P(Model, Cycles, ::testing::ValuesIn(circles),
                         [](const auto& one) { return one.param.name; });

TEST(Graph, ALongChain) {
  std::string text;
  for (int i = 0; i < 3'000; ++i)
    text += deployment("d" + std::to_string(i), "{name: d" + std::to_string(i + 1) + ", kind: Deployment}");
  Mesh mesh(text);
  DependencyGraph graph = mesh.graph();
  EXPECT_EQ(graph.start_order().size(), 3'000U);
  EXPECT_EQ(graph.closure(at(graph, "d0")).size(), 2'999U);
}

TEST(Check, MissingTargetProposesWhatIsThere) {
  struct Case {
    std::string entry;
    std::string mend;
  };
  for (const Case& one :
       {Case{"{name: databse}", "`database`"}, Case{"{name: database, kind: Deployment}", "kind: Service"},
        Case{"{name: database-service}", "`database`"}, Case{"{name: zzz}", "Apply the Service `zzz` too"}}) {
    Mesh mesh(both("web", one.entry) + service("database", "", "web"));
    base::Diagnostics findings = check(mesh.objects);
    ASSERT_EQ(findings.size(), 1U) << base::render(findings);
    EXPECT_EQ(findings[0].code, "model/missing-dependency");
    EXPECT_EQ(findings[0].field, "spec.dependsOn[0].name");
    EXPECT_THAT(findings[0].mend, HasSubstr(one.mend));
  }
}

TEST(Check, AJobThatGoesIsNoDependencyThatStays) {
  auto migrate = job("migrate");
  migrate.insert(migrate.find("template:"), "ttlSecondsAfterFinished: 60, ");
  Mesh mesh(migrate + deployment("web", "{name: migrate, kind: Job, condition: completed}"));
  base::Diagnostics findings = check(mesh.objects);
  ASSERT_EQ(findings.size(), 1U) << base::render(findings);
  EXPECT_EQ(findings[0].code, "model/deleted-dependency");
  EXPECT_EQ(findings[0].field, "spec.dependsOn[0].name");
  EXPECT_THAT(findings[0].message, HasSubstr("60 s after its end"));
  EXPECT_THAT(check(Mesh(migrate + deployment("web", "{name: migrate, kind: Job, optional: true}")).objects),
              IsEmpty());
  EXPECT_THAT(check(Mesh(job("migrate") + deployment("web", "{name: migrate, kind: Job}")).objects),
              IsEmpty());
}

TEST(Check, TargetPorts) {
  struct Case {
    std::string target;
    std::string ports;
    bool is_well;
  };
  for (const Case& one : {Case{"targetPort: 8080", "[{containerPort: 8080}]", true},
                          Case{"targetPort: http", "[{containerPort: 8080, name: http}]", true},
                          Case{"targetPort: http", "[{containerPort: 8080}]", false},
                          Case{"targetPort: 81", "[{containerPort: 80}, {containerPort: 82}]", false},
                          Case{"name: a", "[{containerPort: 8080}]", false},
                          Case{"name: a", "[{containerPort: 80}]", true}, Case{"name: a", "[]", true}}) {
    Mesh mesh(
        "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {selector: {app: a}, ports: [{port: 80, " +
        one.target +
        "}]}\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec: {selector: "
        "{matchLabels: {app: a}}, template: "
        "{metadata: {labels: {app: a}}, spec: {containers: [{name: c, image: i, ports: " +
        one.ports + "}]}}}\n");
    base::Diagnostics findings = check(mesh.objects);
    EXPECT_EQ(findings.empty(), one.is_well) << one.target << one.ports << base::render(findings);
    if (!one.is_well) EXPECT_EQ(findings[0].code, "model/target-port-mismatch");
  }
}

TEST(Check, OneServiceAloneIsCalledAtALocalPort) {
  const auto service_at = [](const std::string& name, const std::string& metadata, const std::string& port) {
    return fmt::format(
        "---\napiVersion: v1\nkind: Service\nmetadata: {{name: {0}{1}}}\nspec: {{type: NodePort, selector: "
        "{{app: "
        "a}}, ports: [{{port: 80{2}}}]}}\n"
        "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {0}}}\nspec: {{selector: "
        "{{matchLabels: {{app: "
        "a}}}}, template: {{metadata: {{labels: {{app: a}}}}, spec: {{containers: [{{name: c, image: "
        "i}}]}}}}}}\n",
        name, metadata, port);
  };
  const std::string annotated = ", annotations: {weft.dev/local-port: '8080'}";
  const Mesh mesh(service_at("a", "", ", nodePort: 8080") + service_at("b", annotated, "") +
                  service_at("c", "", ", nodePort: 8081") + service_at("d", "", ", nodePort: 8081"));
  const auto findings = check(mesh.objects);
  ASSERT_EQ(findings.size(), 2U) << base::render(findings);
  EXPECT_EQ(findings[0].code, "model/duplicate");
  EXPECT_EQ(findings[0].severity, base::Severity::error);
  EXPECT_EQ(findings[0].field, "metadata.annotations[weft.dev/local-port]");
  EXPECT_EQ(findings[0].message, "Service `b` is to be called at 8080, as Service `a` is");
  EXPECT_EQ(findings[1].field, "spec.ports[0].nodePort");
}

TEST(Check, ObjectsOfTheStoreHaveFieldsOnly) {
  Mesh mesh(both("web", "{name: none}"));
  std::vector<Object> stored;
  for (const Object& object : mesh.objects) stored.push_back(from_store(object.json, object.resource));
  base::Diagnostics findings = check(stored);
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].field, "spec.dependsOn[0].name");
  EXPECT_EQ(findings[0].position, base::Position{});
}

TEST(DependencyGraph, ManyServicesOverManyWorkloadsStayBounded) {
  // Each Service selects each Deployment and waits for the next: 300 x 300 x 300 ways, of which each pair
  // needs one.
  constexpr int count = 300;
  std::string text;
  for (int i = 0; i < count; ++i) {
    text += fmt::format(
        "---\napiVersion: v1\nkind: Service\nmetadata: {{name: s{0}}}\nspec: {{selector: {{a: b}}, ports: "
        "[{{port: 80}}], "
        "dependsOn: [{{name: s{1}}}]}}\n"
        "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: d{0}}}\nspec: {{selector: "
        "{{matchLabels: {{a: b}}}}, "
        "template: {{metadata: {{labels: {{a: b}}}}, spec: {{containers: [{{name: c, image: x}}]}}}}}}\n",
        i, (i + 1) % count);
  }
  const Mesh mesh(text);
  const auto before = ::mallinfo2().uordblks;
  const auto graph = mesh.graph();
  EXPECT_LT(::mallinfo2().uordblks - before, std::size_t{100} << 20);
  EXPECT_EQ(graph.dependents(0).size(), count - 1U);
  EXPECT_EQ(graph.closure(0).size(), std::size_t{count});
}

}  // namespace
}  // namespace weft::model
