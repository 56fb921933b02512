// Looks after ExternalServices: what addresses their names have, and which of them take connections.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "control/reconcile/external.h"
#include "control/reconcile/probe.h"
#include "control/reconcile/world.h"
#include "runtime/combine.h"
#include "runtime/reactor.h"
#include "runtime/scope.h"

namespace weft::control::reconcile {

class Externals {
 public:
  /// `on_change` is told of each whose state in the World is another now. References must outlive it.
  Externals(runtime::Reactor& reactor, Prober& prober, World& world,
            std::function<void(const model::Ref&)> on_change);
  Externals(const Externals&) = delete;
  Externals& operator=(const Externals&) = delete;

  /// Looks after a Service as it is stored now: from now on, anew, or no longer.
  void look(const model::Ref& service);

 private:
  using SpecPtr = std::shared_ptr<const model::ExternalService>;
  struct Watch {
    SpecPtr of;
    /// Null until it first begins.
    std::unique_ptr<runtime::Scope> scope;
  };

  runtime::Task<void> watch(model::Ref ref, SpecPtr of);
  /// Looks the name up as often as its TTL asks for; sets `has_new` when it has other addresses.
  runtime::Task<void> follow_name(model::Ref ref, SpecPtr of, runtime::Event& has_new);
  /// Takes in what addresses there are now; whether new ones are among them.
  runtime::Task<bool> take_addresses(model::Ref ref, SpecPtr of, std::vector<base::Address> addresses);
  /// Asks the addresses at their own pace, and at once if there are new ones.
  runtime::Task<void> follow_addresses(model::Ref ref, SpecPtr of, runtime::Event& has_new);
  void put(const model::Ref& ref, ExternalState state);
  runtime::Task<void> probe_all(SpecPtr of, std::vector<ExternalEndpoint>& endpoints);
  runtime::Task<void> probe(SpecPtr of, ExternalEndpoint& endpoint);

  runtime::Reactor& reactor_;
  Prober& prober_;
  World& world_;
  std::function<void(const model::Ref&)> on_change_;
  std::map<model::Ref, Watch> watches_;
};

/// The member `status` of an ExternalService as it should be; `object` is the stored one.
base::Json external_status(const model::ExternalService& service, const ExternalState& state,
                           const base::Json& object, base::WallTime now);
/// What its stored status says that was known of it.
ExternalState external_state(const base::Json& object);

}  // namespace weft::control::reconcile
