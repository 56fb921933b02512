// Certificates for tests, made when they are asked for.
#pragma once

#include <chrono>
#include <string>

#include "base/clock.h"
#include "tls/openssl.h"
#include "tls/tls.h"

namespace weft::tls::testing {

/// The time at which a ManualClock begins lies between these two.
inline constexpr auto day = std::chrono::hours(24);

struct Wanted {
  std::string name = "app";
  base::Duration begins = -day;  // from the ManualClock's begin
  base::Duration ends = day;
  bool is_ca = false;
  unsigned rsa_bits = 0;  // 0: its key is of P-256
  bool has_alt_name = true;
};

/// Somebody with a key, whose certificate `issuer` has signed, or (null) he himself.
class Holder {
 public:
  Holder(const Wanted& wanted, const Holder* issuer);
  /// The same key with another certificate.
  Holder(const Wanted& wanted, const Holder* issuer, const Holder& before);
  /// As PEM. `with`: certificates that follow.
  KeyPair pair(const std::string& with = {}) const;
  std::string certificate() const;

 private:
  Holder(const Wanted& wanted, const Holder* issuer, Key key);
  Key key_;
  Certificate certificate_;
};

}  // namespace weft::tls::testing
