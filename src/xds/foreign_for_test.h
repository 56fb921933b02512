// For tests: a foreign client on a stream of its own, of either variant.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/endpoint/v3/endpoint.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/config/route/v3/route.pb.h"
#include "http/grpc/client.h"
#include "xds/serialize.h"
#include "xds/session_for_test.h"
#include "xds/subscriber.h"

namespace weft::xds {

using Names = std::set<std::string>;

template <class Message>
Message parsed(const std::string& body) {
  Message message;
  EXPECT_TRUE(message.ParseFromString(body));
  return message;
}

/// What a resource calls itself: state of the world says it nowhere else.
inline std::string name_in(Type type, const std::string& body) {
  switch (type) {
    case Type::cluster: return parsed<envoy::config::cluster::v3::Cluster>(body).name();
    case Type::endpoints:
      return parsed<envoy::config::endpoint::v3::ClusterLoadAssignment>(body).cluster_name();
    case Type::listener: return parsed<envoy::config::listener::v3::Listener>(body).name();
    case Type::routes: return parsed<envoy::config::route::v3::RouteConfiguration>(body).name();
    case Type::context:
    case Type::placement: break;
  }
  return {};
}

class Foreign {
 public:
  struct Got {
    Type type = Type::context;
    std::string nonce;
    std::map<std::string, std::string> bodies;
    Names removed;

    Names names() const {
      Names all;
      for (const auto& [name, body] : bodies) all.insert(name);
      return all;
    }
  };

  Foreign(Session& session, Variant variant, std::string node = "default/web", std::string agent = "envoy")
      : session_(session),
        variant_(variant),
        node_(std::move(node)),
        agent_(std::move(agent)),
        connection_(connect(session)),
        call_(*http::grpc::ClientCall::open(
            session.reactor, connection_,
            std::string("/envoy.service.discovery.v3.AggregatedDiscoveryService/") +
                (variant == Variant::incremental ? "DeltaAggregatedResources" : "StreamAggregatedResources"),
            // As gRPC has it for a Unix socket.
            {.authority = "run%2Fweft%2Fxds.sock", .metadata = {}, .timeout = {}})) {
    scope_.spawn(read());
  }

  /// From now on these names; the first time with the node.
  void want(Type type, Names names) {
    const auto had = std::exchange(wanted_[type], names);
    if (variant_ == Variant::state_of_the_world) return send(world(type, nonces_[type]));
    envoy::service::discovery::v3::DeltaDiscoveryRequest request;
    request.set_type_url(std::string(type_url(type)));
    for (const auto& name : names)
      if (!had.contains(name)) request.add_resource_names_subscribe(name);
    for (const auto& name : had)
      if (!names.contains(name)) request.add_resource_names_unsubscribe(name);
    send(std::move(request));
  }
  void answer(const Got& got, const std::string& refusal = {}) {
    const auto finish = [&](auto request) {
      if (!refusal.empty()) request.mutable_error_detail()->set_message(refusal);
      send(std::move(request));
    };
    if (variant_ == Variant::state_of_the_world) return finish(world(got.type, got.nonce));
    envoy::service::discovery::v3::DeltaDiscoveryRequest request;
    request.set_type_url(std::string(type_url(got.type)));
    request.set_response_nonce(got.nonce);
    finish(std::move(request));
  }
  void send_bytes(std::string bytes) { (void)session_.reactor.block_on(call_.send(std::move(bytes))); }

  /// The next response, which is waited for.
  Got receive() {
    session_.until([this] { return !received_.empty() || status; });
    if (received_.empty()) {
      ADD_FAILURE() << "the stream ended: " << status->to_string();
      return {};
    }
    auto got = std::move(received_.front());
    received_.pop_front();
    return got;
  }
  /// The same, answered.
  Got take() {
    auto got = receive();
    answer(got);
    return got;
  }
  /// Whether nothing is on its way.
  bool is_quiet() {
    for (int i = 0; i < 50; ++i) session_.reactor.poll();
    return received_.empty();
  }

  /// How the stream ended, once it has.
  std::optional<http::grpc::Status> status;

 private:
  static http::h2::Connection connect(Session& session) {
    auto [a, b] = runtime::memory_pair(session.reactor);
    session.connections.spawn(serve_beside(session.server.get(), std::move(b)));
    return http::h2::Connection::client(session.reactor, std::move(a));
  }
  template <class Request>
  void send(Request request) {
    if (!std::exchange(has_begun_, true)) {
      request.mutable_node()->set_id(node_);
      request.mutable_node()->set_user_agent_name(agent_);
    }
    send_bytes(serialize(request));
  }
  envoy::service::discovery::v3::DiscoveryRequest world(Type type, const std::string& nonce) {
    envoy::service::discovery::v3::DiscoveryRequest request;
    request.set_type_url(std::string(type_url(type)));
    request.set_response_nonce(nonce);
    for (const auto& name : wanted_[type]) request.add_resource_names(name);
    return request;
  }
  Task<void> read() {
    for (;;) {
      auto message = co_await call_.receive();
      if (!message || !*message) {
        status = message ? http::grpc::Status{} : message.error();
        co_return;
      }
      received_.push_back(variant_ == Variant::incremental ? read_delta(**message) : read_world(**message));
      nonces_[received_.back().type] = received_.back().nonce;
    }
  }
  static Got read_delta(const std::string& bytes) {
    const auto response = parsed<envoy::service::discovery::v3::DeltaDiscoveryResponse>(bytes);
    Got got{.type = *type_of(response.type_url()), .nonce = response.nonce(), .bodies = {}, .removed = {}};
    for (const auto& resource : response.resources()) {
      EXPECT_EQ(resource.name(), name_in(got.type, resource.resource().value()));
      EXPECT_FALSE(resource.version().empty());
      got.bodies[resource.name()] = resource.resource().value();
    }
    got.removed.insert(response.removed_resources().begin(), response.removed_resources().end());
    return got;
  }
  static Got read_world(const std::string& bytes) {
    const auto response = parsed<envoy::service::discovery::v3::DiscoveryResponse>(bytes);
    Got got{.type = *type_of(response.type_url()), .nonce = response.nonce(), .bodies = {}, .removed = {}};
    EXPECT_FALSE(response.version_info().empty());
    for (const auto& any : response.resources()) {
      EXPECT_EQ(any.type_url(), response.type_url());
      got.bodies[name_in(got.type, any.value())] = any.value();
    }
    return got;
  }

  Session& session_;
  Variant variant_;
  std::string node_;
  std::string agent_;
  http::h2::Connection connection_;
  http::grpc::ClientCall call_;
  std::deque<Got> received_;
  std::map<Type, Names> wanted_;
  std::map<Type, std::string> nonces_;
  bool has_begun_ = false;
  runtime::Scope scope_;
};

}  // namespace weft::xds
