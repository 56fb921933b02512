// The listening addresses that the mesh has reserved from the provider.
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
  /// Gives addresses back; keys without one are passed over.
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
};

}  // namespace weft::control::reconcile
