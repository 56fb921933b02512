// The folders that instances are given: made before a start, refreshed while it runs, removed with it.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "provider/process/account.h"
#include "provider/provider.h"
#include "runtime/home.h"

namespace weft::provider::process {

/// Where they lie. Each has a folder for each instance in it.
struct VolumeFolders {
  /// In the state folder, for what may be large.
  std::string disk;
  /// In the run folder, which is in memory where the system has it so; for what is secret, too.
  std::string memory;
  /// Beside the run folder, with a way in for other users: what belongs to one of them. He sees no other's.
  std::string shared;

  static VolumeFolders of(const runtime::Home& home);
};

class Volumes {
 public:
  explicit Volumes(VolumeFolders folders) : folders_(std::move(folders)) {}

  /// Makes the folders of an instance, or refreshes those that are there; what an emptyDir holds stays. Gives
  /// the variables that tell where they are, in the form of InstanceSpec::environment. `wrong_config`: a
  /// hostPath that is not as it must be; `failed`: a folder cannot be written.
  Result<std::vector<std::pair<std::string, std::string>>> make(const std::string& id,
                                                                const std::vector<Volume>& volumes,
                                                                const std::optional<Credentials>& owner);
  /// Removes all folders of one instance.
  void remove(const std::string& id) const;
  /// Removes those of instances that `is_known` does not know: a control plane that was killed left them.
  void remove_others(const std::function<bool(const std::string& id)>& is_known) const;
  /// Removes all there are.
  void clear() const;

 private:
  Result<std::string> folder_for(const std::string& id, const Volume& volume,
                                 const std::optional<Credentials>& owner) const;

  std::vector<std::string> roots() const;

  VolumeFolders folders_;  // empty: there are none
};

}  // namespace weft::provider::process
