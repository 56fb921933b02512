#include "snapshot/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "base/clock.h"
#include "base/nearest.h"
#include "snapshot/config_codes.h"
#include "snapshot/patterns.h"
#include "yaml/node.h"
#include "yaml/parse.h"

namespace weft::snapshot {
namespace {

using yaml::Node;

/// The words of one closed set in the file.
template <class Value>
struct Word {
  std::string_view text;
  Value value;
};

constexpr Word<Protocol> listener_protocols[] = {{"http", Protocol::http1}, {"tcp", Protocol::tcp}};
constexpr Word<Protocol> cluster_protocols[] = {{"http1", Protocol::http1}, {"tcp", Protocol::tcp}};
constexpr Word<LoadBalancing> policies[] = {{"least_request", LoadBalancing::least_request},
                                            {"round_robin", LoadBalancing::round_robin}};

/// The virtual host of one domain while its routes are read.
struct Host {
  std::size_t number = 0;
  /// The paths of its routes so far, by kind.
  std::map<Match::Path, std::set<std::string, std::less<>>> paths;

  /// Adds the path of a route. False if the routes before it take all of its.
  bool add(const Match& match) {
    const std::string_view path = match.path;
    for (std::size_t size = 0; size <= path.size(); ++size) {
      const auto front = path.substr(0, size);
      if (paths[Match::Path::prefix].contains(front)) return false;
      const bool is_segment = size == path.size() || path[size] == '/';
      if (is_segment && paths[Match::Path::segments].contains(front)) return false;
    }
    return paths[match.path_kind].insert(match.path).second;
  }
};

/// Reads the nodes of one file into a Snapshot and notes what is wrong with them.
class ConfigReader {
 public:
  explicit ConfigReader(const yaml::Source& source) : source_(source) {}

  void read(const Node& root);
  Snapshot snapshot;
  base::Diagnostics diagnostics;

 private:
  void error(std::string_view code, base::Position position, std::string message, std::string mend) {
    diagnostics.add(base::Severity::error,
                    [&] { return source_.error(code, position, std::move(message), std::move(mend)); });
  }
  /// Whether `node` is a map; its fields that are not in `known` are errors.
  bool map_of(const Node& node, std::string_view what, std::initializer_list<std::string_view> known);
  const yaml::List* list_of(const Node& parent, std::string_view field, bool is_required);
  /// The field's text; nothing (and an error if it is required) if it is not there.
  std::optional<std::string> text(const Node& map, std::string_view field, bool is_required);
  std::optional<base::Address> address(const Node& node);
  template <class Value, std::size_t size>
  Value word(const Node& map, std::string_view field, const Word<Value> (&words)[size]);
  /// Zero is a value only where it means that there is no limit.
  enum class Zero : bool { refused, no_limit };
  void duration(const Node& map, std::string_view field, std::chrono::milliseconds& into,
                Zero zero = Zero::refused);
  /// "; the first is at proxy.yaml:4:3".
  std::string first_at(base::Position position) const {
    return fmt::format("; the first is at {}:{}:{}", source_.file(), position.line, position.column);
  }
  void count(const Node& map, std::string_view field, std::uint32_t& into, std::uint32_t least = 1);
  void flag(const Node& map, std::string_view field, bool& into);

  void cluster(const Node& node);
  using Places = std::map<base::Address, base::Position>;
  void endpoint(const Node& node, Cluster& into, Places& known);
  void listener(const Node& node);
  void routes(const Node& node, Listener& listener);
  void timeout(const Node& node, Route& route);
  std::optional<Route> route(const Node& node, std::size_t number);
  std::vector<std::string> hosts(const Node& node);
  std::string cluster_name(const Node& map, Protocol protocol);

  const yaml::Source& source_;
  struct KnownCluster {
    Protocol protocol;
    base::Position position;
  };
  std::map<std::string, KnownCluster> clusters_;
  std::map<std::string, base::Position> listener_names_;
  Places listener_addresses_;
};

bool ConfigReader::map_of(const Node& node, std::string_view what,
                          std::initializer_list<std::string_view> known) {
  const auto* map = node.map();
  if (map == nullptr) {
    error(code::wrong_type, node.position,
          fmt::format("{} must be a map, not {}", what, yaml::type_name(node)),
          fmt::format("write the fields of {}", what));
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

const yaml::List* ConfigReader::list_of(const Node& parent, std::string_view field, bool is_required) {
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
          "put \"- \" before each of its items");
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
  if (const auto* text = node->string(); text != nullptr && !text->empty()) return *text;
  error(code::wrong_type, node->position,
        fmt::format("{} must be a string, not {}", field, yaml::type_name(*node)), "put it in quotes");
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

template <class Value, std::size_t size>
Value ConfigReader::word(const Node& map, std::string_view field, const Word<Value> (&words)[size]) {
  const auto* node = map.find(field);
  if (node == nullptr) return words[0].value;
  const auto* text = node->string();
  const auto found =
      std::ranges::find_if(words, [&](const auto& one) { return text != nullptr && one.text == *text; });
  if (found != std::end(words)) return found->value;
  std::vector<std::string_view> known;
  for (const auto& one : words) known.push_back(one.text);
  error(code::bad_value, node->position, fmt::format("{} cannot be that", field),
        fmt::format("use one of {}", fmt::join(known, ", ")));
  return words[0].value;
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

void ConfigReader::count(const Node& map, std::string_view field, std::uint32_t& into, std::uint32_t least) {
  const auto* node = map.find(field);
  if (node == nullptr) return;
  const auto* number = node->integer();
  if (number == nullptr || *number < least || *number > 1'000'000) {
    error(code::bad_value, node->position,
          fmt::format("{} must be a whole number from {} to 1000000", field, least),
          "leave it out for the default");
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
  if (!map_of(node, "a cluster",
              {"name", "protocol", "endpoints", "loadBalancing", "connectTimeout", "maxConnections",
               "maxPending", "maxRequestsPerConnection", "maxConnectionAge", "idleTimeout"})) {
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

std::string ConfigReader::cluster_name(const Node& map, Protocol protocol) {
  const auto name = text(map, "cluster", true);
  if (!name) return {};
  const auto found = clusters_.find(*name);
  if (found == clusters_.end()) {
    std::vector<std::string_view> known;
    for (const auto& [cluster, unused] : clusters_) known.push_back(cluster);
    const auto near = base::nearest(*name, known);
    error(code::unknown_cluster, map.find("cluster")->position, fmt::format("there is no cluster {}", *name),
          near.empty() ? "add it to clusters" : fmt::format("did you mean {}?", near));
  } else if (found->second.protocol != protocol) {
    error(code::bad_value, map.find("cluster")->position,
          fmt::format("cluster {} does not speak the listener's protocol", *name),
          "use protocol http with http1, tcp with tcp");
  }
  return *name;
}

std::vector<std::string> ConfigReader::hosts(const Node& node) {
  const auto* list = list_of(node, "hosts", false);
  if (list == nullptr) return {"*"};
  if (list->empty()) {
    error(code::bad_value, node.find("hosts")->position, "no host can reach a route with no hosts",
          "name some, or leave hosts out for all");
  }
  std::vector<std::string> hosts;
  std::map<std::string, base::Position> known;
  for (const auto& item : *list) {
    const auto* host = item.string();
    if (host == nullptr || host->empty()) {
      error(code::wrong_type, item.position, "a host must be a string", "put it in quotes");
      continue;
    }
    const auto domain = parse_domain(*host);
    if (!domain) {
      error(code::bad_value, item.position, std::string(describe(domain.error()).what),
            std::string(describe(domain.error()).mend));
    } else if (domain->has_port) {
      error(code::bad_value, item.position, "hosts are matched without their port", "remove it");
    } else if (const auto [first, is_new] = known.try_emplace(domain->to_string(), item.position); !is_new) {
      error(code::duplicate, item.position, "this host is there twice" + first_at(first->second),
            "remove one");
    } else {
      hosts.push_back(first->first);
    }
  }
  return hosts;
}

void ConfigReader::timeout(const Node& node, Route& route) {
  duration(node, "timeout", route.timeout, Zero::no_limit);
  // Who sets no limit for the response's head expects none within it.
  if (route.timeout == std::chrono::milliseconds::zero()) route.idle_timeout = {};
}

std::optional<Route> ConfigReader::route(const Node& node, std::size_t number) {
  if (!map_of(node, "a route", {"hosts", "prefix", "path", "cluster", "timeout", "idleTimeout"}))
    return std::nullopt;
  Route route;
  route.name = fmt::format("{}", number);
  const auto prefix = text(node, "prefix", false);
  const auto path = text(node, "path", false);
  if (prefix && path) {
    error(code::bad_value, node.position, "a route has either prefix or path", "remove one of them");
  }
  if (path) route.match = {Match::Path::exact, *path};
  if (prefix) route.match = {prefix->ends_with('/') ? Match::Path::prefix : Match::Path::segments, *prefix};
  if (const auto fault = fault_of(route.match)) {
    error(code::bad_value, node.find(path ? "path" : "prefix")->position, std::string(describe(*fault).what),
          std::string(describe(*fault).mend));
  }
  route.cluster = cluster_name(node, Protocol::http1);
  timeout(node, route);
  duration(node, "idleTimeout", route.idle_timeout, Zero::no_limit);
  return route;
}

void ConfigReader::routes(const Node& node, Listener& listener) {
  auto& table = snapshot.routes.emplace_back();
  table.name = listener.name;
  listener.routes = listener.name;
  if (node.find("routes") == nullptr) {
    Route all;
    all.name = "all";
    all.cluster = cluster_name(node, Protocol::http1);
    timeout(node, all);
    table.virtual_hosts.push_back({"all", {"*"}, {std::move(all)}});
    return;
  }
  if (const auto* both = node.find("cluster")) {
    error(code::bad_value, both->position, "a listener has either cluster or routes", "remove one of them");
  }
  const auto* list = list_of(node, "routes", true);
  if (list == nullptr) return;
  std::map<std::string, Host> known;
  std::size_t number = 0;
  for (const auto& item : *list) {
    const auto read = route(item, number++);
    if (!read) continue;
    // Each host has the routes that name it, so that the lists of two routes may share some.
    bool is_reached = false;
    const auto domains = hosts(item);
    for (const auto& domain : domains) {
      const auto [host, is_new] = known.try_emplace(domain);
      if (is_new) {
        host->second.number = table.virtual_hosts.size();
        table.virtual_hosts.push_back({domain, {domain}, {}});
      }
      if (host->second.add(read->match)) is_reached = true;
      table.virtual_hosts[host->second.number].routes.push_back(*read);
    }
    if (!is_reached && !domains.empty()) {
      error(code::bad_value, item.position, "no request reaches this route: those before it take all of its",
            "put it before them, or remove it");
    }
  }
}

void ConfigReader::listener(const Node& node) {
  if (!map_of(node, "a listener",
              {"name", "address", "protocol", "cluster", "routes", "timeout", "connect", "idleTimeout",
               "trustedHops"}))
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
  duration(node, "idleTimeout", listener.idle_timeout);
  flag(node, "connect", listener.allow_connect);
  count(node, "trustedHops", listener.trusted_hops, 0);
  if (listener.protocol == Protocol::tcp) {
    for (const auto* field : {"routes", "timeout", "connect", "trustedHops"}) {
      if (const auto* http_only = node.find(field)) {
        error(code::bad_value, http_only->position, fmt::format("a tcp listener has no {}", field),
              field == std::string_view("routes") ? "name a cluster" : "remove it");
      }
    }
    listener.cluster = cluster_name(node, Protocol::tcp);
  } else {
    routes(node, listener);
  }
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

}  // namespace

std::expected<Snapshot, base::Diagnostics> parse_config(std::string_view text, std::string_view file) {
  const yaml::Source source{std::string(file), std::string(text)};
  auto parsed = yaml::parse(source);
  if (base::has_errors(parsed.diagnostics)) return std::unexpected(std::move(parsed.diagnostics));
  if (parsed.documents.size() != 1) {
    return std::unexpected(base::Diagnostics{source.error(
        code::documents, {1, 1}, fmt::format("the file has {} documents", parsed.documents.size()),
        "write exactly one, that begins with \"version: 1\"")});
  }
  ConfigReader reader(source);
  reader.read(parsed.documents.front());
  if (base::has_errors(reader.diagnostics)) return std::unexpected(std::move(reader.diagnostics));
  return std::move(reader.snapshot);
}

}  // namespace weft::snapshot
