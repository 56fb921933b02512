// The way of a REST request, in order: route, query, verb, answer.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>
#include <utility>

#include "control/api/api.h"
#include "control/api/body.h"
#include "control/api/discovery.h"
#include "control/api/route.h"
#include "control/api/select.h"
#include "control/api/verbs.h"
#include "control/api/watch.h"
#include "export/prometheus.h"
#include "http/server.h"
#include "runtime/combine.h"
#include "runtime/socket.h"

namespace weft::control::api {

namespace {

using http::Exchange;
using message::Headers;
using runtime::Task;

constexpr std::string_view json_type = "application/json";
/// All Warning fields of one answer together; Kubernetes cuts at the same size.
constexpr std::size_t max_warning_bytes = 4096;
/// Watches and logs that are followed: three of four connections, so that the others are always left for
/// requests that end.
constexpr std::size_t max_connections = 1024;
constexpr std::size_t max_followers = max_connections / 4 * 3;
/// Of a body as sent, so that one that is only just too large (max_body_bytes) is still told its size.
constexpr std::size_t max_received_bytes = max_body_bytes + (std::size_t{1} << 20);

/// Longer than anybody waits or looks back, short enough for arithmetic in nanoseconds.
constexpr std::uint64_t max_seconds = 365UL * 24 * 3600;

/// A streamed answer. Its head goes out with the first write, so that what fails before can still be answered
/// with a Status.
class ExchangeOutput final : public Output {
 public:
  ExchangeOutput(Exchange& exchange, std::string_view content_type)
      : exchange_(exchange), content_type_(content_type) {}

  Task<void> write(std::string bytes) override {
    if (!exchange_.is_started()) co_await exchange_.start(200, Headers{{"content-type", content_type_}});
    if (!bytes.empty()) co_await exchange_.write(std::move(bytes));
  }

 private:
  Exchange& exchange_;
  std::string_view content_type_;
};

/// What the HTTP server itself refuses, in the form of all refusals here.
http::Page refusal(int code, std::string_view why) {
  auto status = to_json({.message = std::string(why)});
  status["code"] = code;
  status["reason"] = code == 503   ? to_string(Reason::service_unavailable)
                     : code == 413 ? to_string(Reason::too_large)
                                   : to_string(Reason::bad_request);
  return {std::string(json_type), to_text(status)};
}

http::ServerOptions server_options() {
  http::ServerOptions options;
  options.max_body_bytes = max_received_bytes;
  options.max_connections = max_connections;
  options.refusal = refusal;
  return options;
}

Task<void> reply(Exchange& exchange, Failure failure) {
  Headers headers{{"content-type", json_type}};
  if (!failure.allow.empty()) headers.add("allow", failure.allow);
  co_await exchange.reply(http_code(failure.reason), std::move(headers), to_text(to_json(failure)));
}

/// RFC 7234, 5.5: 299 agent "text". Kubernetes' clients show them to their users.
std::string warning_value(std::string_view text) {
  std::string quoted;
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return fmt::format("299 weft \"{}\"", quoted);
}

Task<void> reply(Exchange& exchange, Answer answer) {
  Headers headers{{"content-type", json_type}};
  std::size_t bytes = 0;
  for (const auto& warning : answer.warnings) {
    auto value = warning_value(warning);
    bytes += value.size();
    if (bytes > max_warning_bytes) break;
    headers.add("warning", value);
  }
  co_await exchange.reply(answer.code, std::move(headers), std::move(answer.body));
}

Task<void> reply(Exchange& exchange, Outcome<Answer> outcome) {
  if (outcome) return reply(exchange, std::move(*outcome));
  return reply(exchange, std::move(outcome.error()));
}

Task<void> reply_text(Exchange& exchange, int code, std::string text) {
  co_await exchange.reply(code, Headers{{"content-type", "text/plain; charset=utf-8"}}, std::move(text));
}

/// "true", "1" and the name alone are yes, as in Kubernetes.
bool flag(const Exchange& exchange, std::string_view name) {
  const auto value = exchange.query(name);
  return value && *value != "false" && *value != "0";
}

/// Nothing if it is absent or empty; the error is for what is no number.
Outcome<std::optional<std::uint64_t>> number(const Exchange& exchange, std::string_view name) {
  const auto value = exchange.query(name);
  if (!value || value->empty()) return std::nullopt;
  std::uint64_t parsed = 0;
  const auto* end = value->data() + value->size();
  if (const auto result = std::from_chars(value->data(), end, parsed);
      result.ec != std::errc() || result.ptr != end) {
    return refuse(Reason::bad_request, fmt::format("{}=\"{}\" is no whole number", name, *value));
  }
  return parsed;
}

/// From which time on a log is asked for: one of Kubernetes' two parameters for that.
Outcome<std::optional<base::WallTime>> since_of(const Exchange& exchange, base::WallTime now) {
  const auto seconds = number(exchange, "sinceSeconds");
  if (!seconds) return std::unexpected(seconds.error());
  if (*seconds) return now - std::chrono::seconds(std::min(**seconds, max_seconds));
  const auto text = exchange.query("sinceTime");
  if (!text || text->empty()) return std::nullopt;
  const auto time = base::parse_rfc3339(*text);
  if (!time) return refuse(Reason::bad_request, fmt::format("sinceTime=\"{}\" is no RFC 3339 time", *text));
  return time;
}

/// Nothing if it is absent, empty or 0, by which Kubernetes' clients mean any; the error is for what is no
/// version.
Outcome<std::optional<store::Version>> version(const Exchange& exchange, const store::Store& store) {
  const auto value = exchange.query("resourceVersion");
  if (!value || value->empty() || *value == "0") return std::nullopt;
  auto parsed = store.parse_version(*value);
  if (!parsed) {
    return refuse(Reason::bad_request,
                  fmt::format("resourceVersion=\"{}\" is no version: {}", *value, parsed.error().detail));
  }
  return std::move(*parsed);
}

/// weft answers in JSON alone; tables and protobuf are what kubectl would rather have, not what it must.
bool accepts_json(const Exchange& exchange) {
  const auto accept = exchange.header("accept").value_or("*/*");
  for (const auto* type : {"*/*", "application/*", "json", "text/plain"}) {
    if (accept.find(type) != std::string_view::npos) return true;
  }
  return accept.empty();
}

using LogOutcome = std::expected<void, base::ErrorOf<Reason>>;

Task<void> keep(Task<LogOutcome> log, std::optional<LogOutcome>* into) {
  into->emplace(co_await std::move(log));
}

Outcome<Selection> selection_of(const Exchange& exchange, const ObjectRoute& route) {
  return parse_selection(*route.kind, route.ns, exchange.query("labelSelector").value_or(""),
                         exchange.query("fieldSelector").value_or(""));
}

Outcome<WatchRequest> watch_request(const Exchange& exchange, const ObjectRoute& route,
                                    const store::Store& store) {
  auto selection = selection_of(exchange, route);
  if (!selection) return std::unexpected(selection.error());
  auto since = version(exchange, store);
  if (!since) return std::unexpected(since.error());
  const auto seconds = number(exchange, "timeoutSeconds");
  if (!seconds) return std::unexpected(seconds.error());
  WatchRequest request{.kind = route.kind, .selection = std::move(*selection)};
  request.since = std::move(*since);
  request.bookmarks = flag(exchange, "allowWatchBookmarks");
  if (flag(exchange, "sendInitialEvents")) {
    request.since.reset();
    request.marks_initial_events = true;
  }
  if (*seconds && **seconds != 0) request.limit = std::chrono::seconds(std::min(**seconds, max_seconds));
  return request;
}

/// Parameters under which a change would be another one, and that nothing here acts on. Kubernetes' clients
/// do not send them; what else is unknown is passed over, as Kubernetes does.
constexpr std::array<std::string_view, 4> unsupported_conditions{"force", "preconditions", "resourceVersion",
                                                                 "uid"};
/// What a client library adds to every request, whatever it is.
constexpr std::array<std::string_view, 2> of_every_request{"pretty", "timeout"};

/// Whether a change is asked for in a way that is done here: every dryRun counts, not only the first.
Outcome<void> check_change(const Exchange& exchange) {
  for (const auto& [name, value] : exchange.query()) {
    const bool is_off = name == "force" && value == "false";
    if (!is_off && std::ranges::find(unsupported_conditions, name) != unsupported_conditions.end()) {
      return refuse(Reason::bad_request,
                    fmt::format("the parameter {} is not supported here: nothing was changed. A uid and a "
                                "resourceVersion can stand in the body",
                                name));
    }
    if (name == "dryRun" && value != "All")
      return refuse(Reason::bad_request, fmt::format("dryRun=\"{}\" is not supported, only All is", value));
  }
  return {};
}

/// A shutdown is done at once and as a whole: what would ask for anything else is refused.
Outcome<void> check_shutdown(const Exchange& exchange) {
  for (const auto& [name, value] : exchange.query()) {
    if (std::ranges::find(of_every_request, name) != of_every_request.end()) continue;
    return refuse(Reason::bad_request,
                  fmt::format("a shutdown takes no parameter {}: nothing was stopped", name));
  }
  if (!exchange.body().empty())
    return refuse(Reason::bad_request, "a shutdown takes no body: nothing was stopped");
  return {};
}

Outcome<ObjectRequest> object_request(const Exchange& exchange, const ObjectRoute& route,
                                      const store::Store& store) {
  ObjectRequest request{.route = route,
                        .content_type = std::string(exchange.header("content-type").value_or("")),
                        .body = exchange.body()};
  const bool reads = route.verb == Verb::get || route.verb == Verb::list || route.verb == Verb::watch;
  if (!reads) {
    if (auto checked = check_change(exchange); !checked) return std::unexpected(checked.error());
  }
  request.dry_run = exchange.query("dryRun").has_value();
  if (const auto policy = exchange.query("propagationPolicy"))
    request.delete_options["propagationPolicy"] = *policy;
  if (flag(exchange, "orphanDependents")) request.delete_options["orphanDependents"] = true;
  for (const auto* name : {"limit", "timeoutSeconds", "gracePeriodSeconds"}) {
    if (const auto checked = number(exchange, name); !checked) return std::unexpected(checked.error());
  }
  if (const auto checked = version(exchange, store); !checked) return std::unexpected(checked.error());
  return request;
}

}  // namespace

struct Server::Impl {
  Impl(runtime::Reactor& reactor_in, base::Random random_in, store::Store& store_in,
       Operations& operations_in)
      : reactor(reactor_in),
        random(random_in),
        means{reactor_in.clock(), store_in, random, operations_in},
        operations(operations_in),
        server(reactor_in, [this](Exchange& exchange) { return answer(exchange); }, server_options()) {}

  Task<void> answer(Exchange& exchange);
  Task<void> answer_object(Exchange& exchange, ObjectRoute route);
  Task<void> answer_watch(Exchange& exchange, ObjectRoute route);
  Task<void> answer_log(Exchange& exchange, LogRoute route);
  Task<void> answer_discovery(Exchange& exchange, DiscoveryRoute route);
  Task<void> answer_page(Exchange& exchange, Page page);
  telemetry::Samples metrics() const;

  runtime::Reactor& reactor;
  base::Random random;
  Means means;
  Operations& operations;
  /// Ends watches and logs, which would go on for ever.
  runtime::Event stopping;
  std::size_t followers = 0;
  std::uint64_t refused_followers = 0;
  http::Server server;  // last: its tasks use all of the above
};

/// One of those who follow a watch or a log, for as long as it does.
class Follower {
 public:
  Follower(std::size_t& count, std::uint64_t& refused) : count_(count), has_place_(count < max_followers) {
    ++(has_place_ ? count_ : refused);
  }
  Follower(const Follower&) = delete;
  Follower& operator=(const Follower&) = delete;
  ~Follower() {
    if (has_place_) --count_;
  }
  bool has_place() const { return has_place_; }
  static Failure refusal() {
    return refuse(Reason::too_many_requests,
                  fmt::format("{} watches and logs are followed already, the most at one time: end some of "
                              "them",
                              max_followers))
        .error();
  }

 private:
  std::size_t& count_;
  bool has_place_;
};

Task<void> Server::Impl::answer(Exchange& exchange) {
  auto route = find_route(exchange.method(), exchange.segments(), flag(exchange, "watch"));
  if (!route) {
    co_await reply(exchange, std::move(route.error()));
  } else if (!accepts_json(exchange)) {
    co_await reply(exchange, refuse(Reason::not_acceptable, "only application/json can be had here").error());
  } else if (auto* object = std::get_if<ObjectRoute>(&*route)) {
    co_await answer_object(exchange, std::move(*object));
  } else if (auto* log = std::get_if<LogRoute>(&*route)) {
    co_await answer_log(exchange, std::move(*log));
  } else if (auto* discovery = std::get_if<DiscoveryRoute>(&*route)) {
    co_await answer_discovery(exchange, std::move(*discovery));
  } else {
    co_await answer_page(exchange, std::get<Page>(*route));
  }
}

Task<void> Server::Impl::answer_object(Exchange& exchange, ObjectRoute route) {
  auto request = object_request(exchange, route, means.store);
  if (!request) {
    co_await reply(exchange, std::move(request.error()));
    co_return;
  }
  switch (route.verb) {
    case Verb::get: co_await reply(exchange, get(means.store, route)); co_return;
    case Verb::list: {
      const auto selection = selection_of(exchange, route);
      if (!selection) {
        co_await reply(exchange, selection.error());
      } else {
        ExchangeOutput output(exchange, json_type);
        co_await list(means.store, *route.kind, *selection, output);
        co_await exchange.finish();
      }
      co_return;
    }
    case Verb::watch: co_await answer_watch(exchange, std::move(route)); co_return;
    case Verb::create: co_await reply(exchange, co_await create(means, std::move(*request))); co_return;
    case Verb::update: co_await reply(exchange, co_await update(means, std::move(*request))); co_return;
    case Verb::patch: co_await reply(exchange, co_await patch(means, std::move(*request))); co_return;
    case Verb::remove: co_await reply(exchange, co_await remove(means, std::move(*request))); co_return;
  }
}

Task<void> Server::Impl::answer_watch(Exchange& exchange, ObjectRoute route) {
  auto request = watch_request(exchange, route, means.store);
  if (!request) {
    co_await reply(exchange, std::move(request.error()));
    co_return;
  }
  const Follower follower(followers, refused_followers);
  if (!follower.has_place()) {
    co_await reply(exchange, Follower::refusal());
    co_return;
  }
  ExchangeOutput output(exchange, json_type);
  co_await runtime::first(watch(reactor, means.store, std::move(*request), output), until(stopping));
  co_await output.write("");
  co_await exchange.finish();
}

Task<void> Server::Impl::answer_log(Exchange& exchange, LogRoute route) {
  const auto tail = number(exchange, "tailLines");
  const auto since = since_of(exchange, reactor.clock().wall());
  if (!tail || !since) {
    co_await reply(exchange, !tail ? tail.error() : since.error());
    co_return;
  }
  LogRequest request{.ns = std::move(route.ns),
                     .pod = std::move(route.pod),
                     .container = exchange.query("container").value_or(""),
                     .follow = flag(exchange, "follow"),
                     .previous = flag(exchange, "previous"),
                     .timestamps = flag(exchange, "timestamps"),
                     .tail_lines = *tail,
                     .since = *since};
  const Follower follower(followers, refused_followers);
  if (!follower.has_place()) {
    co_await reply(exchange, Follower::refusal());
    co_return;
  }
  ExchangeOutput output(exchange, "text/plain; charset=utf-8");
  std::optional<LogOutcome> done;
  co_await runtime::first(keep(operations.log(std::move(request), output), &done), until(stopping));
  if (!done || *done) {
    co_await output.write("");
    co_await exchange.finish();
  } else if (!exchange.is_started()) {
    co_await reply(exchange, refuse(done->error().kind, done->error().detail).error());
  }
}

Task<void> Server::Impl::answer_discovery(Exchange& exchange, DiscoveryRoute route) {
  const auto document = discovery(route.segments);
  if (!document) {
    co_await reply(exchange,
                   refuse(Reason::not_found, "the server could not find the requested resource").error());
    co_return;
  }
  co_await reply(exchange, Answer{.code = 200, .body = to_text(*document), .warnings = {}});
}

telemetry::Samples Server::Impl::metrics() const {
  using enum telemetry::Kind;
  auto samples = operations.metrics();
  const auto& stats = server.stats();
  const auto add = [&](std::string_view name, std::string_view help, telemetry::Kind kind,
                       std::uint64_t value) { samples.add(name, help, kind, telemetry::Labels(), value); };
  add("weft_api_connections", "Connections to the API that are open.", gauge, server.connections());
  add("weft_api_followers", "Watches and logs that are followed.", gauge, followers);
  add("weft_api_held_bytes", "Bodies kept for peers that are slow to send or read.", gauge, stats.held_bytes);
  add("weft_api_displaced_total", "Slow connections that were closed in favour of others.", counter,
      stats.displaced);
  constexpr std::string_view refused = "Connections and watches beyond their limit.";
  samples.add("weft_api_refused_total", refused, counter, {{"what", "connection"}}, stats.turned_away);
  samples.add("weft_api_refused_total", refused, counter, {{"what", "follower"}}, refused_followers);
  return samples;
}

Task<void> Server::Impl::answer_page(Exchange& exchange, Page page) {
  switch (page) {
    case Page::version: co_await reply(exchange, Answer{200, to_text(version_document()), {}}); co_return;
    case Page::status: co_await reply(exchange, Answer{200, to_text(operations.status()), {}}); co_return;
    case Page::health: co_await reply_text(exchange, 200, "ok"); co_return;
    case Page::metrics: {
      const Headers headers{{"content-type", exporter::prometheus_content_type}};
      co_await exchange.reply(200, headers, exporter::prometheus_text(metrics()));
      co_return;
    }
    case Page::ready: {
      const auto reason = operations.not_ready();
      co_await reply_text(exchange, reason ? 503 : 200, reason.value_or("ok"));
      co_return;
    }
    case Page::shutdown: {
      if (auto checked = check_shutdown(exchange); !checked) {
        co_await reply(exchange, std::move(checked.error()));
        co_return;
      }
      ExchangeOutput output(exchange, json_type);
      co_await output.write("");
      co_await operations.shutdown(output);
      co_await exchange.finish();
      co_return;
    }
  }
}

Server::Server(runtime::Reactor& reactor, base::Random random, store::Store& store, Operations& operations)
    : impl_(std::make_unique<Impl>(reactor, random, store, operations)) {}

Server::~Server() = default;

Task<runtime::IoResult<void>> Server::serve(runtime::Fd listening) {
  runtime::Acceptor acceptor(impl_->reactor, std::move(listening));
  co_return co_await impl_->server.serve(acceptor);
}

void Server::serve(std::unique_ptr<runtime::Stream> stream) { impl_->server.serve(std::move(stream)); }

Task<void> Server::stop(base::Duration limit) {
  impl_->stopping.set();
  co_await impl_->server.stop(limit);
}

}  // namespace weft::control::api
