// What the proxy changes in heads on their way through.
#pragma once

#include "message/head.h"
#include "proxy/request.h"

namespace weft::proxy {

/// Makes the client's head the one that goes upstream: fields of the connection and weft's own marks removed,
/// request id, trace context and (at the edge) forwarding fields added. Notes upgrade and keep-alive in
/// `request`.
void rewrite_request(Request& request);

/// Makes the endpoint's head the one that goes to the client.
void rewrite_response(const Request& request, message::ResponseHead& head);

/// How the response's body is framed for the client.
http::h1::Framing response_framing(const Request& request, const http::h1::Framing& upstream);

}  // namespace weft::proxy
