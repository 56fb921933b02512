// Everything that can keep a request from being answered by its service: the one place that knows the status,
// the response flag, the words, and whether the request surely had no effect.
#pragma once

#include <cstdint>
#include <string_view>

#include "decide/decide.h"
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
  no_healthy_endpoint,
  too_many_pending,
  // The endpoint's.
  connect_refused,
  connect_failed,
  connect_timeout,
  reset_before_response,
  cut_in_response,
  response_timeout,
  malformed_response,
};

/// What the client is answered. Of malformed_request the parser knows better.
int status_of(Failure failure);
/// Envoy's response flag.
telemetry::ResponseFlag flag_of(Failure failure);
/// The words for the reply and the log. They say nothing about what is behind the proxy.
std::string_view describe(Failure failure);
/// Whether it is the client's own, which sending the request again cannot mend.
bool is_of_client(Failure failure);
/// Whether the request surely had no effect, so that sending it again is safe (RFC 9110, 9.2.2).
bool had_no_effect(Failure failure);
/// The failure that another proxy marked with this flag; none if no proxy marks so.
Failure failure_of(telemetry::ResponseFlag flag);
Failure failure_of(decide::Refusal refusal);

}  // namespace weft::proxy
