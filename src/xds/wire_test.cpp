// What is made of encode(s) is s for random Snapshots, and what a peer's resources may not say.
#include "xds/wire.h"
#include "xds/assembly.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "base/hash.h"
#include "base/random.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/config/route/v3/route.pb.h"
#include "xds/sample_for_test.h"
#include "xds/serialize.h"

namespace weft::xds {
namespace {

using snapshot::Snapshot;

std::string show(const std::expected<Snapshot, XdsError>& decoded) {
  return decoded ? "a different Snapshot" : decoded.error().detail;
}

/// What a proxy makes of them.
std::expected<Snapshot, XdsError> assembled(const std::vector<Resource>& resources) {
  Assembly assembly;
  Ignored ignored;
  for (const auto& resource : resources) {
    assembly.put(resource.type, resource.name, resource.version, resource.body, ignored);
  }
  const auto built = assembly.build();
  if (!built) return std::unexpected(built.error());
  return **built;
}

TEST(Wire, WhatWasEncodedIsAssembledToTheSame) {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    base::Random random(seed);
    auto snapshot = reachable(random_snapshot(random));
    auto resources = encode(snapshot);
    auto made = assembled(resources);
    ASSERT_TRUE(made == snapshot) << "seed " << seed << ": " << show(made);
    std::ranges::reverse(resources);
    ASSERT_TRUE(assembled(resources) == snapshot) << "in any order, seed " << seed;
  }
}

TEST(Wire, EncodingDependsOnTheContentOnly) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    base::Random random(seed);
    const auto snapshot = random_snapshot(random);
    base::Random same_again(seed);
    EXPECT_EQ(encode(snapshot), encode(random_snapshot(same_again)));
    for (const auto& resource : encode(snapshot)) {
      EXPECT_EQ(resource.version, base::content_hash(resource.body));
      EXPECT_EQ(encode_one(snapshot, resource.type, resource.name), resource);
    }
  }
}

TEST(Wire, AnEndpointsChangeChangesOneResource) {
  auto before = sample_snapshot();
  auto after = before;
  after.clusters[0].endpoints.push_back(
      {base::Address::loopback(9999), snapshot::Health::healthy, 1, "web-9"});
  auto old_resources = encode(before);
  auto new_resources = encode(after);
  ASSERT_EQ(old_resources.size(), new_resources.size());
  std::vector<Type> changed;
  for (std::size_t i = 0; i < old_resources.size(); ++i) {
    if (old_resources[i] != new_resources[i]) changed.push_back(new_resources[i].type);
  }
  EXPECT_THAT(changed, testing::ElementsAre(Type::endpoints));
}

TEST(Wire, TypeUrlsAreTheMessagesOwn) {
  EXPECT_EQ(type_url(Type::cluster), url_of(envoy::config::cluster::v3::Cluster()));
  EXPECT_EQ(type_url(Type::listener), url_of(envoy::config::listener::v3::Listener()));
  EXPECT_EQ(type_url(Type::routes), url_of(envoy::config::route::v3::RouteConfiguration()));
  for (auto type : snapshot_types) EXPECT_EQ(type_of(type_url(type)), type);
  EXPECT_FALSE(type_of("type.googleapis.com/envoy.config.core.v3.Node"));
}

TEST(Wire, AReferenceToNothingIsRefusedInTermsOfItsOrigin) {
  auto snapshot = sample_snapshot();
  snapshot.listeners[0].routes = "nowhere";
  auto decoded = assembled(encode(snapshot));
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error().kind, XdsErrorKind::invalid_resource);
  EXPECT_EQ(decoded.error().detail,
            "listener edge/default/web/80 (Service default/web spec.ports[0]) names the route table nowhere, "
            "which does "
            "not exist");
}

TEST(Wire, TwoResourcesOfOneNameAreRefused) {
  auto resources = encode(sample_snapshot());
  for (auto resource : std::vector(resources)) {
    if (resource.type != Type::cluster && resource.type != Type::listener) continue;
    resource.name += "-again";
    auto with_another = resources;
    with_another.push_back(std::move(resource));
    EXPECT_FALSE(assembled(with_another));
  }
}

TEST(Wire, UnknownFieldsAreRefusedWhereTheyMatterElseCounted) {
  auto snapshot = sample_snapshot();
  auto cluster = encode_cluster(snapshot.clusters[0]).body;
  auto listener = encode_listener(snapshot.listeners[0]).body;
  auto routes = encode_routes(snapshot.routes[0]).body;
  struct Case {
    Type type;
    std::string body;
    std::string refusal;  // empty: taken
    std::uint64_t ignored;
  };
  const std::vector<Case> cases{
      {Type::cluster, cluster, "", 0},
      {Type::cluster, with_field(cluster, 28), "", 1},
      {Type::cluster, with_field(with_field(cluster, 28), 999), "", 2},
      {Type::cluster, with_field(cluster, 43), "transport_socket_matches", 0},
      {Type::cluster, with_field(cluster, 14), "http2_protocol_options", 0},
      {Type::listener, with_field(listener, 33), "additional_addresses", 0},
      {Type::listener, with_field(listener, 22), "", 1},
      {Type::routes, with_field(routes, 9), "vhds", 0},
      {Type::routes, with_field(routes, 5), "", 1},
  };
  for (const auto& [type, body, refusal, count] : cases) {
    Ignored ignored;
    std::string error;
    if (type == Type::cluster) {
      if (auto decoded = decode_cluster(body, ignored); !decoded) error = decoded.error().detail;
    } else if (type == Type::listener) {
      if (auto decoded = decode_listener(body, ignored); !decoded) error = decoded.error().detail;
    } else {
      if (auto decoded = decode_routes(body, ignored); !decoded) error = decoded.error().detail;
    }
    EXPECT_EQ(error.empty(), refusal.empty()) << error;
    EXPECT_THAT(error, testing::HasSubstr(refusal));
    EXPECT_EQ(ignored.count, count) << refusal;
  }
}

TEST(Wire, AMatchThatIsNotKnownIsRefused) {
  envoy::config::route::v3::RouteConfiguration table;
  table.set_name("t");
  auto& host = *table.add_virtual_hosts();
  host.add_domains("*");
  auto& route = *host.add_routes();
  route.mutable_match()->ParseFromString(with_field("\x0a\x01/", 321));
  route.mutable_route()->set_cluster("c");
  Ignored ignored;
  auto decoded = decode_routes(serialize(table), ignored);
  ASSERT_FALSE(decoded);
  EXPECT_THAT(decoded.error().detail, testing::HasSubstr("field 321 of RouteMatch is not known"));
}

envoy::config::route::v3::RouteConfiguration table_message(
    const std::vector<std::vector<std::string>>& hosts) {
  envoy::config::route::v3::RouteConfiguration table;
  table.set_name("t");
  for (const auto& domains : hosts) {
    auto& host = *table.add_virtual_hosts();
    host.set_name("v");
    for (const auto& domain : domains) host.add_domains(domain);
    auto& route = *host.add_routes();
    route.mutable_match()->set_prefix("");
    route.mutable_route()->set_cluster("c");
  }
  return table;
}

TEST(Wire, DomainsAreTakenInOneSpelling) {
  Ignored ignored;
  const auto decoded = decode_routes(
      serialize(table_message({{"Web", "web:80", "WEB.", "web.Default.:0080"}, {"*.Example.com"}, {"*"}})),
      ignored);
  ASSERT_TRUE(decoded) << decoded.error().detail;
  EXPECT_EQ(decoded->virtual_hosts[0].domains, (std::vector<std::string>{"web", "web:80", "web.default:80"}));
  EXPECT_EQ(decoded->virtual_hosts[1].domains, std::vector<std::string>{"*.example.com"});
  EXPECT_EQ(decoded->virtual_hosts[0].routes[0].match, snapshot::Match{}) << "the empty prefix takes all";
}

TEST(Wire, WhatNoRequestCanMatchIsRefused) {
  using Hosts = std::vector<std::vector<std::string>>;
  for (const auto& [hosts, refusal] : std::initializer_list<std::pair<Hosts, std::string>>{
           {{{"http://a/"}}, "no host matches the domain \"http://a/\" of the virtual host \"v\""},
           {{{"caf\xc3\xa9"}}, "a host is sent in ASCII"},
           {{{"a.*.b"}}, "a star stands at one end"},
           {{{""}}, "must not be empty"},
           {{{}}, "has no domain"},
           {{{"a"}, {"b", "A"}}, "the domain \"A\" of the virtual host \"v\" belongs to another already"},
           {{{"*"}, {"*"}}, "belongs to another already"}}) {
    Ignored ignored;
    const auto decoded = decode_routes(serialize(table_message(hosts)), ignored);
    ASSERT_FALSE(decoded) << refusal;
    EXPECT_THAT(decoded.error().detail, testing::HasSubstr(refusal));
  }
  for (const auto& [path, is_exact, refusal] :
       std::initializer_list<std::tuple<std::string, bool, std::string>>{
           {"/a?x=1", true,
            "no request matches a route of the path \"/a?x=1\": paths are matched without the query"},
           {"a", false, "begins with /"},
           {"", true, "begins with /"},
           {"/a b", false, "no spaces"},
           {"/%zz", true, "escape"}}) {
    auto table = table_message({{"*"}});
    auto& match = *table.mutable_virtual_hosts(0)->mutable_routes(0)->mutable_match();
    is_exact ? match.set_path(path) : match.set_prefix(path);
    Ignored ignored;
    const auto decoded = decode_routes(serialize(table), ignored);
    ASSERT_FALSE(decoded) << path;
    EXPECT_THAT(decoded.error().detail, testing::HasSubstr(refusal));
  }
}

using RouteMessage = envoy::config::route::v3::Route;

/// A table with one route to a cluster, changed.
std::expected<snapshot::RouteTable, XdsError> with_route(const std::function<void(RouteMessage&)>& change,
                                                         Ignored& ignored) {
  auto table = table_message({{"*"}});
  change(*table.mutable_virtual_hosts(0)->mutable_routes(0));
  return decode_routes(serialize(table), ignored);
}

/// What is made of a route to the cluster "c" that is changed so.
struct Foreign {
  std::string_view name;
  std::function<void(RouteMessage&)> change;
  snapshot::Match match;
  snapshot::Action action;
};

void expect_read(std::initializer_list<Foreign> cases) {
  for (const auto& [name, change, match, action] : cases) {
    Ignored ignored;
    const auto decoded = with_route(change, ignored);
    ASSERT_TRUE(decoded) << name << ": " << decoded.error().detail;
    EXPECT_EQ(decoded->virtual_hosts[0].routes[0].match, match) << name;
    EXPECT_EQ(decoded->virtual_hosts[0].routes[0].action, action) << name;
    EXPECT_EQ(ignored.count, 0U) << name;
  }
}

TEST(Wire, ForeignRoutes) {
  using snapshot::Action;
  using snapshot::Match;
  using snapshot::Redirect;
  const Action to_c = snapshot::forward_to("c");
  expect_read({{"headers",
                [](RouteMessage& route) {
                  auto* header = route.mutable_match()->add_headers();
                  header->set_name(":method");
                  header->set_exact_match("GET");
                  header = route.mutable_match()->add_headers();
                  header->set_name("X-Version");
                  header->set_exact_match("canary");
                  route.mutable_match()->add_headers()->set_name("X-Debug");
                },
                {Match::Path::prefix, "/", "GET", {{"x-version", "canary"}, {"x-debug", std::nullopt}}},
                to_c},
               {"one weighted cluster",
                [](RouteMessage& route) {
                  auto* target = route.mutable_route()->mutable_weighted_clusters()->add_clusters();
                  target->set_name("c");
                  target->mutable_weight()->set_value(1);
                },
                {},
                to_c},
               {"https_redirect",
                [](RouteMessage& route) { route.mutable_redirect()->set_https_redirect(true); },
                {},
                Redirect{.scheme = Redirect::Scheme::https, .code = Redirect::Code::moved_permanently}},
               {"an empty prefix_rewrite is none",
                [](RouteMessage& route) {
                  route.mutable_redirect()->set_prefix_rewrite("");
                  route.mutable_redirect()->set_port_redirect(81);
                },
                {},
                Redirect{.port = 81, .code = Redirect::Code::moved_permanently}},
               {"inline_string",
                [](RouteMessage& route) {
                  route.mutable_direct_response()->set_status(404);
                  route.mutable_direct_response()->mutable_body()->set_inline_string("gone");
                },
                {},
                snapshot::Reply{404, "gone"}}});
}

TEST(Wire, ForeignRoutesThatChangeHeadersAndAskForQueries) {
  using snapshot::Match;
  expect_read(
      {{"query parameters",
        [](RouteMessage& route) {
          auto* parameter = route.mutable_match()->add_query_parameters();
          parameter->set_name("v");
          parameter->mutable_string_match()->set_exact("2");
          parameter = route.mutable_match()->add_query_parameters();
          parameter->set_name("debug");
          route.mutable_match()->add_query_parameters()->set_name("any");
          parameter->set_present_match(true);
        },
        {Match::Path::prefix, "/", "", {}, {{"v", "2"}, {"debug", std::nullopt}, {"any", std::nullopt}}},
        snapshot::forward_to("c")},
       {"headers that are changed, as go-control-plane says it and as Envoy did before",
        [](RouteMessage& route) {
          auto* added = route.add_request_headers_to_add();
          added->mutable_header()->set_key("X-Stage");
          added->mutable_header()->set_value("100%%");
          added->mutable_append()->set_value(false);
          added = route.add_request_headers_to_add();
          added->mutable_header()->set_key("via");
          added->mutable_header()->set_value("a");
          route.add_request_headers_to_remove("X-Debug");
        },
        {},
        snapshot::Forward{
            .to = {{"c"}},
            .headers = {.remove = {"x-debug"}, .set = {{"x-stage", "100%"}}, .add = {{"via", "a"}}}}},
       {"a cluster that never comes",
        [](RouteMessage& route) {
          route.mutable_route()->set_cluster_not_found_response_code(
              envoy::config::route::v3::RouteAction::INTERNAL_SERVER_ERROR);
        },
        {},
        snapshot::Forward{.to = {{"c"}}, .missing_is_error = true}}});
}

using Change = std::function<void(RouteMessage&)>;

// A route with such a part, changed.
Change header(std::string name, auto change) {
  return [=](RouteMessage& route) {
    auto& added = *route.mutable_match()->add_headers();
    added.set_name(name);
    change(added);
  };
}

Change parameter(std::string name, auto change) {
  return [=](RouteMessage& route) {
    auto& added = *route.mutable_match()->add_query_parameters();
    added.set_name(name);
    change(added);
  };
}

using HeaderOption = envoy::config::core::v3::HeaderValueOption;
Change adding(std::string name, std::string value, auto change) {
  return [=](RouteMessage& route) {
    auto& added = *route.add_request_headers_to_add();
    added.mutable_header()->set_key(name);
    added.mutable_header()->set_value(value);
    change(added);
  };
}

Change weighted(auto change) {
  return [=](RouteMessage& route) {
    auto& target = *route.mutable_route()->mutable_weighted_clusters()->add_clusters();
    target.set_name("c");
    target.mutable_weight()->set_value(1);
    change(*route.mutable_route()->mutable_weighted_clusters());
  };
}

Change redirect(auto change) {
  return [=](RouteMessage& route) {
    route.mutable_redirect()->set_host_redirect("h");
    change(*route.mutable_redirect());
  };
}

Change reply(auto change) {
  return [=](RouteMessage& route) {
    route.mutable_direct_response()->set_status(200);
    change(*route.mutable_direct_response());
  };
}

TEST(Wire, RoutesThatWeftCannotFollowAreRefused) {
  for (const auto& [change, refusal] : std::vector<std::pair<Change, std::string>>{
           {[](auto& route) { route.clear_action(); }, "the route \"\" has no action"},
           {[](auto& route) { add_field(route, 17); }, "filter_action"},
           {[](auto& route) { route.mutable_route()->clear_cluster(); }, "it names no cluster"},
           {[](auto& route) { add_field(*route.mutable_match(), 8); }, "grpc of RouteMatch"},
           {parameter("q", [](auto& p) { add_field(p, 9); }), "field 9 of QueryParameterMatcher"},
           {parameter("q", [](auto& p) { p.mutable_string_match(); }), "a string_match says nothing"},
           {parameter("q", [](auto& p) { add_field(*p.mutable_string_match(), 5); }),
            "field 5 of StringMatcher"},
           {parameter("q", [](auto& p) { p.set_present_match(false); }), "by the absence of a parameter"},
           {parameter("a b", [](auto&) {}), "a parameter's name is compared"},
           {parameter("q", [](auto& p) { p.mutable_string_match()->set_exact("a&b"); }),
            "a parameter's value is compared"},
           {adding("x", "%REQ(y)%", [](auto&) {}), "a command in the value of a header"},
           {adding("x", "50%", [](auto&) {}), "a command in the value of a header"},
           {adding("x", "", [](auto&) {}), "the header \"x\" to add has no value"},
           {adding("host", "a", [](auto&) {}), "the proxy's own to write"},
           {adding(":path", "/a", [](auto&) {}), "a header's name has"},
           {adding("x", "a\r\ny: b", [](auto&) {}), "a header's value has"},
           {adding("x", "a", [](auto& o) { o.set_append_action(HeaderOption::ADD_IF_ABSENT); }),
            "what is to become of the header \"x\""},
           {adding("x", "a",
                   [](auto& o) { o.set_append_action(static_cast<HeaderOption::HeaderAppendAction>(9)); }),
            "what is to become of the header \"x\""},
           {adding("x", "a", [](auto& o) { add_field(*o.mutable_header(), 3); }), "field 3 of HeaderValue"},
           {adding("x", "a", [](auto& o) { add_field(o, 5); }), "field 5 of HeaderValueOption"},
           {[](auto& route) { route.add_request_headers_to_remove("Content-Length"); },
            "the proxy's own to write"},
           {header("x", [](auto& h) { add_field(h, 9); }), "field 9 of HeaderMatcher"},
           {header("x", [](auto& h) { add_field(h, 8); }), "field 8 of HeaderMatcher"},
           {header("x", [](auto& h) { add_field(*h.mutable_string_match(), 2); }),
            "field 2 of StringMatcher"},
           {header("x", [](auto& h) { h.mutable_string_match(); }), "a string_match says nothing"},
           {header("x", [](auto& h) { h.set_present_match(false); }), "by the absence of a header"},
           {header(":path", [](auto& h) { h.set_exact_match("/"); }), "a header's name has"},
           {header("x", [](auto& h) { h.set_exact_match(" a"); }), "a header's value has"},
           {header(":method", [](auto&) {}), "by the method other than by one"},
           {header(":method", [](auto& h) { h.set_exact_match("G T"); }), "this is no method"},
           {weighted([](auto& w) { w.mutable_clusters(0)->clear_weight(); }), "has no weight"},
           {weighted([](auto& w) { w.mutable_clusters(0)->mutable_weight()->set_value(0); }),
            "what the route \"\" does cannot be done: no cluster of it has a weight above 0"},
           {weighted([](auto& w) { w.mutable_clusters(0)->clear_name(); }), "it names no cluster"},
           {weighted([](auto& w) { add_field(w, 4); }), "header_name of WeightedCluster"},
           {weighted([](auto& w) { add_field(*w.mutable_clusters(0), 12); }),
            "cluster_header of ClusterWeight"},
           {redirect([](auto& r) { add_field(r, 6); }), "field 6 of RedirectAction"},
           {redirect([](auto& r) { add_field(r, 9); }), "field 9 of RedirectAction"},
           {redirect([](auto& r) { r.set_scheme_redirect("ftp"); }), "the scheme \"ftp\""},
           {redirect([](auto& r) { r.set_port_redirect(65536); }), "is no port"},
           {redirect([](auto& r) { r.set_host_redirect("a\r\nb"); }), "a host has"},
           {redirect([](auto& r) { r.set_path_redirect("/\r\n"); }), "no spaces and control bytes"},
           {redirect([](auto& r) {
              r.set_response_code(
                  static_cast<envoy::config::route::v3::RedirectAction::RedirectResponseCode>(5));
            }),
            "response_code"},
           {reply([](auto& r) { r.set_status(65736); }), "a status is a number"},
           {reply([](auto& r) { add_field(r, 3); }), "field 3 of DirectResponseAction"},
           {reply([](auto& r) { add_field(*r.mutable_body(), 1); }), "field 1 of DataSource"},
           {reply([](auto& r) { r.mutable_body()->set_inline_bytes(std::string(5000, 'x')); }),
            "not longer than 4096 bytes"}}) {
    Ignored ignored;
    const auto decoded = with_route(change, ignored);
    ASSERT_FALSE(decoded) << refusal;
    EXPECT_THAT(decoded.error().detail, testing::HasSubstr(refusal));
  }
}

TEST(Wire, BytesThatAreNoMessageAreRefused) {
  for (const std::string& body :
       {std::string("\xff\xff\xff"), std::string("\x0a\x7f"), std::string(1000, '\x0b')}) {
    Ignored ignored;
    EXPECT_FALSE(decode_context(body, ignored));
    EXPECT_FALSE(decode_cluster(body, ignored));
    EXPECT_FALSE(decode_endpoints(body, ignored));
    EXPECT_FALSE(decode_listener(body, ignored));
    EXPECT_FALSE(decode_routes(body, ignored));
    EXPECT_FALSE(decode_placement(body, ignored));
  }
}

}  // namespace
}  // namespace weft::xds
