// What is wrong with the certificates and keys that a config file names, and what of them a person should
// know.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "snapshot/config.h"
#include "tls/tls.h"

namespace weft::cli {

/// For one reading of a config file: what is named more than once is looked at, and told of, once.
class PemCheck {
 public:
  explicit PemCheck(base::WallTime now) : now_(now) {}

  /// As snapshot::CheckTls.
  std::vector<snapshot::TlsFault> check(const snapshot::PemFile& certificate, const snapshot::PemFile& key,
                                        const snapshot::PemFile& ca);
  /// Of what was good: which certificates are not valid now, or not for long.
  const std::vector<std::string>& warnings() const { return warnings_; }

 private:
  using File = snapshot::TlsFault::File;
  using Times = std::vector<tls::Validity>;
  /// Whether this is the first time.
  bool is_new(std::string_view what, const std::string& name);
  void warn_of_own(const std::string& file, const Times& times);
  void warn_of_authorities(const std::string& file, const Times& times);

  const base::WallTime now_;
  tls::Library library_{nullptr};
  std::set<std::string> known_;
  std::vector<std::string> warnings_;
};

}  // namespace weft::cli
