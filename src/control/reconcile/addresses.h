// The listening addresses that the mesh has reserved from the provider, and who needs which.
#pragma once

#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "control/compile/compile.h"
#include "provider/provider.h"
#include "runtime/task.h"

namespace weft::control::reconcile {

class Addresses {
 public:
  using Keys = std::set<std::string, std::less<>>;

  explicit Addresses(provider::Provider& provider) : provider_(provider) {}

  const compile::Addresses& known() const { return known_; }
  /// Why a key has no address, null if there is no reason.
  const std::string* fault(std::string_view key) const;
  /// Reserves those that are not known yet, beside each other. The first error, after all have been tried.
  runtime::Task<provider::Result<void>> ensure(Keys keys);
  /// What a Service or workload needs from now on.
  void want(const model::Ref& owner, Keys keys);
  /// What somebody needs and has no address, with one who does.
  std::map<std::string, model::Ref> missing() const;
  /// What has an address and is not needed any more, or was reserved before anybody needed it; each is given
  /// once.
  Keys take_unwanted();
  /// Gives addresses back; keys that somebody needs, or without one, are passed over.
  runtime::Task<void> release(Keys keys);

 private:
  struct Outcome {
    provider::Result<void> first;  // or the first error
    std::size_t new_faults = 0;
    std::string first_new_fault;
  };
  runtime::Task<void> reserve(std::string key, Outcome* outcome);

  provider::Provider& provider_;
  compile::Addresses known_;
  std::map<std::string, std::string, std::less<>> faults_;
  std::map<model::Ref, Keys> wanted_by_;
  std::map<std::string, std::set<model::Ref>, std::less<>> owners_;  // the same by key
  Keys missing_;                                                     // of these, those without an address
  Keys maybe_unwanted_;
};

}  // namespace weft::control::reconcile
