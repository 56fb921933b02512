// What the proxy itself answers in a service's place.
#pragma once

#include <string>

#include "decide/decide.h"
#include "http/grpc/status.h"
#include "message/content.h"
#include "message/head.h"
#include "proxy/failure.h"
#include "proxy/request.h"

namespace weft::proxy {

/// Whether a request of that method is routed at all; `can_tunnel`: its client's side can carry what follows
/// CONNECT. TRACE is not: it shows a client what the proxies before the service add for it alone; nginx
/// refuses it too.
bool is_method_allowed(const Request& request, bool can_tunnel);

struct Answer {
  message::ResponseHead head;
  std::string body;
};

/// What a refused request is answered with, in words: with the service, if that could not answer. By the name
/// that callers know, or by that in the file of a proxy without a mesh; no address.
Answer answer_of_failure(const Request& request);

/// The same for a call of gRPC.
http::grpc::Status status_of_failure(const Request& request);

/// As the route says, whose decision does not lead to a cluster. The status is noted in `request`.
Answer answer_of_route(Request& request, const decide::Decision& decision);

/// What of it leaves for a request of that method.
message::Content content_of(const Answer& answer, message::Method method);

}  // namespace weft::proxy
