// Everything that can keep a request from being answered by its service: the one place that knows the status,
// the response flag, gRPC's code, the words, and what the service may have done for it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "decide/decide.h"
#include "decide/retry.h"
#include "http/grpc/status.h"
#include "telemetry/flags.h"

namespace weft::proxy {

enum class Failure : std::uint8_t {
  none,
  // The client's.
  malformed_request,
  method_not_allowed,
  downstream_closed,
  downstream_timeout,
  // The way's.
  no_route,
  no_cluster,
  bad_cluster,
  no_healthy_endpoint,
  too_many_pending,
  // The endpoint's.
  connect_refused,
  connect_failed,
  connect_timeout,
  tls_failed,
  closed_at_rest,
  reset_before_response,
  closed_unanswered,
  cut_in_response,
  response_timeout,
  malformed_response,
};

/// What the client is answered. Of malformed_request the parser knows better.
int status_of(Failure failure);
/// Envoy's response flag.
telemetry::ResponseFlag flag_of(Failure failure);
/// What a client of gRPC is told.
http::grpc::Code grpc_code_of(Failure failure);
/// The words for the reply and the log. They say nothing about what is behind the proxy.
std::string_view describe(Failure failure);
/// Whether it is the client's own, which sending the request again cannot mend.
bool is_of_client(Failure failure);
/// What the service may have done for a request whose attempt ended so.
decide::Effect effect_of(Failure failure);
/// "connect_refused".
std::string_view name_of(Failure failure);

/// What one chain of this process tells another, as the value of x-weft-refused: why it could not have a
/// request answered, and what its service may have done for it in all attempts. In an answer the target's
/// chain says so of itself; in a request that is sent again the caller's does.
struct Mark {
  Failure failure = Failure::none;
  decide::Effect effect = decide::Effect::certain;

  friend bool operator==(const Mark&, const Mark&) = default;
};
/// "connect_refused none".
std::string to_string(Mark mark);
/// Of a text that is no mark `failure` is none.
Mark read_mark(std::string_view text);
Failure failure_of(decide::Refusal refusal);

}  // namespace weft::proxy
