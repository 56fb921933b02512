#include "proxy/proxy.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <limits>
#include <map>
#include <mutex>
#include <thread>
#include <unordered_set>
#include <utility>

#include "base/counted.h"
#include "proxy/worker.h"
#include "runtime/combine.h"
#include "runtime/log.h"
#include "runtime/scope.h"
#include "runtime/socket.h"

namespace weft::proxy {
namespace {

using snapshot::ContextId;

/// How often a drain looks whether it is done: one that somebody waits for, and one that may take an hour.
constexpr auto drain_interval = std::chrono::milliseconds(10);
constexpr auto retire_interval = std::chrono::milliseconds(100);

/// A worker on its thread.
struct WorkerThread {
  /// Connections given to it and not ended, for an even spread. Written by itself and by those who hand out.
  std::atomic<std::size_t> load = 0;
  std::unique_ptr<runtime::Reactor> reactor;
  /// Made, used and destroyed on the thread.
  std::unique_ptr<Worker> worker;
  std::thread thread;
};

/// A change on its way, and what came of it.
struct Change {
  ContextId context;
  /// Null: the context is removed.
  snapshot::SnapshotPtr snapshot;
  runtime::Event done;
  std::expected<void, std::string> result;
};

/// What happens at listeners that drain. The workers tell of it on the main reactor.
struct DrainProgress {
  std::uint64_t count = 0;
  runtime::Event changed;
};

/// The places of the listeners of `next` at addresses at which `before` (may be null) has none: all others
/// have their sockets.
std::vector<std::size_t> new_addresses(const snapshot::Snapshot& next, const snapshot::Snapshot* before) {
  if (before != nullptr && next.listeners.is_same(before->listeners)) return {};
  std::unordered_set<base::Address> known;
  if (before != nullptr) {
    for (const auto& listener : before->listeners) known.insert(listener.address);
  }
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < next.listeners.size(); ++i) {
    if (!known.contains(next.listeners[i].address)) places.push_back(i);
  }
  return places;
}

}  // namespace

struct Proxy::Impl {
  Impl(runtime::Reactor& main_reactor, Options from, ListenerSource& listener_source)
      : main(main_reactor),
        options(std::move(from)),
        source(listener_source),
        access_log(options.access_log) {}

  void start();
  void stop();
  void run_worker(std::size_t number);
  bool hand_out(std::size_t from, const ContextId& context, ListenerNumber listener, runtime::Fd& fd);

  runtime::Task<void> run_changes();
  runtime::Task<std::expected<void, std::string>> apply(snapshot::SnapshotPtr snapshot);
  /// Whether connections can be accepted beside all listeners, once this is in force.
  std::expected<void, std::string> check_room(const snapshot::Snapshot& next) const;
  runtime::Task<void> remove(ContextId context);
  runtime::Task<void> drained(ContextId context, std::string listener);
  runtime::Task<void> end_by(base::MonoTime end, base::Duration interval);
  runtime::Task<bool> is_busy(ContextId context, ListenerNumber listener, bool with_streams);
  runtime::Task<std::expected<void, std::string>> change(ContextId context, snapshot::SnapshotPtr snapshot);

  /// Runs `work` on every worker's thread and ends when it has run on all.
  runtime::Task<void> on_workers(std::function<void(Worker&)> work);
  /// The same with a value from each.
  template <class T>
  runtime::Task<std::vector<T>> from_workers(std::function<T(Worker&)> work);

  runtime::Reactor& main;
  Options options;
  ListenerSource& source;
  exporter::AccessLogFile access_log;
  std::vector<std::unique_ptr<WorkerThread>> threads;
  std::map<ContextId, PlanPtr> in_force;
  const std::shared_ptr<tls::SessionStore> tls_sessions = tls::make_session_store();
  runtime::Queue<std::shared_ptr<Change>> changes;
  bool is_draining = false;
  std::shared_ptr<DrainProgress> drain_progress = std::make_shared<DrainProgress>();
  runtime::Scope scope;
};

/// What of the process's descriptors each of so many workers may use for sockets, those that it listens on
/// included.
std::size_t sockets_for_each(std::size_t workers) {
  // Each worker has two for itself (runtime::Reactor).
  const rlim_t for_others = 32 + 2 * workers;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return std::numeric_limits<std::size_t>::max();
  return static_cast<std::size_t>(std::max(limit.rlim_cur, for_others + 8) - for_others) / workers;
}

void Proxy::Impl::start() {
  options.limits.max_sockets =
      std::min(options.limits.max_sockets, sockets_for_each(std::max(options.workers, 1U)));
  for (unsigned i = 0; i < std::max(options.workers, 1U); ++i) {
    auto& thread = *threads.emplace_back(std::make_unique<WorkerThread>());
    thread.reactor = options.clock != nullptr ? std::make_unique<runtime::Reactor>(*options.clock)
                                              : std::make_unique<runtime::Reactor>();
  }
  for (std::size_t i = 0; i < threads.size(); ++i) {
    threads[i]->thread = std::thread([this, i] { run_worker(i); });
  }
  scope.spawn(run_changes());
}

void Proxy::Impl::run_worker(std::size_t number) {
  auto& thread = *threads[number];
  WorkerParts parts;
  parts.limits = options.limits;
  parts.seed = options.seed + number;
  parts.access_log = &access_log;
  parts.hand_out = [this, number](const ContextId& context, ListenerNumber listener, runtime::Fd& fd) {
    return hand_out(number, context, listener, fd);
  };
  parts.load = &thread.load;
  parts.tls_sessions = tls_sessions;
  parts.on_drain_progress = [this] {
    main.post([progress = drain_progress] {
      ++progress->count;
      progress->changed.pulse();
    });
  };
  thread.worker = std::make_unique<Worker>(*thread.reactor, std::move(parts));
  thread.reactor->run();
  thread.worker.reset();
}

bool Proxy::Impl::hand_out(std::size_t from, const ContextId& context, ListenerNumber listener,
                           runtime::Fd& fd) {
  const auto least = std::ranges::min_element(
      threads, {}, [](const auto& thread) { return thread->load.load(std::memory_order_relaxed); });
  auto& target = **least;
  // Counted here, so that the next of a burst goes elsewhere.
  target.load.fetch_add(1, std::memory_order_relaxed);
  if (&target == threads[from].get()) return false;
  target.reactor->post([&target, context, listener, taken = std::move(fd)]() mutable {
    target.worker->serve_fd(context, listener, std::move(taken));
  });
  return true;
}

void Proxy::Impl::stop() {
  scope.cancel();
  for (auto& thread : threads) thread->reactor->stop();
  for (auto& thread : threads) thread->thread.join();
}

runtime::Task<void> Proxy::Impl::on_workers(std::function<void(Worker&)> work) {
  struct Join {
    std::function<void(Worker&)> work;
    std::size_t left;
    runtime::Event done;
  };
  const auto join = std::make_shared<Join>(std::move(work), threads.size());
  for (auto& thread : threads) {
    thread->reactor->post([join, &thread = *thread, &main = main] {
      join->work(*thread.worker);
      main.post([join] {
        if (--join->left == 0) join->done.set();
      });
    });
  }
  co_await join->done.wait();
}

template <class T>
runtime::Task<std::vector<T>> Proxy::Impl::from_workers(std::function<T(Worker&)> work) {
  struct Values {
    std::mutex mutex;
    std::vector<T> list;
  };
  const auto values = std::make_shared<Values>();
  co_await on_workers([values, work = std::move(work)](Worker& worker) {
    auto value = work(worker);
    const std::lock_guard lock(values->mutex);
    values->list.push_back(std::move(value));
  });
  co_return std::move(values->list);
}

// Changes are taken one after the other; a caller that goes away meanwhile does not stop the one under way.
runtime::Task<void> Proxy::Impl::run_changes() {
  while (auto next = co_await changes.pop()) {
    auto& change = **next;
    if (change.snapshot) {
      change.result = co_await apply(change.snapshot);
    } else {
      co_await remove(change.context);
    }
    change.done.set();
  }
}

runtime::Task<std::expected<void, std::string>> Proxy::Impl::change(ContextId context,
                                                                    snapshot::SnapshotPtr snapshot) {
  const auto change = std::make_shared<Change>();
  change->context = std::move(context);
  change->snapshot = std::move(snapshot);
  changes.push(change);
  co_await change->done.wait();
  co_return change->result;
}

std::expected<void, std::string> Proxy::Impl::check_room(const snapshot::Snapshot& next) const {
  auto listeners = next.listeners.size();
  for (const auto& [context, plan] : in_force)
    if (context != next.context) listeners += plan->snapshot->listeners.size();
  const auto of_one = (listeners + threads.size() - 1) / threads.size();
  if (of_one < Worker::most_to_accept(options.limits.max_sockets)) return {};
  return std::unexpected(
      fmt::format("{} leave no descriptor for connections: raise how many the process may have (ulimit -n; "
                  "LimitNOFILE= of systemd)",
                  base::counted(listeners, "listener")));
}

runtime::Task<std::expected<void, std::string>> Proxy::Impl::apply(snapshot::SnapshotPtr snapshot) {
  if (auto valid = snapshot::validate(*snapshot); !valid) co_return valid;
  if (auto room = check_room(*snapshot); !room) co_return room;
  const auto found = in_force.find(snapshot->context);
  const auto before = found == in_force.end() ? nullptr : found->second;
  std::vector<std::pair<std::size_t, runtime::Fd>> opened;
  for (const auto place : new_addresses(*snapshot, before ? before->snapshot.get() : nullptr)) {
    const auto& listener = snapshot->listeners[place];
    auto fd = co_await source.open(listener.name, listener.address);
    if (!fd) {
      co_return std::unexpected(fmt::format("listener {} cannot listen on {}: {}", listener.name,
                                            listener.address.to_string(), fd.error().message()));
    }
    opened.emplace_back(place, std::move(*fd));
  }
  const auto plan = std::make_shared<const Plan>(snapshot, before.get());
  co_await on_workers([plan](Worker& worker) { worker.apply(plan->snapshot->context, plan); });
  in_force[snapshot->context] = plan;
  // Only now: a worker may hand a connection to any other, which must know the listener.
  for (auto& [place, socket] : opened) {
    const auto number = (*plan->numbers)[place];
    // Always the same one, which so closes the socket of the address that the listener has left.
    auto& thread = *threads[number % threads.size()];
    thread.reactor->post([&thread, id = snapshot->context, number, fd = std::move(socket)]() mutable {
      thread.worker->accept_on(id, number, std::move(fd));
    });
  }
  co_return std::expected<void, std::string>{};
}

runtime::Task<void> Proxy::Impl::remove(ContextId context) {
  in_force.erase(context);
  co_await on_workers([context](Worker& worker) { worker.remove(context); });
}

runtime::Task<bool> Proxy::Impl::is_busy(ContextId id, ListenerNumber listener, bool with_streams) {
  // Twice: what one worker hands to another meanwhile is seen the second time.
  for (int look = 0; look < 2; ++look) {
    const auto answers = co_await from_workers<bool>(
        [id, listener, with_streams](Worker& worker) { return worker.is_busy(id, listener, with_streams); });
    if (std::ranges::find(answers, true) != answers.end()) co_return true;
  }
  co_return false;
}

/// Ends when no connection is left; what is left at `end` is cut.
runtime::Task<void> Proxy::Impl::end_by(base::MonoTime end, base::Duration interval) {
  while (main.clock().now() < end) {
    const auto left = co_await from_workers<std::size_t>([](Worker& worker) { return worker.connections(); });
    if (std::ranges::all_of(left, [](std::size_t count) { return count == 0; })) co_return;
    co_await main.sleep(interval);
  }
  co_await on_workers([](Worker& worker) { worker.cut(); });
}

runtime::Task<void> Proxy::Impl::drained(ContextId id, std::string name) {
  const auto progress = drain_progress;
  const auto began = main.clock().now();
  for (;;) {
    const auto known = in_force.find(id);
    if (known == in_force.end()) co_return;
    const auto plan = known->second;
    const auto place = plan->snapshot->listeners.place(name);
    if (!place || !plan->snapshot->listeners[*place].drain) co_return;
    const base::Duration left = began + *plan->snapshot->listeners[*place].drain - main.clock().now();
    const bool with_streams = left > base::Duration::zero();
    const auto seen = progress->count;
    if (!co_await is_busy(id, (*plan->numbers)[*place], with_streams)) co_return;
    if (progress->count != seen) continue;
    if (with_streams) {
      co_await runtime::within(main, left, until(progress->changed));
    } else {
      co_await progress->changed.wait();
    }
  }
}

runtime::Task<runtime::IoResult<runtime::Fd>> BindingListenerSource::open(std::string,
                                                                          base::Address address) {
  co_return runtime::listen_on(address);
}

Proxy::Proxy(runtime::Reactor& main, Options options, ListenerSource& source)
    : impl_(std::make_unique<Impl>(main, std::move(options), source)) {
  impl_->start();
}

Proxy::~Proxy() { impl_->stop(); }

runtime::Task<std::expected<void, std::string>> Proxy::apply(snapshot::SnapshotPtr snapshot) {
  const auto context = snapshot->context;
  co_return co_await impl_->change(context, std::move(snapshot));
}

runtime::Task<void> Proxy::remove(ContextId context) { co_await impl_->change(std::move(context), nullptr); }

runtime::Task<void> Proxy::drained(ContextId context, std::string listener) {
  return impl_->drained(std::move(context), std::move(listener));
}

runtime::Task<void> Proxy::drain(base::Duration deadline) {
  impl_->is_draining = true;
  const auto end = impl_->main.clock().now() + deadline;
  co_await impl_->on_workers([](Worker& worker) { worker.begin_drain(); });
  co_await impl_->end_by(end, drain_interval);
}

runtime::Task<void> Proxy::retire(base::Duration deadline) {
  impl_->is_draining = true;
  const auto end = impl_->main.clock().now() + deadline;
  co_await impl_->on_workers([](Worker& worker) { worker.retire(); });
  co_await impl_->main.sleep(std::min<base::Duration>(deadline, impl_->options.limits.drain_idle_timeout));
  co_await impl_->on_workers([](Worker& worker) { worker.close_silent(); });
  co_await impl_->end_by(end, retire_interval);
}

runtime::Task<runtime::IoResult<std::vector<ListeningSocket>>> Proxy::listening() {
  using Sockets = std::vector<ListeningSocket>;
  auto parts = co_await impl_->from_workers<runtime::IoResult<Sockets>>(
      [](Worker& worker) { return worker.listening(); });
  Sockets all;
  for (auto& part : parts) {
    if (!part) co_return std::unexpected(part.error());
    std::ranges::move(*part, std::back_inserter(all));
  }
  co_return all;
}

bool Proxy::is_draining() const { return impl_->is_draining; }

void Proxy::reopen_access_log() { impl_->access_log.reopen(); }

runtime::Task<telemetry::Samples> Proxy::metrics() {
  const auto shards =
      co_await impl_->from_workers<telemetry::Samples>([](Worker& worker) { return worker.samples(); });
  telemetry::Samples samples;
  for (const auto& shard : shards) samples.merge(shard);
  if (impl_->options.other_metrics) samples.merge(impl_->options.other_metrics());
  samples.add("weft_access_log_dropped_total", "Access-log lines that were dropped.",
              telemetry::Kind::counter, std::string(), impl_->access_log.dropped());
  for (std::size_t i = 0; i < impl_->threads.size(); ++i) {
    samples.add("weft_worker_connections", "Connections of clients over sockets, by worker.",
                telemetry::Kind::gauge, {{"worker", std::to_string(i)}},
                impl_->threads[i]->load.load(std::memory_order_relaxed));
  }
  samples.add("weft_contexts", "Contexts in force.", telemetry::Kind::gauge, std::string(),
              impl_->in_force.size());
  co_return samples;
}

std::vector<snapshot::SnapshotPtr> Proxy::snapshots() const {
  std::vector<snapshot::SnapshotPtr> list;
  for (const auto& [id, plan] : impl_->in_force) list.push_back(plan->snapshot);
  return list;
}

std::vector<ListenerStatus> Proxy::listeners() const {
  std::vector<ListenerStatus> list;
  for (const auto& [id, plan] : impl_->in_force) {
    for (const auto& listener : plan->snapshot->listeners)
      list.push_back({id, listener.name, listener.address});
  }
  return list;
}

runtime::Task<std::vector<EndpointStatus>> Proxy::endpoints() {
  const auto parts = co_await impl_->from_workers<std::vector<EndpointStatus>>([](Worker& worker) {
    std::vector<EndpointStatus> list;
    worker.add_endpoints(list);
    return list;
  });
  std::map<std::pair<std::string, base::Address>, EndpointStatus> merged;
  for (const auto& part : parts) {
    for (const auto& one : part) {
      auto [at, is_new] = merged.try_emplace({one.context.to_string() + " " + one.cluster, one.address}, one);
      if (is_new) continue;
      at->second.connections += one.connections;
      at->second.idle_connections += one.idle_connections;
      at->second.active_requests += one.active_requests;
      at->second.requests += one.requests;
    }
  }
  std::vector<EndpointStatus> list;
  for (auto& [key, status] : merged) list.push_back(std::move(status));
  co_return list;
}

unsigned Proxy::workers() const { return static_cast<unsigned>(impl_->threads.size()); }

}  // namespace weft::proxy
