#include "proxy/failure.h"

namespace weft::proxy {

using telemetry::ResponseFlag;

int status_of(Failure failure) {
  switch (failure) {
    case Failure::none: return 200;
    case Failure::malformed_request: return 400;
    case Failure::method_not_allowed: return 405;
    case Failure::downstream_closed: return 0;
    case Failure::downstream_timeout: return 408;
    case Failure::no_route: return 404;
    case Failure::no_cluster:
    case Failure::no_healthy_endpoint:
    case Failure::too_many_pending:
    case Failure::connect_refused:
    case Failure::connect_failed:
    case Failure::connect_timeout:
    case Failure::reset_before_response:
    case Failure::cut_in_response: return 503;
    case Failure::response_timeout: return 504;
    case Failure::malformed_response: return 502;
  }
  return 500;
}

ResponseFlag flag_of(Failure failure) {
  switch (failure) {
    case Failure::none: return ResponseFlag::none;
    case Failure::malformed_request:
    case Failure::method_not_allowed: return ResponseFlag::downstream_protocol_error;
    case Failure::downstream_closed: return ResponseFlag::downstream_closed;
    case Failure::downstream_timeout: return ResponseFlag::downstream_timeout;
    case Failure::no_route: return ResponseFlag::no_route;
    case Failure::no_cluster: return ResponseFlag::no_cluster;
    case Failure::no_healthy_endpoint: return ResponseFlag::no_healthy_endpoint;
    case Failure::too_many_pending: return ResponseFlag::overflow;
    case Failure::connect_refused:
    case Failure::connect_failed:
    case Failure::connect_timeout: return ResponseFlag::connect_failure;
    case Failure::reset_before_response:
    case Failure::cut_in_response: return ResponseFlag::upstream_closed;
    case Failure::response_timeout: return ResponseFlag::upstream_timeout;
    case Failure::malformed_response: return ResponseFlag::upstream_protocol_error;
  }
  return ResponseFlag::none;
}

std::string_view describe(Failure failure) {
  switch (failure) {
    case Failure::none: return {};
    case Failure::malformed_request: return "malformed request";
    case Failure::method_not_allowed: return "this method is not allowed here";
    case Failure::downstream_closed: return "the client went away";
    case Failure::downstream_timeout: return "the client was too slow";
    case Failure::no_route: return "no route for this request";
    case Failure::no_cluster: return "the route leads nowhere";
    case Failure::no_healthy_endpoint: return "no healthy endpoint";
    case Failure::too_many_pending: return "too many requests are waiting";
    case Failure::connect_refused: return "the service refuses connections: nothing listens at its port";
    case Failure::connect_failed: return "the service cannot be reached";
    case Failure::connect_timeout: return "the service cannot be reached in time";
    case Failure::reset_before_response: return "the service closed the connection before it answered";
    case Failure::cut_in_response: return "the service closed the connection within its answer";
    case Failure::response_timeout: return "the service did not answer in time";
    case Failure::malformed_response: return "the service's answer is not valid HTTP";
  }
  return {};
}

bool is_of_client(Failure failure) {
  switch (failure) {
    case Failure::malformed_request:
    case Failure::method_not_allowed:
    case Failure::downstream_closed:
    case Failure::downstream_timeout: return true;
    case Failure::none:
    case Failure::no_route:
    case Failure::no_cluster:
    case Failure::no_healthy_endpoint:
    case Failure::too_many_pending:
    case Failure::connect_refused:
    case Failure::connect_failed:
    case Failure::connect_timeout:
    case Failure::reset_before_response:
    case Failure::cut_in_response:
    case Failure::response_timeout:
    case Failure::malformed_response: return false;
  }
  return false;
}

bool had_no_effect(Failure failure) {
  switch (failure) {
    case Failure::malformed_request:
    case Failure::method_not_allowed:
    case Failure::no_route:
    case Failure::no_cluster:
    case Failure::no_healthy_endpoint:
    case Failure::too_many_pending:
    case Failure::connect_refused:
    case Failure::connect_failed:
    case Failure::connect_timeout: return true;
    case Failure::none:
    case Failure::downstream_closed:
    case Failure::downstream_timeout:
    case Failure::reset_before_response:
    case Failure::cut_in_response:
    case Failure::response_timeout:
    case Failure::malformed_response: return false;
  }
  return false;
}

Failure failure_of(ResponseFlag flag) {
  switch (flag) {
    case ResponseFlag::no_route: return Failure::no_route;
    case ResponseFlag::no_cluster: return Failure::no_cluster;
    case ResponseFlag::no_healthy_endpoint: return Failure::no_healthy_endpoint;
    case ResponseFlag::connect_failure: return Failure::connect_failed;
    case ResponseFlag::overflow: return Failure::too_many_pending;
    case ResponseFlag::upstream_closed: return Failure::reset_before_response;
    case ResponseFlag::upstream_timeout: return Failure::response_timeout;
    case ResponseFlag::upstream_protocol_error: return Failure::malformed_response;
    case ResponseFlag::none:
    case ResponseFlag::downstream_protocol_error:
    case ResponseFlag::downstream_closed:
    case ResponseFlag::downstream_timeout: return Failure::none;
  }
  return Failure::none;
}

Failure failure_of(decide::Refusal refusal) {
  switch (refusal) {
    case decide::Refusal::no_route_table:
    case decide::Refusal::no_virtual_host:
    case decide::Refusal::no_route: return Failure::no_route;
    case decide::Refusal::no_cluster: return Failure::no_cluster;
  }
  return Failure::no_route;
}

}  // namespace weft::proxy
