#include "control/reconcile/testing_mesh_test.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "control/reconcile/conditions.h"
#include "model/load.h"

namespace weft::control::reconcile::testing {

namespace {

using base::Json;
using provider::ProviderErrorKind;
using runtime::Task;

store::Version version_of(std::string_view kind, std::uint64_t number) {
  return store::Version(fmt::format("\"{}\" after {}", kind, number));
}

/// A watch of a history, with versions as the MemoryStore writes them.
class MemoryWatch final : public store::Watch {
 public:
  MemoryWatch(std::string kind, std::unique_ptr<store::Watch> watch)
      : kind_(std::move(kind)), watch_(std::move(watch)) {}
  Task<store::Result<std::vector<store::Event>>> next() override { return watch_->next(); }
  store::Version seen() const override { return version_of(kind_, store::number_of(watch_->seen()).value()); }

 private:
  std::string kind_;
  std::unique_ptr<store::Watch> watch_;
};

const std::string& workload_of(const provider::Instance& instance) {
  return instance.labels.at(std::string(model::label::workload));
}

}  // namespace

store::Object MemoryStore::get(const store::Key& key) const {
  const auto at = objects_.find(key);
  return at == objects_.end() ? nullptr : at->second;
}

store::List MemoryStore::list(std::string_view kind, std::string_view ns) const {
  store::List found{{}, version_of(kind, newest(kind))};
  for (const auto& [key, object] : objects_) {
    if (key.kind == kind && (ns.empty() || key.ns == ns)) found.objects.push_back(object);
  }
  return found;
}

store::Result<store::Version> MemoryStore::parse_version(std::string_view text) const {
  if (!text.contains('"')) return base::fail(store::StoreErrorKind::malformed, "it has no quotes");
  return store::Version(std::string(text));
}

std::uint64_t MemoryStore::newest(std::string_view kind) const {
  const auto at = histories_.find(kind);
  return at == histories_.end() ? 0 : at->second->newest();
}

store::Stamp MemoryStore::stamp(const store::Key& key, std::string uid) const {
  return {version_of(key.kind, newest(key.kind) + 1), reactor_.clock().wall(), std::move(uid)};
}

store::History& MemoryStore::history(const std::string& kind) {
  auto& known = histories_[kind];
  if (!known) known = std::make_shared<store::History>(reactor_, 0, kept_events);
  return *known;
}

void MemoryStore::keep(store::Event::Type type, const store::Key& key, store::Object object) {
  const auto previous = get(key);
  if (type == store::Event::Type::deleted) {
    objects_.erase(key);
  } else {
    objects_[key] = object;
  }
  ++changes;
  history(key.kind).append({{newest(key.kind) + 1, {type, key, std::move(object), previous}}});
}

Task<store::Result<store::Object>> MemoryStore::create(Json object) {
  const auto key = store::key_of(object);
  auto next = store::created(get(key), std::move(object), stamp(key, fmt::format("uid-{}", changes)));
  if (next) keep(store::Event::Type::added, key, *next);
  co_return next;
}

Task<store::Result<store::Object>> MemoryStore::update(Json object) {
  const auto key = store::key_of(object);
  const auto before = get(key);
  auto next = store::updated(before, std::move(object), stamp(key));
  if (next && *next != before) keep(store::Event::Type::modified, key, *next);
  co_return next;
}

Task<store::Result<store::Object>> MemoryStore::update_status(Json object) {
  if (is_full) co_return base::fail(store::StoreErrorKind::full, "no space left");
  const auto key = store::key_of(object);
  const auto before = get(key);
  auto next = store::status_updated(before, std::move(object), stamp(key));
  if (next && *next != before) keep(store::Event::Type::modified, key, *next);
  co_return next;
}

Task<store::Result<store::Object>> MemoryStore::remove(store::Key key,
                                                       std::optional<store::Version> version) {
  auto last = store::removed(get(key), key, version, stamp(key));
  if (last) keep(store::Event::Type::deleted, key, *last);
  co_return last;
}

store::Result<std::unique_ptr<store::Watch>> MemoryStore::watch(std::string kind, store::Version since) {
  for (auto number = newest(kind) + 1; number-- > 0;) {
    if (version_of(kind, number) != since) continue;
    auto watch = history(kind).watch(kind, number);
    if (!watch) return watch;
    return std::make_unique<MemoryWatch>(kind, std::move(*watch));
  }
  return base::fail(store::StoreErrorKind::gone, "no version of " + kind + ": " + since.text());
}

Task<provider::Result<provider::Instance>> FakeProvider::start(provider::InstanceSpec spec) {
  calls.push_back("start " + spec.labels.at(std::string(model::label::workload)));
  if (on_start) on_start(spec);
  if (missing_images.contains(spec.image)) {
    co_return base::fail(ProviderErrorKind::image_not_found, fmt::format("no image \"{}\"", spec.image));
  }
  auto& instance = instances[spec.id];
  if (instance.phase == provider::Phase::running)
    co_return base::fail(ProviderErrorKind::already_exists, spec.id);
  instance.id = spec.id;
  instance.phase = provider::Phase::running;
  instance.pid = next_pid_++;
  instance.started_at = clock_.wall();
  instance.exit.reset();
  instance.note.clear();
  instance.labels = spec.labels;
  instance.ports.clear();
  for (const auto& port : spec.ports) instance.ports.push_back({port, base::Address::loopback(next_port_++)});
  auto& most = most_running[workload_of(instance)];
  most = std::max(most, running(workload_of(instance)).size());
  specs[spec.id] = std::move(spec);
  co_return instance;
}

Task<provider::Result<provider::Instance>> FakeProvider::stop(
    std::string id, std::optional<std::chrono::milliseconds> grace) {
  last_grace = grace.value_or(std::chrono::milliseconds(-1));
  const auto at = instances.find(id);
  if (at == instances.end()) co_return base::fail(ProviderErrorKind::not_found, id);
  const auto workload = workload_of(at->second);
  calls.push_back("stop " + workload);
  if (held_stops.contains(workload)) {
    at->second.phase = provider::Phase::stopping;
    runtime::Event never;
    co_await never.wait();
  }
  if (at->second.phase != provider::Phase::exited) {
    at->second.phase = provider::Phase::exited;
    at->second.exit = provider::Exit{0, {}, clock_.wall()};
    calls.push_back("stopped " + workload);
    changes_->push(at->second);
  }
  co_return at->second;
}

Task<provider::Result<void>> FakeProvider::remove(std::string id) {
  if (instances.erase(id) == 0) co_return base::fail(ProviderErrorKind::not_found, id);
  co_return provider::Result<void>();
}

Task<provider::Result<void>> FakeProvider::refresh(std::string id, std::vector<provider::Volume> volumes,
                                                   provider::RunAs) {
  const auto at = instances.find(id);
  if (at == instances.end()) co_return base::fail(ProviderErrorKind::not_found, id);
  calls.push_back("refresh " + workload_of(at->second));
  co_await refreshing.wait();
  if (!instances.contains(id)) co_return base::fail(ProviderErrorKind::not_found, id);
  specs[id].volumes = std::move(volumes);
  co_return provider::Result<void>();
}

Task<provider::Result<void>> FakeProvider::note(std::string id, std::string text) {
  instances[id].note = std::move(text);
  co_return provider::Result<void>();
}

Task<provider::Result<std::vector<provider::Instance>>> FakeProvider::list() {
  co_await listing.wait();
  std::vector<provider::Instance> found;
  for (const auto& [id, instance] : instances) found.push_back(instance);
  co_return found;
}

Task<provider::Result<provider::Instance>> FakeProvider::next_change() {
  auto change = co_await changes_->pop();
  if (!change) co_return base::fail(ProviderErrorKind::unavailable, "the supervisor is gone");
  co_return *change;
}

Task<provider::Result<provider::Located>> FakeProvider::locate(std::string id, bool may_be_fixed) {
  auto& instance = instances.at(id);
  calls.push_back("locate " + workload_of(instance));
  std::string fault;
  for (auto& bound : instance.ports) {
    if (!deaf.contains(workload_of(instance)) || bound.is_fixed) continue;
    if (may_be_fixed && instance.phase == provider::Phase::running) {
      bound.address = base::Address::loopback(bound.port.number);
      bound.is_fixed = true;
    } else {
      fault = fmt::format("it listens on {}", bound.port.number);
    }
  }
  co_return provider::Located{instance, fault};
}

Task<provider::Result<int>> FakeProvider::execute(std::string, std::vector<std::string>,
                                                  std::chrono::milliseconds) {
  co_return exec_result;
}

Task<provider::Result<std::unique_ptr<provider::LogReader>>> FakeProvider::logs(std::string id,
                                                                                provider::LogOptions) {
  co_return base::fail(ProviderErrorKind::not_found, id);
}

Task<provider::Result<base::Address>> FakeProvider::reserve(std::string key) {
  calls.push_back("reserve " + key);
  if (!held_reservations.empty() && key.starts_with(held_reservations)) co_await reserving.wait();
  if (taken.contains(key) || (take_inbound && key.starts_with("inbound/")))
    co_return base::fail(ProviderErrorKind::port_in_use, "port 20000 is in use by nginx");
  auto [at, is_new] = reserved.try_emplace(std::move(key));
  if (is_new) at->second = base::Address::loopback(next_reserved_++);
  co_return at->second;
}

Task<provider::Result<void>> FakeProvider::release(std::vector<std::string> keys) {
  for (const auto& key : keys) {
    calls.push_back("release " + key);
    reserved.erase(key);
  }
  co_return provider::Result<void>();
}

void FakeProvider::end(const std::string& id, std::optional<int> code, std::optional<int> signal) {
  auto& instance = instances.at(id);
  instance.phase = provider::Phase::exited;
  instance.exit = provider::Exit{code, signal, clock_.wall()};
  changes_->push(instance);
}

std::vector<std::string> FakeProvider::running(const std::string& workload) const {
  std::vector<std::string> ids;
  for (const auto& [id, instance] : instances) {
    if (instance.phase == provider::Phase::running && workload_of(instance) == workload) ids.push_back(id);
  }
  return ids;
}

Task<ProbeResult> FakeProber::probe(model::Probe probe, ProbeTarget target) {
  ++asked;
  if (probe.exec) {
    commands.push_back(probe.exec->command.front());
    if (held != nullptr) co_await held->wait();
  }
  const bool fails = std::ranges::any_of(failing, [&](const std::string& name) {
    if (const auto liveness = std::string("liveness "); name.starts_with(liveness)) {
      return probe.failure_threshold == 1 &&
             target.id.starts_with("default/" + name.substr(liveness.size()) + "-");
    }
    return target.id == name || target.id.starts_with("default/" + name + "-");
  });
  const bool is_refused = std::ranges::any_of(deaf, [&](const std::string& name) {
    return target.id.starts_with("default/" + name + "-") && !target.ports.front().is_fixed;
  });
  co_return fails || is_refused ? ProbeResult{false, "connection refused", is_refused}
                                : ProbeResult{true, {}};
}

void FakeDataPlane::place(std::string node, std::vector<snapshot::ContextId> contexts) {
  if (contexts.empty()) {
    placed.erase(node);
  } else {
    placed[node] = std::move(contexts);
  }
}

runtime::Task<std::expected<runtime::HostAddresses, std::string>> FakeProber::resolve(std::string host) {
  co_await resolving.wait();
  const auto known = hosts.find(host);
  if (known == hosts.end()) co_return std::unexpected("no such host");
  co_return known->second;
}

void FakeDataPlane::publish(std::string, snapshot::SnapshotPtr snapshot) {
  ++publications;
  const auto context = snapshot->context;
  published[context] = std::move(snapshot);
  if (context != snapshot::edge_context) return;
  for (const auto& cluster : published[context]->clusters) {
    const int now = healthy(cluster.name);
    auto [at, is_new] = fewest_healthy.try_emplace(cluster.name, now);
    at->second = std::min(at->second, now);
  }
}

Task<Settlement> FakeDataPlane::settled(snapshot::ContextId context, base::Duration) {
  if (proxies > 0 && published.contains(context)) co_await answering.wait();
  co_return Settlement{proxies > 0 && refusal.empty(), proxies, refusal};
}

Task<bool> FakeDataPlane::drained(std::string, snapshot::ContextId, std::vector<std::string>,
                                  base::Duration limit) {
  co_return co_await runtime::within(reactor_, limit, until(resting));
}

std::vector<std::string> FakeDataPlane::endpoints(const std::string& cluster) const {
  std::vector<std::string> list;
  const auto edge = published.find(snapshot::edge_context);
  if (edge == published.end()) return list;
  const auto* found = edge->second->clusters.find(cluster);
  if (!found) return list;
  for (const auto& endpoint : found->endpoints) {
    constexpr std::array words{"healthy", "unhealthy", "draining"};
    list.push_back(endpoint.instance + " " + words[static_cast<std::size_t>(endpoint.health)]);
  }
  return list;
}

int FakeDataPlane::healthy(const std::string& cluster) const {
  const auto list = endpoints(cluster);
  return static_cast<int>(
      std::ranges::count_if(list, [](const auto& text) { return text.ends_with(" healthy"); }));
}

Mesh::Mesh() {
  provider.listing.set();
  provider.refreshing.set();
  prober.resolving.set();
  data_plane.answering.set();
  data_plane.resting.set();
}

Mesh::~Mesh() { kill_control_plane(); }

void Mesh::start_control_plane() {
  kill_control_plane();
  provider.new_control_plane();
  outcome_.reset();
  reconciler_ =
      std::make_unique<Reconciler>(reactor, store, provider, data_plane, prober, base::Random(seed_++));
  scope_ = std::make_unique<runtime::Scope>();
  scope_->spawn(run());
  settle();
}

void Mesh::kill_control_plane() {
  scope_.reset();
  reconciler_.reset();
}

Task<void> Mesh::run() { outcome_ = co_await reconciler_->run(); }

void Mesh::apply(std::string_view yaml) {
  auto loaded = model::load(std::string(yaml), "test.yaml");
  ASSERT_FALSE(base::has_errors(loaded.diagnostics)) << base::render(loaded.diagnostics);
  for (auto& object : loaded.objects) {
    const bool exists = store.get(store::key_of(object.json)) != nullptr;
    auto task = exists ? store.update(std::move(object.json)) : store.create(std::move(object.json));
    ASSERT_TRUE(reactor.block_on(std::move(task)));
  }
}

void Mesh::remove(const std::string& kind, const std::string& name) {
  ASSERT_TRUE(reactor.block_on(store.remove({kind, "default", name}, {})));
}

void Mesh::patch(const std::string& kind, const std::string& name, const std::string& pointer, Json value) {
  auto object = get(kind, name);
  object["metadata"].erase("resourceVersion");
  object[Json::json_pointer(pointer)] = std::move(value);
  ASSERT_TRUE(reactor.block_on(store.update(std::move(object))));
}

Json Mesh::get(const std::string& kind, const std::string& name) const {
  const auto object = store.get({kind, "default", name});
  return object ? *object : Json();
}

std::string Mesh::condition(const std::string& kind, const std::string& name, const std::string& type) const {
  const auto object = get(kind, name);
  const auto* found = find_condition(object, type);
  if (!found) return "none";
  return found->value("status", "") + " " + found->value("reason", "");
}

std::string Mesh::message(const std::string& kind, const std::string& name, const std::string& type) const {
  const auto object = get(kind, name);
  const auto* found = find_condition(object, type);
  return found ? found->value("message", "") : "none";
}

void Mesh::settle() {
  constexpr int most_turns = 100'000;
  for (int i = 0; reactor.poll(); ++i) ASSERT_LT(i, most_turns) << "it never comes to rest";
}

void Mesh::pass(base::Duration time) {
  for (base::Duration passed{0}; passed < time; passed += step) {
    settle();
    clock.advance(step);
  }
  settle();
}

std::vector<std::string> Mesh::order(const std::string& verb) const {
  std::vector<std::string> names;
  for (const auto& call : provider.calls) {
    if (call.starts_with(verb + " ")) names.push_back(call.substr(verb.size() + 1));
  }
  return names;
}

int Mesh::ready(const std::string& deployment) const {
  const auto object = get("Deployment", deployment);
  return object.is_object() ? object.value(Json::json_pointer("/status/readyReplicas"), -1) : -1;
}

}  // namespace weft::control::reconcile::testing
