#include "proxy/answer.h"

#include <string_view>

#include "proxy/worker.h"

namespace weft::proxy {
namespace {

/// The methods that are always routed.
constexpr std::string_view allowed_methods = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

std::string body_of(const Request& request, Failure failure) {
  std::string body;
  if (status_of(failure) == 503 || status_of(failure) == 504) {
    const auto* cluster = request.decision.cluster;
    const bool has_cluster = cluster != nullptr && !cluster->service.empty();
    const auto& service = has_cluster ? cluster->service : request.listener().service;
    const auto& ns = has_cluster ? cluster->service_ns : request.listener().service_ns;
    if (!service.empty()) {
      body.append(service).append(".").append(ns).append(": ");
    } else if (cluster != nullptr) {
      body.append(cluster->name).append(": ");
    }
  }
  return body.append(describe(failure)).append("\n");
}

}  // namespace

bool is_allowed(const Request& request, bool can_tunnel) {
  if (request.is_connect()) return can_tunnel && request.listener().allow_connect;
  return request.head().method != message::Method::trace;
}

Answer refusal(Request& request, Failure failure) {
  request.failure = failure;
  if (request.status == 0) request.status = status_of(failure);
  if (request.reason.empty()) request.reason = describe(failure);
  Answer answer;
  answer.head.status = request.status;
  auto& headers = answer.head.headers;
  headers.add(message::FieldId::content_type, "text/plain; charset=utf-8");
  if (request.direction() == snapshot::Direction::inbound) {
    headers.add(message::FieldId::x_weft_refused, to_string(Mark{failure, request.effect(failure)}));
  }
  if (failure == Failure::method_not_allowed) {
    headers.add("allow",
                std::string(allowed_methods) + (request.listener().allow_connect ? ", CONNECT" : ""));
  }
  answer.body = body_of(request, failure);
  return answer;
}

}  // namespace weft::proxy
