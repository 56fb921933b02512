// What a Service's port is taken for.
#include "model/protocol.h"

#include <gtest/gtest.h>

#include "model/load.h"

namespace weft::model {
namespace {

TEST(Protocol, OfAPort) {
  struct Case {
    std::string port;
    AppProtocol traffic;
  };
  for (const Case& one :
       {Case{"{port: 80}", AppProtocol::automatic}, Case{"{port: 80, name: web}", AppProtocol::automatic},
        Case{"{port: 80, name: http}", AppProtocol::http}, Case{"{port: 80, name: tcp-db}", AppProtocol::tcp},
        Case{"{port: 80, name: tcp}", AppProtocol::tcp},
        Case{"{port: 80, name: tcpx}", AppProtocol::automatic},
        Case{"{port: 80, appProtocol: tcp}", AppProtocol::tcp},
        Case{"{port: 80, name: tcp-x, appProtocol: http}", AppProtocol::http},
        Case{"{port: 80, appProtocol: kubernetes.io/h2c}", AppProtocol::http2},
        Case{"{port: 80, appProtocol: kubernetes.io/ws}", AppProtocol::http},
        Case{"{port: 80, appProtocol: kubernetes.io/wss}", AppProtocol::tcp},
        Case{"{port: 80, appProtocol: kubernetes.io/h3}", AppProtocol::tcp},
        Case{"{port: 80, appProtocol: grpc}", AppProtocol::http2},
        Case{"{port: 80, appProtocol: gRPC-Web}", AppProtocol::http},
        Case{"{port: 80, appProtocol: HTTP2}", AppProtocol::http2},
        Case{"{port: 80, appProtocol: example.com/own}", AppProtocol::tcp},
        Case{"{port: 3306, name: mysql, appProtocol: http}", AppProtocol::http},
        Case{"{port: 80, name: http, appProtocol: mysql}", AppProtocol::tcp},
        // By names, as Istio has them.
        Case{"{port: 80, name: mysql}", AppProtocol::tcp},
        Case{"{port: 80, name: postgres-main}", AppProtocol::tcp},
        Case{"{port: 80, name: mysql-http}", AppProtocol::tcp},
        Case{"{port: 3306, name: http-mysql}", AppProtocol::http},
        Case{"{port: 80, name: mysqlx}", AppProtocol::automatic},
        Case{"{port: 80, name: https}", AppProtocol::tcp}, Case{"{port: 80, name: grpc}", AppProtocol::http2},
        Case{"{port: 80, name: grpc-api}", AppProtocol::http2},
        Case{"{port: 80, name: h2c}", AppProtocol::http2},
        Case{"{port: 80, name: http2-api}", AppProtocol::http2},
        Case{"{port: 80, name: ws}", AppProtocol::http},
        Case{"{port: 80, name: grpc-web}", AppProtocol::http},
        Case{"{port: 80, name: grpc-web-api}", AppProtocol::http},
        Case{"{port: 3306, name: grpc}", AppProtocol::http2},
        // By numbers.
        Case{"{port: 3306}", AppProtocol::tcp}, Case{"{port: 5432, name: db}", AppProtocol::tcp},
        Case{"{port: 15432, targetPort: 5432}", AppProtocol::tcp},
        Case{"{port: 6379, appProtocol: http}", AppProtocol::http},
        Case{"{port: 6379, name: http}", AppProtocol::http}, Case{"{port: 443}", AppProtocol::automatic},
        Case{"{port: 8080}", AppProtocol::automatic}}) {
    const auto loaded = load(
        "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: [" + one.port + "]}\n", "f.yaml");
    ASSERT_EQ(loaded.objects.size(), 1U) << base::render(loaded.diagnostics);
    EXPECT_EQ(std::get<Service>(loaded.objects[0].resource).spec.ports[0].traffic(), one.traffic) << one.port;
  }
}

// Name and number of a port that is asked are both known where the container declares it.
TEST(Protocol, WhatIsAskedByHttp) {
  PodSpec pod;
  EXPECT_TRUE(asked_by_http(pod).empty()) << "of an orphan";
  auto& container = pod.containers.emplace_back();
  container.ports = {{"web", 8080}, {"db", 3306}};
  EXPECT_TRUE(asked_by_http(pod).empty());
  container.readiness_probe = Probe{.tcp_socket = TcpSocketAction{{3306}}};
  container.liveness_probe = Probe{.http_get = HttpGetAction{.port = {"web"}}};
  container.startup_probe = Probe{.http_get = HttpGetAction{.port = {9000}}};
  container.lifecycle = Lifecycle{};
  container.lifecycle->pre_stop = LifecycleHandler{.http_get = HttpGetAction{.port = {"of-the-image"}}};
  EXPECT_EQ(asked_by_http(pod), (std::vector<ContainerPort>{{"web", 8080}, {"", 9000}, {"of-the-image", 0}}));
}

}  // namespace
}  // namespace weft::model
