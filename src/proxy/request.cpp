// The life of one request, in order.
#include "proxy/request.h"

#include <algorithm>
#include <utility>

#include "proxy/exchange.h"
#include "proxy/rewrite.h"
#include "proxy/upstream.h"
#include "proxy/worker.h"
#include "runtime/combine.h"
#include "telemetry/trace_context.h"

namespace weft::proxy {
namespace {

LocalPtr<Config> pinned(const ListenerState& listener) {
  return listener.is_removed ? listener.last : listener.context->config;
}

bool asks_for_nothing(message::Method method) {
  return method == message::Method::get || method == message::Method::head ||
         method == message::Method::options;
}

/// A connection at rest that may be used for this request; empty if there is none.
Lease take_idle(const Request& request, EndpointState& endpoint) {
  while (auto lease = endpoint.take_idle()) {
    // What may be sent again needs no look at the connection; what may not is worth a system call.
    if (asks_for_nothing(request.client.reader().head().method) || lease->seems_open()) return lease;
  }
  return {};
}

/// The methods that are always routed.
constexpr std::string_view allowed_methods = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// TRACE shows a client what the proxies before the service add for it alone; nginx refuses it too.
bool is_allowed(const Request& request) {
  if (request.is_connect()) return request.listener().allow_connect;
  return request.client.reader().head().method != message::Method::trace;
}

/// What the client is told in words: with the service, if it could not answer. By the name that callers know,
/// or by that in the file of a proxy without a mesh; no address.
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

/// Ends when the client has left.
runtime::Task<void> until_gone(runtime::Stream& client) {
  while (!client.has_ended()) co_await runtime::Wait(client.readable());
}

/// One attempt: an endpoint is picked, a connection taken, the request exchanged.
runtime::Task<Failure> attempt(Request& request) {
  if (request.client.stream->has_ended()) co_return Failure::downstream_closed;
  if (request.attempts() > 0 && request.is_out_of_time()) co_return request.failure;
  // After a connection at rest that turned out to be dead, its endpoint may be asked again, by a new
  // connection.
  const bool was_reused = std::exchange(request.is_on_used_connection, false);
  auto* endpoint = request.cluster->pick(request.tried(), was_reused);
  if (endpoint == nullptr) {
    co_return request.failure == Failure::none ? Failure::no_healthy_endpoint : request.failure;
  }
  request.begin_attempt(*endpoint);
  Lease lease;
  if (!was_reused) lease = take_idle(request, *endpoint);
  if (!lease) {
    auto opened = co_await runtime::unless(
        until_gone(*request.client.stream),
        open_connection(request.worker, LocalPtr(request.cluster), LocalPtr(endpoint),
                        request.client.listener->context, request.direction(), request.end()));
    if (!opened) co_return Failure::downstream_closed;
    if (!*opened) co_return request.is_out_of_time() ? Failure::response_timeout : opened->error();
    lease = std::move(**opened);
  }
  request.is_on_used_connection = lease->is_reused();
  co_return co_await exchange(request, std::move(lease));
}

/// The pause before another attempt, within the request's time; the client may leave in it.
runtime::Task<void> pause(Request& request) {
  base::Duration longest = std::chrono::milliseconds(decide::pause_before_ms(request.attempts()));
  if (const auto left = request.time_left(); left > base::Duration::zero()) longest = std::min(longest, left);
  co_await runtime::within(request.worker.reactor,
                           base::Duration(request.worker.random.below(longest.count() + 1)),
                           until_gone(*request.client.stream));
}

}  // namespace

runtime::Task<bool> serve_request(Downstream& client) {
  Request request(client);
  const auto decision = request.decide();
  patch_request(request);
  if (!is_allowed(request)) {
    request.keep_alive = false;
    co_return co_await refuse(request, Failure::method_not_allowed);
  }
  if (!decision) co_return co_await refuse(request, failure_of(decision.error()));
  request.take(*decision);

  auto retry = decide::Retry::at_once;
  while (retry != decide::Retry::no) {
    request.failure = co_await attempt(request);
    retry = request.may_retry(request.failure);
    if (retry != decide::Retry::no) request.note_retry();
    if (retry == decide::Retry::later) co_await pause(request);
  }

  if (request.failure == Failure::none || request.has_begun_response) {
    // What of a body was not read must not be taken for the next request.
    if (request.failure != Failure::none || !client.reader().body_done()) co_return false;
    co_return request.keep_alive;
  }
  co_return co_await refuse(request, request.failure);
}

runtime::Task<bool> refuse(Request& request, Failure failure) {
  auto& client = request.client;
  request.failure = failure;
  if (request.status == 0) request.status = status_of(failure);
  if (request.reason.empty()) request.reason = describe(failure);
  if (failure == Failure::downstream_closed || failure == Failure::downstream_timeout) co_return false;
  ++request.worker.shard.proxy.refused;
  request.keep_alive = request.keep_alive && client.reader().body_done() && !client.is_ending();

  message::ResponseHead head;
  head.status = request.status;
  head.headers.add(message::FieldId::content_type, "text/plain; charset=utf-8");
  if (request.direction() == snapshot::Direction::inbound) {
    head.headers.add(message::FieldId::x_weft_refused, to_string(Mark{failure, request.effect(failure)}));
  }
  if (failure == Failure::method_not_allowed) {
    head.headers.add("allow",
                     std::string(allowed_methods) + (request.listener().allow_connect ? ", CONNECT" : ""));
  }
  if (!request.keep_alive) head.headers.add(message::FieldId::connection, "close");
  const auto body = body_of(request, failure);
  const bool is_head = request.head().method == message::Method::head;
  auto framing = http::h1::Framing::of_length(body.size());
  if (is_head) framing = {http::h1::Framing::Kind::none, 0, body.size()};
  client.writer().put_head(head, framing);
  const auto written =
      co_await client.writer().write(is_head ? std::string_view() : std::string_view(body), true);
  if (written && !is_head) request.bytes_sent += body.size();
  co_return written.has_value() && request.keep_alive;
}

runtime::Task<bool> refuse_malformed(Downstream& client, http::h1::Refusal refusal) {
  ++client.worker.shard.proxy.protocol_errors;
  client.reader().head().clear();  // what was parsed of it is not to be trusted
  Request request(client);
  request.reason = http::h1::describe(refusal);
  request.status = http::h1::status_of(refusal);
  request.keep_alive = false;
  co_return co_await refuse(request, Failure::malformed_request);
}

Request::Request(Downstream& from)
    : client(from),
      worker(from.worker),
      config(pinned(*from.listener)),
      listener_(from.listener->config),
      listener_place_(from.listener->place),
      direction_(listener_->direction),
      is_http10_(from.reader().head().version == message::Version::http_1_0),
      start_(worker.reactor.coarse_now()),
      wall_(worker.logs_access() ? worker.reactor.coarse_wall() : base::WallTime{}),
      awaits_since_(from.reader().body_done() || from.reader().head().headers.find(message::FieldId::expect)
                        ? start_
                        : base::MonoTime::max()) {
  patch().clear();
  ++worker.shard.proxy.requests_active;
}

std::string_view Request::host() const {
  const auto sent = head().headers.find(message::FieldId::host);
  return sent ? *sent : listener_->service.empty() ? std::string_view("localhost") : listener_->service;
}

std::expected<decide::Decision, decide::Refusal> Request::decide() const {
  return config->plan->index.request(listener_place_, {head().method_text(), host(), head().target});
}

void Request::take(const decide::Decision& decided) {
  decision = decided;
  cluster = config->clusters[decided.cluster_place].get();
  ++cluster->requests_active;
}

void Request::leave_cluster() {
  if (cluster == nullptr) return;
  --cluster->requests_active;
  if (effect_before_ != decide::Effect::none) --cluster->retries_active;
  cluster = nullptr;
}

void Request::begin_attempt(EndpointState& endpoint) {
  end_attempt();
  told_effect.reset();
  tried_[attempts_++] = LocalPtr(&endpoint);
  endpoint.begin();
}

void Request::note_retry() {
  ++worker.shard.proxy.retries;
  if (effect_before_ != decide::Effect::none) return;
  effect_before_ = last_effect(failure);
  if (effect_before_ != decide::Effect::none) ++cluster->retries_active;
}

decide::Retry Request::may_retry(Failure after) const {
  if (after == Failure::none || is_of_client(after) || attempts_ == 0) return decide::Retry::no;
  return decide::may_retry({
      .effect = last_effect(after),
      .before = effect_before_,
      .attempts = attempts_,
      // Both chains of a hop take a risk once: where a connection that had been used broke, this one may ask
      // the application by a new one; else the calling one may ask another instance.
      .is_safe =
          asks_for_nothing(client.reader().head().method) && (!client.peer.context || is_on_used_connection),
      .is_at_hand = !is_body_gone && !has_begun_response,
      // Another endpoint; or the same one, if all that is wrong may be a connection that it closed at rest.
      .has_target = cluster->has_untried(tried()) || is_on_used_connection,
      .has_time = !is_out_of_time(),
      .is_within_budget = cluster->retries_active < decide::retry_budget(cluster->requests_active),
  });
}

void Request::end_attempt() {
  if (attempts_ > 0) --endpoint().active;
}

void Request::await_response(bool awaits) {
  awaits_since_ = awaits ? worker.reactor.coarse_now() : base::MonoTime::max();
}

base::MonoTime Request::end() const {
  const base::Duration timeout = decision.route->timeout;
  return timeout > base::Duration::zero() && awaits_response() ? awaits_since_ + timeout
                                                               : base::MonoTime::max();
}

bool Request::is_out_of_time() const { return worker.reactor.coarse_now() >= end(); }

base::Duration Request::time_left() const {
  if (end() == base::MonoTime::max()) return base::Duration::zero();
  return std::max<base::Duration>(end() - worker.reactor.coarse_now(), std::chrono::milliseconds(1));
}

telemetry::Ends Request::ends(const std::string& destination_workload) const {
  const auto& context = client.listener->context->id;
  telemetry::Ends ends;
  if (direction() == snapshot::Direction::inbound) {
    ends.reporter = telemetry::Reporter::destination;
    ends.source_workload = client.peer.id().workload;
    ends.source_workload_namespace = client.peer.id().ns;
    ends.destination_workload = context.workload;
    ends.service = listener_->service;
    ends.service_namespace = listener_->service_ns;
    return ends;
  }
  ends.source_workload = context.workload;
  ends.source_workload_namespace = context.ns;
  ends.destination_workload = destination_workload;
  const bool has_service = decision.cluster != nullptr && !decision.cluster->service.empty();
  ends.service = has_service ? decision.cluster->service : listener_->service;
  ends.service_namespace = has_service ? decision.cluster->service_ns : listener_->service_ns;
  return ends;
}

telemetry::EndsSeries& Request::series() {
  auto** known = &client.inbound_series;
  if (direction() != snapshot::Direction::inbound) {
    if (attempts_ > 0) {
      known = &endpoint().series;
    } else if (cluster != nullptr) {
      known = &cluster->series;
    } else {
      return worker.shard.ends(ends({}));
    }
  }
  if (*known == nullptr)
    *known = &worker.shard.ends(ends(attempts_ > 0 ? endpoint().workload : std::string()));
  return **known;
}

void Request::let_snapshot_go() {
  const auto& parts = config->snapshot();
  kept_ = {parts.listeners.shared(listener_place_),
           parts.routes.shared(*parts.routes.place(listener_->routes)),
           parts.clusters.shared(decision.cluster_place)};
  leave_cluster();
  config = {};
}

Request::~Request() {
  --worker.shard.proxy.requests_active;
  if (failure == Failure::none) failure = marked;
  series().request(status, flag_of(failure), worker.reactor.coarse_now() - start_);
  const bool went_well = failure == Failure::none && status < 500;
  if (worker.logs_access() && (!went_well || worker.is_sampled())) log();
  end_attempt();
  leave_cluster();
}

void Request::log() {
  telemetry::AccessRecord record;
  record.start = wall_;
  record.duration = worker.reactor.coarse_now() - start_;
  record.source_workload = client.peer.id().workload;
  record.source_namespace = client.peer.id().ns;
  record.method = "-";
  if (failure != Failure::malformed_request) {
    const auto& sent = head();
    record.method = sent.method_text();
    record.host = sent.authority();
    record.path = sent.target;
    const auto left_with = [&](message::FieldId id) {
      return patch().result(sent.headers, id).value_or(std::string_view());
    };
    record.request_id = left_with(message::FieldId::x_request_id);
    record.trace_id = telemetry::TraceParent::trace_id(left_with(message::FieldId::traceparent));
  }
  record.status = status;
  record.flag = flag_of(failure);
  record.reason = reason.empty() ? describe(failure) : reason;
  record.bytes_received = bytes_received;
  record.bytes_sent = bytes_sent;
  record.client = &client.stream->peer();
  record.kept.client = &client.log_fields;
  record.attempts = static_cast<int>(attempts_);
  record.listener = listener_->name;
  // One of a Snapshot that is not in force any more may have had another name.
  if (listener_ == client.listener->config) record.kept.listener = &client.listener->log_fields;
  if (decision.route != nullptr) record.route = decision.route->name;
  if (decision.cluster != nullptr) record.cluster = decision.cluster->name;
  if (attempts_ > 0) {
    record.endpoint = endpoint().instance();
    record.upstream = &endpoint().address();
    record.kept.target = &endpoint().log_fields;
  }
  worker.log_access(record);
}

}  // namespace weft::proxy
