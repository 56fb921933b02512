// Chains of certificates that were found good, so that the next connection of the same peer need not verify
// them again. That the peer has the key is proved in each handshake all the same.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <optional>

#include "base/clock.h"
#include "tls/openssl.h"

namespace weft::tls {

/// Most of one thread: some hundred bytes each.
inline constexpr std::size_t max_verified_chains = 4096;

class VerifiedChains {
 public:
  /// SHA-256 over the certificates that the peer has sent, and over who trusts whom for what.
  using Name = std::array<unsigned char, 32>;

  /// Until when the chain is good, if it is known and is so now.
  std::optional<base::WallTime> find(const Name& name, base::WallTime now);
  void add(const Name& name, base::WallTime good_until);
  std::size_t size() const { return by_name_.size(); }

 private:
  struct Entry {
    base::WallTime good_until;
    std::list<Name>::iterator use;
  };
  std::map<Name, Entry> by_name_;
  std::list<Name> uses_;  // the last used first
};

/// 1970 if it cannot be read.
base::WallTime wall_time(const ASN1_TIME* time);
/// The earliest end of validity in a chain.
base::WallTime end_of_validity(const STACK_OF(X509) * chain);

}  // namespace weft::tls
