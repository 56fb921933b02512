// The life of one request, from its head to its record, for a client of any protocol (serve_impl.h).
#pragma once

#include "message/refusal.h"
#include "proxy/pool.h"
#include "proxy/side.h"
#include "runtime/task.h"

namespace weft::proxy {

/// Serves the request whose head `client` has, by streams of such sessions, or of H2Session where its cluster
/// speaks HTTP/2. False if the client did not get a whole response.
template <PoolSession Session, ClientSide Client>
runtime::Task<bool> serve_request(Client& client);

/// Answers what came in the place of a request, and was refused.
template <ClientSide Client>
runtime::Task<bool> refuse_malformed(Client& client, message::Refusal refusal);

}  // namespace weft::proxy
