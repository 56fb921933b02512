// Snapshots for this room's tests: one that is easy to read, and random ones.
#pragma once

#include <fmt/format.h>
#include <algorithm>
#include <array>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <google/protobuf/message_lite.h>

#include "base/random.h"
#include "snapshot/snapshot.h"

namespace weft::xds {

/// A message with one more field, as a newer or foreign control plane sends it.
inline std::string with_field(std::string body, int number, std::string_view value = "x") {
  auto varint = [&](std::size_t n) {
    for (; n >= 128; n >>= 7) body += static_cast<char>((n & 127) | 128);
    body += static_cast<char>(n);
  };
  varint(static_cast<std::size_t>(number) << 3 | 2);
  varint(value.size());
  return body.append(value);
}

/// Adds an unknown field to a part of a message.
inline void add_field(google::protobuf::MessageLite& message, int number) {
  message.ParsePartialFromString(with_field(message.SerializePartialAsString(), number));
}

/// The edge's configuration of `count` services web, web01, ... with one instance each.
inline snapshot::Snapshot sample_snapshot(int count = 1, snapshot::ContextId context = {"default", "web"}) {
  snapshot::Snapshot sample{.context = context,
                            .identity = "spiffe://weft.local/ns/" + context.ns + "/sa/" + context.workload,
                            .listeners = {},
                            .routes = {},
                            .clusters = {}};
  for (int i = 0; i < count; ++i) {
    auto name = i == 0 ? std::string("web") : fmt::format("web{:02}", i);
    base::Origin origin{"Service", "default", name, "spec.ports[0]"};
    auto listener = "edge/default/" + name + "/80";
    auto cluster = "outbound|80||" + name + ".default";
    auto port = static_cast<std::uint16_t>(20000 + i);
    sample.listeners.push_back({.name = listener,
                                .address = base::Address::loopback(port),
                                .direction = snapshot::Direction::edge,
                                .protocol = snapshot::ListenerProtocol::http,
                                .routes = listener,
                                .cluster = {},
                                .service = name,
                                .service_ns = "default",
                                .origin = origin});
    snapshot::Route route{
        .name = "default", .match = {}, .action = snapshot::forward_to(cluster), .origin = origin};
    sample.routes.push_back({listener, {{"all", {"*"}, {route}}}, origin});
    snapshot::Cluster made;
    made.name = cluster;
    made.service = name;
    made.service_ns = "default";
    made.endpoints = {{base::Address::loopback(30000), snapshot::Health::healthy, 1, name + "-0"}};
    made.origin = origin;
    sample.clusters.push_back(made);
  }
  return sample;
}

inline std::string random_text(base::Random& random) {
  static const std::vector<std::string> some{"",
                                             "a",
                                             "web",
                                             "outbound|80||cart.default",
                                             "h\xc3\xa9llo",
                                             "with \"quotes\" and \n lines",
                                             std::string(300, 'x')};
  return some[random.below(some.size())];
}

inline base::Address random_address(base::Random& random) {
  auto port = static_cast<std::uint16_t>(random.below(65536));
  switch (random.below(4)) {
    case 0: return base::Address::unix_path("/run/weft/" + std::to_string(random.below(1000)));
    case 1: {
      std::array<std::uint8_t, 16> bytes{};
      for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random.below(256));
      // An IPv4-mapped address may be read back as IPv4; it is not one that weft makes.
      bytes[0] = 0xfd;
      return base::Address::ipv6(bytes, port);
    }
    default: return base::Address::ipv4({127, 0, 0, static_cast<std::uint8_t>(random.below(256))}, port);
  }
}

inline base::Origin random_origin(base::Random& random) {
  return {random_text(random), random_text(random), random_text(random), random_text(random)};
}

inline snapshot::Cluster random_cluster(base::Random& random, std::string name) {
  snapshot::Cluster cluster;
  cluster.name = std::move(name);
  using enum snapshot::ClusterProtocol;
  static constexpr std::array protocols{http1, http2, automatic, tcp};
  cluster.protocol = protocols[random.below(protocols.size())];
  // No route leads to the first.
  if (cluster.protocol == tcp && cluster.name == "c0")
    cluster.proxy_protocol = static_cast<snapshot::ProxyProtocol>(random.below(3));
  cluster.load_balancing =
      random.below(2) ? snapshot::LoadBalancing::round_robin : snapshot::LoadBalancing::least_request;
  cluster.connect_timeout = std::chrono::milliseconds(random.below(100'000));
  cluster.max_connections = static_cast<std::uint32_t>(random.next());
  cluster.max_pending = static_cast<std::uint32_t>(random.below(3));
  cluster.max_requests_per_connection = static_cast<std::uint32_t>(random.below(3));
  cluster.max_connection_age = std::chrono::milliseconds(random.below(3) * 1500);
  cluster.idle_timeout = std::chrono::milliseconds(random.below(3) * 1500);
  cluster.service = random_text(random);
  cluster.service_ns = random_text(random);
  cluster.policy = random_text(random);
  cluster.origin = random_origin(random);
  for (auto count = random.below(5); count > 0; --count) {
    cluster.endpoints.push_back({random_address(random), static_cast<snapshot::Health>(random.below(3)),
                                 static_cast<std::uint32_t>(1 + random.below(100)), random_text(random)});
  }
  return cluster;
}

inline snapshot::Match random_match(base::Random& random) {
  static constexpr std::array methods{"", "GET", "PROPFIND"};
  snapshot::Match match{static_cast<snapshot::Match::Path>(random.below(3)),
                        "/" + std::to_string(random.below(1000)), methods[random.below(methods.size())]};
  for (auto headers = random.below(3); headers > 0; --headers) {
    match.headers.push_back({"x-" + std::to_string(headers), std::nullopt});
    if (random.below(2)) match.headers.back().value = random.below(2) ? "canary" : "";
  }
  for (auto parameters = random.below(3); parameters > 0; --parameters) {
    match.query.push_back({"q" + std::to_string(parameters), std::nullopt});
    if (random.below(2)) match.query.back().value = random.below(2) ? "2" : "";
  }
  return match;
}

inline snapshot::HeaderChanges random_changes(base::Random& random) {
  static constexpr std::array values{"", "canary", "50%", "%REQ(x)%", "%%"};
  snapshot::HeaderChanges changes;
  if (random.below(3) == 0) changes.remove.emplace_back("x-debug");
  if (random.below(3) == 0) changes.set.push_back({"x-stage", values[random.below(values.size())]});
  for (auto count = random.below(3); count > 0; --count)
    changes.add.push_back({"via", values[random.below(values.size())]});
  return changes;
}

inline snapshot::Action random_action(base::Random& random) {
  switch (random.below(3)) {
    case 0: {
      static constexpr std::array hosts{"", "shop.example", "Shop.Example.", "[::1]"};
      using enum snapshot::Redirect::Code;
      static constexpr std::array codes{moved_permanently, found, see_other, temporary_redirect,
                                        permanent_redirect};
      snapshot::Redirect redirect{.scheme = static_cast<snapshot::Redirect::Scheme>(random.below(3)),
                                  .host = hosts[random.below(hosts.size())],
                                  .port = static_cast<std::uint16_t>(1 + random.below(65535)),
                                  .path_kind = static_cast<snapshot::Redirect::Path>(random.below(3)),
                                  .path = {},
                                  .code = codes[random.below(codes.size())]};
      if (redirect.path_kind != snapshot::Redirect::Path::as_asked) redirect.path = "/new";
      return redirect;
    }
    case 1: return snapshot::Reply{static_cast<std::uint16_t>(400 + random.below(200)), random_text(random)};
    default: {
      snapshot::Forward forward{.to = {},
                                .timeout = std::chrono::milliseconds(random.below(3) * 1500),
                                .idle_timeout = std::chrono::milliseconds(random.below(3) * 1500),
                                .host = random.below(3) == 0 ? "host.example:80" : "",
                                .headers = random_changes(random),
                                .missing_is_error = random.below(3) == 0,
                                .limited_by = random.below(3) == 0 ? "HTTPRoute default/canary" : ""};
      for (auto targets = 1 + random.below(3); targets > 0; --targets) {
        forward.to.push_back(
            {"c" + std::to_string(targets), static_cast<std::uint32_t>(random.below(3) + targets % 2)});
      }
      return forward;
    }
  }
}

inline snapshot::RouteTable random_routes(base::Random& random, std::string name) {
  snapshot::RouteTable table{std::move(name), {}, random_origin(random)};
  for (auto hosts = random.below(3); hosts > 0; --hosts) {
    const auto number = std::to_string(hosts);
    snapshot::VirtualHost host{random_text(random), {"h" + number, "*.h" + number + ":80"}, {}};
    if (hosts == 1) host.domains.push_back("*");
    for (auto routes = random.below(4); routes > 0; --routes) {
      host.routes.push_back({.name = random_text(random),
                             .match = random_match(random),
                             .action = random_action(random),
                             .origin = random_origin(random)});
    }
    table.virtual_hosts.push_back(std::move(host));
  }
  return table;
}

/// Any Snapshot that is valid: listeners lead to route tables or clusters that it has.
inline snapshot::Snapshot random_snapshot(base::Random& random) {
  snapshot::Snapshot made{
      .context = {"ns" + std::to_string(random.below(3)), "w" + std::to_string(random.below(9))},
      .identity = random_text(random),
      .listeners = {},
      .routes = {},
      .clusters = {}};
  // One digit each, so that the order of making is that of the names.
  auto clusters = 1 + random.below(5);
  auto tables = 1 + random.below(4);
  for (std::uint64_t i = 0; i < clusters; ++i)
    made.clusters.push_back(random_cluster(random, "c" + std::to_string(i)));
  for (std::uint64_t i = 0; i < tables; ++i)
    made.routes.push_back(random_routes(random, "r" + std::to_string(i)));
  for (std::uint64_t i = 0, count = random.below(6); i < count; ++i) {
    snapshot::Listener listener;
    listener.name = "l" + std::to_string(i);
    const auto is_taken = [&](const snapshot::Listener& other) { return other.address == listener.address; };
    do listener.address = random_address(random);
    while (std::ranges::any_of(made.listeners, is_taken));
    listener.direction = static_cast<snapshot::Direction>(random.below(3));
    listener.service = random_text(random);
    listener.service_ns = random_text(random);
    listener.service_port = static_cast<std::uint16_t>(random.below(2) * random.below(65536));
    listener.origin = random_origin(random);
    if (random.below(3) == 0) listener.drain = std::chrono::milliseconds(random.below(3) * 1500);
    using enum snapshot::ListenerProtocol;
    static constexpr std::array protocols{http, automatic, tcp, tls};
    listener.protocol = protocols[random.below(protocols.size())];
    listener.proxy_protocol = random.below(3) == 0;
    const auto limit = [&] { return std::chrono::milliseconds(random.below(3) * 1500); };
    if (takes_http(listener.protocol)) {
      listener.allow_connect = random.below(2) != 0;
      listener.trusted_hops = static_cast<std::uint32_t>(random.below(3));
      listener.routes = "r" + std::to_string(random.below(tables));
      if (random.below(3) > 0) listener.idle_timeout = limit();
    }
    if (takes_bytes(listener.protocol)) listener.cluster = "c" + std::to_string(random.below(clusters));
    if (listener.protocol != http && random.below(3) > 0) listener.opaque_idle_timeout = limit();
    for (auto names = listener.protocol == tls ? 1 + random.below(3) : 0; names > 0; --names) {
      const auto number = std::to_string(names);
      listener.sni.push_back({{"h" + number, "*.h" + number}, "c" + std::to_string(random.below(clusters))});
      if (names == 1 && random.below(2)) listener.sni.back().hosts = {"*"};
    }
    made.listeners.push_back(std::move(listener));
  }
  return made;
}

/// What a proxy gets that a listener leads to.
inline snapshot::Snapshot reachable(snapshot::Snapshot snapshot) {
  snapshot.routes.erase_if([&](const snapshot::RouteTable& routes) {
    return std::ranges::none_of(snapshot.listeners, [&](const snapshot::Listener& listener) {
      return takes_http(listener.protocol) && listener.routes == routes.name;
    });
  });
  return snapshot;
}

}  // namespace weft::xds
