// Who is told something, and what of a Snapshot that is: weft's own proxies all of it, as it stands; foreign
// clients what lets one call the services that the context may call, in the words that they take.
#pragma once

#include <array>
#include <cstdint>

#include "snapshot/snapshot.h"

namespace weft::xds {

enum class Dialect : std::uint8_t {
  weft,
  envoy,  // and whoever does not say that it is gRPC
  grpc,   // a client without a proxy (gRFC A27)
};

/// Where an Envoy listens: at the ports that weft's own proxy has of 127.0.0.1.
inline constexpr std::array<std::uint8_t, 4> envoy_address{127, 0, 0, 2};

/// What a foreign client is told of `snapshot`: the ways out. The inbound listeners belong to weft's own
/// proxy, with the clusters that only they lead to. For `envoy` the listeners are at envoy_address; for
/// `grpc` they are those that take HTTP, each by what an application dials: SERVICE.NAMESPACE:PORT behind
/// "xds:///". Parts that are equal in `before` (may be null) are shared with it.
snapshot::SnapshotPtr translate(const snapshot::Snapshot& snapshot, Dialect dialect,
                                const snapshot::SnapshotPtr& before);

}  // namespace weft::xds
