#include "decide/decide.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <deque>
#include <functional>
#include <limits>
#include <unordered_map>

#include <fmt/format.h>

#include "base/host.h"
#include "message/authority.h"
#include "message/syntax.h"
#include "snapshot/patterns.h"

namespace weft::decide {
namespace {

/// An authority as domains compare it: the host in lower case, without the root's dot, an IPv6 address in its
/// one spelling; behind it the port, if there is one, in its shortest form. Empty if it is none.
class HostText {
 public:
  explicit HostText(std::string_view authority) {
    const auto parts = message::split_authority(authority);
    if (!parts) return;
    auto host = parts->host;
    if (host.ends_with('.')) host.remove_suffix(1);
    const auto ipv6 = host.starts_with('[') ? base::canonical_ipv6(host) : std::nullopt;
    if (ipv6) host = *ipv6;
    host_size_ = host.size();
    std::ranges::transform(host, text_.begin(), message::ascii_lower);
    size_ = host_size_;
    if (!parts->port) return;
    text_[size_++] = ':';
    size_ = static_cast<std::size_t>(
        std::to_chars(text_.data() + size_, text_.data() + text_.size(), *parts->port).ptr - text_.data());
  }
  bool has_port() const { return size_ > host_size_; }
  std::string_view host() const { return {text_.data(), host_size_}; }
  std::string_view with_port() const { return {text_.data(), size_}; }

 private:
  std::array<char, base::max_host_bytes + sizeof ":65535"> text_;
  std::size_t host_size_ = 0;
  std::size_t size_ = 0;
};

std::string_view without_query(std::string_view path) { return path.substr(0, path.find('?')); }
std::string_view query_of(std::string_view path) {
  const auto mark = path.find('?');
  return mark == std::string_view::npos ? std::string_view() : path.substr(mark + 1);
}

/// "*" asks about the host as a whole (RFC 9110, 9.3.7), and CONNECT has no path: whoever takes all paths
/// takes those too.
bool takes_path(const snapshot::Match& match, std::string_view path) {
  switch (match.path_kind) {
    case snapshot::Match::Path::prefix:
      return path.starts_with(match.path) || (!path.starts_with('/') && match.path == "/");
    case snapshot::Match::Path::segments:
      return path.starts_with(match.path) &&
             (path.size() == match.path.size() || path[match.path.size()] == '/');
    case snapshot::Match::Path::exact: return path == match.path;
  }
  return false;
}

bool takes_method(const snapshot::Match& match, std::string_view method) {
  return match.method.empty() || match.method == method;
}

bool holds(const snapshot::HeaderMatch& condition, const message::Headers& headers) {
  if (!condition.value) return headers.has(condition.name);
  std::string_view rest = *condition.value;
  bool is_there = false;
  for (const auto field : headers) {
    if (!message::equals_ignore_case(field.name, condition.name)) continue;
    if (is_there && !rest.starts_with(',')) return false;
    if (is_there) rest.remove_prefix(1);
    if (!rest.starts_with(field.value)) return false;
    rest.remove_prefix(field.value.size());
    is_there = true;
  }
  return is_there && rest.empty();
}

/// The first parameter of that name decides (Gateway API, HTTPQueryParamMatch).
bool holds(const snapshot::QueryMatch& condition, std::string_view query) {
  for (std::size_t begin = 0; begin < query.size();) {
    const auto end = std::min(query.find('&', begin), query.size());
    const auto parameter = query.substr(begin, end - begin);
    const auto equals = std::min(parameter.find('='), parameter.size());
    if (parameter.substr(0, equals) == condition.name)
      return !condition.value || parameter.substr(std::min(equals + 1, parameter.size())) == *condition.value;
    begin = end + 1;
  }
  return false;
}

std::uint64_t field_of(const snapshot::HeaderMatch& condition) {
  return message::Headers::bit(message::identify_field(condition.name));
}

/// Whether a request whose path is taken meets all else. `fields`: those of the conditions.
bool meets(const snapshot::Match& match, std::uint64_t fields, const Request& request) {
  return takes_method(match, request.method) && (fields & request.unbelieved) == 0 &&
         std::ranges::all_of(match.headers, [&](const auto& one) { return holds(one, request.headers); }) &&
         std::ranges::all_of(match.query,
                             [&](const auto& one) { return holds(one, query_of(request.path)); });
}

/// Why the request does not meet the condition; empty if it does.
std::string fault_of(const snapshot::HeaderMatch& condition, const Request& request) {
  if ((field_of(condition) & request.unbelieved) != 0)
    return fmt::format("header {} is not believed of this client", condition.name);
  if (!request.headers.has(condition.name)) return fmt::format("there is no header {}", condition.name);
  if (holds(condition, request.headers)) return {};
  return fmt::format("header {} is not {}", condition.name, *condition.value);
}

std::string fault_of(const snapshot::QueryMatch& condition, std::string_view query) {
  if (holds(condition, query)) return {};
  if (!holds({condition.name, std::nullopt}, query))
    return fmt::format("the query has no parameter {}", condition.name);
  return fmt::format("parameter {} is not {}", condition.name, *condition.value);
}

std::string_view relation(snapshot::Match::Path kind, bool taken) {
  switch (kind) {
    case snapshot::Match::Path::prefix: return taken ? "begins with" : "does not begin with";
    case snapshot::Match::Path::segments: return taken ? "is or is below" : "is not and is not below";
    case snapshot::Match::Path::exact: return taken ? "is" : "is not";
  }
  return {};
}

/// What of `match` the request does not meet, else all that it meets. Values of fields may be secrets, and
/// are told of the Snapshot alone.
std::string reason(const snapshot::Match& match, const Request& request, std::string_view path) {
  const bool is_path = takes_path(match, path);
  auto text = fmt::format("path {} {} {}", path, relation(match.path_kind, is_path), match.path);
  if (!is_path) return text;
  if (!takes_method(match, request.method)) {
    return fmt::format("method {} is not {}", request.method, match.method);
  }
  for (const auto& condition : match.headers) {
    if (auto fault = fault_of(condition, request); !fault.empty()) return fault;
  }
  for (const auto& condition : match.query) {
    if (auto fault = fault_of(condition, query_of(request.path)); !fault.empty()) return fault;
  }
  if (!match.method.empty()) text += fmt::format(", method is {}", match.method);
  for (const auto& [name, value] : match.headers) {
    text +=
        value ? fmt::format(", header {} is {}", name, *value) : fmt::format(", header {} is there", name);
  }
  for (const auto& [name, value] : match.query) {
    text += value ? fmt::format(", parameter {} is {}", name, *value)
                  : fmt::format(", parameter {} is there", name);
  }
  return text;
}

}  // namespace

std::string_view describe(Refusal refusal) {
  switch (refusal) {
    case Refusal::no_route_table: return "the listener has no route table";
    case Refusal::no_virtual_host: return "no virtual host takes this host";
    case Refusal::no_route: return "no route takes this request";
    case Refusal::no_server_name: return "nothing takes this server name";
    case Refusal::no_cluster: return "the route's cluster does not exist";
    case Refusal::bad_cluster: return "the route names what it cannot lead to";
  }
  return {};
}

/// A route, and where it forwards to.
struct Index::Way {
  struct Target {
    const snapshot::Forward::Target* named = nullptr;
    std::size_t cluster = 0;  // its place, or `nowhere`
  };
  struct Share {
    /// Of the numbers below the sum of all weights, those from the share before on up to this one.
    std::uint64_t end;
    Target target;
  };
  const snapshot::Route* route;
  /// It asks for more than a path; for these fields, by Headers::bit().
  bool has_conditions;
  std::uint64_t fields = 0;
  /// Null if it does not forward.
  const snapshot::Forward* forward;
  /// Names nothing if there are shares.
  Target only;
  std::vector<Share> shares;

  Way(const snapshot::Route& from, const snapshot::Parts<snapshot::Cluster>& clusters);
  const Target& draw(base::Random& random) const;
  /// Why it is `target`.
  std::string why(const Target& target) const;
};

struct Index::Host {
  /// Null: server names of TLS, which lead to a cluster.
  const snapshot::VirtualHost* virtual_host;
  std::vector<Way> ways{};
  const snapshot::ServerNames* server_names = nullptr;
  std::size_t cluster = 0;
};

namespace {

/// The Snapshot has none of that name.
constexpr std::size_t nowhere = std::numeric_limits<std::size_t>::max();

bool have_same_names(const snapshot::Parts<snapshot::Cluster>& a,
                     const snapshot::Parts<snapshot::Cluster>& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a.shared(i) != b.shared(i) && a[i].name != b[i].name) return false;
  }
  return true;
}

/// Of a cluster that was found, and why it was looked for; or that does not exist (null).
Step cluster_step(const std::string& name, const snapshot::Cluster* found, std::string why) {
  if (found == nullptr) return {"cluster", name, false, "it does not exist", {}};
  return {"cluster", name, true, std::move(why), found->origin};
}

/// A number that no other list has.
std::uint64_t new_number() {
  static std::atomic<std::uint64_t> last = 0;
  return ++last;
}

}  // namespace

Index::Way::Way(const snapshot::Route& from, const snapshot::Parts<snapshot::Cluster>& clusters)
    : route(&from),
      has_conditions(!from.match.method.empty() || !from.match.headers.empty() || !from.match.query.empty()),
      forward(std::get_if<snapshot::Forward>(&from.action)) {
  for (const auto& condition : from.match.headers) fields |= field_of(condition);
  if (forward == nullptr) return;
  std::uint64_t end = 0;
  for (const auto& named : forward->to) {
    if (named.weight == 0) continue;
    end += named.weight;
    shares.push_back({end, {&named, clusters.place(named.cluster).value_or(nowhere)}});
  }
  if (shares.size() != 1) return;
  only = shares.front().target;
  shares.clear();
}

const Index::Way::Target& Index::Way::draw(base::Random& random) const {
  const auto number = random.below(shares.back().end);
  return std::ranges::upper_bound(shares, number, {}, &Share::end)->target;
}

std::string Index::Way::why(const Target& target) const {
  if (shares.empty()) return "the route names it";
  return fmt::format("{} of {} requests go there", target.named->weight, shares.back().end);
}

struct Index::Domains {
  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  using ByText = std::unordered_map<std::string, const Host*, TextHash, std::equal_to<>>;
  /// Of the domains with a star at one and the same end.
  struct Wildcards {
    ByText by_text;
    /// The sizes of their texts, the longest first.
    std::vector<std::size_t> sizes;
  };
  ByText exact;
  Wildcards suffixes;
  Wildcards prefixes;
  bool empty() const { return exact.empty() && suffixes.sizes.empty() && prefixes.sizes.empty(); }
};

struct Index::Table {
  std::vector<Host> hosts;
  Domains with_port;
  Domains without_port;
  const Host* any = nullptr;
};

struct Index::Ways {
  /// In the order of the Snapshot's; behind them one for each listener of TLS.
  std::deque<Table> tables;
  /// In the order of the listeners: the table, null if it does not exist; and the cluster of an opaque one.
  struct Way {
    const Table* table;
    std::size_t cluster;
  };
  std::vector<Way> of_listeners;

  explicit Ways(const snapshot::Snapshot& snapshot) {
    for (const auto& source : snapshot.routes) {
      auto& table = tables.emplace_back();
      table.hosts.reserve(source.virtual_hosts.size());
      for (const auto& virtual_host : source.virtual_hosts) {
        auto& host = table.hosts.emplace_back(&virtual_host);
        for (const auto& route : virtual_host.routes) {
          host.ways.emplace_back(route, snapshot.clusters);
        }
        for (const auto& domain : virtual_host.domains) add_domain(table, domain, host);
      }
    }
    for (const auto& listener : snapshot.listeners) {
      if (listener.protocol == snapshot::ListenerProtocol::tls) {
        of_listeners.push_back({&add_server_names(listener, snapshot), nowhere});
        continue;
      }
      const auto table = snapshot.routes.place(listener.routes);
      of_listeners.push_back(
          {table ? &tables[*table] : nullptr, snapshot.clusters.place(listener.cluster).value_or(nowhere)});
    }
  }
  const Table& add_server_names(const snapshot::Listener& listener, const snapshot::Snapshot& snapshot) {
    auto& table = tables.emplace_back();
    table.hosts.reserve(listener.sni.size());
    for (const auto& names : listener.sni) {
      const auto cluster = snapshot.clusters.place(names.cluster).value_or(nowhere);
      const auto& host = table.hosts.emplace_back(Host{nullptr, {}, &names, cluster});
      for (const auto& text : names.hosts) add_domain(table, text, host);
    }
    return table;
  }
};

Index::Index(const snapshot::Snapshot& snapshot, const Index* before)
    : snapshot_(snapshot),
      clusters_(before != nullptr && have_same_names(snapshot.clusters, before->snapshot_.clusters)
                    ? before->clusters_
                    : new_number()),
      listeners_(before != nullptr && snapshot.listeners.is_same(before->snapshot_.listeners)
                     ? before->listeners_
                     : new_number()) {
  const bool has_same_ways = before != nullptr && has_clusters_of(*before) && has_listeners_of(*before) &&
                             snapshot.routes.is_same(before->snapshot_.routes);
  ways_ = has_same_ways ? before->ways_ : std::make_shared<const Ways>(snapshot);
}

void Index::add_domain(Table& table, const std::string& text, const Host& host) {
  const auto domain = snapshot::parse_domain(text);
  if (!domain) return;  // no request can match it
  auto& domains = domain->has_port ? table.with_port : table.without_port;
  const auto add_wildcard = [&](Domains::Wildcards& wildcards) {
    wildcards.by_text.emplace(domain->text, &host);
    const auto size = domain->text.size();
    const auto at = std::ranges::lower_bound(wildcards.sizes, size, std::ranges::greater());
    if (at == wildcards.sizes.end() || *at != size) wildcards.sizes.insert(at, size);
  };
  switch (domain->kind) {
    case snapshot::Domain::Kind::any:
      if (table.any == nullptr) table.any = &host;
      return;
    case snapshot::Domain::Kind::exact: domains.exact.emplace(domain->text, &host); return;
    case snapshot::Domain::Kind::suffix: return add_wildcard(domains.suffixes);
    case snapshot::Domain::Kind::prefix: return add_wildcard(domains.prefixes);
  }
}

const Index::Host* Index::find(const Domains& domains, std::string_view host) {
  if (const auto exact = domains.exact.find(host); exact != domains.exact.end()) return exact->second;
  const auto longest = [&](const Domains::Wildcards& wildcards, auto part) -> const Host* {
    for (const auto size : wildcards.sizes) {
      if (size >= host.size()) continue;  // the star stands for something
      if (const auto found = wildcards.by_text.find(part(size)); found != wildcards.by_text.end()) {
        return found->second;
      }
    }
    return nullptr;
  };
  const auto* by_suffix =
      longest(domains.suffixes, [&](std::size_t size) { return host.substr(host.size() - size); });
  if (by_suffix != nullptr) return by_suffix;
  return longest(domains.prefixes, [&](std::size_t size) { return host.substr(0, size); });
}

[[gnu::always_inline]] const Index::Host* Index::find(const Table& table, std::string_view authority) {
  if (table.without_port.empty() && table.with_port.empty()) return table.any;
  const HostText text(authority);
  const Host* found = nullptr;
  if (text.has_port()) found = find(table.with_port, text.with_port());
  if (found == nullptr) found = find(table.without_port, text.host());
  return found != nullptr ? found : table.any;
}

void Index::explain(const Table& table, const Host* found, std::string_view authority, Trace& trace) {
  for (const auto& candidate : table.hosts) {
    const bool taken = &candidate == found;
    trace.push_back({"virtual host",
                     candidate.virtual_host->name,
                     taken,
                     fmt::format("its domains {} host {}", taken ? "take" : "do not take", authority),
                     {}});
  }
}

const snapshot::Cluster* Index::cluster(std::size_t place) const {
  return place == nowhere ? nullptr : &snapshot_.clusters[place];
}

std::expected<Decision, Refusal> Index::request(std::size_t listener, const Request& request,
                                                Trace* trace) const {
  const auto* table = ways_->of_listeners[listener].table;
  if (table == nullptr) return std::unexpected(Refusal::no_route_table);
  const auto* host = find(*table, request.host);
  if (trace != nullptr) explain(*table, host, request.host, *trace);
  if (host == nullptr) return std::unexpected(Refusal::no_virtual_host);
  const auto path = without_query(request.path);
  for (const auto& way : host->ways) {
    const auto& route = *way.route;
    const bool taken =
        takes_path(route.match, path) && (!way.has_conditions || meets(route.match, way.fields, request));
    if (trace != nullptr) {
      trace->push_back({"route", route.name, taken, reason(route.match, request, path), route.origin});
    }
    if (!taken) continue;
    if (way.forward == nullptr) return answered(*host, route);
    const auto& target = way.only.named != nullptr ? way.only : way.draw(request.random);
    const auto* found = cluster(target.cluster);
    if (trace != nullptr) trace->push_back(cluster_step(target.named->cluster, found, way.why(target)));
    if (found == nullptr)
      return std::unexpected(way.forward->missing_is_error ? Refusal::bad_cluster : Refusal::no_cluster);
    return Decision{host->virtual_host, &route, Forward{way.forward, found, target.cluster}};
  }
  return std::unexpected(Refusal::no_route);
}

Decision Index::answered(const Host& host, const snapshot::Route& route) {
  if (const auto* redirect = std::get_if<snapshot::Redirect>(&route.action))
    return {host.virtual_host, &route, redirect};
  return {host.virtual_host, &route, std::get_if<snapshot::Reply>(&route.action)};
}

std::expected<Forward, Refusal> Index::connection(std::size_t listener, std::string_view server_name,
                                                  Trace* trace) const {
  const auto& config = snapshot_.listeners[listener];
  const auto& way = ways_->of_listeners[listener];
  const Host* host = nullptr;
  if (config.protocol == snapshot::ListenerProtocol::tls) {
    host = find(*way.table, server_name);
    if (host == nullptr) return std::unexpected(Refusal::no_server_name);
  }
  const auto place = host != nullptr ? host->cluster : way.cluster;
  const auto* found = cluster(place);
  if (trace != nullptr) {
    trace->push_back(host != nullptr ? cluster_step(host->server_names->cluster, found,
                                                    fmt::format("its server names take {}", server_name))
                                     : cluster_step(config.cluster, found, "the listener names it"));
  }
  if (found == nullptr) return std::unexpected(Refusal::no_cluster);
  return Forward{nullptr, found, place};
}

}  // namespace weft::decide
