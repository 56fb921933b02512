// One attempt: a request and its response between its two sides, both bodies streamed (exchange_impl.h).
#pragma once

#include "proxy/failure.h"
#include "proxy/pool.h"
#include "proxy/request.h"
#include "proxy/side.h"
#include "runtime/task.h"

namespace weft::proxy {

/// Sends the request by the stream on loan and the response to the client. `none` once the client has been
/// answered (also with another proxy's refusal). On a failure look at request.has_begun_response: if it is
/// false the client has seen nothing yet.
template <ClientSide Client, PoolSession Session>
runtime::Task<Failure> exchange(Request& request, Client& client, Lease<Session> lease);

}  // namespace weft::proxy
