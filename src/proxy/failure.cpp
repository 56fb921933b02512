#include "proxy/failure.h"

#include <algorithm>
#include <array>

namespace weft::proxy {
namespace {

using decide::Effect;
using http::grpc::Code;
using telemetry::ResponseFlag;

struct Row {
  Failure failure;
  std::string_view name;
  int status;
  ResponseFlag flag;
  Code grpc;
  Effect effect;
  bool is_of_client;
  std::string_view words;
};

using enum Failure;

// gRPC's codes are those by which its clients read the statuses (grpc/doc/http-grpc-status-mapping.md), but
// for what is better known.
constexpr std::array rows{
    Row{none, "none", 200, ResponseFlag::none, Code::ok, Effect::certain, false, ""},
    Row{malformed_request, "malformed_request", 400, ResponseFlag::downstream_protocol_error, Code::internal,
        Effect::none, true, "malformed request"},
    Row{method_not_allowed, "method_not_allowed", 405, ResponseFlag::downstream_protocol_error,
        Code::unimplemented, Effect::none, true, "this method is not allowed here"},
    Row{downstream_closed, "downstream_closed", 0, ResponseFlag::downstream_closed, Code::cancelled,
        Effect::certain, true, "the client went away"},
    Row{downstream_timeout, "downstream_timeout", 408, ResponseFlag::downstream_timeout, Code::cancelled,
        Effect::certain, true, "the client was too slow"},
    Row{no_route, "no_route", 404, ResponseFlag::no_route, Code::unimplemented, Effect::none, false,
        "no route for this request"},
    Row{no_cluster, "no_cluster", 503, ResponseFlag::no_cluster, Code::unavailable, Effect::none, false,
        "the route leads nowhere"},
    Row{bad_cluster, "bad_cluster", 500, ResponseFlag::no_cluster, Code::unknown, Effect::none, false,
        "the route names a service that it cannot lead to"},
    Row{no_healthy_endpoint, "no_healthy_endpoint", 503, ResponseFlag::no_healthy_endpoint, Code::unavailable,
        Effect::none, false, "no healthy endpoint"},
    Row{too_many_pending, "too_many_pending", 503, ResponseFlag::overflow, Code::unavailable, Effect::none,
        false, "too many requests are waiting"},
    Row{connect_refused, "connect_refused", 503, ResponseFlag::connect_failure, Code::unavailable,
        Effect::none, false, "the service refuses connections: nothing listens at its port"},
    Row{connect_failed, "connect_failed", 503, ResponseFlag::connect_failure, Code::unavailable, Effect::none,
        false, "the service cannot be reached"},
    Row{connect_timeout, "connect_timeout", 503, ResponseFlag::connect_failure, Code::unavailable,
        Effect::none, false, "the service cannot be reached in time"},
    Row{tls_failed, "tls_failed", 503, ResponseFlag::connect_failure, Code::unavailable, Effect::none, false,
        "no TLS connection to the service can be made"},
    Row{closed_at_rest, "closed_at_rest", 503, ResponseFlag::upstream_closed, Code::unavailable, Effect::none,
        false, "the service had closed the connection before the request came"},
    Row{reset_before_response, "reset_before_response", 503, ResponseFlag::upstream_closed, Code::unavailable,
        Effect::possible, false, "the service closed the connection before it answered"},
    Row{closed_unanswered, "closed_unanswered", 503, ResponseFlag::upstream_closed, Code::unavailable,
        Effect::certain, false, "the service read the request and closed the connection without an answer"},
    Row{cut_in_response, "cut_in_response", 503, ResponseFlag::upstream_closed, Code::unavailable,
        Effect::certain, false, "the service closed the connection within its answer"},
    Row{response_timeout, "response_timeout", 504, ResponseFlag::upstream_timeout, Code::deadline_exceeded,
        Effect::certain, false, "the service did not answer in time"},
    Row{malformed_response, "malformed_response", 502, ResponseFlag::upstream_protocol_error, Code::internal,
        Effect::certain, false, "the service's answer is not valid HTTP"},
};

constexpr const Row& row(Failure failure) { return rows[static_cast<std::size_t>(failure)]; }
static_assert(std::ranges::all_of(rows, [](const Row& one) { return &row(one.failure) == &one; }));

constexpr std::string_view word_of(Effect effect) {
  switch (effect) {
    case Effect::none: return "none";
    case Effect::possible: return "possible";
    case Effect::certain: return "certain";
  }
  return {};
}

}  // namespace

int status_of(Failure failure) { return row(failure).status; }
telemetry::ResponseFlag flag_of(Failure failure) { return row(failure).flag; }
http::grpc::Code grpc_code_of(Failure failure) { return row(failure).grpc; }
std::string_view describe(Failure failure) { return row(failure).words; }
bool is_of_client(Failure failure) { return row(failure).is_of_client; }
Effect effect_of(Failure failure) { return row(failure).effect; }

std::string_view name_of(Failure failure) { return row(failure).name; }

std::string to_string(Mark mark) {
  return std::string(name_of(mark.failure)).append(" ").append(word_of(mark.effect));
}

Mark read_mark(std::string_view text) {
  const auto* found = std::ranges::find(rows, text.substr(0, text.find(' ')), &Row::name);
  if (found == rows.end()) return {};
  for (const auto effect : {Effect::none, Effect::possible, Effect::certain}) {
    if (const Mark mark{found->failure, effect}; to_string(mark) == text) return mark;
  }
  return {};
}

Failure failure_of(decide::Refusal refusal) {
  switch (refusal) {
    case decide::Refusal::no_cluster: return no_cluster;
    case decide::Refusal::bad_cluster: return bad_cluster;
    case decide::Refusal::no_route_table:
    case decide::Refusal::no_virtual_host:
    case decide::Refusal::no_server_name:
    case decide::Refusal::no_route: return no_route;
  }
  return no_route;
}

}  // namespace weft::proxy
