#include "snapshot/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "base/clock.h"
#include "base/nearest.h"
#include "snapshot/config_codes.h"
#include "snapshot/config_reader.h"
#include "yaml/parse.h"

namespace weft::snapshot {
namespace {

using yaml::Node;

constexpr Word<ListenerProtocol> listener_protocols[] = {{"http", ListenerProtocol::http},
                                                         {"auto", ListenerProtocol::automatic},
                                                         {"tcp", ListenerProtocol::tcp},
                                                         {"tls", ListenerProtocol::tls}};
constexpr Word<ClusterProtocol> cluster_protocols[] = {{"http1", ClusterProtocol::http1},
                                                       {"http2", ClusterProtocol::http2},
                                                       {"auto", ClusterProtocol::automatic},
                                                       {"tcp", ClusterProtocol::tcp}};
constexpr Word<ProxyProtocol> proxy_protocols[] = {
    {"none", ProxyProtocol::none}, {"v1", ProxyProtocol::v1}, {"v2", ProxyProtocol::v2}};
constexpr Word<LoadBalancing> policies[] = {{"least_request", LoadBalancing::least_request},
                                            {"round_robin", LoadBalancing::round_robin}};

template <class Value, std::size_t size>
std::string_view find_word(const Word<Value> (&words)[size], Value value) {
  return std::ranges::find(words, value, &Word<Value>::value)->text;
}

}  // namespace

bool ConfigReader::map_of(const Node& node, std::string_view what,
                          std::initializer_list<std::string_view> known, std::string_view example) {
  const auto* map = node.map();
  if (map == nullptr) {
    error(code::wrong_type, node.position,
          fmt::format("{} must be a map, not {}", what, yaml::type_name(node)),
          example.empty() ? fmt::format("write the fields of {}", what)
                          : fmt::format("write it like {}", example));
    return false;
  }
  for (const auto& entry : *map) {
    if (std::ranges::find(known, entry.key) != known.end()) continue;
    const auto near = base::nearest(entry.key, {known.begin(), known.size()});
    error(code::unknown_field, entry.position, fmt::format("{} has no field {}", what, entry.key),
          near.empty() ? fmt::format("remove it; there are {}", fmt::join(known, ", "))
                       : fmt::format("did you mean {}?", near));
  }
  return true;
}

const yaml::List* ConfigReader::list_of(const Node& parent, std::string_view field, bool is_required,
                                        std::string_view example) {
  const auto* node = parent.find(field);
  if (node == nullptr) {
    if (is_required) {
      error(code::missing_field, parent.position, fmt::format("{} is missing", field),
            fmt::format("add {}", field));
    }
    return nullptr;
  }
  if (node->list() == nullptr) {
    error(code::wrong_type, node->position,
          fmt::format("{} must be a list, not {}", field, yaml::type_name(*node)),
          example.empty() ? "put \"- \" before each of its items"
                          : fmt::format("write it like {}: {}", field, example));
  }
  return node->list();
}

std::optional<std::string> ConfigReader::text(const Node& map, std::string_view field, bool is_required) {
  const auto* node = map.find(field);
  if (node == nullptr) {
    if (is_required) {
      error(code::missing_field, map.position, fmt::format("{} is missing", field),
            fmt::format("add {}", field));
    }
    return std::nullopt;
  }
  const auto* text = node->string();
  if (text != nullptr && !text->empty()) return *text;
  if (text != nullptr || node->is_null()) {
    error(code::bad_value, node->position, fmt::format("{} is empty", field),
          is_required ? "write a value behind it" : "write a value behind it, or leave it out");
  } else {
    error(code::wrong_type, node->position,
          fmt::format("{} must be a string, not {}", field, yaml::type_name(*node)),
          std::string(as_text(*node)));
  }
  return std::nullopt;
}

std::optional<base::Address> ConfigReader::address(const Node& node) {
  if (const auto* text = node.string()) {
    if (const auto address = base::Address::parse(*text)) return address;
  }
  error(code::bad_value, node.position, "this is not an address",
        "write it as \"127.0.0.1:8080\", \"[::1]:8080\" or \"unix:/path\"");
  return std::nullopt;
}

void ConfigReader::duration(const Node& map, std::string_view field, std::chrono::milliseconds& into,
                            Zero zero) {
  const auto* node = map.find(field);
  if (node == nullptr) return;
  const auto* text = node->string();
  const auto parsed = text != nullptr ? base::parse_duration(*text) : std::nullopt;
  if (!parsed || *parsed < base::Duration::zero()) {
    error(code::bad_value, node->position, fmt::format("{} must be a duration", field),
          "write it as \"250ms\", \"5s\" or \"1m30s\"");
    return;
  }
  if (*parsed == base::Duration::zero() && zero == Zero::refused) {
    error(code::bad_value, node->position, fmt::format("{} must be longer than nothing", field),
          "leave it out for the default, or write a long one, like \"24h\"");
    return;
  }
  into = std::chrono::ceil<std::chrono::milliseconds>(*parsed);
}

void ConfigReader::count(const Node& map, std::string_view field, std::uint32_t& into, std::uint32_t least,
                         std::uint32_t most) {
  const auto* node = map.find(field);
  if (node == nullptr) return;
  const auto* number = node->integer();
  if (number == nullptr || *number < least || *number > most) {
    error(code::bad_value, node->position,
          fmt::format("{} must be a whole number from {} to {}", field, least, most),
          "write the number alone, or leave it out for the default");
    return;
  }
  into = static_cast<std::uint32_t>(*number);
}

void ConfigReader::flag(const Node& map, std::string_view field, bool& into) {
  const auto* node = map.find(field);
  if (node == nullptr) return;
  if (const auto* value = node->boolean()) {
    into = *value;
  } else {
    error(code::wrong_type, node->position, fmt::format("{} must be true or false", field),
          "write true or false");
  }
}

void ConfigReader::endpoint(const Node& node, Cluster& into, Places& known) {
  Endpoint endpoint;
  if (node.is_map()) {
    map_of(node, "an endpoint", {"address", "weight"});
    const auto* where = node.find("address");
    if (where == nullptr) {
      error(code::missing_field, node.position, "address is missing", "add address");
      return;
    }
    const auto parsed = address(*where);
    if (!parsed) return;
    endpoint.address = *parsed;
    count(node, "weight", endpoint.weight);
  } else {
    const auto parsed = address(node);
    if (!parsed) return;
    endpoint.address = *parsed;
  }
  const auto [first, is_new] = known.try_emplace(endpoint.address, node.position);
  if (!is_new) {
    error(code::duplicate, node.position, "this endpoint is there twice" + first_at(first->second),
          "remove one; use weight to send it more");
    return;
  }
  into.endpoints.push_back(std::move(endpoint));
}

void ConfigReader::cluster(const Node& node) {
  if (!map_of(
          node, "a cluster",
          {"name", "protocol", "endpoints", "loadBalancing", "connectTimeout", "maxConnections", "maxPending",
           "maxRequestsPerConnection", "maxConnectionAge", "idleTimeout", "proxyProtocol", "tls"})) {
    return;
  }
  Cluster cluster;
  cluster.name = text(node, "name", true).value_or("");
  cluster.protocol = word(node, "protocol", cluster_protocols);
  cluster.load_balancing = word(node, "loadBalancing", policies);
  duration(node, "connectTimeout", cluster.connect_timeout);
  count(node, "maxConnections", cluster.max_connections);
  count(node, "maxPending", cluster.max_pending);
  count(node, "maxRequestsPerConnection", cluster.max_requests_per_connection);
  duration(node, "maxConnectionAge", cluster.max_connection_age, Zero::no_limit);
  duration(node, "idleTimeout", cluster.idle_timeout);
  cluster.proxy_protocol = word(node, "proxyProtocol", proxy_protocols);
  if (cluster.proxy_protocol != ProxyProtocol::none && takes_http(cluster.protocol)) {
    error(code::bad_value, node.find("proxyProtocol")->position,
          "proxyProtocol tells of one client, and connections for requests are shared by many",
          "write protocol: tcp, or remove it; requests have x-forwarded-for");
  }
  cluster.tls = client_tls(node);
  if (const auto* list = list_of(node, "endpoints", true)) {
    Places known;
    for (const auto& item : *list) endpoint(item, cluster, known);
  }
  if (cluster.name.empty()) return;
  const auto [first, is_new] = clusters_.try_emplace(cluster.name, cluster.protocol, node.position);
  if (!is_new) {
    error(code::duplicate, node.position,
          fmt::format("cluster {} is there twice{}", cluster.name, first_at(first->second.position)),
          "rename one of them");
    return;
  }
  snapshot.clusters.push_back(std::move(cluster));
}

std::string ConfigReader::cluster_name(const Node& map, Carries what) {
  const auto name = text(map, "cluster", true);
  if (!name) return {};
  const auto found = clusters_.find(*name);
  if (found == clusters_.end()) {
    std::vector<std::string_view> known;
    for (const auto& [cluster, unused] : clusters_) known.push_back(cluster);
    const auto near = base::nearest(*name, known);
    error(code::unknown_cluster, map.find("cluster")->position, fmt::format("there is no cluster {}", *name),
          near.empty() ? "add it to clusters" : fmt::format("did you mean {}?", near));
  } else if ((what != Carries::bytes && !takes_http(found->second.protocol)) ||
             (what != Carries::http && !takes_bytes(found->second.protocol))) {
    error(code::bad_value, map.find("cluster")->position,
          fmt::format("cluster {} does not speak the listener's protocol", *name),
          what == Carries::http    ? "requests go to one of http1, http2 or auto"
          : what == Carries::bytes ? "bytes go to one of tcp or auto"
                                   : "requests and bytes go to one of auto; or add routes for the requests");
  }
  return *name;
}

void ConfigReader::check_fields(const Node& node, const Listener& listener) {
  const auto refuse = [&](std::string_view field, std::string mend) {
    if (const auto* found = node.find(field)) {
      error(code::bad_value, found->position,
            fmt::format("a {} listener has no {}", find_word(listener_protocols, listener.protocol), field),
            std::move(mend));
    }
  };
  const bool is_tls = listener.protocol == ListenerProtocol::tls;
  if (!takes_http(listener.protocol)) {
    refuse("routes", is_tls ? "name hosts and a cluster in sni" : "name a cluster");
    for (const auto* field : {"timeout", "connect", "trustedHops"}) refuse(field, "remove it");
  }
  if (is_tls) refuse("cluster", "name it in sni");
  if (is_tls)
    refuse("tls", "TLS is passed through: remove it, or end it here with protocol: http, auto or tcp");
  if (!is_tls) refuse("sni", "write protocol: tls, or remove it");
}

void ConfigReader::server_names(const Node& node, Listener& listener) {
  constexpr auto* example = "{hosts: [shop.example], cluster: shop}";
  const auto* list = list_of(node, "sni", true, fmt::format("[{}]", example));
  if (list == nullptr) return;
  std::map<std::string, base::Position> known;
  for (const auto& item : *list) {
    if (!map_of(item, "an item of sni", {"hosts", "cluster"}, example)) continue;
    ServerNames names{hosts(item), cluster_name(item, Carries::bytes)};
    for (const auto& host : names.hosts) {
      const auto [first, is_new] = known.try_emplace(host, item.position);
      if (!is_new) {
        error(code::duplicate, item.position,
              fmt::format("host {} is there twice{}", host, first_at(first->second)), "remove one");
      }
    }
    listener.sni.push_back(std::move(names));
  }
}

void ConfigReader::listener(const Node& node) {
  if (!map_of(node, "a listener",
              {"name", "address", "protocol", "cluster", "routes", "timeout", "connect", "idleTimeout",
               "trustedHops", "proxyProtocol", "tls", "sni"}))
    return;
  Listener listener;
  listener.direction = Direction::edge;
  listener.protocol = word(node, "protocol", listener_protocols);
  const auto* where = node.find("address");
  if (where == nullptr) {
    error(code::missing_field, node.position, "address is missing", "add address, like \"127.0.0.1:8080\"");
    return;
  }
  const auto parsed = address(*where);
  if (!parsed) return;
  listener.address = *parsed;
  listener.name = text(node, "name", false).value_or(parsed->to_string());
  listener.origin = {.kind = "file",
                     .ns = {},
                     .name = fmt::format("{}:{}", source_.file(), node.position.line),
                     .field = {}};
  const auto [same_name, is_new_name] = listener_names_.try_emplace(listener.name, node.position);
  const auto [same_address, is_new] = listener_addresses_.try_emplace(listener.address, node.position);
  if (!is_new_name || !is_new) {
    error(code::duplicate, node.position,
          fmt::format("another listener has this {}{}", is_new_name ? "address" : "name",
                      first_at(is_new_name ? same_address->second : same_name->second)),
          "change one of them");
    return;
  }
  if (std::chrono::milliseconds limit{}; node.find("idleTimeout") != nullptr) {
    duration(node, "idleTimeout", limit);
    if (takes_http(listener.protocol)) listener.idle_timeout = limit;
    if (listener.protocol != ListenerProtocol::http) listener.opaque_idle_timeout = limit;
  }
  flag(node, "connect", listener.allow_connect);
  flag(node, "proxyProtocol", listener.proxy_protocol);
  count(node, "trustedHops", listener.trusted_hops, 0);
  listener.tls = server_tls(node);
  check_fields(node, listener);
  const bool has_requests = takes_http(listener.protocol) && node.find("routes") == nullptr;
  if (takes_bytes(listener.protocol))
    listener.cluster = cluster_name(node, has_requests ? Carries::both : Carries::bytes);
  if (takes_http(listener.protocol)) routes(node, listener);
  if (listener.protocol == ListenerProtocol::tls) server_names(node, listener);
  snapshot.listeners.push_back(std::move(listener));
}

void ConfigReader::read(const Node& root) {
  if (!map_of(root, "the file", {"version", "listeners", "clusters"})) return;
  const auto* version = root.find("version");
  if (version == nullptr || version->integer() == nullptr || *version->integer() != 1) {
    error(version == nullptr ? code::missing_field : code::bad_value,
          version == nullptr ? root.position : version->position, "this file's version is not 1",
          "begin the file with \"version: 1\"");
  }
  snapshot.context = edge_context;
  if (const auto* list = list_of(root, "clusters", true)) {
    for (const auto& item : *list) cluster(item);
  }
  if (const auto* list = list_of(root, "listeners", true)) {
    for (const auto& item : *list) listener(item);
  }
  snapshot.listeners.sort();
  snapshot.routes.sort();
  snapshot.clusters.sort();
}

std::expected<Snapshot, base::Diagnostics> parse_config(std::string_view text, std::string_view file,
                                                        const ReadFile& read, const CheckTls& check) {
  const yaml::Source source{std::string(file), std::string(text)};
  auto parsed = yaml::parse(source);
  if (base::has_errors(parsed.diagnostics)) return std::unexpected(std::move(parsed.diagnostics));
  if (parsed.documents.size() != 1) {
    return std::unexpected(base::Diagnostics{source.error(
        code::documents, {1, 1}, fmt::format("the file has {} documents", parsed.documents.size()),
        "write exactly one, that begins with \"version: 1\"")});
  }
  ConfigReader reader(source, read, check);
  reader.read(parsed.documents.front());
  if (base::has_errors(reader.diagnostics)) return std::unexpected(std::move(reader.diagnostics));
  return std::move(reader.snapshot);
}

}  // namespace weft::snapshot
