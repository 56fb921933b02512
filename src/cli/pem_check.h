// What is wrong with the certificates and keys that a config file names, and when the good ones end.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "cli/certificate_dates.h"
#include "snapshot/config.h"
#include "tls/tls.h"

namespace weft::cli {

/// For one reading of a config file: what is named more than once is looked at, and told of, once.
class PemCheck {
 public:
  /// As snapshot::CheckTls.
  std::vector<snapshot::TlsFault> check(const snapshot::PemFile& certificate, const snapshot::PemFile& key,
                                        const snapshot::PemFile& ca);
  /// Of what was good.
  const CertificateDates& dates() const { return dates_; }

 private:
  using File = snapshot::TlsFault::File;
  /// Whether this is the first time.
  bool is_new(std::string_view what, const std::string& name);

  tls::Library library_{nullptr};
  std::set<std::string> known_;
  CertificateDates dates_;
};

}  // namespace weft::cli
