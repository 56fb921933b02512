// Flows of requests over memory: framing, rewriting, keep-alive, pipelining, refusals, metrics.
#include "proxy/flow_harness.h"

namespace weft::proxy::testing {
namespace {

class RequestFlow : public Flow {};

TEST_F(RequestFlow, GetIsAnsweredAndCounted) {
  backend(1);
  apply(simple({1}));
  const auto response = get("/a?b=c");
  EXPECT_EQ(status_of_response(response), 200);
  EXPECT_EQ(body_of(response), "b1");
  EXPECT_THAT(backend(1).requests.at(0), HasSubstr("GET /a?b=c\n"));
  EXPECT_EQ(total("istio_requests_total"), 1U);
  EXPECT_EQ(total("istio_requests_total", {{"reporter", "source"},
                                           {"source_workload", "shop"},
                                           {"source_workload_namespace", "default"},
                                           {"destination_service_name", "web"},
                                           {"response_code", "200"},
                                           {"response_flags", "-"},
                                           {"request_protocol", "http"}}),
            1U);
  EXPECT_EQ(total("weft_requests_active"), 0U);
}

TEST_F(RequestFlow, KeepAliveOnBothSides) {
  backend(1);
  apply(simple({1}));
  auto wire = connect();
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(body_of(wire.exchange("GET / HTTP/1.1\r\nhost: web\r\n\r\n")), "b1");
  }
  auto other = connect();
  other.exchange("GET / HTTP/1.1\r\nhost: web\r\n\r\n");
  EXPECT_EQ(backend(1).connections, 1U);
  EXPECT_FALSE(wire.is_closed());
  EXPECT_EQ(total("istio_requests_total"), 4U);
}

TEST_F(RequestFlow, PipelinedRequestsAreAnsweredInOrder) {
  backend(1);
  apply(simple({1}));
  auto wire = connect();
  const auto text = wire.exchange(
      "POST /1 HTTP/1.1\r\nhost: web\r\ncontent-length: 1\r\n\r\naPOST /2 HTTP/1.1\r\nhost: "
      "web\r\ncontent-length: 1\r\n\r\nb"
      "GET /3 HTTP/1.1\r\nhost: web\r\nconnection: close\r\n\r\n");
  EXPECT_THAT(text, HasSubstr("b1:a"));
  EXPECT_LT(text.find("b1:a"), text.find("b1:b"));
  EXPECT_EQ(backend(1).requests.size(), 3U);
  EXPECT_TRUE(wire.is_closed());
}

TEST_F(RequestFlow, RequestHeadIsRewritten) {
  backend(1);
  apply(simple({1}));
  auto wire = connect();
  wire.send(
      "GET / HTTP/1.1\r\nhost: web\r\nConnection: keep-alive, X-Private\r\nx-private: 1\r\nkeep-alive: "
      "5\r\nte: trailers\r\n"
      "x-weft-refused: UF\r\nuser-agent: test\r\n\r\n");
  const auto& head = backend(1).requests.at(0);
  for (const auto* gone : {"connection", "Connection", "x-private", "keep-alive", "te:", "x-weft-refused"}) {
    EXPECT_THAT(head, Not(HasSubstr(gone)));
  }
  EXPECT_THAT(head, HasSubstr("user-agent: test\n"));
  EXPECT_THAT(head, ::testing::ContainsRegex(
                        "x-request-id: [0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-"));
  EXPECT_THAT(head, ::testing::ContainsRegex("traceparent: 00-[0-9a-f]{32}-[0-9a-f]{16}-00\n"));
  EXPECT_THAT(head, Not(HasSubstr("x-forwarded")));
}

TEST_F(RequestFlow, IdentifiersOfTheCallerArePassedOn) {
  backend(1);
  apply(simple({1}));
  constexpr std::string_view parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  auto wire = connect();
  wire.send("GET / HTTP/1.1\r\nhost: web\r\nx-request-id: mine\r\ntracestate: a=b\r\ntraceparent: " +
            std::string(parent) + "\r\n\r\n");
  EXPECT_THAT(backend(1).requests.at(0), HasSubstr("x-request-id: mine\n"));
  EXPECT_THAT(backend(1).requests.at(0), HasSubstr(parent));
  EXPECT_THAT(backend(1).requests.at(0), HasSubstr("tracestate: a=b"));
  wire.send("GET / HTTP/1.1\r\nhost: web\r\ntracestate: a=b\r\ntraceparent: 00-00\r\n\r\n");
  EXPECT_THAT(backend(1).requests.at(1), Not(HasSubstr("tracestate")));
  EXPECT_THAT(backend(1).requests.at(1), Not(HasSubstr("00-00\n")));
}

TEST_F(RequestFlow, EdgeSaysWhereItCameFrom) {
  backend(1);
  apply(simple({1}, snapshot::Direction::edge));
  auto wire = connect();
  wire.send("GET / HTTP/1.1\r\nhost: web\r\nx-forwarded-proto: https\r\nx-forwarded-for: 1.2.3.4\r\n\r\n");
  EXPECT_THAT(backend(1).requests.at(0), HasSubstr("x-forwarded-proto: http\n"));
  // A client over memory has no address to add.
  EXPECT_THAT(backend(1).requests.at(0), HasSubstr("x-forwarded-for: 1.2.3.4\n"));
}

TEST_F(RequestFlow, ResponseHeadIsRewritten) {
  backend(1).mode = Backend::Mode::by_hand;
  apply(simple({1}));
  auto wire = connect();
  wire.send("GET / HTTP/1.1\r\nhost: web\r\n\r\n");
  auto& server = *backend(1).wires.at(0);
  EXPECT_THAT(server.receive(), HasSubstr("GET / HTTP/1.1\r\n"));
  server.send(
      "HTTP/1.1 200 Fine\r\nconnection: keep-alive, x-hop\r\nkeep-alive: 5\r\nx-hop: 1\r\nx-weft-refused: "
      "UF\r\nserver: app\r\n"
      "content-length: 2\r\n\r\nok");
  const auto text = wire.receive();
  EXPECT_EQ(text, "HTTP/1.1 200 Fine\r\nserver: app\r\ncontent-length: 2\r\n\r\nok");
  EXPECT_EQ(total("istio_requests_total", {{"response_flags", "-"}}), 1U)
      << "an application's mark is not believed";
}

TEST_F(RequestFlow, HeadAndStatusesWithoutBody) {
  backend(1).mode = Backend::Mode::by_hand;
  apply(simple({1}));
  auto wire = connect();
  wire.send("HEAD / HTTP/1.1\r\nhost: web\r\n\r\n");
  auto& server = *backend(1).wires.at(0);
  server.receive();
  server.send("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n");
  EXPECT_EQ(wire.receive(), "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n");
  for (const std::string status : {"204 No Content", "304 Not Modified"}) {
    wire.send("GET / HTTP/1.1\r\nhost: web\r\n\r\n");
    EXPECT_THAT(server.receive(), HasSubstr("GET"));
    server.send("HTTP/1.1 " + status + "\r\n\r\n");
    EXPECT_EQ(wire.receive(), "HTTP/1.1 " + status + "\r\n\r\n");
  }
  EXPECT_EQ(backend(1).wires.size(), 1U);
}

TEST_F(RequestFlow, ChunkedBothWaysWithTrailers) {
  backend(1).mode = Backend::Mode::by_hand;
  apply(simple({1}));
  auto wire = connect();
  wire.send(
      "POST / HTTP/1.1\r\nhost: web\r\ntransfer-encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nx-sum: "
      "1\r\n\r\n");
  auto& server = *backend(1).wires.at(0);
  const auto request = server.receive();
  EXPECT_THAT(request, HasSubstr("transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx-sum: 1\r\n\r\n"));
  server.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n");
  EXPECT_THAT(wire.receive(), HasSubstr("\r\n\r\n2\r\nok\r\n"));
  server.send("0\r\nx-sum: 2\r\n\r\n");
  EXPECT_EQ(wire.receive(), "0\r\nx-sum: 2\r\n\r\n");
}

TEST_F(RequestFlow, BodyUntilCloseIsChunkedForTheClient) {
  backend(1).mode = Backend::Mode::by_hand;
  apply(simple({1}));
  auto wire = connect();
  wire.send("GET / HTTP/1.1\r\nhost: web\r\n\r\n");
  auto& server = *backend(1).wires.at(0);
  server.receive();
  server.send("HTTP/1.0 200 OK\r\n\r\nsome");
  server.send("more");
  server.close();
  EXPECT_EQ(wire.receive(),
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nsome\r\n4\r\nmore\r\n0\r\n\r\n");
  EXPECT_FALSE(wire.is_closed());
}

TEST_F(RequestFlow, Http10ClientGetsNoChunks) {
  backend(1).mode = Backend::Mode::by_hand;
  apply(simple({1}));
  auto wire = connect();
  wire.send("GET / HTTP/1.0\r\n\r\n");
  auto& server = *backend(1).wires.at(0);
  EXPECT_THAT(server.receive(), HasSubstr("host: web\r\n"));
  server.send(
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ntransfer-encoding: "
      "chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n");
  EXPECT_EQ(wire.receive(), "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nok");
  EXPECT_TRUE(wire.is_closed());
}

TEST_F(RequestFlow, ContinueIsPassedOn) {
  backend(1).mode = Backend::Mode::by_hand;
  apply(simple({1}));
  auto wire = connect();
  wire.send("PUT / HTTP/1.1\r\nhost: web\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n");
  auto& server = *backend(1).wires.at(0);
  EXPECT_THAT(server.receive(), HasSubstr("expect: 100-continue\r\n"));
  server.send("HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_EQ(wire.receive(), "HTTP/1.1 100 Continue\r\n\r\n");
  wire.send("body");
  EXPECT_EQ(server.receive(), "body");
  server.send("HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\nHTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n");
  const auto text = wire.receive();
  EXPECT_THAT(text, HasSubstr("HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\nHTTP/1.1 201 Created"));
  EXPECT_FALSE(wire.is_closed());
}

TEST_F(RequestFlow, ResponseBeforeTheRequestIsFinished) {
  backend(1).mode = Backend::Mode::by_hand;
  apply(simple({1}));
  auto wire = connect();
  wire.send("POST / HTTP/1.1\r\nhost: web\r\ncontent-length: 100000\r\n\r\nbegin");
  auto& server = *backend(1).wires.at(0);
  server.receive();
  server.send("HTTP/1.1 413 Too Large\r\ncontent-length: 3\r\n\r\nbig");
  const auto text = wire.receive();
  EXPECT_EQ(status_of_response(text), 413);
  EXPECT_THAT(text, HasSubstr("connection: close"));
  EXPECT_TRUE(wire.is_closed());
  EXPECT_TRUE(server.is_closed());
  EXPECT_EQ(total("istio_requests_total", {{"response_code", "413"}}), 1U);
}

TEST_F(RequestFlow, LimitsOfWhatIsOverReachNobody) {
  apply(simple({1}));
  backend(1).mode = Backend::Mode::by_hand;
  auto wire = connect();
  wire.send("POST / HTTP/1.1\r\nhost: web\r\ncontent-length: 1000\r\n\r\nsome");
  backend(1).wires.front()->send("HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n");
  EXPECT_EQ(status_of_response(wire.receive()), 413);
  wire.close();
  advance(1h);  // the rest of the body was waited for within a limit, of a stream that is gone
  backend(1).mode = Backend::Mode::answer;
  EXPECT_EQ(status_of_response(get()), 200);
}

TEST_F(RequestFlow, LargeBodiesStreamWithBackpressure) {
  backend(1).mode = Backend::Mode::by_hand;
  apply(simple({1}));
  auto wire = connect();
  wire.send("POST / HTTP/1.1\r\nhost: web\r\ncontent-length: 1000000\r\n\r\n");
  wire.send(std::string(1'000'000, 'x'));
  auto& server = *backend(1).wires.at(0);
  std::size_t size = body_of(server.receive()).size();
  while (true) {
    const auto more = server.receive();
    if (more.empty()) break;
    size += more.size();
  }
  EXPECT_EQ(size, 1'000'000U);
  server.send("HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n");
  server.send(std::string(1'000'000, 'y'));
  size = body_of(wire.receive()).size();
  while (true) {
    const auto more = wire.receive();
    if (more.empty()) break;
    size += more.size();
  }
  EXPECT_EQ(size, 1'000'000U);
  EXPECT_FALSE(wire.is_closed());
}

TEST_F(RequestFlow, RefusalsOfTheProxy) {
  backend(1);
  struct Case {
    std::string name;
    std::function<void(snapshot::Snapshot&)> change;
    std::string request;
    int status;
    std::string flag;
  };
  const std::string get = "GET /x HTTP/1.1\r\nhost: web\r\n\r\n";
  for (const auto& [name, change, request, status, flag] : std::vector<Case>{
           {"no route", [](auto& s) { s.routes[0].virtual_hosts[0].routes[0].match.path = "/only"; }, get,
            404, "NR"},
           {"no host", [](auto& s) { s.routes[0].virtual_hosts[0].domains = {"other"}; }, get, 404, "NR"},
           {"no cluster",
            [](auto& s) { s.routes[0].virtual_hosts[0].routes[0].action = snapshot::forward_to("gone"); },
            get, 503, "NC"},
           {"no endpoint", [](auto& s) { s.clusters[0].endpoints.clear(); }, get, 503, "UH"},
           {"unhealthy", [](auto& s) { s.clusters[0].endpoints[0].health = snapshot::Health::unhealthy; },
            get, 503, "UH"},
           {"draining", [](auto& s) { s.clusters[0].endpoints[0].health = snapshot::Health::draining; }, get,
            503, "UH"},
           {"connect refused", [](auto& s) { s.clusters[0].endpoints[0].address = address(99); }, get, 503,
            "UF"},
           {"CONNECT", [](auto&) {}, "CONNECT web:80 HTTP/1.1\r\nhost: web:80\r\n\r\n", 405, "DPE"},
           {"TRACE", [](auto&) {}, "TRACE / HTTP/1.1\r\nhost: web\r\n\r\n", 405, "DPE"},
           {"malformed", [](auto&) {}, "GET /x HTTP/1.1\r\nhost : web\r\n\r\n", 400, "DPE"},
           {"ambiguous framing", [](auto&) {},
            "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n", 400,
            "DPE"},
           {"bad chunk", [](auto&) {},
            "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n", 400, "DPE"}}) {
    auto snapshot = simple({1});
    change(snapshot);
    apply(snapshot);
    const auto before = total("istio_requests_total", {{"response_flags", flag}});
    const auto sent = backend(1).requests.size();
    auto wire = connect();
    const auto text = wire.exchange(request);
    EXPECT_EQ(status_of_response(text), status) << name << ": " << text;
    EXPECT_THAT(text, HasSubstr("content-type: text/plain")) << name;
    EXPECT_THAT(text, Not(HasSubstr("x-weft-refused"))) << name;
    EXPECT_EQ(total("istio_requests_total", {{"response_flags", flag}}), before + 1) << name;
    EXPECT_EQ(backend(1).requests.size(), sent) << name;
    EXPECT_EQ(wire.is_closed(), flag == "DPE") << name;
  }
}

TEST_F(RequestFlow, MethodNotAllowedSaysWhichAre) {
  backend(1);
  for (const bool allow_connect : {false, true}) {
    auto snapshot = simple({1});
    snapshot.listeners[0].allow_connect = allow_connect;
    apply(snapshot);
    auto wire = connect();
    const auto text = wire.exchange("TRACE / HTTP/1.1\r\nhost: web\r\n\r\n");
    EXPECT_EQ(status_of_response(text), 405);
    EXPECT_THAT(text, HasSubstr(std::string("\r\nallow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS") +
                                (allow_connect ? ", CONNECT" : "") + "\r\n"));  // RFC 9110, 15.5.6
  }
}

TEST_F(RequestFlow, WhoCouldNotAnswerIsNamed) {
  backend(1);
  backend(2).mode = Backend::Mode::hang_connect;
  struct Case {
    std::function<void(snapshot::Snapshot&)> change;
    std::string body;
  };
  for (const auto& [change, body] : std::vector<Case>{
           {[](auto& s) { s.clusters[0].endpoints.clear(); }, "web.default: no healthy endpoint\n"},
           {[](auto& s) { s.clusters[0].endpoints[0].address = address(99); },
            "web.default: the service refuses connections: nothing listens at its port\n"},
           {[](auto& s) { s.routes[0].virtual_hosts[0].routes[0].action = snapshot::forward_to("gone"); },
            "web.default: the route leads nowhere\n"},
           {[](auto& s) {
              s.listeners[0].service.clear();
              s.clusters[0].service.clear();
              s.clusters[0].endpoints.clear();
            },
            "app: no healthy endpoint\n"},
           {[](auto& s) { s.routes[0].virtual_hosts[0].domains = {"other"}; }, "no route for this request\n"},
           {[](auto& s) { s.clusters[0].endpoints[0].address = address(2); },
            "web.default: the service cannot be reached within 5s\n"}}) {
    auto snapshot = simple({1});
    change(snapshot);
    apply(snapshot);
    auto wire = connect();
    wire.send("GET / HTTP/1.1\r\nhost: web\r\n\r\n");
    advance(5s);
    const auto text = wire.receive();
    EXPECT_EQ(body_of(text), body);
    EXPECT_THAT(text, Not(HasSubstr("10.0.0.")));
  }
}

TEST_F(RequestFlow, RefusalOfARequestWithABodyClosesTheConnection) {
  apply(simple({}));
  auto wire = connect();
  const auto text = wire.exchange("POST / HTTP/1.1\r\nhost: web\r\ncontent-length: 5\r\n\r\n");
  EXPECT_EQ(status_of_response(text), 503);
  EXPECT_THAT(text, HasSubstr("connection: close"));
  EXPECT_TRUE(wire.is_closed());
}

TEST_F(RequestFlow, RefusedHeadHasNoBody) {
  apply(simple({}));
  auto wire = connect();
  const auto text = wire.exchange("HEAD / HTTP/1.1\r\nhost: web\r\n\r\n");
  EXPECT_EQ(status_of_response(text), 503);
  EXPECT_EQ(body_of(text), "");
  EXPECT_FALSE(wire.is_closed());
}

TEST_F(RequestFlow, MalformedResponseIs502) {
  backend(1).mode = Backend::Mode::by_hand;
  apply(simple({1}));
  auto wire = connect();
  wire.send("GET / HTTP/1.1\r\nhost: web\r\n\r\n");
  backend(1).wires.at(0)->send("HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab");
  EXPECT_EQ(status_of_response(wire.receive()), 502);
  EXPECT_TRUE(backend(1).wires.at(0)->is_closed());
  EXPECT_EQ(total("istio_requests_total", {{"response_flags", "UPE"}}), 1U);
}

TEST_F(RequestFlow, UnaskedUpgradeIsMalformed) {
  backend(1).mode = Backend::Mode::by_hand;
  apply(simple({1}));
  auto wire = connect();
  wire.send("GET / HTTP/1.1\r\nhost: web\r\n\r\n");
  backend(1).wires.at(0)->send("HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n");
  EXPECT_EQ(status_of_response(wire.receive()), 502);
}

TEST_F(RequestFlow, ClientThatGoesAwayCancelsItsRequest) {
  backend(1).mode = Backend::Mode::by_hand;
  apply(simple({1}));
  auto wire = connect();
  wire.send("GET / HTTP/1.1\r\nhost: web\r\n\r\n");
  auto& server = *backend(1).wires.at(0);
  server.receive();
  EXPECT_FALSE(server.is_closed());
  wire.close();
  EXPECT_TRUE(server.is_closed());
  EXPECT_EQ(total("istio_requests_total", {{"response_flags", "DC"}, {"response_code", "0"}}), 1U);
  EXPECT_EQ(worker_->connections(), 0U);
}

TEST_F(RequestFlow, ClientThatGoesAwayWithinItsBodyCancelsIt) {
  backend(1).mode = Backend::Mode::by_hand;
  apply(simple({1}));
  auto wire = connect();
  wire.send("POST / HTTP/1.1\r\nhost: web\r\ncontent-length: 10\r\n\r\nabc");
  wire.close();
  EXPECT_TRUE(backend(1).wires.at(0)->is_closed());
  EXPECT_EQ(total("istio_requests_total", {{"response_flags", "DC"}}), 1U);
}

TEST_F(RequestFlow, BadChunkWithinAStreamedBodyIsRefused) {
  backend(1).mode = Backend::Mode::by_hand;
  apply(simple({1}));
  auto wire = connect();
  wire.send("POST / HTTP/1.1\r\nhost: web\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n");
  EXPECT_THAT(backend(1).wires.at(0)->receive(), HasSubstr("abc"));
  wire.send("zz\r\n");
  EXPECT_EQ(status_of_response(wire.receive()), 400);
  EXPECT_TRUE(wire.is_closed());
  EXPECT_TRUE(backend(1).wires.at(0)->is_closed());
}

TEST_F(RequestFlow, BadFirstChunkIsNotTriedAgain) {
  backend(1);
  backend(2);
  apply(simple({1, 2}));
  auto wire = connect();
  const auto text = wire.exchange(
      "POST / HTTP/1.1\r\nhost: web\r\ntransfer-encoding: chunked\r\n\r\n5 \r\n3\r\nABC\r\n0\r\n\r\n");
  EXPECT_EQ(status_of_response(text), 400);
  EXPECT_TRUE(wire.is_closed());
  EXPECT_EQ(total("weft_retries_total"), 0U);
  EXPECT_TRUE(backend(1).requests.empty());
  EXPECT_TRUE(backend(2).requests.empty());
}

TEST_F(RequestFlow, UnreadBodyIsNotTakenForTheNextRequest) {
  backend(1).mode = Backend::Mode::by_hand;
  backend(1).capacity = 256;
  apply(simple({1}));
  auto wire = connect();
  const std::string smuggled = "GET /smuggled HTTP/1.1\r\nhost: web\r\n\r\n";
  wire.send("POST / HTTP/1.1\r\nhost: web\r\nx-long: " + std::string(500, 'a') +
            "\r\ncontent-length: " + std::to_string(3 + smuggled.size()) + "\r\n\r\nabc");
  ASSERT_EQ(backend(1).wires.size(), 1U);
  // The endpoint answers and closes before it has taken all of the head.
  backend(1).wires[0]->send_last("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", true);
  const auto text = wire.receive();
  EXPECT_EQ(status_of_response(text), 200);
  EXPECT_THAT(text, HasSubstr("connection: close"));
  EXPECT_EQ(wire.exchange(smuggled), "");
  EXPECT_TRUE(wire.is_closed());
  EXPECT_EQ(total("istio_requests_total"), 1U);
}

TEST_F(RequestFlow, BadFirstChunkOfAResponseIs502) {
  backend(1).mode = Backend::Mode::by_hand;
  apply(simple({1}));
  auto wire = connect();
  wire.send("GET / HTTP/1.1\r\nhost: web\r\n\r\n");
  backend(1).wires.at(0)->send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n");
  const auto text = wire.receive();
  EXPECT_EQ(status_of_response(text), 502);
  EXPECT_THAT(text, HasSubstr("the service's answer is not valid HTTP"));
  EXPECT_THAT(text, Not(HasSubstr("200")));
  EXPECT_FALSE(wire.is_closed());
  EXPECT_EQ(total("istio_requests_total", {{"response_flags", "UPE"}, {"response_code", "502"}}), 1U);
}

TEST_F(RequestFlow, ResponseThatIsCutBeforeAnythingWasPassedOnIs503) {
  backend(1).mode = Backend::Mode::by_hand;
  backend(2);
  apply(simple({1}));
  auto wire = connect();
  wire.send("GET / HTTP/1.1\r\nhost: web\r\n\r\n");
  apply(simple({1, 2}));
  backend(1).wires.at(0)->send_last("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5", true);
  EXPECT_EQ(status_of_response(wire.receive()), 503);
  EXPECT_TRUE(backend(2).requests.empty());
  EXPECT_EQ(total("istio_requests_total", {{"response_flags", "UC"}, {"response_code", "503"}}), 1U);
}

TEST_F(RequestFlow, CutResponseToHttp10IsReset) {
  backend(1).mode = Backend::Mode::by_hand;
  apply(simple({1}));
  for (const bool is_whole : {false, true}) {
    auto wire = connect();
    wire.send("GET / HTTP/1.0\r\n\r\n");
    auto& server = *backend(1).wires.back();
    server.receive();
    server.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n");
    if (is_whole) server.send("0\r\n\r\n");
    EXPECT_THAT(wire.receive(), HasSubstr("\r\n\r\nok"));
    server.close();
    EXPECT_EQ(wire.receive(), "");
    EXPECT_TRUE(wire.is_closed());
    EXPECT_EQ(wire.is_reset(), !is_whole);
  }
  auto wire = connect();
  wire.send("GET / HTTP/1.0\r\n\r\n");
  backend(1).wires.back()->send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n");
  worker_->cut();
  EXPECT_TRUE(wire.is_reset()) << "also when the proxy itself cuts it";
}

TEST_F(RequestFlow, ResponseThatIsCutLooksCut) {
  backend(1).mode = Backend::Mode::by_hand;
  apply(simple({1}));
  auto wire = connect();
  wire.send("GET / HTTP/1.1\r\nhost: web\r\n\r\n");
  backend(1).wires.at(0)->send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n");
  EXPECT_THAT(wire.receive(), HasSubstr("abc"));
  backend(1).wires.at(0)->close();
  EXPECT_THAT(wire.receive(), Not(HasSubstr("0\r\n\r\n")));
  EXPECT_TRUE(wire.is_closed());
  EXPECT_EQ(total("istio_requests_total", {{"response_flags", "UC"}, {"response_code", "200"}}), 1U);
}

TEST_F(RequestFlow, UpgradeBecomesATunnel) {
  backend(1).mode = Backend::Mode::by_hand;
  apply(simple({1}));
  auto wire = connect();
  wire.send(
      "GET /ws HTTP/1.1\r\nhost: web\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-key: "
      "k\r\n\r\n");
  auto& server = *backend(1).wires.at(0);
  const auto request = server.receive();
  EXPECT_THAT(request, HasSubstr("connection: upgrade\r\nupgrade: websocket\r\n"));
  server.send("HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\r\nhello");
  const auto response = wire.receive();
  EXPECT_EQ(status_of_response(response), 101);
  EXPECT_THAT(response, HasSubstr("connection: upgrade\r\nupgrade: websocket\r\n"));
  EXPECT_EQ(body_of(response), "hello");
  wire.send("ping");
  EXPECT_EQ(server.receive(), "ping");
  apply(simple({}));  // the tunnel does not mind a new Snapshot
  server.send("pong");
  EXPECT_EQ(wire.receive(), "pong");
  wire.shutdown();
  EXPECT_TRUE(server.is_closed());
  server.send("late");
  EXPECT_EQ(wire.receive(), "late");
  server.close();
  EXPECT_TRUE(wire.is_closed());
  EXPECT_EQ(total("istio_requests_total", {{"response_code", "101"}, {"response_flags", "-"}}), 1U);
}

TEST_F(RequestFlow, BytesAfterAnUpgradeGoToTheTunnelAlone) {
  backend(1).mode = Backend::Mode::by_hand;
  backend(1).capacity = 512;
  apply(simple({1}));
  auto wire = connect();
  wire.send("GET /ws HTTP/1.1\r\nhost: web\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n");
  auto& server = *backend(1).wires.at(0);
  server.receive();
  const std::string early(1000, 'x');
  const std::string late(1000, 'y');
  wire.send(early);  // read while the proxy waits for 101, and more than the endpoint's pipe takes at once
  server.send("HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\r\n");
  EXPECT_EQ(status_of_response(wire.receive()), 101);
  wire.send(late);
  EXPECT_EQ(server.receive(), early + late);
}

// RFC 9110, 10.1.1: of HTTP/1.0 it is ignored.
TEST_F(RequestFlow, ExpectOfAnOldClientIsNotPassedOn) {
  backend(1);
  apply(simple({1}));
  for (const auto* version : {"1.0", "1.1"}) {
    auto wire = connect();
    wire.exchange(std::string("POST / HTTP/") + version +
                  "\r\nhost: web\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\nok");
  }
  ASSERT_EQ(backend(1).requests.size(), 2U);
  EXPECT_THAT(backend(1).requests[0], Not(HasSubstr("expect")));
  EXPECT_THAT(backend(1).requests[1], HasSubstr("expect: 100-continue"));
}

}  // namespace
}  // namespace weft::proxy::testing
