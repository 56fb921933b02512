// The publisher: from what is known to Snapshots at the proxies. Each pass compiles what has changed and what
// that leads to, and publishes what differs.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "control/compile/compile.h"
#include "control/reconcile/addresses.h"
#include "control/reconcile/data_plane.h"
#include "control/reconcile/limits.h"
#include "control/reconcile/world.h"
#include "runtime/combine.h"
#include "runtime/reactor.h"
#include "runtime/scope.h"

namespace weft::control::reconcile {

class Publisher {
 public:
  using Refs = std::vector<model::Ref>;

  /// `on_change` is told the Services, and the workloads of whose Services, something new can be said:
  /// addresses, endpoints, acknowledgements.
  Publisher(runtime::Reactor& reactor, World& world, Addresses& addresses, DataPlane& data_plane,
            std::function<void(const Refs&)> on_change);
  Publisher(const Publisher&) = delete;
  Publisher& operator=(const Publisher&) = delete;

  /// Passes and waits for acknowledgements until it is cancelled.
  runtime::Task<void> run();
  /// A workload's instances have changed, or whether it has any: a pass will follow.
  void request(const model::Ref& workload);
  /// The same for what is stored.
  void request(const World::CompileChanges& changes);
  /// Ends after a pass that has seen what is known now of the workload and all that was asked for, when the
  /// proxies have acknowledged all that changed until then, or drain_limit has passed.
  runtime::Task<void> flush_and_settle(model::Ref workload);
  /// Has the proxy of an instance's node told that its inbound listeners drain, and ends when it says that
  /// nothing is under way there any more; false once `limit` has passed.
  runtime::Task<bool> drained(std::shared_ptr<const Instance> instance, base::Duration limit);

  /// Passes that are done, and Snapshots that were made in them.
  std::uint64_t passes() const { return passes_; }
  std::uint64_t compiled() const { return compiled_; }
  /// Whether the proxies run what the edge was given in that pass, in which it was changed.
  bool is_acknowledged(std::uint64_t pass) const { return pass <= acknowledged_; }
  /// Why not, if there is something to say: "no proxy is connected", or a proxy's refusal.
  const std::string& trouble() const { return trouble_; }
  std::size_t contexts() const;

 private:
  runtime::Task<void> pass();
  /// Ends after a pass that has seen what is known now of the workload and all that was asked for, with its
  /// addresses.
  runtime::Task<void> flush(model::Ref workload);
  /// Ends with the pass that is under way, or the next one.
  runtime::Task<void> next_pass();
  void ask_for_pass();
  runtime::Task<void> request_later();
  /// Brings the input up to date with all that has changed, and gives what that leads to.
  compile::Affected take_in();
  void take_in(const model::Ref& ref);
  Refs publish(const compile::Affected& affected);
  /// The same for one node; the contexts that changed go to `changed`.
  void publish(const std::string& node, const compile::Contexts& made,
               std::set<snapshot::ContextId>& changed);
  /// Notes how many ready endpoints each of these has, and since which pass; gives those for which that
  /// changed.
  Refs note_ready_services(const compile::Refs& services);
  Refs all_services() const;
  /// Those whose endpoints came in a pass after this one.
  Refs ready_since(std::uint64_t pass) const;
  runtime::Task<void> release(Addresses::Keys keys);
  /// Ends when the proxies have answered to all that was changed up to that pass, or drain_limit has passed.
  runtime::Task<void> settled(std::uint64_t last);
  runtime::Task<void> settle(std::uint64_t pass, std::set<snapshot::ContextId> contexts);
  runtime::Task<void> settle_context(snapshot::ContextId context);
  runtime::Task<void> confirm_edge();

  runtime::Reactor& reactor_;
  World& world_;
  Addresses& addresses_;
  DataPlane& data_plane_;
  std::function<void(const Refs&)> on_change_;

  bool is_requested_ = false;
  bool has_everything_changed_ = true;
  compile::Refs changed_;  // since the last pass
  bool is_retrying_ = false;
  base::Duration retry_ = retry_first;
  base::Duration busy_{0};  // of the last pass, without waiting
  std::uint64_t passes_ = 0;
  std::uint64_t compiled_ = 0;
  std::uint64_t acknowledged_ = 0;
  std::uint64_t edge_changed_ = 0;  // the pass that changed the edge last
  std::string trouble_;
  compile::Input input_;
  compile::Snapshots published_;
  std::set<std::uint64_t> unsettled_;  // passes whose changes the proxies have not answered yet
  runtime::Event requested_;
  runtime::Event pass_done_;
  runtime::Event pass_settled_;
  runtime::Event edge_changed_event_;
  runtime::Scope scope_;
};

}  // namespace weft::control::reconcile
