// When the certificates that a config file names end, for who must renew them.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "telemetry/samples.h"
#include "tls/tls.h"

namespace weft::cli {

class CertificateDates {
 public:
  using Times = std::vector<tls::Validity>;

  /// Of a file that is shown to peers: the leaf, and what leads from it to its authority. `times` has one at
  /// least, here and below.
  void add_own(std::string file, Times times) {
    files_.push_back({std::move(file), false, std::move(times)});
  }
  /// Of a file of authorities.
  void add_authorities(std::string file, Times times) {
    files_.push_back({std::move(file), true, std::move(times)});
  }

  /// Which are not valid at `now`, or not for long.
  std::vector<std::string> warnings(base::WallTime now) const;
  /// When to say so again, once it was said at `said`: a day later, or when a file is of no use any more.
  base::WallTime due_after(base::WallTime said) const;
  /// A gauge for each file: until when it is of use.
  void add_to(telemetry::Samples& samples) const;

 private:
  struct File {
    std::string name;
    bool is_of_authorities = false;
    Times times;

    /// A chain is of use until the first of its certificates ends, authorities until the last does.
    base::WallTime end() const;
  };

  std::vector<File> files_;
};

}  // namespace weft::cli
