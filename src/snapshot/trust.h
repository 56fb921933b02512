// What of a request a listener does not believe.
#pragma once

#include <cstdint>

#include "message/headers.h"
#include "snapshot/snapshot.h"

namespace weft::snapshot {

/// The fields that say of the way to here what its client is not believed in, by message::Headers::bit(). The
/// edge is where the mesh begins: unless proxies before it are trusted, it believes none of them.
inline std::uint64_t unbelieved(const Listener& listener) {
  using message::FieldId;
  using message::Headers;
  if (listener.direction != Direction::edge || listener.trusted_hops > 0) return 0;
  return Headers::bit(FieldId::forwarded) | Headers::bit(FieldId::x_forwarded_client_cert) |
         Headers::bit(FieldId::x_forwarded_host) | Headers::bit(FieldId::x_forwarded_port) |
         Headers::bit(FieldId::x_forwarded_proto);
}

}  // namespace weft::snapshot
