// What foreign clients are told of a Snapshot, in the words that they take.
#include "xds/dialect.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/endpoint/v3/endpoint.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/config/route/v3/route.pb.h"
#include "envoy/extensions/filters/http/router/v3/router.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"
#include "xds/foreign_for_test.h"
#include "xds/node.h"

namespace weft::xds {
namespace {

using snapshot::Direction;
using snapshot::ListenerProtocol;

/// A workload that calls cart by HTTP and db by bytes, and is called itself.
Snapshot sample() {
  Snapshot sample{.context = web, .identity = {}, .listeners = {}, .routes = {}, .clusters = {}};
  const auto add = [&](const std::string& name, Direction direction, ListenerProtocol protocol,
                       std::uint16_t port, const std::string& service) {
    snapshot::Cluster cluster;
    cluster.name = direction == Direction::inbound ? name : "outbound|80||" + service + ".default";
    const auto healthy = snapshot::Health::healthy;
    cluster.endpoints = {{base::Address::loopback(9000), healthy, 1, "a"},
                         {base::Address::loopback(9001), snapshot::Health::unhealthy, 1, "b"},
                         {base::Address::loopback(9002), snapshot::Health::draining, 1, "c"},
                         {base::Address::loopback(9003), healthy, 2, "d"},
                         {base::Address::loopback(9000), healthy, 1, "a again"}};
    const auto cluster_name = cluster.name;
    sample.clusters.push_back(std::move(cluster));
    snapshot::Listener listener{.name = name,
                                .address = base::Address::loopback(port),
                                .direction = direction,
                                .protocol = protocol,
                                .service = service,
                                .service_ns = "default",
                                .service_port = 80,
                                .origin = {}};
    if (takes_bytes(protocol)) listener.cluster = cluster_name;
    if (takes_http(protocol)) {
      listener.routes = name;
      snapshot::Route route{
          .name = "all", .match = {}, .action = snapshot::forward_to(cluster_name), .origin = {}};
      sample.routes.push_back({name, {{"all", {"*"}, {std::move(route)}}}, {}});
    }
    sample.listeners.push_back(std::move(listener));
  };
  add("inbound/default/web-0/8080", Direction::inbound, ListenerProtocol::http, 20000, "web");
  add("inbound/default/web-0/9090", Direction::inbound, ListenerProtocol::tcp, 20001, "web");
  add("outbound/default/web/default/cart", Direction::outbound, ListenerProtocol::automatic, 20002, "cart");
  add("outbound/default/web/default/db", Direction::outbound, ListenerProtocol::tcp, 20003, "db");
  sample.clusters.sort();
  return sample;
}

std::vector<std::string> names(const auto& parts) {
  std::vector<std::string> all;
  for (const auto& part : parts) all.push_back(part.name);
  return all;
}

TEST(Dialect, AForeignClientIsToldTheWaysOut) {
  const auto told = translate(sample(), Dialect::envoy, nullptr);
  EXPECT_THAT(names(told->listeners),
              testing::ElementsAre("outbound/default/web/default/cart", "outbound/default/web/default/db"));
  EXPECT_EQ(told->listeners[0].address.to_string(), "127.0.0.2:20002");
  EXPECT_THAT(names(told->routes), testing::ElementsAre("outbound/default/web/default/cart"));
  EXPECT_THAT(names(told->clusters),
              testing::ElementsAre("outbound|80||cart.default", "outbound|80||db.default"));
  EXPECT_TRUE(snapshot::validate(*told));

  const auto again = translate(sample(), Dialect::envoy, told);
  EXPECT_TRUE(again->listeners.is_same(told->listeners)) << "what is equal is shared";
}

TEST(Dialect, GrpcIsToldWhatItCanDial) {
  const auto told = translate(sample(), Dialect::grpc, nullptr);
  EXPECT_THAT(names(told->listeners), testing::ElementsAre("cart.default:80")) << "bytes are nothing to it";
  EXPECT_EQ(told->listeners[0].routes, "outbound/default/web/default/cart");
}

/// One part as gRPC is told it, read with all that it demands (gRFC A27, A28).
template <class Message>
Message as_grpc(const auto& part, Resource (*encode)(const std::remove_cvref_t<decltype(part)>&, Dialect)) {
  return parsed<Message>(encode(part, Dialect::grpc).body);
}

TEST(Dialect, AListenerOfGrpcHasNoAddressAndItsFiltersEndWithTheRouter) {
  const auto told = translate(sample(), Dialect::grpc, nullptr);
  const auto message = as_grpc<envoy::config::listener::v3::Listener>(told->listeners[0], encode_listener);
  EXPECT_EQ(message.name(), "cart.default:80");
  EXPECT_FALSE(message.has_address());
  EXPECT_EQ(message.listener_filters_size() + message.filter_chains_size(), 0);
  envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager manager;
  ASSERT_TRUE(unpack(message.api_listener().api_listener(), manager));
  EXPECT_TRUE(manager.rds().config_source().has_ads());
  EXPECT_EQ(manager.rds().route_config_name(), told->listeners[0].routes);
  ASSERT_EQ(manager.http_filters_size(), 1);
  envoy::extensions::filters::http::router::v3::Router router;
  EXPECT_TRUE(unpack(manager.http_filters(0).typed_config(), router));
  EXPECT_EQ(manager.xff_num_trusted_hops(), 0U);
}

TEST(Dialect, AClusterOfGrpcIsBalancedByWhatItKnows) {
  namespace v3 = envoy::config::cluster::v3;
  snapshot::Cluster cluster;
  cluster.name = "c";
  EXPECT_EQ(cluster.load_balancing, snapshot::LoadBalancing::least_request);
  const auto message = as_grpc<v3::Cluster>(cluster, encode_cluster);
  EXPECT_EQ(message.lb_policy(), v3::Cluster::ROUND_ROBIN);
  EXPECT_EQ(message.type(), v3::Cluster::EDS);
  EXPECT_TRUE(message.eds_cluster_config().eds_config().has_ads());
  EXPECT_EQ(parsed<v3::Cluster>(encode_cluster(cluster, Dialect::envoy).body).lb_policy(),
            v3::Cluster::LEAST_REQUEST);
}

TEST(Dialect, OnlyHealthyEndpointsAreToldInALocalityWithWeightEachAddressOnce) {
  const auto snapshot = sample();
  const auto* cluster = snapshot.clusters.find("outbound|80||cart.default");
  ASSERT_NE(cluster, nullptr);
  for (const auto dialect : {Dialect::envoy, Dialect::grpc}) {
    const auto message =
        parsed<envoy::config::endpoint::v3::ClusterLoadAssignment>(encode_endpoints(*cluster, dialect).body);
    ASSERT_EQ(message.endpoints_size(), 1);
    EXPECT_TRUE(message.endpoints(0).has_locality());
    EXPECT_EQ(message.endpoints(0).load_balancing_weight().value(), 1U);
    std::vector<std::uint32_t> ports;
    for (const auto& endpoint : message.endpoints(0).lb_endpoints()) {
      EXPECT_EQ(endpoint.health_status(), envoy::config::core::v3::HEALTHY);
      ports.push_back(endpoint.endpoint().address().socket_address().port_value());
    }
    EXPECT_THAT(ports, testing::ElementsAre(9000, 9003));
  }
  auto none = *cluster;
  none.endpoints.clear();
  EXPECT_EQ(
      as_grpc<envoy::config::endpoint::v3::ClusterLoadAssignment>(none, encode_endpoints).endpoints_size(), 0)
      << "a locality without endpoints is a fault";
}

TEST(Dialect, GrpcIsToldNoMatchThatItRefuses) {
  using Path = snapshot::Match::Path;
  struct Case {
    snapshot::Match match;
    std::vector<std::string> of_grpc;
    std::string of_envoy;
  };
  const auto text = [](const envoy::config::route::v3::RouteMatch& match) {
    std::string line = match.has_path_separated_prefix() ? "segments " + match.path_separated_prefix()
                       : match.has_prefix()              ? "prefix " + match.prefix()
                                                         : "exact " + match.path();
    for (const auto& header : match.headers()) line += " " + header.name();
    return line;
  };
  const std::vector<Case> cases{
      {{}, {"prefix /"}, "prefix /"},
      {{.path_kind = Path::exact, .path = "/a"}, {"exact /a"}, "exact /a"},
      {{.path_kind = Path::segments, .path = "/a"}, {"exact /a", "prefix /a/"}, "segments /a"},
      {{.method = "POST", .headers = {{"x", "1"}}}, {"prefix / x"}, "prefix / :method x"},
      {{.method = "GET"}, {}, "prefix / :method"}};
  for (const auto& [match, of_grpc, of_envoy] : cases) {
    snapshot::Route route{.name = "r", .match = match, .action = snapshot::forward_to("c"), .origin = {}};
    const snapshot::RouteTable table{"t", {{"all", {"*"}, {route}}}, {}};
    std::vector<std::string> found;
    const auto message = as_grpc<envoy::config::route::v3::RouteConfiguration>(table, encode_routes);
    for (const auto& one : message.virtual_hosts(0).routes()) found.push_back(text(one.match()));
    EXPECT_EQ(found, of_grpc);
    const auto other =
        parsed<envoy::config::route::v3::RouteConfiguration>(encode_routes(table, Dialect::envoy).body);
    EXPECT_EQ(text(other.virtual_hosts(0).routes(0).match()), of_envoy);
  }
}

TEST(Node, SaysWhoAsks) {
  struct Case {
    std::string id;
    std::string agent;
    std::string told;
  };
  const std::vector<Case> cases{{"local", "weft", "proxy local"},
                                {"local/default/web", "weft", "proxy local"},
                                {"default/web", "envoy", "the Envoy of default/web"},
                                {"default/web", "", "the Envoy of default/web"},
                                {"default/web", "gRPC C-core Linux", "a gRPC client of default/web"},
                                {"default/web", "gRPC Go", "a gRPC client of default/web"},
                                {"default/web", "@grpc/grpc-js-xds", "a gRPC client of default/web"},
                                {"weft-system/edge", "envoy", ""},
                                {"local/default/web/x", "envoy", ""},
                                {"default//web", "envoy", ""},
                                {"/default/web", "envoy", ""},
                                {"default/", "envoy", ""},
                                {"/", "envoy", ""},
                                {"", "envoy", ""}};
  for (const auto& [id, agent, told] : cases) {
    envoy::config::core::v3::Node node;
    node.set_id(id);
    node.set_user_agent_name(agent);
    const auto read = parse_node(node);
    EXPECT_EQ(read ? read->to_string() : "", told) << id;
  }
}

TEST_F(Session, WhoIsToldItWaitsForForeignClientsToo) {
  server->set_contexts("local", {web});
  connect_first();
  publish(sample_snapshot(1));
  Foreign client(*this, Variant::state_of_the_world);
  client.want(Type::cluster, {});
  const auto first = client.receive();
  EXPECT_FALSE(server->settled_now(web));
  client.answer(first);
  EXPECT_EQ(settle(web)->proxies, 1U) << "it is no proxy of weft's";
  // What it refuses nobody waits for, and the mesh's own proxy is not said to have refused it.
  server->publish("local", share(sample_snapshot(2)));
  client.answer(client.receive(), "not that");
  ASSERT_TRUE(settle(web));
  EXPECT_EQ(settle(web)->proxies, 1U);
  ASSERT_EQ(server->proxies().size(), 1U);
}

TEST_F(Session, AForeignClientIsToldNothingUntilThatIsKnown) {
  for (const auto variant : {Variant::incremental, Variant::state_of_the_world}) {
    stop_control_plane();
    start_control_plane();
    Foreign client(*this, variant);
    client.want(Type::cluster, {});
    EXPECT_TRUE(client.is_quiet()) << "nothing is not what there is";
    server->publish("local", share(sample_snapshot(2)));
    server->set_contexts("local", {web});
    EXPECT_EQ(client.take().bodies.size(), 2U);
    Foreign other(*this, variant, "default/other");
    other.want(Type::cluster, {});
    until([&] { return other.status.has_value(); });
    EXPECT_EQ(other.status->code, http::grpc::Code::not_found);
    server->set_contexts("local", {});
    until([&] { return client.status.has_value(); });
    EXPECT_EQ(client.status->message, "the mesh has no workload default/web") << "and it keeps what it has";
  }
}

TEST_F(Session, EachForeignClientIsToldInItsOwnWords) {
  server->publish("local", share(sample()));
  server->set_contexts("local", {web});
  Foreign envoy(*this, Variant::incremental);
  envoy.want(Type::listener, {});
  EXPECT_EQ(envoy.take().names(),
            (Names{"outbound/default/web/default/cart", "outbound/default/web/default/db"}));
  Foreign grpc(*this, Variant::state_of_the_world, "default/web", "gRPC C-core Linux");
  grpc.want(Type::listener, {"cart.default:80", "db.default:80"});
  EXPECT_EQ(grpc.take().names(), Names{"cart.default:80"});
}

}  // namespace
}  // namespace weft::xds
