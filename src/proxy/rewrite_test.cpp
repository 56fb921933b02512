// What a request carries on when it leaves the proxy.
#include "proxy/flow_harness.h"

namespace weft::proxy::testing {
namespace {

class Rewrite : public Flow {};

TEST_F(Rewrite, WhatAClientSaysOfTheWayIsBelievedOfTrustedProxiesOnly) {
  backend(1);
  auto snapshot = simple({1}, snapshot::Direction::edge);
  for (const std::uint32_t hops : {0U, 1U}) {
    snapshot.listeners[0].trusted_hops = hops;
    apply(snapshot);
    auto wire = connect();
    wire.send(
        "GET / HTTP/1.1\r\nhost: web\r\nx-forwarded-proto: https\r\nX-Forwarded-Host: a.example\r\n"
        "x-forwarded-port: 443\r\nforwarded: for=1.2.3.4;proto=https\r\nX-Forwarded-Client-Cert: "
        "Hash=1\r\n\r\n");
    const auto& head = backend(1).requests.back();
    for (const auto* said :
         {"x-forwarded-proto: https\n", "X-Forwarded-Host: a.example\n", "x-forwarded-port: 443\n",
          "forwarded: for=1.2.3.4;proto=https\n", "X-Forwarded-Client-Cert: Hash=1\n"}) {
      EXPECT_EQ(head.find(said) != std::string::npos, hops > 0) << said << head;
    }
    EXPECT_EQ(head.find("x-forwarded-proto: http\n") != std::string::npos, hops == 0);
    wire.send("GET / HTTP/1.1\r\nhost: web\r\n\r\n");
    EXPECT_THAT(backend(1).requests.back(), HasSubstr("x-forwarded-proto: http\n"));
  }
}

TEST_F(Rewrite, WhoCameByTlsHasAskedForHttps) {
  backend(1);
  auto snapshot = simple({1}, snapshot::Direction::edge);
  snapshot.clusters[0].protocol = snapshot::ClusterProtocol::automatic;
  auto& route = snapshot.routes[0].virtual_hosts[0].routes.emplace_back();
  route.name = "moved";
  route.match.path = "/moved";
  route.action = snapshot::Redirect{.path_kind = snapshot::Redirect::Path::whole, .path = "/new"};
  std::ranges::swap(route, snapshot.routes[0].virtual_hosts[0].routes[0]);
  apply(snapshot);
  for (const bool is_tls : {false, true}) {
    auto [near, far] = runtime::memory_pair(reactor_);
    Peer peer;
    peer.is_tls = is_tls;
    worker_->serve(find_listener("in"), std::move(far), std::move(peer));
    Wire wire(reactor_, std::move(near));
    wire.exchange(get_text);
    const std::string scheme = is_tls ? "https" : "http";
    EXPECT_THAT(backend(1).requests.back(), HasSubstr("x-forwarded-proto: " + scheme + "\n"));
    EXPECT_THAT(wire.exchange("GET /moved HTTP/1.1\r\nhost: web.example\r\n\r\n"),
                HasSubstr("location: " + scheme + "://web.example/new\r\n"));
  }
}

TEST_F(Rewrite, RequestIdsThatNoLogShouldHaveAreReplaced) {
  backend(1);
  apply(simple({1}));
  const std::string longest(128, 'i');
  struct Case {
    std::string fields;
    bool is_kept;
  };
  for (const auto& [fields, is_kept] :
       std::vector<Case>{{"x-request-id: " + longest, true},
                         {"x-request-id: Root=1-67891233-abcdef;Sampled=1", true},
                         {"x-request-id: " + longest + "i", false},
                         {"x-request-id: " + std::string(60'000, 'i'), false},
                         {"x-request-id:", false},
                         {"x-request-id: a b", false},
                         {"x-request-id: a\xff", false},
                         {"x-request-id: a\tb", false},
                         {"x-request-id: a\"b", false},
                         {"x-request-id: a\r\nx-request-id: b", false}}) {
    auto wire = connect();
    wire.send("GET / HTTP/1.1\r\nhost: web\r\n" + fields + "\r\n\r\n");
    const auto& head = backend(1).requests.back();
    EXPECT_EQ(head.find(fields + "\n") != std::string::npos, is_kept) << fields.substr(0, 200);
    const auto first = head.find("x-request-id:");
    ASSERT_NE(first, std::string::npos);
    EXPECT_EQ(head.find("x-request-id:", first + 1), std::string::npos) << "there is one";
    if (!is_kept) EXPECT_THAT(head, ::testing::ContainsRegex("x-request-id: [0-9a-f]{8}-[0-9a-f]{4}-4"));
  }
}

TEST_F(Rewrite, ARouteChangesHeadersInTheOrderRemoveSetAdd) {
  backend(1);
  auto snapshot = simple({1}, snapshot::Direction::edge);
  auto& route = snapshot.routes[0].virtual_hosts[0].routes[0];
  auto& forward = std::get<snapshot::Forward>(route.action);
  forward.headers = {.remove = {"x-debug", "x-forwarded-for", "user-agent"},
                     .set = {{"x-stage", "canary"}, {"x-forwarded-proto", "https"}, {"x-new", "1"}},
                     .add = {{"x-stage", "again"}, {"accept", "b"}, {"x-request-id", "second"}}};
  apply(snapshot);
  for (const bool again : {false, true}) {
    auto wire = connect();
    wire.send(
        "GET / HTTP/1.1\r\nhost: web\r\nX-Debug: 1\r\nx-debug: 2\r\nX-STAGE: main\r\nx-stage: other\r\n"
        "User-Agent: u\r\naccept: a\r\n\r\n");
    const auto& head = backend(1).requests.back();
    for (const auto* gone : {"ebug", "main", "other", "ser-", "orwarded-for", "proto: http\n"})
      EXPECT_EQ(head.find(gone), std::string::npos) << gone << again << "\n" << head;
    EXPECT_THAT(head, HasSubstr("x-stage: canary\n"));
    EXPECT_THAT(head, HasSubstr("x-stage: again\n"));
    EXPECT_THAT(head, HasSubstr("x-new: 1\n"));
    EXPECT_THAT(head, HasSubstr("x-forwarded-proto: https\n"));
    EXPECT_THAT(head, HasSubstr("accept: a\n"));
    EXPECT_THAT(head, HasSubstr("accept: b\n"));
    EXPECT_LT(head.find("x-stage: canary\n"), head.find("x-stage: again\n"));
  }
}

TEST_F(Rewrite, WhatARouteCannotLeadToIsAnsweredForItsShare) {
  backend(1);
  auto snapshot = simple({1});
  auto& forward = std::get<snapshot::Forward>(snapshot.routes[0].virtual_hosts[0].routes[0].action);
  forward.to.push_back({"none", 1});
  forward.missing_is_error = true;
  apply(snapshot);
  std::map<int, int> statuses;
  for (int i = 0; i < 100; ++i) {
    auto wire = connect();
    ++statuses[status_of_response(wire.exchange(get_text))];
  }
  EXPECT_EQ(statuses.size(), 2U);
  EXPECT_GT(statuses[200], 20);
  EXPECT_GT(statuses[500], 20);
}

TEST_F(Rewrite, H2cIsNeverForwarded) {
  backend(1);
  apply(simple({1}));
  struct Case {
    std::string fields, passed;
  };
  for (const auto& [fields, passed] :
       std::vector<Case>{{"upgrade: h2c", ""},
                         {"Upgrade: H2C", ""},
                         {"upgrade: x, H2C/1", ""},
                         {"upgrade: h2c/2.0, x/1 ,h2C", ""},
                         {"upgrade: x\r\nupgrade: h2c\r\nupgrade: websocket", ""},
                         {"upgrade: x/1\r\nupgrade: websocket", "x/1, websocket"},
                         {"upgrade: h2c-14", ""},
                         {"upgrade: h2", ""},
                         {"upgrade: HTTP/2.0", ""},
                         {"upgrade: \"h2c\"", ""},
                         {"upgrade: x h2c", ""},
                         {"upgrade: x/h2c/1", ""},
                         {"upgrade: websocket", "websocket"}}) {
    auto wire = connect();
    const auto text = wire.exchange(
        "GET / HTTP/1.1\r\nhost: web\r\nconnection: HTTP2-Settings\r\nconnection: x, Upgrade\r\n" + fields +
        "\r\nhttp2-settings: x\r\n\r\n");
    EXPECT_EQ(status_of_response(text), 200);
    const auto& head = backend(1).requests.back();
    EXPECT_THAT(head, Not(::testing::ContainsRegex("[Hh]2|[Hh][Tt][Tt][Pp]2"))) << fields;
    EXPECT_EQ(head.find("connection: upgrade\nupgrade: " + passed + "\n") != std::string::npos,
              !passed.empty())
        << fields << "\n"
        << head;
    EXPECT_EQ(head.find("pgrade") != std::string::npos, !passed.empty()) << head;
  }
}

}  // namespace
}  // namespace weft::proxy::testing
