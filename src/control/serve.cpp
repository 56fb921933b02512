#include "control/serve.h"

#include <fmt/format.h>
#include <signal.h>

#include <chrono>
#include <memory>
#include <set>
#include <utility>

#include "base/random.h"
#include "control/api/api.h"
#include "control/reconcile/reconcile.h"
#include "provider/process/client.h"
#include "runtime/log.h"
#include "runtime/process.h"
#include "runtime/signals.h"
#include "runtime/socket.h"
#include "store/sqlite.h"
#include "xds/server.h"

namespace weft::control {
namespace {

using runtime::Task;

/// For a supervisor that has just started this process.
constexpr auto attach_limit = std::chrono::seconds(5);
/// For a supervisor that is asked which process the proxy is: it answers at once, or is stopped.
constexpr auto own_proxy_limit = std::chrono::seconds(1);
/// For the proxies of a control plane that was killed to connect to this one: they try at least once a
/// second.
constexpr auto proxy_return_time = std::chrono::seconds(2);
/// The exit code after SIGHUP: not 0, by which the supervisor stops everything unless it has asked for this.
constexpr int left_to_successor = 3;
/// At the end, for the last lines to clients that follow the stop.
constexpr auto last_words_limit = std::chrono::seconds(1);

/// The xDS server as the reconcilers see it.
class XdsDataPlane final : public reconcile::DataPlane {
 public:
  explicit XdsDataPlane(xds::Server& server) : server_(server) {}

  // The proxy of a node is known by the node's name.
  void publish(std::string node, snapshot::SnapshotPtr snapshot) override {
    server_.publish(node, std::move(snapshot));
  }
  void place(std::string node, std::vector<snapshot::ContextId> contexts) override {
    server_.set_contexts(std::move(node), std::move(contexts));
  }

  Task<reconcile::Settlement> settled(snapshot::ContextId context, base::Duration limit) override {
    const auto settled = co_await server_.settled(std::move(context), limit);
    if (settled) co_return reconcile::Settlement{settled->proxies > 0, settled->proxies, {}};
    const bool refused = settled.error().kind == xds::XdsErrorKind::nacked;
    co_return reconcile::Settlement{false, 1, refused ? settled.error().detail : std::string()};
  }
  Task<bool> drained(std::string node, snapshot::ContextId context, std::vector<std::string> listeners,
                     base::Duration limit) override {
    return server_.drained(std::move(node), std::move(context), std::move(listeners), limit);
  }

 private:
  xds::Server& server_;
};

/// The stop of everything, whoever asks for it.
class Stop {
 public:
  Stop(provider::process::SupervisorClient& supervisor, reconcile::Reconciler& reconciler)
      : supervisor_(supervisor), reconciler_(reconciler) {}

  /// Ends when it has begun, or is left to a successor. Goes on if who waits for that goes away.
  Task<void> begin() {
    if (!std::exchange(is_asked_, true)) scope_.spawn(tell_and_begin());
    co_await is_decided_.wait();
  }
  bool has_begun() const { return has_begun_; }

 private:
  /// The supervisor first, which replaces nothing from then on. If it is just replacing this process, it has
  /// the successor stop everything.
  Task<void> tell_and_begin() {
    const auto told = co_await supervisor_.stops();
    if (!told && told.error().kind == provider::ProviderErrorKind::unavailable) {
      (void)co_await supervisor_.shutdown();
    } else {  // also if the supervisor is of a build that does not know what it was told
      has_begun_ = true;
      reconciler_.stop_all();
    }
    is_decided_.set();
  }

  provider::process::SupervisorClient& supervisor_;
  reconcile::Reconciler& reconciler_;
  bool is_asked_ = false;
  bool has_begun_ = false;
  runtime::Event is_decided_;
  runtime::Scope scope_;
};

/// What the REST server hands on.
class Operations final : public api::Operations {
 public:
  Operations(reconcile::Reconciler& reconciler, Stop& stop, provider::Provider& provider,
             const xds::Server& xds, const store::SqliteStore& store)
      : reconciler_(reconciler), stop_(stop), provider_(provider), xds_(xds), store_(store) {}

  Task<std::expected<void, base::ErrorOf<api::Reason>>> log(api::LogRequest request,
                                                            api::Output& output) override {
    const auto id = reconciler_.instance_of_pod(request.ns, request.pod);
    if (!id) co_return base::fail(api::Reason::not_found, fmt::format("pods \"{}\" not found", request.pod));
    provider::LogOptions options{.follow = request.follow && !request.previous,
                                 .timestamps = request.timestamps,
                                 .since = request.since,
                                 .previous = request.previous};
    if (request.tail_lines) {
      options.tail_lines =
          static_cast<int>(std::min<std::uint64_t>(*request.tail_lines, std::numeric_limits<int>::max()));
    }
    auto reader = co_await provider_.logs(*id, options);
    if (!reader) {
      const bool none = reader.error().kind == provider::ProviderErrorKind::not_found;
      co_return base::fail(
          none ? api::Reason::not_found : api::Reason::internal_error,
          none && !request.previous ? fmt::format("{} has not started yet", *id) : reader.error().detail);
    }
    if (request.follow) co_await output.write({});
    for (;;) {
      auto text = co_await (*reader)->next();
      if (!text) co_return base::fail(api::Reason::internal_error, text.error().detail);
      if (!*text) break;
      co_await output.write(std::move(**text));
    }
    co_return std::expected<void, base::ErrorOf<api::Reason>>();
  }

  void stop_instance(const std::string& ns, const std::string& pod) override {
    reconciler_.stop_instance(ns, pod);
  }

  Task<void> shutdown(api::Output& output) override {
    const auto lines = reconciler_.follow_stop();
    co_await stop_.begin();
    if (!stop_.has_begun()) co_return;
    while (auto line = co_await lines->pop()) co_await output.write(std::move(*line));
  }

  base::Json status() const override {
    auto status = reconciler_.status();
    auto& proxies = status["proxies"] = base::Json::array();
    for (const auto& proxy : xds_.proxies()) {
      proxies.push_back({{"name", proxy.proxy}, {"contexts", proxy.contexts}, {"settled", proxy.settled}});
    }
    const auto why = not_ready();
    status["ready"] = !why;
    if (why) status["reason"] = *why;
    return status;
  }

  telemetry::Samples metrics() const override {
    using enum telemetry::Kind;
    telemetry::Samples samples;
    const auto add = [&](std::string_view name, std::string_view help, telemetry::Kind kind,
                         std::uint64_t value) { samples.add(name, help, kind, telemetry::Labels(), value); };
    const auto work = reconciler_.work();
    add("weft_reconcile_decisions_total", "Looks at one workload.", counter, work.decisions);
    add("weft_reconcile_reports_total", "Looks at one object's status.", counter, work.reports);
    add("weft_reconcile_publications_total", "Passes of the compiler.", counter, work.publications);
    add("weft_reconcile_snapshots_total", "Snapshots made in these.", counter, work.contexts);
    const auto store = store_.stats();
    add("weft_store_transactions_total", "Transactions.", counter, store.transactions);
    add("weft_store_failed_transactions_total", "Transactions that failed.", counter,
        store.failed_transactions);
    add("weft_store_writes_total", "Changes that are on disk.", counter, store.writes);
    add("weft_store_history_events", "Events kept for watches.", gauge, store.history_events);
    add("weft_store_history_bytes", "Memory of the objects in them.", gauge, store.history_bytes);
    const auto counters = xds_.counters();
    add("weft_xds_connections_total", "Connections to the xDS server.", counter, counters.connections);
    add("weft_xds_responses_total", "Responses sent.", counter, counters.responses);
    add("weft_xds_nacks_total", "Responses that a peer refused.", counter, counters.nacks);
    add("weft_xds_refused_total", "Connections and streams beyond a limit.", counter, counters.refused);
    const auto load = xds_.load();
    add("weft_xds_streams", "Streams that are open.", gauge, load.streams);
    add("weft_xds_asked_bytes", "Names that peers have asked for.", gauge, load.asked_bytes);
    add("weft_xds_unfinished_bytes", "Messages of peers that are not complete.", gauge,
        load.unfinished_bytes);
    return samples;
  }

  std::optional<std::string> not_ready() const override { return reconciler_.not_ready(); }

 private:
  reconcile::Reconciler& reconciler_;
  Stop& stop_;
  provider::Provider& provider_;
  const xds::Server& xds_;
  const store::SqliteStore& store_;
};

int refuse_to_start(std::string_view what, std::string_view why) {
  runtime::log::error("control-plane", "{}: {}", what, why);
  return 1;
}

/// SIGHUP: another process takes this one's place, and the instances go on. Not in a stop: the other one
/// would not go on with that.
Task<void> stop_on_signal(runtime::Signals& signals, Stop& stop, runtime::Event& leave) {
  for (;;) {
    const int signal = co_await signals.next();
    if (signal != SIGHUP) {
      runtime::log::info("control-plane", "signal {}: stopping", signal);
      co_await stop.begin();
    } else if (stop.has_begun()) {
      runtime::log::info("control-plane", "signal {}: it is stopping, and does not leave", signal);
    } else {
      leave.set();
    }
  }
}

Task<bool> is_own_proxy(runtime::Reactor& reactor, provider::process::SupervisorClient& supervisor,
                        pid_t pid) {
  const auto status = co_await runtime::within(reactor, own_proxy_limit, supervisor.status());
  co_return status && *status && (*status)->proxy.pid == pid;
}

Task<void> serve_xds(runtime::Reactor& reactor, provider::process::SupervisorClient& supervisor,
                     xds::Server& server, runtime::Acceptor& acceptor) {
  const auto error =
      co_await server.serve(acceptor, [&](pid_t pid) { return is_own_proxy(reactor, supervisor, pid); });
  runtime::log::error("control-plane", "no more xDS connections: {}", error.message());
}

Task<void> serve_api(api::Server& server, runtime::Fd listening) {
  const auto ended = co_await server.serve(std::move(listening));
  if (!ended) runtime::log::error("control-plane", "no more API connections: {}", ended.error().message());
}

/// What is attached to and opened before anything is served.
struct Foundations {
  runtime::HomeLock lock;
  std::unique_ptr<provider::process::SupervisorClient> supervisor;
  std::unique_ptr<store::SqliteStore> store;
};

Task<std::optional<Foundations>> lay_foundations(runtime::Reactor& reactor, runtime::Home home) {
  auto lock = runtime::HomeLock::take(home.control_plane_lock());
  if (!lock) {
    refuse_to_start("another control plane serves this home", lock.error().detail);
    co_return std::nullopt;
  }
  auto supervisor = co_await provider::process::SupervisorClient::connect_within(
      reactor, home.supervisor_socket(), attach_limit);
  if (!supervisor) {
    refuse_to_start("no supervisor", supervisor.error().detail);
    co_return std::nullopt;
  }
  auto store = store::SqliteStore::open(reactor, base::Random::from_entropy(),
                                        {.path = home.database(), .spare_folder = home.run()});
  if (!store) {
    refuse_to_start("the store cannot be opened", store.error().detail);
    co_return std::nullopt;
  }
  if (auto made = co_await api::create_namespaces(**store); !made) {
    refuse_to_start("the store cannot be written", made.error().detail);
    co_return std::nullopt;
  }
  // Last: with this it has come, as its supervisor tells whoever waits for that.
  if (auto attached = co_await (*supervisor)->attach(provider::process::VolumeFolders::of(home)); !attached) {
    refuse_to_start("the supervisor refuses", attached.error().detail);
    co_return std::nullopt;
  }
  co_return Foundations{std::move(*lock), std::move(*supervisor), std::move(*store)};
}

}  // namespace

Task<int> serve(runtime::Reactor& reactor, Options options) {
  runtime::raise_file_limit();
  runtime::Signals signals(reactor, {SIGTERM, SIGINT, SIGHUP});
  const auto& home = options.home;
  auto foundations = co_await lay_foundations(reactor, home);
  if (!foundations) co_return 1;
  auto& [lock, supervisor, store] = *foundations;
  auto xds_listening = runtime::listen_on(base::Address::unix_path(home.xds_socket()));
  if (!xds_listening) co_return refuse_to_start(home.xds_socket(), xds_listening.error().message());
  auto api_listening = runtime::listen_on(base::Address::unix_path(home.api_socket()));
  if (!api_listening) co_return refuse_to_start(home.api_socket(), api_listening.error().message());

  runtime::Acceptor xds_acceptor(reactor, std::move(*xds_listening));
  xds::Server xds_server(reactor, proxy_return_time);
  XdsDataPlane data_plane(xds_server);
  reconcile::NetworkProber prober(reactor, *supervisor);
  reconcile::Reconciler reconciler(reactor, *store, *supervisor, data_plane, prober,
                                   base::Random::from_entropy());
  Stop stop(*supervisor, reconciler);
  Operations operations(reconciler, stop, *supervisor, xds_server, *store);
  api::Server api_server(reactor, base::Random::from_entropy(), *store, operations);
  runtime::Event leave;
  runtime::Scope scope;
  scope.spawn(stop_on_signal(signals, stop, leave));
  scope.spawn(serve_xds(reactor, *supervisor, xds_server, xds_acceptor));
  scope.spawn(serve_api(api_server, std::move(*api_listening)));
  runtime::log::info("control-plane", "serves {}", home.state());

  const auto outcome = co_await runtime::unless(until(leave), reconciler.run());
  co_await api_server.stop(last_words_limit);
  // What woke this may be a task of the supervisor's connection or of the API, which end with this: let it
  // return first.
  co_await reactor.sleep(base::Duration::zero());
  if (!outcome) {
    runtime::log::info("control-plane", "leaves the instances to its successor");
    co_return left_to_successor;
  }
  if (!*outcome) co_return refuse_to_start("ends", outcome->error());
  runtime::log::info("control-plane", "all instances have stopped");
  co_return 0;
}

}  // namespace weft::control
