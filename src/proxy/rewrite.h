// What the proxy changes in heads on their way through.
#pragma once

#include "message/patch.h"
#include "proxy/request.h"

namespace weft::proxy {

/// Makes request.patch() what the client's head leaves out and gains on its way upstream: fields of the
/// connection and weft's own marks go, request id, trace context and (at the edge) forwarding fields come.
/// Notes an upgrade in `request`.
void patch_request(Request& request);

/// Has the endpoint told the Host that the request's route says, which is not empty.
void patch_host(Request& request);

/// Has the endpoint told what the request's route says of headers, in the place of all that was to be said.
void patch_headers(Request& request);

/// Makes `patch` what the endpoint's head leaves out and gains on its way to the client, but for what the
/// client's protocol says of its connection.
void patch_response(const Request& request, const message::ResponseHead& head, message::Patch& patch);

}  // namespace weft::proxy
