// What the tests of the REST server share: a server over a store of its own, called through its Unix socket.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "control/api/api.h"
#include "http/client.h"
#include "runtime/scope.h"
#include "runtime/socket.h"
#include "store/test_store.h"

namespace weft::control::api {

/// Answers with what a test has set.
class FakeOperations final : public Operations {
 public:
  runtime::Task<std::expected<void, base::ErrorOf<Reason>>> log(LogRequest request, Output& output) override {
    asked = request;
    if (request.pod == "missing") co_return base::fail(Reason::not_found, "no such instance");
    for (const auto& line : lines) co_await output.write(line);
    if (request.follow) {
      co_await output.write("");
      co_await runtime::Wait(never);
    }
    co_return std::expected<void, base::ErrorOf<Reason>>();
  }
  void stop_instance(const std::string& ns, const std::string& pod) override {
    stopped_instances.push_back(ns + "/" + pod);
  }
  runtime::Task<void> shutdown(Output& output) override {
    co_await output.write("{\"stopped\":\"web\"}\n");
    stopped = true;
  }
  telemetry::Samples metrics() const override { return {}; }
  base::Json status() const override { return {{"instances", 3}}; }
  std::optional<std::string> not_ready() const override { return why_not_ready; }

  LogRequest asked;
  std::vector<std::string> lines;
  std::optional<std::string> why_not_ready;
  bool stopped = false;
  std::vector<std::string> stopped_instances;
  runtime::Readiness never;
};

/// An answer, with its body as JSON where it is some.
struct Got {
  int status = 0;
  base::Json body;
  std::string text;
  message::Headers headers;
};

inline runtime::Task<void> fetch(http::Client& client, http::Request request, Got& into) {
  auto response = co_await client.send(std::move(request));
  if (!response) {
    ADD_FAILURE() << response.error().detail;
    co_return;
  }
  into.status = response->status;
  into.headers = std::move(response->headers);
  into.body = base::Json::parse(response->body, nullptr, /*allow_exceptions=*/false);
  into.text = std::move(response->body);
}

inline http::Request request(message::Method method, std::string target, std::string body = {},
                             std::string_view type = "application/json") {
  http::Request made{.method = method, .target = std::move(target), .headers = {}, .body = std::move(body)};
  if (method == message::Method::patch && type == "application/json") type = "application/merge-patch+json";
  if (!made.body.empty()) made.headers.add("content-type", type);
  return made;
}

inline std::string service(std::string_view name, int port = 80) {
  return base::Json{{"apiVersion", "v1"},
                    {"kind", "Service"},
                    {"metadata", {{"name", name}}},
                    {"spec", {{"selector", {{"app", name}}}, {"ports", {{{"port", port}}}}}}}
      .dump();
}

class ServerTest : public store::StoreTest {
 protected:
  static constexpr const char* services = "/api/v1/namespaces/default/services";

  void SetUp() override {
    open();
    start();
  }
  void TearDown() override { scope.cancel(); }

  void start() {
    ASSERT_TRUE(reactor.block_on(create_namespaces(*store)).has_value());
    server = std::make_unique<Server>(reactor, base::Random(7), *store, operations);
    const auto address = base::Address::unix_path(folder.file("api.sock"));
    auto listening = runtime::listen_on(address);
    ASSERT_TRUE(listening.has_value());
    scope.spawn(serve(std::move(*listening)));
    client = std::make_unique<http::Client>(reactor, address);
  }
  runtime::Task<void> serve(runtime::Fd listening) { co_await server->serve(std::move(listening)); }

  Got call(message::Method method, std::string target, std::string body = {},
           std::string_view type = "application/json") {
    return call(request(method, std::move(target), std::move(body), type));
  }
  Got call(http::Request made) {
    Got got;
    reactor.block_on(fetch(*client, std::move(made), got));
    return got;
  }
  std::vector<Got> call_all(std::vector<http::Request> requests) {
    std::vector<Got> answers(requests.size());
    std::vector<runtime::Task<void>> tasks;
    for (std::size_t i = 0; i < requests.size(); ++i) {
      tasks.push_back(fetch(*client, std::move(requests[i]), answers[i]));
    }
    reactor.block_on(runtime::all(std::move(tasks)));
    return answers;
  }
  Got get(std::string target) { return call(message::Method::get, std::move(target)); }

  FakeOperations operations;
  std::unique_ptr<Server> server;
  std::unique_ptr<http::Client> client;
  runtime::Scope scope;
};

}  // namespace weft::control::api
