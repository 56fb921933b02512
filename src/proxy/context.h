// A context as a worker knows it: the Snapshot in force, made ready, and what lives on from one Snapshot to
// the next.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/random.h"
#include "decide/decide.h"
#include "proxy/cluster.h"
#include "proxy/limits.h"
#include "proxy/local_ptr.h"
#include "proxy/opening/proxy_header.h"
#include "proxy/tls_contexts.h"
#include "runtime/reactor.h"
#include "snapshot/snapshot.h"
#include "telemetry/shard.h"

namespace weft::proxy {

/// What all workers know a listener by, for as long as it lives: no two in the process have the same. A
/// listener lives on from one Snapshot of its context to the next where it keeps its address, whatever it is
/// called then; and one that goes to a new address keeps what its name had.
using ListenerNumber = std::uint64_t;

/// A Snapshot with its index: made once, shared by the workers.
struct Plan {
  /// `before`: of the Snapshot that this one follows; null if it is the context's first.
  Plan(snapshot::SnapshotPtr from, const Plan* before);
  snapshot::SnapshotPtr snapshot;
  decide::Index index;
  /// In the order of the Snapshot's listeners.
  std::shared_ptr<const std::vector<ListenerNumber>> numbers;
};
using PlanPtr = std::shared_ptr<const Plan>;

/// One connection's part of its worker's load, from accept to end. The number is read by other workers.
class LoadShare {
 public:
  LoadShare() = default;
  /// Takes over one that was counted already.
  explicit LoadShare(std::atomic<std::size_t>* load) : load_(load) {}
  LoadShare(LoadShare&& other) noexcept : load_(std::exchange(other.load_, nullptr)) {}
  LoadShare& operator=(LoadShare&& other) noexcept {
    std::swap(load_, other.load_);
    return *this;
  }
  ~LoadShare() {
    if (load_ != nullptr) load_->fetch_sub(1, std::memory_order_relaxed);
  }

 private:
  std::atomic<std::size_t>* load_ = nullptr;
};

/// A Snapshot in force on one worker. A request pins the one that it began with.
class Config final : public LocalCounted {
 public:
  explicit Config(PlanPtr from) : plan(std::move(from)) {}

  PlanPtr plan;
  /// In the order of the Snapshot's clusters.
  std::vector<LocalPtr<ClusterState>> clusters;

  const snapshot::Snapshot& snapshot() const { return *plan->snapshot; }
};

class Context;

/// One listener of one context. Connections hold it beyond its removal.
class ListenerState final : public LocalCounted {
 public:
  explicit ListenerState(LocalPtr<Context> owner) : context(std::move(owner)) {}

  LocalPtr<Context> context;
  /// In the Snapshot in force; of a removed one, in the last that had it.
  const snapshot::Listener* config = nullptr;
  /// Its place among that Snapshot's listeners.
  std::size_t place = 0;
  ListenerNumber number = 0;
  /// Of a removed one alone: keeps its configuration alive.
  LocalPtr<Config> last;
  bool is_removed() const { return static_cast<bool>(last); }
  /// Connections of clients that came by it, and those of them that carry a tunnel or a stream of events.
  std::size_t connections = 0;
  std::size_t streams = 0;
  /// Goes up when its address or its protocol changes, when TLS comes or goes, and when clients who were
  /// trusted may be so no more: connections that came before end then. A certificate that changes is for
  /// those that come.
  std::uint32_t generation = 0;
  /// What holds for who begins now.
  LocalPtr<Config> pinned() const;
  /// What clients that come now are met with; null where it is not to be had, or where `config` has no TLS.
  std::shared_ptr<tls::ServerContext> tls;
  /// Of the access log: AccessRecord::Kept::listener.
  std::string log_fields;
};

class Context final : public LocalCounted {
 public:
  explicit Context(snapshot::ContextId of) : id(std::move(of)) {}

  const snapshot::ContextId id;
  LocalPtr<Config> config;
  std::unordered_map<ListenerNumber, LocalPtr<ListenerState>> listeners;
};

inline LocalPtr<Config> ListenerState::pinned() const { return is_removed() ? last : context->config; }

/// Who calls, as far as the proxy knows.
struct Peer {
  /// The caller's context, if it is one of this process; else null.
  LocalPtr<Context> context;
  /// It is an HTTP chain of that, whose marks can be believed.
  bool is_chain = false;
  /// It speaks TLS to this proxy.
  bool is_tls = false;
  LoadShare share;
  /// What the header of the PROXY protocol says, where there was one.
  std::unique_ptr<const opening::ProxyHeader> header{};
  /// Of its listener when it came; nothing: it comes now.
  std::optional<std::uint32_t> generation{};

  const snapshot::ContextId& id() const {
    static const snapshot::ContextId unknown;
    return context ? context->id : unknown;
  }
};

/// What clusters are made with.
struct ClusterParts {
  runtime::Reactor& reactor;
  const Limits& limits;
  telemetry::ProxyCounters& counters;
  base::Random& random;
  TlsContexts& tls;
};

/// What a Snapshot has changed of its context's listeners.
struct ListenerChanges {
  bool has_any = true;
  bool has_new_generation = false;
  /// Marked as removed.
  std::vector<LocalPtr<ListenerState>> removed;
};

/// Puts `plan` in force: clusters of the same name and protocol keep their state, listeners of the same
/// number theirs. Parts that the Snapshot before had as well are passed over.
ListenerChanges put_in_force(LocalPtr<Context> context, PlanPtr plan, const ClusterParts& parts);
/// Takes a context out of force: its clusters are retired, all its listeners come back, marked as removed.
std::vector<LocalPtr<ListenerState>> take_out_of_force(Context& context);

}  // namespace weft::proxy
