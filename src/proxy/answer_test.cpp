// Flows of requests that routes answer themselves, and of those that conditions and weights send elsewhere.
#include "proxy/flow_harness.h"

namespace weft::proxy::testing {
namespace {

class AnswerFlow : public Flow {
 protected:
  /// A Snapshot whose one route does that.
  static snapshot::Snapshot acting(snapshot::Action action,
                                   snapshot::Direction direction = snapshot::Direction::outbound) {
    auto snapshot = simple({1}, direction);
    snapshot.routes[0].virtual_hosts[0].routes[0].action = std::move(action);
    return snapshot;
  }
};

TEST_F(AnswerFlow, RepliesAndRedirects) {
  backend(1);
  const std::string text = "content-type: text/plain; charset=utf-8\r\n";
  struct Case {
    std::string name;
    snapshot::Action action;
    std::string request, response;
    bool is_closed;
  };
  for (const auto& [name, action, request, response, is_closed] : std::vector<Case>{
           {"reply", snapshot::Reply{404, "gone\n"}, "GET / HTTP/1.1\r\nhost: web\r\n\r\n",
            "HTTP/1.1 404 Not Found\r\n" + text + "content-length: 5\r\n\r\ngone\n", false},
           {"to HEAD", snapshot::Reply{404, "gone\n"}, "HEAD / HTTP/1.1\r\nhost: web\r\n\r\n",
            "HTTP/1.1 404 Not Found\r\n" + text + "content-length: 5\r\n\r\n", false},
           {"without a body", snapshot::Reply{503, ""}, "GET / HTTP/1.1\r\nhost: web\r\n\r\n",
            "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n", false},
           {"204", snapshot::Reply{204, ""}, "GET / HTTP/1.1\r\nhost: web\r\n\r\n",
            "HTTP/1.1 204 No Content\r\n\r\n", false},
           {"304 to HEAD", snapshot::Reply{304, ""}, "HEAD / HTTP/1.1\r\nhost: web\r\n\r\n",
            "HTTP/1.1 304 Not Modified\r\n\r\n", false},
           {"a body that did not come", snapshot::Reply{200, ""},
            "POST / HTTP/1.1\r\nhost: web\r\ncontent-length: 5\r\n\r\n",
            "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n", true},
           {"one that came with the head", snapshot::Reply{200, ""},
            "POST / HTTP/1.1\r\nhost: web\r\ncontent-length: 5\r\n\r\nabcde",
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", false},
           {"one that came", snapshot::Reply{200, ""},
            "POST / HTTP/1.1\r\nhost: web\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", false},
           {"to HTTP/1.0", snapshot::Reply{200, ""}, "GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n",
            "HTTP/1.1 200 OK\r\nconnection: keep-alive\r\ncontent-length: 0\r\n\r\n", false},
           {"redirect", snapshot::Redirect{.path_kind = snapshot::Redirect::Path::whole, .path = "/new"},
            "GET /old?q HTTP/1.1\r\nhost: web:8080\r\n\r\n",
            "HTTP/1.1 302 Found\r\nlocation: http://web:8080/new?q\r\ncontent-length: 0\r\n\r\n", false},
           {"of one without a host",
            snapshot::Redirect{.port = 81, .code = snapshot::Redirect::Code::permanent_redirect},
            "GET /a HTTP/1.0\r\n\r\n",
            "HTTP/1.1 308 Permanent Redirect\r\nlocation: http://web:81/a\r\nconnection: close\r\n"
            "content-length: 0\r\n\r\n",
            true},
           {"of an absolute form", snapshot::Redirect{.scheme = snapshot::Redirect::Scheme::https},
            "GET http://Shop.example:80/a HTTP/1.1\r\nhost: other\r\n\r\n",
            "HTTP/1.1 302 Found\r\nlocation: https://Shop.example/a\r\ncontent-length: 0\r\n\r\n", false},
           {"TRACE is no request for it", snapshot::Reply{200, ""}, "TRACE / HTTP/1.1\r\nhost: web\r\n\r\n",
            "HTTP/1.1 405 Method Not Allowed\r\n" + text +
                "allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\nconnection: close\r\n"
                "content-length: 32\r\n\r\nthis method is not allowed here\n",
            true}}) {
    apply(acting(action));
    auto wire = connect();
    const auto answer = [&] {
      auto answered = wire.exchange(request);
      const std::string date = "date: Tue, 14 Nov 2023 22:13:20 GMT\r\n";
      const auto at = answered.find(date);
      EXPECT_NE(at, std::string::npos) << name << answered;
      return at == std::string::npos ? answered : answered.erase(at, date.size());
    };
    EXPECT_EQ(answer(), response) << name;
    EXPECT_EQ(wire.is_closed(), is_closed) << name;
    if (!is_closed) EXPECT_EQ(answer(), response) << name << " again";
  }
  EXPECT_TRUE(backend(1).requests.empty());
}

TEST_F(AnswerFlow, AnswersOfRoutesAreCountedAndAreNoRefusals) {
  apply(acting(snapshot::Reply{503, "later"}, snapshot::Direction::inbound));
  EXPECT_THAT(get(), Not(HasSubstr("x-weft-refused"))) << "the caller's chain is to take it for an answer";
  EXPECT_EQ(total("istio_requests_total",
                  {{"response_code", "503"}, {"response_flags", "-"}, {"destination_service_name", "web"}}),
            1U);
  EXPECT_EQ(total("weft_refused_total"), 0U);
  EXPECT_EQ(total("weft_requests_active"), 0U);
}

TEST_F(AnswerFlow, TheSchemeIsThatOfTheClientAsFarAsItIsBelieved) {
  for (const auto& [hops, scheme] : {std::pair(0U, "http"), std::pair(1U, "https")}) {
    auto snapshot = acting(snapshot::Redirect{.host = "other"}, snapshot::Direction::edge);
    snapshot.listeners[0].trusted_hops = hops;
    apply(std::move(snapshot));
    auto wire = connect();
    EXPECT_THAT(wire.exchange("GET / HTTP/1.1\r\nhost: web\r\nx-forwarded-proto: https\r\n\r\n"),
                HasSubstr(std::string("location: ") + scheme + "://other/\r\n"));
  }
}

TEST_F(AnswerFlow, ConditionsAndWeightsChooseTheCluster) {
  backend(1);
  backend(2);
  auto snapshot = simple({1});
  snapshot.clusters.push_back(cluster("canary", {2}));
  auto& routes = snapshot.routes[0].virtual_hosts[0].routes;
  routes.insert(routes.begin(), routes.front());
  routes[0].match = {snapshot::Match::Path::prefix, "/", "GET", {{"x-version", "canary"}}};
  routes[0].action = snapshot::forward_to("canary");
  routes[1].action = snapshot::Forward{.to = {{"app", 1}, {"canary", 1}}};
  apply(std::move(snapshot));
  auto wire = connect();
  const auto ask = [&](std::string_view method) {
    return body_of(
        wire.exchange(std::string(method) + " / HTTP/1.1\r\nhost: web\r\nX-Version: canary\r\n\r\n"));
  };
  for (int i = 0; i < 20; ++i) EXPECT_EQ(ask("GET"), "b2");
  std::map<std::string, int> answers;
  // That one of both never comes has a chance of 2 in 2 to the 64th.
  for (int i = 0; i < 64; ++i) ++answers[ask("DELETE")];
  EXPECT_GT(answers["b1"], 0);
  EXPECT_GT(answers["b2"], 0);
  EXPECT_EQ(answers["b1"] + answers["b2"], 64);
}

}  // namespace
}  // namespace weft::proxy::testing
