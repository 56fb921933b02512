// Chains of certificates that were found good, so that the next connection of the same peer need not verify
// them again. That the peer has the key is proved in each handshake all the same.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/clock.h"
#include "base/recent_map.h"
#include "tls/openssl.h"

namespace weft::tls {

/// Most of one thread: some hundred bytes each.
inline constexpr std::size_t max_verified_chains = 4096;

/// SHA-256 over the certificates that the peer has sent, and over who trusts whom for what.
using ChainName = Sha256;
/// Until when each is good.
using VerifiedChains = base::RecentMap<ChainName, base::WallTime>;

/// 1970 if it cannot be read.
base::WallTime wall_time(const ASN1_TIME* time);
/// The earliest end of validity in a chain.
base::WallTime end_of_validity(const STACK_OF(X509) * chain);

}  // namespace weft::tls
