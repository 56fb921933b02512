// The real probes, against real sockets.
#include "control/reconcile/probe.h"

#include <gtest/gtest.h>

#include "control/reconcile/testing_mesh_test.h"
#include "runtime/combine.h"
#include "runtime/socket.h"

namespace weft::control::reconcile {
namespace {

using runtime::Task;

/// Answers each connection with `response`.
Task<void> answer(runtime::Reactor& reactor, runtime::Acceptor& acceptor, std::string response,
                  std::string* request) {
  for (;;) {
    auto stream = co_await acceptor.accept();
    if (!stream) co_return;
    std::array<char, 4096> buffer{};
    const auto read = co_await runtime::read(**stream, buffer);
    if (read) request->assign(buffer.data(), *read);
    (void)co_await runtime::write_all(**stream, response);
    (*stream)->shutdown_write();
    co_await reactor.sleep(std::chrono::milliseconds(1));
  }
}

struct ProbeTest : ::testing::Test {
  ProbeTest() : acceptor(reactor, *runtime::listen_on(base::Address::loopback(0))) {}

  ProbeResult ask(model::Probe probe) {
    ProbeTarget target{"default/web-1", {{{"http", 8080}, acceptor.address()}, {{"", 9}, unused}}};
    return reactor.block_on(prober.probe(std::move(probe), std::move(target)));
  }
  ProbeResult get(std::string response, model::HttpGetAction action) {
    runtime::Scope scope;
    scope.spawn(answer(reactor, acceptor, std::move(response), &request));
    model::Probe probe;
    probe.http_get = std::move(action);
    return ask(std::move(probe));
  }

  runtime::Reactor reactor;
  runtime::Acceptor acceptor;
  base::Address unused = runtime::local_address(runtime::listen_on(base::Address::loopback(0))->get());
  reconcile::testing::FakeProvider provider{base::system_clock()};
  NetworkProber prober{reactor, provider};
  std::string request;
};

model::IntOrString port(std::int32_t number) { return {number}; }
model::IntOrString port(std::string name) { return {std::move(name)}; }

TEST_F(ProbeTest, HttpGetSucceedsFrom200To399) {
  const model::HttpGetAction action{"/healthz", port("http"), {{"X-Probe", "yes"}}};
  EXPECT_TRUE(get("HTTP/1.1 204 No Content\r\n\r\n", action).success);
  EXPECT_TRUE(request.starts_with("GET /healthz HTTP/1.1\r\n")) << request;
  EXPECT_NE(request.find("X-Probe: yes"), std::string::npos) << request;
  EXPECT_TRUE(get("HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", action).success);
  const auto failed = get("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", action);
  EXPECT_FALSE(failed.success);
  EXPECT_EQ(failed.message, "GET /healthz: status 503");
  EXPECT_FALSE(get("nonsense\r\n\r\n", action).success);
}

TEST_F(ProbeTest, TcpSocketNeedsAListener) {
  model::Probe probe;
  probe.tcp_socket = model::TcpSocketAction{port(8080)};
  EXPECT_TRUE(ask(probe).success);
  probe.tcp_socket = model::TcpSocketAction{port(9)};
  const auto refused = ask(probe);
  EXPECT_FALSE(refused.success);
  EXPECT_NE(refused.message.find("refused"), std::string::npos) << refused.message;
  probe.tcp_socket = model::TcpSocketAction{port("grpc")};
  EXPECT_EQ(ask(probe).message, "port grpc is no containerPort");
}

TEST_F(ProbeTest, ExecNeedsExitCodeZero) {
  model::Probe probe;
  probe.exec = model::ExecAction{{"check"}};
  EXPECT_TRUE(ask(probe).success);
  provider.exec_result = 124;
  EXPECT_EQ(ask(probe).message, "exec check: exit code 124") << "its own";
  provider.exec_result = base::fail(provider::ProviderErrorKind::timed_out, "it took longer than 1s");
  EXPECT_EQ(ask(probe).message, "exec check: it took longer than 1s");
}

TEST(DefaultReadiness, IsTheFirstPort) {
  EXPECT_FALSE(default_readiness_probe({}));
  const auto probe = default_readiness_probe({{{"http", 8080}, {}}, {{"", 9}, {}}});
  ASSERT_TRUE(probe && probe->tcp_socket);
  EXPECT_EQ(probe->tcp_socket->port, port(8080));
}

}  // namespace
}  // namespace weft::control::reconcile
