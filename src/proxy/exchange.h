// One attempt: a request and its response over one upstream connection, both bodies streamed.
#pragma once

#include "proxy/endpoint.h"
#include "proxy/failure.h"
#include "proxy/request.h"
#include "runtime/task.h"

namespace weft::proxy {

/// Sends the request over the connection and the response to the client. `none` once the client has been
/// answered (also with another proxy's refusal). On a failure look at request.has_begun_response: if it is
/// false the client has seen nothing yet.
runtime::Task<Failure> exchange(Request& request, Lease lease);

}  // namespace weft::proxy
