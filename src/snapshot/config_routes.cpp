// The routes of a config file: which requests they take and what becomes of these.
#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "snapshot/actions.h"
#include "snapshot/config_reader.h"
#include "snapshot/patterns.h"
#include "snapshot/trust.h"

namespace weft::snapshot {
namespace {

using yaml::Node;

constexpr Word<Redirect::Scheme> schemes[] = {{"http", Redirect::Scheme::http},
                                              {"https", Redirect::Scheme::https}};
constexpr std::array codes{Redirect::Code::moved_permanently, Redirect::Code::found,
                           Redirect::Code::see_other, Redirect::Code::temporary_redirect,
                           Redirect::Code::permanent_redirect};

constexpr auto* write_parts = "write its parts as scheme, host, port and path";

/// With its letters from `first` to `first` + 25 in the other case.
std::string with_case(std::string text, char first) {
  for (auto& c : text) {
    if (c >= first && c < first + 26) c = static_cast<char>(c ^ 0x20);
  }
  return text;
}

/// The paths of some routes, by kind, and where the routes are.
struct Paths {
  std::map<Match::Path, std::map<std::string, base::Position, std::less<>>> of_kind;

  /// Where the one is that has this path.
  std::optional<base::Position> find(Match::Path kind, std::string_view path) {
    const auto found = of_kind[kind].find(path);
    return found != of_kind[kind].end() ? std::optional(found->second) : std::nullopt;
  }
  /// Where one is that takes all requests that `match` takes by its path.
  std::optional<base::Position> taker(const Match& match) {
    const std::string_view path = match.path;
    for (std::size_t size = 0; size <= path.size(); ++size) {
      const auto front = path.substr(0, size);
      if (const auto found = find(Match::Path::prefix, front)) return found;
      const bool is_segment = size == path.size() || path[size] == '/';
      if (!is_segment) continue;
      if (const auto found = find(Match::Path::segments, front)) return found;
    }
    return find(match.path_kind, path);
  }
};

/// Whether what meets all of `match` meets all of `other` too.
template <class Condition>
bool implies(const std::vector<Condition>& match, const std::vector<Condition>& other) {
  return std::ranges::all_of(other, [&](const Condition& wanted) {
    return std::ranges::any_of(match, [&](const Condition& given) {
      return given.name == wanted.name && (!wanted.value || given.value == wanted.value);
    });
  });
}
/// The same of two matches, paths apart.
bool implies(const Match& match, const Match& other) {
  if (!other.method.empty() && other.method != match.method) return false;
  return implies(match.headers, other.headers) && implies(match.query, other.query);
}

/// The virtual host of one domain while its routes are read.
struct Host {
  std::size_t number = 0;
  /// The paths of its routes so far, by what else these ask for: a Match without a path.
  std::map<Match, Paths> paths;

  /// Adds what the route at `position` takes; where one before it is that takes all of that, if one does.
  std::optional<base::Position> add(const Match& match, base::Position position) {
    for (auto& [conditions, known] : paths) {
      if (!implies(match, conditions)) continue;
      if (const auto taker = known.taker(match)) return taker;
    }
    auto conditions = match;
    conditions.path_kind = {};
    conditions.path.clear();
    paths[std::move(conditions)].of_kind[match.path_kind].emplace(match.path, position);
    return std::nullopt;
  }
};

}  // namespace

std::vector<std::string> ConfigReader::hosts(const Node& node) {
  const auto* list = list_of(node, "hosts", false, "[shop.example]");
  if (list == nullptr) return {"*"};
  if (list->empty()) {
    error(code::bad_value, node.find("hosts")->position, "no host can reach a route with no hosts",
          "name some, or leave hosts out for all");
  }
  std::vector<std::string> hosts;
  std::map<std::string, base::Position> known;
  for (const auto& item : *list) {
    const auto* host = item.string();
    if (host == nullptr) {
      error(code::wrong_type, item.position, "a host must be a string", std::string(as_text(item)));
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

void ConfigReader::timeout(const Node& node, Forward& forward) {
  duration(node, "timeout", forward.timeout, Zero::no_limit);
  // Who sets no limit for the response's head expects none within it.
  if (forward.timeout == std::chrono::milliseconds::zero()) forward.idle_timeout = {};
}

void ConfigReader::check_header(const Match& match, base::Position position, const Listener& listener) {
  const auto& name = match.headers.front().name;
  if (name.starts_with(':')) {
    error(code::bad_value, position, fmt::format("{} is no header in the file", name),
          "write it as the route's field, like method: GET, hosts: [shop.example] or path: /x");
  } else if (const auto fault = fault_of(match)) {
    error(code::bad_value, position, std::string(describe(*fault).what), std::string(describe(*fault).mend));
  } else if ((unbelieved(listener) & message::Headers::bit(message::identify_field(name))) != 0) {
    error(code::bad_value, position,
          fmt::format("no request has {} here, for the listener believes no one before it", name),
          "set the listener's trustedHops to the number of your proxies before it");
  }
}

void ConfigReader::named(const Node& node, const Named& fields, const AddNamed& add) {
  const bool is_header = fields.what == "header";
  std::map<std::string, base::Position> known;
  const auto add_once = [&](std::string name, std::optional<std::string> value, base::Position position) {
    if (is_header) name = with_case(std::move(name), 'A');
    const auto [first, is_new] = known.try_emplace(name, position);
    if (is_new) return add(std::move(name), std::move(value), position);
    error(code::duplicate, position,
          fmt::format("this {} is there twice{}", fields.what, first_at(first->second)), "remove one");
  };
  const auto* values = node.find(fields.values);
  if (values != nullptr && !values->is_map()) {
    error(code::wrong_type, values->position, fmt::format("{} must be a map", fields.values),
          fmt::format("write it like {}", fields.example));
  } else if (values != nullptr) {
    for (const auto& [name, position, value] : *values->map()) {
      if (const auto* text = value.string()) {
        add_once(name, *text, position);
        continue;
      }
      const bool is_scalar = !value.is_map() && !value.is_list() && !value.is_null();
      error(code::wrong_type, value.position, fmt::format("a {}'s value must be a string", fields.what),
            is_scalar ? "put it in quotes"
            : fields.names.empty()
                ? "write one text"
                : fmt::format("write one text, or {}: [{}] for any value", fields.names, name));
    }
  }
  const auto* names = fields.names.empty() ? nullptr : list_of(node, fields.names, false, "[x-debug]");
  if (names == nullptr) return;
  for (const auto& name : *names) {
    if (const auto* text = name.string()) {
      add_once(*text, std::nullopt, name.position);
    } else {
      error(code::wrong_type, name.position, fmt::format("a {}'s name must be a string", fields.what),
            std::string(as_text(name)));
    }
  }
}

std::vector<HeaderMatch> ConfigReader::headers(const Node& node, const Listener& listener) {
  std::vector<HeaderMatch> read;
  named(node, {"header", "headers", "hasHeaders", "{x-version: canary}"},
        [&](std::string name, std::optional<std::string> value, base::Position position) {
          Match match;
          match.headers.push_back({std::move(name), std::move(value)});
          check_header(match, position, listener);
          read.push_back(std::move(match.headers.front()));
        });
  std::ranges::sort(read);
  return read;
}

std::vector<QueryMatch> ConfigReader::query(const Node& node) {
  std::vector<QueryMatch> read;
  named(node, {"parameter", "query", "hasQuery", "{version: \"2\"}"},
        [&](std::string name, std::optional<std::string> value, base::Position position) {
          Match match;
          match.query.push_back({std::move(name), std::move(value)});
          if (const auto fault = fault_of(match)) {
            error(code::bad_value, position, std::string(describe(*fault).what),
                  std::string(describe(*fault).mend));
          }
          read.push_back(std::move(match.query.front()));
        });
  std::ranges::sort(read);
  return read;
}

HeaderChanges ConfigReader::header_changes(const Node& node) {
  HeaderChanges changes;
  const auto check = [&](const HeaderChanges& one, base::Position position) {
    Forward forward = forward_to("any");
    forward.headers = one;
    if (const auto fault = fault_of(Action(forward)))
      error(code::bad_value, position, std::string(fault->what), std::string(fault->mend));
  };
  const auto read = [&](std::string_view field, std::vector<HeaderChanges::Field>& into) {
    named(node, {"header", field, {}, "{x-version: canary}"},
          [&](std::string name, std::optional<std::string> value, base::Position position) {
            into.push_back({std::move(name), std::move(*value)});
            check({.set = {into.back()}}, position);
          });
  };
  read("setHeaders", changes.set);
  read("addHeaders", changes.add);
  named(node, {"header", {}, "removeHeaders", {}},
        [&](std::string name, std::optional<std::string>, base::Position position) {
          check({.remove = {name}}, position);
          changes.remove.push_back(std::move(name));
        });
  return changes;
}

std::string ConfigReader::method(const Node& node, const Match& match, const Listener& listener) {
  const auto* field = node.find("method");
  const auto refuse = [&](std::string what, std::string mend) {
    error(code::bad_value, field->position, std::move(what), std::move(mend));
    return std::string();
  };
  if (field != nullptr && field->is_list()) {
    return refuse("a route has one method", "write one route for each method");
  }
  const auto written = text(node, "method", false);
  if (!written) return {};
  auto method = with_case(*written, 'a');
  if (method == "*" || method == "ANY" || method == "ALL") {
    return refuse("no request has this method", "leave method out for all");
  }
  // RFC 9110 has more marks than methods use; one here is a pattern or a list.
  if (!std::ranges::all_of(method, [](char c) { return (c >= 'A' && c <= 'Z') || c == '-'; })) {
    return refuse("a method has letters and hyphens only", "write it like GET; one route for each method");
  }
  if (method != *written) {
    return refuse("a method is compared with regard to case", fmt::format("write {}", method));
  }
  if (method == "TRACE") return refuse("TRACE is always answered 405", "remove the route");
  if (method == "CONNECT" && !listener.allow_connect) {
    return refuse("CONNECT is answered 405 by this listener", "add connect: true to the listener");
  }
  if (method == "CONNECT" && (match.path_kind != Match::Path::prefix || match.path != "/")) {
    return refuse("CONNECT has no path", "leave path and prefix out; it is routed by host");
  }
  return method;
}

Match ConfigReader::match(const Node& node, const Listener& listener) {
  Match match;
  const auto prefix = text(node, "prefix", false);
  const auto path = text(node, "path", false);
  if (prefix && path) {
    error(code::bad_value, node.position, "a route has either prefix or path", "remove one of them");
  }
  if (path) match = {Match::Path::exact, *path};
  if (prefix) match = {prefix->ends_with('/') ? Match::Path::prefix : Match::Path::segments, *prefix};
  if (const auto fault = fault_of(match)) {
    error(code::bad_value, node.find(path ? "path" : "prefix")->position, std::string(describe(*fault).what),
          std::string(describe(*fault).mend));
  }
  match.method = method(node, match, listener);
  match.headers = headers(node, listener);
  match.query = query(node);
  return match;
}

Forward ConfigReader::forward(const Node& node) {
  Forward forward;
  if (node.find("cluster") != nullptr) {
    forward = forward_to(cluster_name(node, Carries::http));
  } else if (const auto* list = list_of(node, "to", true, "[{cluster: api, weight: 9}, {cluster: canary}]")) {
    std::map<std::string, base::Position> known;
    for (const auto& item : *list) {
      if (!map_of(item, "a target", {"cluster", "weight"}, "{cluster: api}")) continue;
      Forward::Target target{cluster_name(item, Carries::http)};
      count(item, "weight", target.weight, 0);
      const auto [first, is_new] = known.try_emplace(target.cluster, item.position);
      if (!is_new && !target.cluster.empty()) {
        error(code::duplicate, item.position,
              fmt::format("cluster {} is there twice{}", target.cluster, first_at(first->second)),
              "remove one; use weight to send it more");
      }
      forward.to.push_back(std::move(target));
    }
  }
  timeout(node, forward);
  duration(node, "idleTimeout", forward.idle_timeout, Zero::no_limit);
  forward.headers = header_changes(node);
  return forward;
}

Redirect ConfigReader::redirect(const Node& node) {
  Redirect redirect;
  for (const auto& [name, mend] : {std::pair("status", "write code"), std::pair("url", write_parts)}) {
    if (const auto* entry = node.entry(name)) {
      error(code::unknown_field, entry->position, fmt::format("a redirect has no field {}", name), mend);
      return redirect;
    }
  }
  if (!map_of(node, "a redirect", {"scheme", "host", "port", "path", "prefix", "code"},
              "{scheme: https, host: shop.example}")) {
    return redirect;
  }
  if (node.find("scheme") != nullptr) redirect.scheme = word(node, "scheme", schemes);
  redirect.host = text(node, "host", false).value_or("");
  std::uint32_t port = 0;
  count(node, "port", port, 1, 65535);
  // Who names a scheme means its port, as in Gateway API; xDS leaves the one that was asked for.
  if (port == 0 && redirect.scheme != Redirect::Scheme::as_asked) {
    port = redirect.scheme == Redirect::Scheme::https ? 443 : 80;
  }
  redirect.port = static_cast<std::uint16_t>(port);
  if (auto path = text(node, "path", false)) {
    redirect.path_kind = Redirect::Path::whole;
    redirect.path = *std::move(path);
  }
  if (auto prefix = text(node, "prefix", false)) {
    if (redirect.path_kind == Redirect::Path::whole) {
      error(code::bad_value, node.find("prefix")->position, "a redirect has either path or prefix",
            "remove one of them");
    }
    redirect.path_kind = Redirect::Path::prefix;
    redirect.path = *std::move(prefix);
  }
  if (const auto* number = node.find("code")) {
    const auto known = [&](Redirect::Code one) {
      return number->integer() != nullptr && *number->integer() == static_cast<int>(one);
    };
    if (const auto* found = std::ranges::find_if(codes, known); found != codes.end()) {
      redirect.code = *found;
    } else {
      error(code::bad_value, number->position, "no redirect has this code",
            "use one of 301, 302, 303, 307, 308");
    }
  }
  return redirect;
}

Reply ConfigReader::reply(const Node& node) {
  Reply reply;
  if (!map_of(node, "a reply", {"status", "body"}, "{status: 404}")) return reply;
  std::uint32_t status = reply.status;
  count(node, "status", status, 200, 599);
  reply.status = static_cast<std::uint16_t>(status);
  const auto* body = node.find("body");
  const bool is_empty = body != nullptr && body->string() != nullptr && body->string()->empty();
  if (!is_empty) reply.body = text(node, "body", false).value_or("");
  return reply;
}

Action ConfigReader::action(const Node& node, const Match& match) {
  std::vector<const yaml::Entry*> named;
  for (const std::string_view field : {"cluster", "to", "redirect", "reply"}) {
    if (const auto* entry = node.entry(field)) named.push_back(entry);
  }
  if (named.empty()) {
    error(code::missing_field, node.position, "what the route does is missing",
          "add cluster, to, redirect or reply");
    return {};
  }
  if (named.size() > 1) {
    error(code::bad_value, named[1]->position, "a route has one of cluster, to, redirect and reply",
          fmt::format("remove {} or {}", named[0]->key, named[1]->key));
    return {};
  }
  const auto errors = diagnostics.size();
  const auto& [field, position, value] = *named.front();
  const bool is_forward = field == "cluster" || field == "to";
  const Action action = is_forward            ? Action(forward(node))
                        : field == "redirect" ? Action(redirect(value))
                                              : Action(reply(value));
  for (const auto* other : {"timeout", "idleTimeout", "setHeaders", "addHeaders", "removeHeaders"}) {
    const auto* set = is_forward ? nullptr : node.find(other);
    if (set != nullptr) {
      error(code::bad_value, set->position, fmt::format("a {} has no {}", field, other), "remove it");
    }
  }
  const auto fault = fault_of(Route{{}, match, action, {}});
  if (fault && diagnostics.size() == errors) {
    const auto* part = value.find(fault->field);
    error(code::bad_value, part != nullptr ? part->position : value.position, std::string(fault->what),
          std::string(fault->mend));
  }
  return action;
}

std::optional<Route> ConfigReader::route(const Node& node, std::size_t number, const Listener& listener) {
  if (!map_of(
          node, "a route",
          {"hosts", "prefix", "path", "method", "headers", "hasHeaders", "query", "hasQuery", "cluster", "to",
           "redirect", "reply", "timeout", "idleTimeout", "setHeaders", "addHeaders", "removeHeaders"},
          "{prefix: /api, cluster: api}")) {
    return std::nullopt;
  }
  auto asked = match(node, listener);
  auto done = action(node, asked);
  return Route{fmt::format("{}", number), std::move(asked), std::move(done), {}};
}

void ConfigReader::routes(const Node& node, Listener& listener) {
  auto& table = snapshot.routes.emplace_back();
  table.name = listener.name;
  listener.routes = listener.name;
  if (node.find("routes") == nullptr) {
    auto all =
        forward_to(takes_bytes(listener.protocol) ? listener.cluster : cluster_name(node, Carries::http));
    timeout(node, all);
    table.virtual_hosts.push_back({"all", {"*"}, {{"all", {}, std::move(all), {}}}});
    return;
  }
  if (const auto* both = node.find("cluster"); both != nullptr && !takes_bytes(listener.protocol)) {
    error(code::bad_value, both->position, "a listener has either cluster or routes", "remove one of them");
  }
  if (const auto* limit = node.find("timeout")) {
    error(code::bad_value, limit->position, "a listener with routes has no timeout",
          "write it at the routes");
  }
  const auto* list = list_of(node, "routes", true);
  if (list == nullptr) return;
  std::map<std::string, Host> known;
  std::size_t number = 0;
  for (const auto& item : *list) {
    const auto read = route(item, number++, listener);
    if (!read) continue;
    // Each host has the routes that name it, so that the lists of two routes may share some.
    bool is_reached = false;
    std::set<std::string> takers;
    const auto domains = hosts(item);
    for (const auto& domain : domains) {
      const auto [host, is_new] = known.try_emplace(domain);
      if (is_new) {
        host->second.number = table.virtual_hosts.size();
        table.virtual_hosts.push_back({domain, {domain}, {}});
      }
      const auto taker = host->second.add(read->match, item.position);
      if (taker) {
        takers.insert(place(*taker));
      } else {
        is_reached = true;
      }
      table.virtual_hosts[host->second.number].routes.push_back(*read);
    }
    if (!is_reached && !domains.empty()) {
      error(code::bad_value, item.position,
            fmt::format("no request reaches this route: all of its are taken at {}", fmt::join(takers, ", ")),
            "put it before that, or remove it");
    }
  }
}

}  // namespace weft::snapshot
