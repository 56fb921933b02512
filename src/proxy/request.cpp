#include "proxy/request.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/clock.h"
#include "proxy/worker.h"
#include "snapshot/trust.h"
#include "telemetry/trace_context.h"

namespace weft::proxy {
namespace {

/// The client waits to be told that its body is wanted; HTTP/1.0 knows no such thing (RFC 9110, 10.1.1).
bool is_asked_first(const message::RequestHead& head) {
  return head.headers.has(message::FieldId::expect) && head.version != message::Version::http_1_0;
}

bool is_call(const message::RequestHead& head) {
  if (head.version != message::Version::http_2) return false;
  const auto type = head.headers.find(message::FieldId::content_type);
  return type && http::grpc::is_grpc(*type);
}

}  // namespace

Request::Request(ClientConnection& from, const message::RequestHead& came, message::Patch& own,
                 bool body_follows)
    : client(from),
      worker(from.worker),
      config(from.listener->pinned()),
      head_(came),
      patch_(own),
      listener_(from.listener->config),
      listener_place_(from.listener->place),
      direction_(listener_->direction),
      has_body_(body_follows),
      is_grpc_(is_call(came)),
      start_(worker.reactor.coarse_now()),
      wall_(worker.logs_access() ? worker.reactor.coarse_wall() : base::WallTime{}),
      awaits_since_(!has_body_ || is_asked_first(came) ? start_ : base::MonoTime::max()) {
  patch_.clear();
  ++worker.shard.proxy.requests_active;
  if (is_grpc_) read_deadline();
}

void Request::read_deadline() {
  // Longer than any call lives, and far from overflow.
  constexpr base::Duration longest = std::chrono::years(1);
  const auto text = head_.headers.find(message::FieldId::grpc_timeout);
  const auto limit = text ? http::grpc::parse_timeout(*text) : std::nullopt;
  if (limit) deadline_ = start_ + std::min(*limit, longest);
  has_bad_deadline_ = text && !limit;
}

bool Request::is_safe() const {
  return head_.method == message::Method::get || head_.method == message::Method::head ||
         head_.method == message::Method::options;
}

std::string_view Request::host() const {
  const auto sent = head().headers.find(message::FieldId::host);
  return sent ? *sent : listener_->service.empty() ? std::string_view("localhost") : listener_->service;
}

decide::Request Request::asked() const {
  return {head().method_text(), host(),        head().target,
          head().headers,       worker.random, snapshot::unbelieved(*listener_)};
}

std::expected<decide::Decision, decide::Refusal> Request::decide() const {
  return config->plan->index.request(listener_place_, asked());
}

bool Request::take(const decide::Decision& decided) {
  route = decided.route;
  const auto* way = std::get_if<decide::Forward>(&decided.outcome);
  if (way == nullptr) return false;
  forward = *way;
  cluster = config->clusters[forward.cluster_place].get();
  ++cluster->requests_active;
  return true;
}

void Request::leave_cluster() {
  if (cluster == nullptr) return;
  --cluster->requests_active;
  if (effect_before_ != decide::Effect::none) --cluster->retries_active;
  cluster = nullptr;
}

void Request::tell_risk(bool is_to_chain) {
  if (attempts_.count() < 2) return;
  patch_.added.remove(message::FieldId::x_weft_refused);
  if (!is_to_chain || effect_before_ == decide::Effect::none) return;
  patch_.added.add(message::FieldId::x_weft_refused, to_string(Mark{failure, effect_before_}));
}

decide::Effect Request::effect_before_with_callers() const {
  const auto told =
      client.peer.is_chain ? head_.headers.find(message::FieldId::x_weft_refused) : std::nullopt;
  return told ? decide::both(read_mark(*told).effect, effect_before_) : effect_before_;
}

void Request::refuse(Failure with) {
  failure = with;
  note_call_end(with);
  if (is_grpc_ && status_of(with) > 0) status = 200;  // gRPC has a status of its own
  if (status == 0) status = status_of(with);
}

void Request::note_call_end(Failure with) {
  grpc_status = grpc_code_of(with);
  // Who gives up then has not changed its mind.
  if (grpc_status == http::grpc::Code::cancelled && is_past_deadline())
    grpc_status = http::grpc::Code::deadline_exceeded;
}

std::string Request::words(Failure of) const {
  if (of == Failure::response_timeout) {
    if (has_begun_response) return "the service paused too long within its answer";
    if (is_past_deadline()) return "the service did not answer within the call's own deadline";
    return is_out_of_time() ? fmt::format("the service did not answer within {}",
                                          base::format_duration(forward.action->timeout))
                            : fmt::format("the service took nothing of the request for {}",
                                          base::format_duration(forward.action->idle_timeout));
  }
  if (of == Failure::connect_timeout) {
    return fmt::format("the service cannot be reached within {}",
                       base::format_duration(forward.cluster->connect_timeout));
  }
  return std::string(describe(of));
}

void Request::note_retry() {
  ++worker.shard.proxy.retries;
  if (effect_before_ != decide::Effect::none) return;
  effect_before_ = last_effect(failure);
  if (effect_before_ != decide::Effect::none) ++cluster->retries_active;
}

decide::Retry Request::may_retry(Failure after) const {
  if (after == Failure::none || is_of_client(after) || attempts_.empty()) return decide::Retry::no;
  return decide::may_retry({
      .effect = last_effect(after),
      .before = effect_before_with_callers(),
      .attempts = attempts_.count(),
      // Both chains of a hop take a risk once: where a connection that had been used broke, this one may ask
      // the application by a new one; else the calling one may ask another instance.
      .is_safe = is_safe() && (!client.peer.is_chain || is_on_used_connection),
      .is_at_hand = !is_body_gone && !has_begun_response,
      // Another endpoint; or the same one, if all that is wrong may be a connection that it closed at rest.
      .has_target = cluster->has_untried(attempts_.tried()) || is_on_used_connection,
      .has_time = !is_out_of_time(),
      .is_within_budget = cluster->retries_active < decide::retry_budget(cluster->requests_active),
  });
}

void Request::await_response(bool awaits) {
  awaits_since_ = awaits ? worker.reactor.coarse_now() : base::MonoTime::max();
}

base::MonoTime Request::end() const {
  const base::Duration timeout = forward.action->timeout;
  const bool is_limited = timeout > base::Duration::zero() && awaits_response();
  return is_limited ? std::min<base::MonoTime>(awaits_since_ + timeout, deadline_) : deadline_;
}

bool Request::is_past_deadline() const { return worker.reactor.coarse_now() >= deadline_; }

base::Duration Request::pause_limit() const {
  const base::Duration pause = forward.action->idle_timeout;
  if (deadline_ == base::MonoTime::max()) return pause;
  const auto left =
      std::max<base::Duration>(deadline_ - worker.reactor.coarse_now(), std::chrono::milliseconds(1));
  return pause > base::Duration::zero() ? std::min(pause, left) : left;
}

bool Request::is_out_of_time() const { return worker.reactor.coarse_now() >= end(); }

base::Duration Request::time_left() const {
  const auto until = end();
  if (until == base::MonoTime::max()) return base::Duration::zero();
  return std::max<base::Duration>(until - worker.reactor.coarse_now(), std::chrono::milliseconds(1));
}

telemetry::EndsSeries& Request::series() {
  auto** known = &client.inbound_series;
  if (direction() != snapshot::Direction::inbound) {
    if (!attempts_.empty()) {
      known = &attempts_.endpoint().series;
    } else if (cluster != nullptr) {
      known = &cluster->series;
    } else {
      return worker.shard.ends(client.ends(*listener_, nullptr, {}));
    }
  }
  if (*known == nullptr)
    *known = &worker.shard.ends(client.ends(
        *listener_, forward.cluster, !attempts_.empty() ? attempts_.endpoint().workload : std::string()));
  return **known;
}

void Request::let_snapshot_go() {
  const auto& parts = config->snapshot();
  using Parts = decltype(kept_)::element_type;
  kept_ = std::make_unique<Parts>(Parts{parts.listeners.shared(listener_place_),
                                        parts.routes.shared(*parts.routes.place(listener_->routes)),
                                        parts.clusters.shared(forward.cluster_place)});
  leave_cluster();
  config = {};
}

Request::~Request() {
  --worker.shard.proxy.requests_active;
  if (failure == Failure::none && marked != Failure::none) {
    failure = marked;
    // The target's chain, whose limits are not these.
    reason = describe(marked);
  }
  series().request(status, flag_of(failure), worker.reactor.coarse_now() - start_,
                   is_grpc_ ? std::optional(static_cast<int>(grpc_status)) : std::nullopt);
  const bool went_well =
      failure == Failure::none && status < 500 && !(is_grpc_ && http::grpc::is_of_service(grpc_status));
  if (worker.logs_access() && (!went_well || worker.is_sampled())) log();
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
  if (is_grpc_) record.grpc_status = http::grpc::to_string(grpc_status);
  record.flag = flag_of(failure);
  record.reason = reason.empty() ? describe(failure) : reason;
  if (reason.empty() && failure == Failure::tls_failed) {
    if (const auto& tls = attempts_.endpoint().tls; tls && !tls->fault.empty()) record.reason = tls->fault;
  }
  std::string limit;
  if (reason.empty() && (failure == Failure::response_timeout || failure == Failure::connect_timeout)) {
    limit = words(failure);
    const auto& route_says = forward.action->limited_by;
    if (failure == Failure::response_timeout && !route_says.empty()) {
      limit.append(" (").append(route_says).append(")");
    } else if (!forward.cluster->policy.empty()) {
      limit.append(" (TrafficPolicy ").append(forward.cluster->policy).append(")");
    }
    record.reason = limit;
  }
  record.bytes_received = bytes_received;
  record.bytes_sent = bytes_sent;
  record.client = &client.address;
  record.kept.client = &client.log_fields;
  record.attempts = static_cast<int>(attempts_.count());
  record.listener = listener_->name;
  // One of a Snapshot that is not in force any more may have had another name.
  if (listener_ == client.listener->config) record.kept.listener = &client.listener->log_fields;
  if (route != nullptr) record.route = route->name;
  if (forward.cluster != nullptr) record.cluster = forward.cluster->name;
  if (!attempts_.empty()) {
    record.endpoint = attempts_.endpoint().instance();
    record.upstream = &attempts_.endpoint().address();
    record.kept.target = &attempts_.endpoint().log_fields;
  }
  worker.log_access(record);
}

}  // namespace weft::proxy
