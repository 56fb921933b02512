#include "proxy/answer.h"

#include <string_view>

#include "decide/location.h"
#include "message/syntax.h"
#include "proxy/worker.h"

namespace weft::proxy {
namespace {

/// The methods that are always routed.
constexpr std::string_view allowed_methods = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

constexpr std::string_view plain_text = "text/plain; charset=utf-8";

std::string body_of(const Request& request, Failure failure) {
  std::string body;
  if (status_of(failure) == 503 || status_of(failure) == 504) {
    const auto* cluster = request.forward.cluster;
    const bool has_cluster = cluster != nullptr && !cluster->service.empty();
    const auto& service = has_cluster ? cluster->service : request.listener().service;
    const auto& ns = has_cluster ? cluster->service_ns : request.listener().service_ns;
    if (!service.empty()) {
      body.append(service).append(".").append(ns).append(": ");
    } else if (cluster != nullptr) {
      body.append(cluster->name).append(": ");
    }
  }
  return body.append(request.words(failure)).append("\n");
}

}  // namespace

bool is_method_allowed(const Request& request, bool can_tunnel) {
  if (request.is_connect()) return can_tunnel && request.listener().allow_connect;
  return request.head().method != message::Method::trace;
}

Answer answer_of_failure(const Request& request) {
  const auto failure = request.failure;
  Answer answer;
  answer.head.status = request.status;
  auto& headers = answer.head.headers;
  headers.add(message::FieldId::content_type, request.is_grpc() ? "application/grpc" : plain_text);
  if (request.direction() == snapshot::Direction::inbound) {
    headers.add(message::FieldId::x_weft_refused, to_string(Mark{failure, request.effect(failure)}));
  }
  if (failure == Failure::method_not_allowed) {
    headers.add("allow",
                std::string(allowed_methods) + (request.listener().allow_connect ? ", CONNECT" : ""));
  }
  answer.body = body_of(request, failure);
  if (request.is_grpc()) {
    // A head alone is an answer, with what the trailers would say ("Trailers-Only").
    http::grpc::write_status(headers, status_of_failure(request));
    answer.body.clear();
  }
  return answer;
}

http::grpc::Status status_of_failure(const Request& request) {
  auto words = body_of(request, request.failure);
  words.pop_back();  // the end of the line
  return {grpc_code_of(request.failure), std::move(words)};
}

Answer answer_of_route(Request& request, const decide::Decision& decision) {
  Answer answer;
  auto& headers = answer.head.headers;
  if (const auto* redirect = std::get_if<const snapshot::Redirect*>(&decision.outcome)) {
    // As the next hop would be told.
    const auto told = request.patch().result(request.head().headers, message::FieldId::x_forwarded_proto);
    const std::string_view scheme = told && message::equals_ignore_case(*told, "https") ? "https" : "http";
    auto asked = request.asked();
    if (!request.head().headers.has(message::FieldId::host)) asked.host = request.listener().service;
    answer.head.status = static_cast<int>((*redirect)->code);
    headers.add(message::FieldId::location,
                decide::location(**redirect, decision.route->match, scheme, asked));
  } else if (const auto* reply = std::get_if<const snapshot::Reply*>(&decision.outcome)) {
    answer.head.status = (*reply)->status;
    answer.body = (*reply)->body;
    if (!answer.body.empty()) headers.add(message::FieldId::content_type, plain_text);
  }
  request.status = answer.head.status;
  return answer;
}

message::Content content_of(const Answer& answer, message::Method method) {
  using message::Content;
  // RFC 9110, 8.6.
  if (answer.head.status == 204 || answer.head.status == 304) return {};
  if (answer.head.headers.has(message::FieldId::grpc_status)) return {};
  if (method == message::Method::head) return {Content::Kind::none, 0, answer.body.size()};
  return Content::of_length(answer.body.size());
}

}  // namespace weft::proxy
