// Listeners and clusters of foreign control planes: what is read in them, and what is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/extensions/filters/listener/proxy_protocol/v3/proxy_protocol.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"
#include "envoy/extensions/transport_sockets/proxy_protocol/v3/upstream_proxy_protocol.pb.h"
#include "envoy/extensions/upstreams/http/v3/http_protocol_options.pb.h"
#include "xds/names.h"
#include "xds/sample_for_test.h"
#include "xds/serialize.h"
#include "xds/wire.h"

namespace weft::xds {
namespace {

envoy::config::listener::v3::Listener listener_message() {
  envoy::config::listener::v3::Listener message;
  message.ParseFromString(encode_listener(sample_snapshot().listeners[0]).body);
  return message;
}

TEST(Decode, ListenersThatWeftCannotServeAreRefused) {
  namespace hcm = envoy::extensions::filters::network::http_connection_manager::v3;
  struct Case {
    std::string refusal;
    void (*spoil)(envoy::config::listener::v3::Listener&);
  };
  auto with_manager = [](auto& message, auto change) {
    auto& any = *message.mutable_filter_chains(0)->mutable_filters(0)->mutable_typed_config();
    hcm::HttpConnectionManager manager;
    unpack(any, manager);
    change(manager);
    pack(any, manager);
  };
  static auto change_manager = with_manager;
  const std::vector<Case> cases{
      {"filter chain", [](auto& message) { message.add_filter_chains(); }},
      {"exactly one filter chain", [](auto& message) { message.clear_filter_chains(); }},
      {"the listener filter original_dst is not supported",
       [](auto& message) { message.add_listener_filters()->set_name("original_dst"); }},
      {"two filter chains",
       [](auto& message) { *message.mutable_default_filter_chain() = message.filter_chains(0); }},
      {"field 12 of FilterChainMatch",
       [](auto& message) { add_field(*message.mutable_filter_chains(0)->mutable_filter_chain_match(), 12); }},
      {"network filter", [](auto& message) { message.mutable_filter_chains(0)->clear_filters(); }},
      {"is not supported",
       [](auto& message) {
         message.mutable_filter_chains(0)->mutable_filters(0)->mutable_typed_config()->set_type_url("x/y.Z");
       }},
      {"not an IP", [](auto& message) { message.clear_address(); }},
      {"is no IP address",
       [](auto& message) {
         message.mutable_address()->mutable_socket_address()->set_address("example.com");
       }},
      {"not an IP",
       [](auto& message) { message.mutable_address()->mutable_socket_address()->set_port_value(70000); }},
      {"without a name", [](auto& message) { message.clear_name(); }},
      {"api_listener", [](auto& message) { message.mutable_api_listener(); }},
      {"its service_port is no port",
       [](auto& message) {
         auto& weft = (*message.mutable_metadata()->mutable_filter_metadata())["weft"];
         (*weft.mutable_fields())["service_port"].set_string_value("65536");
       }},
      {"ADS",
       [](auto& message) {
         change_manager(message, [](auto& m) { m.mutable_rds()->clear_config_source(); });
       }},
      {"no route table", [](auto& message) { change_manager(message, [](auto& m) { m.clear_rds(); }); }},
      {"jwt",
       [](auto& message) {
         change_manager(message, [](auto& m) { m.add_http_filters()->set_name("jwt"); });
       }},
      {"codec_type",
       [](auto& message) {
         change_manager(message, [](auto& m) { m.set_codec_type(hcm::HttpConnectionManager::HTTP1); });
       }},
      {"codec_type",
       [](auto& message) {
         change_manager(message, [](auto& m) { m.set_codec_type(hcm::HttpConnectionManager::HTTP2); });
       }},
  };
  for (const auto& [refusal, spoil] : cases) {
    auto message = listener_message();
    spoil(message);
    Ignored ignored;
    auto decoded = decode_listener(serialize(message), ignored);
    ASSERT_FALSE(decoded) << refusal;
    EXPECT_THAT(decoded.error().detail, testing::HasSubstr(refusal));
  }
}

// Of the two chains of a listener that takes what comes.
TEST(Decode, WhatWouldPassHttpOnAsBytesIsRefused) {
  auto listener = sample_snapshot().listeners[0];
  listener.protocol = snapshot::ListenerProtocol::automatic;
  listener.cluster = "c";
  envoy::config::listener::v3::Listener taken;
  taken.ParseFromString(encode_listener(listener).body);
  Ignored ignored;
  auto decoded = decode_listener(serialize(taken), ignored);
  ASSERT_TRUE(decoded) << decoded.error().detail;
  EXPECT_EQ(*decoded, listener);
  // As Envoy's own examples have it.
  auto without_1_0 = taken;
  auto& asked = *without_1_0.mutable_filter_chains(0)->mutable_filter_chain_match();
  asked.clear_application_protocols();
  asked.add_application_protocols("http/1.1");
  asked.add_application_protocols("h2c");
  decoded = decode_listener(serialize(without_1_0), ignored);
  ASSERT_TRUE(decoded) << decoded.error().detail;
  EXPECT_EQ(*decoded, listener);
  EXPECT_EQ(ignored.count, 0U);

  using Change = void (*)(envoy::config::listener::v3::Listener&);
  for (const auto& [name, change] : std::initializer_list<std::pair<std::string_view, Change>>{
           {"nobody looks", [](auto& message) { message.clear_listener_filters(); }},
           {"looking may be off", [](auto& message) { add_field(*message.mutable_listener_filters(0), 4); }},
           {"HTTP/2 is bytes",
            [](auto& message) {
              message.mutable_filter_chains(0)
                  ->mutable_filter_chain_match()
                  ->mutable_application_protocols()
                  ->RemoveLast();
            }},
           {"something else is HTTP",
            [](auto& message) {
              message.mutable_filter_chains(0)->mutable_filter_chain_match()->add_application_protocols("x");
            }},
           {"the other way round",
            [](auto& message) {
              message.mutable_filter_chains(0)->mutable_filters()->Swap(
                  message.mutable_default_filter_chain()->mutable_filters());
            }},
           {"no other", [](auto& message) { message.clear_default_filter_chain(); }},
           {"both for everything",
            [](auto& message) { message.mutable_filter_chains(0)->clear_filter_chain_match(); }}}) {
    auto message = taken;
    change(message);
    EXPECT_FALSE(decode_listener(serialize(message), ignored)) << name;
  }
}

// A service that speaks first behind another proxy: Envoy waits 15 s and closes where nothing else is said.
TEST(Decode, HowLongAClientMaySayNothing) {
  auto listener = sample_snapshot().listeners[0];
  listener.protocol = snapshot::ListenerProtocol::automatic;
  listener.cluster = "c";
  const auto message_of = [](const snapshot::Listener& of) {
    envoy::config::listener::v3::Listener message;
    message.ParseFromString(encode_listener(of).body);
    return message;
  };
  auto message = message_of(listener);
  EXPECT_EQ(message.listener_filters_timeout().nanos(), 5'000'000);
  EXPECT_TRUE(message.continue_on_listener_filters_timeout());
  Ignored ignored;
  EXPECT_TRUE(decode_listener(serialize(message), ignored));
  EXPECT_EQ(ignored.count, 0U);
  message.mutable_listener_filters_timeout()->set_seconds(1);
  EXPECT_TRUE(decode_listener(serialize(message), ignored));
  EXPECT_THAT(ignored.examples, testing::ElementsAre("Listener listener_filters_timeout"));
  listener.proxy_protocol = true;
  EXPECT_FALSE(message_of(listener).continue_on_listener_filters_timeout())
      << "it would go on without the header";
  EXPECT_FALSE(listener_message().continue_on_listener_filters_timeout());
}

snapshot::Listener tls_listener() {
  auto listener = sample_snapshot().listeners[0];
  listener.protocol = snapshot::ListenerProtocol::tls;
  listener.routes.clear();
  listener.sni = {{{"a.example", "*.a.example"}, "a"}, {{"b.example"}, "b"}, {{"*"}, "c"}};
  return listener;
}

TEST(Decode, ServerNames) {
  auto listener = tls_listener();
  Ignored ignored;
  auto decoded = decode_listener(encode_listener(listener).body, ignored);
  ASSERT_TRUE(decoded) << decoded.error().detail;
  EXPECT_EQ(*decoded, listener);
  // Envoy has no star among names, so that it stands alone.
  listener.sni = {{{"a.example", "*"}, "a"}};
  decoded = decode_listener(encode_listener(listener).body, ignored);
  ASSERT_TRUE(decoded) << decoded.error().detail;
  listener.sni = {{{"a.example"}, "a"}, {{"*"}, "a"}};
  EXPECT_EQ(*decoded, listener);

  envoy::config::listener::v3::Listener taken;
  taken.ParseFromString(encode_listener(tls_listener()).body);
  using Spoil = void (*)(envoy::config::listener::v3::Listener&);
  for (const auto& [name, spoil] : std::initializer_list<std::pair<std::string_view, Spoil>>{
           {"nobody looks", [](auto& message) { message.clear_listener_filters(); }},
           {"what is no TLS goes on",
            [](auto& message) { *message.mutable_default_filter_chain() = message.filter_chains(2); }},
           {"one is for all of TLS and one for everything",
            [](auto& message) { message.mutable_filter_chains(2)->clear_filter_chain_match(); }},
           {"one asks for what was agreed on",
            [](auto& message) {
              message.mutable_filter_chains(0)->mutable_filter_chain_match()->add_application_protocols("h2");
            }},
           {"two have a name",
            [](auto& message) {
              message.mutable_filter_chains(0)->mutable_filter_chain_match()->add_server_names("B.example");
            }},
           {"two take all", [](auto& message) { *message.add_filter_chains() = message.filter_chains(2); }},
           {"a name is a star",
            [](auto& message) {
              message.mutable_filter_chains(2)->mutable_filter_chain_match()->add_server_names("*");
            }},
           {"a name is none",
            [](auto& message) {
              message.mutable_filter_chains(0)->mutable_filter_chain_match()->add_server_names("a:443");
            }},
           {"a name has its star behind",
            [](auto& message) {
              message.mutable_filter_chains(0)->mutable_filter_chain_match()->add_server_names("shop.*");
            }},
           {"a name has its star within a part",
            [](auto& message) {
              message.mutable_filter_chains(0)->mutable_filter_chain_match()->add_server_names("*-a.example");
            }},
           {"one is decrypted", [](auto& message) { add_field(*message.mutable_filter_chains(0), 6); }}}) {
    auto message = taken;
    spoil(message);
    EXPECT_FALSE(decode_listener(serialize(message), ignored)) << name;
  }
}

TEST(Decode, TheHeaderOfTheProxyProtocol) {
  namespace proxy = envoy::extensions::filters::listener::proxy_protocol::v3;
  for (const auto& [is_optional, is_taken] : {std::pair(false, true), std::pair(true, false)}) {
    auto message = listener_message();
    proxy::ProxyProtocol filter;
    filter.set_allow_requests_without_proxy_protocol(is_optional);
    pack(*message.add_listener_filters()->mutable_typed_config(), filter);
    Ignored ignored;
    const auto decoded = decode_listener(serialize(message), ignored);
    EXPECT_EQ(decoded.has_value(), is_taken);
    if (decoded) EXPECT_TRUE(decoded->proxy_protocol);
  }
  namespace sockets = envoy::extensions::transport_sockets::proxy_protocol::v3;
  auto cluster = sample_snapshot().clusters[0];
  cluster.protocol = snapshot::ClusterProtocol::tcp;
  cluster.proxy_protocol = snapshot::ProxyProtocol::v2;
  envoy::config::cluster::v3::Cluster message;
  message.ParseFromString(encode_cluster(cluster).body);
  message.clear_metadata();
  Ignored ignored;
  const auto foreign = decode_cluster(serialize(message), ignored);
  ASSERT_TRUE(foreign) << foreign.error().detail;
  EXPECT_EQ(foreign->cluster.protocol, snapshot::ClusterProtocol::tcp) << "for who names no protocol";
  EXPECT_EQ(foreign->cluster.proxy_protocol, snapshot::ProxyProtocol::v2);
  const auto refused = [&](auto spoil) {
    auto spoiled = message;
    sockets::ProxyProtocolUpstreamTransport transport;
    unpack(spoiled.transport_socket().typed_config(), transport);
    spoil(transport);
    pack(*spoiled.mutable_transport_socket()->mutable_typed_config(), transport);
    return !decode_cluster(serialize(spoiled), ignored);
  };
  EXPECT_FALSE(refused([](auto&) {}));
  EXPECT_TRUE(refused([](auto& transport) { transport.clear_transport_socket(); }));
  EXPECT_TRUE(refused([](auto& transport) { add_field(*transport.mutable_config(), 3); }));
  EXPECT_TRUE(
      refused([&](auto& transport) { *transport.mutable_transport_socket() = message.transport_socket(); }));
  EXPECT_TRUE(refused([](auto& transport) {
    transport.mutable_transport_socket()->mutable_typed_config()->set_type_url("x/Tls");
  }));
}

// Nobody takes for plaintext what stands for TLS, and no key leaves.
TEST(Decode, TlsHasNoForm) {
  const auto pem = [](const char* text) {
    return snapshot::PemFile{"/run/secret-file", snapshot::Shared(std::string(text))};
  };
  Ignored ignored;
  for (auto listener : sample_snapshot().listeners) {
    ASSERT_TRUE(decode_listener(encode_listener(listener).body, ignored));
    listener.tls = snapshot::Shared(snapshot::ServerTls{pem("secret"), pem("secret"), {}});
    const auto told = encode_listener(listener).body;
    EXPECT_THAT(told, testing::Not(testing::HasSubstr("secret")));
    const auto decoded = decode_listener(told, ignored);
    ASSERT_FALSE(decoded);
    EXPECT_THAT(decoded.error().detail, testing::HasSubstr("the listener filter weft.tls is not supported"));
  }
  for (const auto version : {snapshot::ProxyProtocol::none, snapshot::ProxyProtocol::v2}) {
    auto cluster = sample_snapshot().clusters[0];
    cluster.protocol = snapshot::ClusterProtocol::tcp;
    cluster.proxy_protocol = version;
    ASSERT_TRUE(decode_cluster(encode_cluster(cluster).body, ignored));
    cluster.tls = snapshot::Shared(snapshot::ClientTls{"app", pem("secret"), pem("secret"), pem("secret")});
    const auto told = encode_cluster(cluster).body;
    EXPECT_THAT(told, testing::Not(testing::HasSubstr("secret")));
    const auto decoded = decode_cluster(told, ignored);
    ASSERT_FALSE(decoded);
    EXPECT_THAT(decoded.error().detail, testing::HasSubstr("the transport socket weft.tls is not supported"));
  }
}

// It has one client's bytes: options of HTTP say that it is meant for requests.
TEST(Decode, AClusterWithTheProxyProtocolHasNoOptionsOfHttp) {
  auto cluster = sample_snapshot().clusters[0];
  cluster.proxy_protocol = snapshot::ProxyProtocol::v1;
  for (const auto protocol : {snapshot::ClusterProtocol::http2, snapshot::ClusterProtocol::automatic}) {
    cluster.protocol = protocol;
    Ignored ignored;
    const auto refused = decode_cluster(encode_cluster(cluster).body, ignored);
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().detail, testing::AllOf(testing::HasSubstr("cluster " + cluster.name),
                                                       testing::HasSubstr("PROXY header")));
  }
}

// Each changed cluster is sent to all proxies, and one of a version before knows no such options.
TEST(Decode, WhatIsSpokenByDefaultIsNotSaid) {
  auto cluster = sample_snapshot().clusters[0];
  cluster.idle_timeout = std::chrono::seconds(3);
  for (const auto& [protocol, has_options] :
       {std::pair(snapshot::ClusterProtocol::http1, false), std::pair(snapshot::ClusterProtocol::tcp, false),
        std::pair(snapshot::ClusterProtocol::http2, true),
        std::pair(snapshot::ClusterProtocol::automatic, true)}) {
    cluster.protocol = protocol;
    envoy::config::cluster::v3::Cluster message;
    message.ParseFromString(encode_cluster(cluster).body);
    EXPECT_EQ(message.typed_extension_protocol_options().size(), has_options ? 1U : 0U);
    EXPECT_EQ(message.common_http_protocol_options().idle_timeout().seconds(), has_options ? 0 : 3);
  }
  cluster.idle_timeout = {};
  cluster.protocol = snapshot::ClusterProtocol::http1;
  envoy::config::cluster::v3::Cluster message;
  message.ParseFromString(encode_cluster(cluster).body);
  EXPECT_FALSE(message.has_common_http_protocol_options());
}

TEST(Decode, AnOptionalHttpFilterIsPassedOverAndCounted) {
  namespace hcm = envoy::extensions::filters::network::http_connection_manager::v3;
  auto message = listener_message();
  auto& any = *message.mutable_filter_chains(0)->mutable_filters(0)->mutable_typed_config();
  hcm::HttpConnectionManager manager;
  unpack(any, manager);
  auto& filter = *manager.add_http_filters();
  filter.set_name("stats");
  filter.set_is_optional(true);
  pack(any, manager);
  Ignored ignored;
  EXPECT_TRUE(decode_listener(serialize(message), ignored));
  EXPECT_THAT(ignored.examples, testing::ElementsAre("HTTP filter stats"));
}

TEST(Decode, ForeignClusters) {
  namespace v3 = envoy::config::cluster::v3;
  v3::Cluster message;
  message.set_name("c");
  message.set_type(v3::Cluster::EDS);
  message.mutable_eds_cluster_config()->mutable_eds_config()->mutable_ads();
  message.mutable_eds_cluster_config()->set_service_name("c-endpoints");
  message.set_lb_policy(v3::Cluster::MAGLEV);
  Ignored ignored;
  auto decoded = decode_cluster(serialize(message), ignored);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->endpoints_name, "c-endpoints");
  EXPECT_EQ(decoded->cluster.connect_timeout, std::chrono::seconds(5));
  EXPECT_EQ(decoded->cluster.load_balancing, snapshot::LoadBalancing::least_request);
  EXPECT_EQ(ignored.count, 1u);

  message.set_type(v3::Cluster::STATIC);
  auto& endpoint = *message.mutable_load_assignment()->add_endpoints()->add_lb_endpoints();
  endpoint.mutable_endpoint()->mutable_address()->mutable_socket_address()->set_address("10.0.0.1");
  endpoint.mutable_endpoint()->mutable_address()->mutable_socket_address()->set_port_value(80);
  decoded = decode_cluster(serialize(message), ignored);
  ASSERT_TRUE(decoded);
  EXPECT_FALSE(decoded->endpoints_name);
  EXPECT_EQ(decoded->cluster.endpoints.size(), 1u);
  message.mutable_load_assignment()->mutable_endpoints(0)->mutable_load_balancing_weight()->set_value(3);
  EXPECT_TRUE(decode_cluster(serialize(message), ignored));
  EXPECT_EQ(ignored.examples.back(), "LocalityLbEndpoints load_balancing_weight");

  message.set_type(v3::Cluster::STRICT_DNS);
  EXPECT_FALSE(decode_cluster(serialize(message), ignored));
  message.set_type(v3::Cluster::STATIC);
  message.mutable_connect_timeout()->set_seconds(-1);
  EXPECT_FALSE(decode_cluster(serialize(message), ignored));
}

TEST(Decode, ForeignProtocolsOfClusters) {
  namespace upstreams = envoy::extensions::upstreams::http::v3;
  using snapshot::ClusterProtocol;
  using Options = upstreams::HttpProtocolOptions;
  struct Case {
    std::string_view name;
    std::function<void(Options&)> change;
    /// Nothing: it is refused.
    std::optional<ClusterProtocol> protocol;
    std::uint64_t ignored = 0;
  };
  const auto h2 = [](Options& options) -> auto& {
    return *options.mutable_explicit_http_config()->mutable_http2_protocol_options();
  };
  for (const auto& [name, change, protocol, count] : std::initializer_list<Case>{
           {"HTTP/1.1",
            [](Options& options) { options.mutable_explicit_http_config()->mutable_http_protocol_options(); },
            ClusterProtocol::http1},
           {"HTTP/2", [&](Options& options) { h2(options); }, ClusterProtocol::http2},
           {"HTTP/2 with max_concurrent_streams", [&](Options& options) { add_field(h2(options), 2); },
            ClusterProtocol::http2, 1},
           {"the client's, without more",
            [](Options& options) { options.mutable_use_downstream_protocol_config(); },
            ClusterProtocol::automatic},
           {"none", [](Options&) {}, std::nullopt},
           {"none of the explicit ones", [](Options& options) { options.mutable_explicit_http_config(); },
            std::nullopt},
           {"HTTP/3", [](Options& options) { add_field(*options.mutable_explicit_http_config(), 3); },
            std::nullopt},
           {"auto_config", [](Options& options) { add_field(options, 5); }, std::nullopt},
           {"http_filters",
            [&](Options& options) {
              h2(options);
              add_field(options, 6);
            },
            std::nullopt}}) {
    Options options;
    change(options);
    options.mutable_common_http_protocol_options()->mutable_idle_timeout()->set_seconds(3);
    envoy::config::cluster::v3::Cluster message;
    message.set_name("c");
    message.mutable_common_http_protocol_options()->mutable_idle_timeout()->set_seconds(2);
    pack((*message.mutable_typed_extension_protocol_options())[std::string(http_options)], options);
    Ignored ignored;
    const auto decoded = decode_cluster(serialize(message), ignored);
    ASSERT_EQ(decoded.has_value(), protocol.has_value()) << name;
    if (!decoded) continue;
    EXPECT_EQ(decoded->cluster.protocol, *protocol) << name;
    EXPECT_EQ(decoded->cluster.idle_timeout, std::chrono::seconds(3)) << name;
    EXPECT_EQ(ignored.count, count) << name;
  }
  envoy::config::cluster::v3::Cluster message;
  message.set_name("c");
  (*message.mutable_typed_extension_protocol_options())["envoy.extensions.upstreams.tcp.v3.Other"]
      .set_type_url("x/y");
  Ignored ignored;
  EXPECT_FALSE(decode_cluster(serialize(message), ignored));
}

}  // namespace
}  // namespace weft::xds
