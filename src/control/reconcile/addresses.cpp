#include "control/reconcile/addresses.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

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
    missing_.erase(key);
    if (!owners_.contains(key)) maybe_unwanted_.insert(key);
    known_.insert_or_assign(std::move(key), *address);
    co_return;
  }
  if (outcome->first) outcome->first = std::unexpected(address.error());
  auto why = std::move(address.error().detail);
  if (const auto wanted = provider::wanted_port(key); wanted != 0) {
    const auto holder =
        std::ranges::find(known_, wanted, [](const auto& entry) { return entry.second.port(); });
    // One that is on its way back is not had by anybody for long.
    const auto owners = holder == known_.end() ? owners_.end() : owners_.find(holder->first);
    if (holder != known_.end() && owners == owners_.end()) co_return;
    if (owners != owners_.end()) {
      why = fmt::format("port {} is that of {}: give one of the two another one", wanted,
                        owners->second.begin()->to_string());
    }
  }
  const auto [at, is_new] = faults_.insert_or_assign(std::move(key), std::move(why));
  if (is_new && outcome->new_faults++ == 0) outcome->first_new_fault = at->second;
}

void Addresses::want(const model::Ref& owner, Keys keys) {
  const auto known = wanted_by_.find(owner);
  if (known == wanted_by_.end() ? keys.empty() : known->second == keys) return;
  for (const auto& key : keys) {
    owners_[key].insert(owner);
    if (!known_.contains(key)) missing_.insert(key);
  }
  auto before = std::exchange(wanted_by_[owner], std::move(keys));
  const auto& now = wanted_by_[owner];
  for (const auto& key : before) {
    if (now.contains(key)) continue;
    const auto owners = owners_.find(key);
    owners->second.erase(owner);
    if (!owners->second.empty()) continue;
    owners_.erase(owners);
    missing_.erase(key);
    faults_.erase(key);
    maybe_unwanted_.insert(key);
  }
  if (now.empty()) wanted_by_.erase(owner);
}

std::map<std::string, model::Ref> Addresses::missing() const {
  std::map<std::string, model::Ref> found;
  for (const auto& key : missing_) found.emplace(key, *owners_.find(key)->second.begin());
  return found;
}

Addresses::Keys Addresses::take_unwanted() {
  auto keys = std::exchange(maybe_unwanted_, {});
  std::erase_if(keys, [&](const auto& key) { return owners_.contains(key) || !known_.contains(key); });
  return keys;
}

runtime::Task<void> Addresses::release(Keys keys) {
  std::vector<std::string> given;
  for (const auto& key : keys) {
    if (owners_.contains(key)) continue;
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
