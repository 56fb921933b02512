// What the proxy of the last landing and the control plane of this one say to each other, and the reverse:
// the wire of then is kept in testdata/last_wire.txt. CONTRIBUTING.md says when it is renewed.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "base/base64.h"
#include "xds/assembly.h"
#include "xds/wire.h"

namespace weft::xds {
namespace {

using namespace std::chrono_literals;
using base::Address;
using snapshot::Snapshot;

constexpr const char* kept = WEFT_SOURCE_DIR "/src/xds/testdata/last_wire.txt";

base::Origin origin(std::string name) { return {"Service", "shop", std::move(name), "spec.ports[0]"}; }

snapshot::RouteTable routes_of_then() {
  snapshot::Route canary{
      .name = "canary",
      .match = {.path_kind = snapshot::Match::Path::segments,
                .path = "/api",
                .method = "PUT",
                .headers = {{.name = "x-debug", .value = {}}, {.name = "x-version", .value = "canary"}}},
      .action =
          snapshot::Forward{.to = {{.cluster = "c-http1", .weight = 9}, {.cluster = "c-http2", .weight = 1}},
                            .timeout = 2s,
                            .idle_timeout = 30s,
                            .host = "inner.example:8080"},
      .origin = origin("canary")};
  snapshot::Route moved{.name = "moved",
                        .match = {.path_kind = snapshot::Match::Path::prefix, .path = "/old"},
                        .action = snapshot::Redirect{.scheme = snapshot::Redirect::Scheme::https,
                                                     .host = "www.shop.example",
                                                     .port = 8443,
                                                     .path_kind = snapshot::Redirect::Path::prefix,
                                                     .path = "/new",
                                                     .code = snapshot::Redirect::Code::permanent_redirect},
                        .origin = origin("moved")};
  snapshot::Route reply{.name = "robots",
                        .match = {.path_kind = snapshot::Match::Path::exact, .path = "/robots.txt"},
                        .action = snapshot::Reply{.status = 404, .body = "nothing here\n"},
                        .origin = origin("robots")};
  snapshot::Route rest{
      .name = "rest", .match = {}, .action = snapshot::forward_to("c-auto"), .origin = origin("rest")};
  return {.name = "r",
          .virtual_hosts = {{"admin", {"admin.example", "*.admin.example"}, {rest}},
                            {"all", {"*"}, {canary, moved, reply, rest}}},
          .origin = origin("r")};
}

snapshot::Cluster cluster_of_then(std::string name, snapshot::ClusterProtocol protocol) {
  snapshot::Cluster cluster;
  cluster.origin = origin(name);
  cluster.name = std::move(name);
  cluster.protocol = protocol;
  cluster.load_balancing = snapshot::LoadBalancing::round_robin;
  cluster.connect_timeout = 1500ms;
  cluster.max_connections = 7;
  cluster.max_pending = 8;
  cluster.max_requests_per_connection = 9;
  cluster.max_connection_age = 10min;
  cluster.idle_timeout = 20s;
  cluster.service = "cart";
  cluster.service_ns = "shop";
  cluster.policy = "shop/patient";
  cluster.endpoints = {{Address::ipv4({127, 0, 0, 1}, 9000), snapshot::Health::healthy, 1, "cart-0"},
                       {Address::ipv6({0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 9001),
                        snapshot::Health::unhealthy, 2, "cart-1"},
                       {Address::unix_path("/run/cart.sock"), snapshot::Health::draining, 3, "cart-2"}};
  return cluster;
}

snapshot::Listener listener_of_then(std::string name, std::uint16_t port,
                                    snapshot::ListenerProtocol protocol) {
  snapshot::Listener listener;
  listener.origin = origin(name);
  listener.name = std::move(name);
  listener.address = Address::loopback(port);
  listener.protocol = protocol;
  listener.service = "web";
  listener.service_ns = "shop";
  if (takes_http(protocol)) listener.routes = "r";
  if (takes_bytes(protocol)) listener.cluster = "c-tcp";
  return listener;
}

/// Everything that a Snapshot could say at the last landing, each field with another value than its default.
Snapshot of_then() {
  Snapshot then{.context = {"shop", "web"}, .identity = "spiffe://weft.local/ns/shop/sa/web"};
  using enum snapshot::ListenerProtocol;
  auto http_listener = listener_of_then("l-1", 20001, http);
  http_listener.direction = snapshot::Direction::edge;
  http_listener.allow_connect = true;
  http_listener.trusted_hops = 2;
  http_listener.idle_timeout = 75s;
  auto any = listener_of_then("l-2", 20002, automatic);
  any.direction = snapshot::Direction::outbound;
  any.opaque_idle_timeout = 30min;
  auto bytes = listener_of_then("l-3", 20003, tcp);
  bytes.direction = snapshot::Direction::inbound;
  bytes.proxy_protocol = true;
  bytes.drain = 4s;
  auto names = listener_of_then("l-4", 20004, tls);
  names.sni = {{{"shop.example", "*.shop.example"}, "c-tcp"}, {{"*"}, "c-proxy"}};
  then.listeners = {http_listener, any, bytes, names};
  then.routes = {routes_of_then()};
  using Protocol = snapshot::ClusterProtocol;
  auto tells = cluster_of_then("c-proxy", Protocol::tcp);
  tells.proxy_protocol = snapshot::ProxyProtocol::v2;
  then.clusters = {cluster_of_then("c-auto", Protocol::automatic),
                   cluster_of_then("c-http1", Protocol::http1), cluster_of_then("c-http2", Protocol::http2),
                   tells, cluster_of_then("c-tcp", Protocol::tcp)};
  return then;
}

/// One resource in each line: its type's URL, its name, and its body in base64.
std::string text_of(const std::vector<Resource>& resources) {
  std::string text;
  for (const auto& resource : resources)
    text +=
        fmt::format("{} {} {}\n", type_url(resource.type), resource.name, base::encode_base64(resource.body));
  return text;
}

std::string sent_now() {
  auto resources = encode(of_then());
  resources.push_back(encode_placement(of_then().context));
  return text_of(resources);
}

std::string sent_then() {
  std::ifstream file(kept);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

TEST(Skew, TheControlPlaneOfTheLastLandingIsUnderstoodByThisProxy) {
  Assembly assembly;
  Ignored ignored;
  std::istringstream lines(sent_then());
  std::string url;
  std::string name;
  std::string body;
  std::optional<snapshot::ContextId> placed;
  while (lines >> url >> name >> body) {
    const auto type = type_of(url);
    ASSERT_TRUE(type) << url;
    const auto bytes = base::decode_base64(body);
    ASSERT_TRUE(bytes) << name;
    if (*type == Type::placement) {
      placed = decode_placement(*bytes, ignored).value();
    } else {
      assembly.put(*type, name, "", *bytes, ignored);
    }
  }
  const auto built = assembly.build();
  ASSERT_TRUE(built) << built.error().detail;
  EXPECT_TRUE(**built == of_then());
  EXPECT_EQ(placed, of_then().context);
  EXPECT_EQ(ignored.count, 0U) << testing::PrintToString(ignored.examples);
}

TEST(Skew, TheProxyOfTheLastLandingIsToldWhatItKnows) {
  EXPECT_EQ(sent_now(), sent_then()) << "what could be said at the last landing is said in other bytes now, "
                                        "which the proxy of then may refuse: see "
                                        "\"Skew\" in CONTRIBUTING.md";
  if (std::getenv("WEFT_RENEW_WIRE") != nullptr) std::ofstream(kept) << sent_now();
}

}  // namespace
}  // namespace weft::xds
