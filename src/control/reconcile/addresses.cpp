#include "control/reconcile/addresses.h"

#include "runtime/combine.h"
#include "runtime/log.h"

namespace weft::control::reconcile {

const std::string* Addresses::fault(std::string_view key) const {
  const auto at = faults_.find(key);
  return at == faults_.end() ? nullptr : &at->second;
}

runtime::Task<provider::Result<void>> Addresses::ensure(Keys keys) {
  Outcome outcome;
  std::vector<runtime::Task<void>> tasks;
  for (const auto& key : keys) {
    if (!known_.contains(key)) tasks.push_back(reserve(key, &outcome));
  }
  if (!tasks.empty()) co_await runtime::all(std::move(tasks));
  if (outcome.new_faults > 0) {
    // One line for all: a limit that is reached refuses thousands.
    runtime::log::warning("reconcile", "{} addresses cannot be had, first {}", outcome.new_faults,
                          outcome.first_new_fault);
  }
  co_return outcome.first;
}

runtime::Task<void> Addresses::reserve(std::string key, Outcome* outcome) {
  auto address = co_await provider_.reserve(key);
  if (address) {
    faults_.erase(key);
    known_.insert_or_assign(std::move(key), *address);
    co_return;
  }
  const auto [at, is_new] = faults_.insert_or_assign(std::move(key), address.error().detail);
  if (is_new && outcome->new_faults++ == 0) outcome->first_new_fault = at->second;
  if (outcome->first) outcome->first = std::unexpected(address.error());
}

runtime::Task<void> Addresses::release(Keys keys) {
  std::vector<std::string> given;
  for (const auto& key : keys) {
    faults_.erase(key);
    // Forgotten before the provider is asked: a reservation that comes meanwhile is asked for after this one
    // is gone.
    if (known_.erase(key) > 0) given.push_back(key);
  }
  if (given.empty()) co_return;
  if (auto released = co_await provider_.release(given); !released) {
    runtime::log::warning("reconcile", "addresses were not given back: {}", released.error().detail);
  }
}

}  // namespace weft::control::reconcile
