// The status and the EndpointSlices of a Service.
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "control/reconcile/addresses.h"
#include "control/reconcile/world.h"

namespace weft::control::reconcile {

/// What the data plane says about it.
struct Programmed {
  /// The proxies run the configuration in which its endpoints are.
  bool is_acknowledged = false;
  /// Ready endpoints that the proxies surely know.
  int endpoints = 0;
  /// Why not: "no proxy is connected".
  std::string trouble;
};

/// The member `status` as it should be; `object` is the stored one.
base::Json service_status(const World& world, const model::Ref& service, const Addresses& addresses,
                          const Programmed& programmed, const base::Json& object, base::WallTime now);

/// One slice for each instance, for each has ports of its own on this machine.
std::vector<base::Json> endpoint_slices(const World& world, const model::Ref& service,
                                        const Addresses& addresses);

}  // namespace weft::control::reconcile
