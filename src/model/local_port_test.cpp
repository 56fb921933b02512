// The ports of this machine that resources ask for.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/load.h"

namespace weft::model {
namespace {

using ::testing::HasSubstr;

Loaded service(std::string_view annotation, std::string_view spec) {
  return load(fmt::format("apiVersion: v1\nkind: Service\nmetadata:\n  name: web\n{}spec:\n{}",
                          annotation.empty()
                              ? ""
                              : fmt::format("  annotations: {{weft.dev/local-port: \"{}\"}}\n", annotation),
                          spec),
              "web.yaml");
}

constexpr std::string_view one_port = "  ports: [{port: 80}]\n";
constexpr std::string_view two_ports = "  ports: [{name: http, port: 80}, {name: admin, port: 81}]\n";

TEST(LocalPort, ComesFromNodePortOrTheAnnotation) {
  struct Case {
    std::string_view annotation;
    std::string_view spec;
    std::vector<std::int32_t> ports;
  };
  for (const auto& each : {
           Case{"", one_port, {0}},
           Case{"8080", one_port, {8080}},
           Case{"8080", two_ports, {8080, 0}},
           Case{"http=8080,admin=8081", two_ports, {8080, 8081}},
           Case{"81=8081", two_ports, {0, 8081}},
           Case{"", "  type: NodePort\n  ports: [{port: 80, nodePort: 80}]\n", {80}},
           Case{"", "  type: LoadBalancer\n  ports: [{port: 80, nodePort: 30080}]\n", {30080}},
           Case{"", "  type: NodePort\n  ports: [{port: 80}]\n", {0}},
           Case{"", "  ports: [{port: 80, nodePort: 0}]\n", {0}},
           Case{"30080", "  type: NodePort\n  ports: [{port: 80, nodePort: 30080}]\n", {30080}},
       }) {
    const auto loaded = service(each.annotation, each.spec);
    ASSERT_TRUE(loaded.diagnostics.empty())
        << each.annotation << each.spec << base::render(loaded.diagnostics);
    std::vector<std::int32_t> ports;
    for (const auto& port : std::get<Service>(loaded.objects.front().resource).spec.ports)
      ports.push_back(port.local_port);
    EXPECT_EQ(ports, each.ports) << each.annotation << each.spec;
  }
}

TEST(LocalPort, WhatCannotBeMeantIsSaid) {
  struct Case {
    std::string_view annotation;
    std::string_view spec;
    std::string_view field;
    std::string_view words;
  };
  constexpr std::string_view annotated = "metadata.annotations[weft.dev/local-port]";
  for (const auto& each : {
           Case{"", "  ports: [{port: 80, nodePort: 30080}]\n", "spec.ports[0].nodePort", "type: NodePort"},
           Case{"", "  type: NodePort\n  ports: [{port: 80, nodePort: 65536}]\n", "spec.ports[0].nodePort",
                "65535"},
           Case{"", "  type: NodPort\n  ports: [{port: 80}]\n", "spec.type", "NodePort"},
           Case{"x", one_port, annotated, "`x` says no port"},
           Case{"0", one_port, annotated, "`0` says no port"},
           Case{"8080,", one_port, annotated, "`` says no port"},
           Case{"http=", two_ports, annotated, "`http=` says no port"},
           Case{"web=8080", two_ports, annotated, "It has http, admin."},
           Case{"8080,http=8081", two_ports, annotated, "at 8080 and at 8081"},
           Case{"http=8080,admin=8080", two_ports, "spec.ports[1]", "as ports[0] is"},
           Case{"8080", "  type: NodePort\n  ports: [{port: 80, nodePort: 30080}]\n", annotated,
                "at 30080 and at 8080"},
       }) {
    const auto loaded = service(each.annotation, each.spec);
    ASSERT_EQ(loaded.diagnostics.size(), 1U)
        << each.annotation << each.spec << base::render(loaded.diagnostics);
    EXPECT_EQ(loaded.diagnostics[0].severity, base::Severity::error);
    EXPECT_EQ(loaded.diagnostics[0].field, each.field);
    EXPECT_THAT(loaded.diagnostics[0].message + " " + loaded.diagnostics[0].mend, HasSubstr(each.words));
  }
}

TEST(FixedPort, OfSeveralInstancesIsWarnedOf) {
  const auto deployment = [](int replicas, std::string_view env) {
    return load(fmt::format("apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web}}\n"
                            "spec:\n  replicas: {}\n  selector: {{matchLabels: {{app: web}}}}\n"
                            "  template:\n    metadata: {{labels: {{app: web}}}}\n"
                            "    spec:\n      containers: [{{name: web, image: web, env: [{}]}}]\n",
                            replicas, env),
                "web.yaml");
  };
  EXPECT_TRUE(deployment(1, "{name: PORT, value: '8080'}").diagnostics.empty());
  EXPECT_TRUE(
      deployment(2, "{name: PORT, value: '$(OTHER)'}, {name: REPORT, value: '1'}").diagnostics.empty());
  const auto warned = deployment(2, "{name: A, value: b}, {name: PORT, value: '8080'}");
  ASSERT_EQ(warned.diagnostics.size(), 1U);
  EXPECT_EQ(warned.diagnostics[0].code, "model/fixed-port");
  EXPECT_EQ(warned.diagnostics[0].severity, base::Severity::warning);
  EXPECT_EQ(warned.diagnostics[0].field, "spec.template.spec.containers[0].env[1].value");
  EXPECT_EQ(warned.diagnostics[0].message, "2 instances cannot all listen on 8080");
}

}  // namespace
}  // namespace weft::model
