// One request on its way: what its steps share, whatever protocols its two sides speak.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "decide/decide.h"
#include "decide/retry.h"
#include "http/grpc/status.h"
#include "message/head.h"
#include "message/patch.h"
#include "proxy/attempts.h"
#include "proxy/client_connection.h"
#include "proxy/context.h"
#include "proxy/failure.h"
#include "proxy/limits.h"
#include "proxy/side.h"
#include "telemetry/access.h"

namespace weft::proxy {

/// Counted and logged exactly once, when it is destroyed: also when its connection is cut.
class Request {
 public:
  template <ClientSide Client>
  explicit Request(Client& from)
      : Request(from.connection(), from.head(), from.request_patch(), !from.is_body_done()) {}
  /// `has_body`: one may follow the head.
  Request(ClientConnection& from, const message::RequestHead& head, message::Patch& patch, bool has_body);
  ~Request();
  Request(const Request&) = delete;
  Request& operator=(const Request&) = delete;

  /// As it came.
  const message::RequestHead& head() const { return head_; }
  /// What of it is left out, and what is added, when it is written to an endpoint.
  message::Patch& patch() const { return patch_; }
  /// The client's field, if it leaves as it came.
  std::optional<std::string_view> passed_on(message::FieldId id) const {
    return patch().kept(head().headers, id);
  }
  /// The authority that it is for: of HTTP/1.0 without one, the listener's service.
  std::string_view host() const;
  bool has_body() const { return has_body_; }
  const snapshot::Listener& listener() const { return *listener_; }
  snapshot::Direction direction() const { return direction_; }
  /// It is a call of gRPC, which is answered by a status of gRPC.
  bool is_grpc() const { return is_grpc_; }
  /// Its grpc-timeout is none. It goes to nobody: servers have been seen to fail the calls of others that
  /// come by the same connection.
  bool has_bad_deadline() const { return has_bad_deadline_; }
  bool is_connect() const { return head_.method == message::Method::connect; }
  /// It asks for a representation and for no change (RFC 9110, 9.2.1), so that sending it twice does no harm.
  bool is_safe() const;

  /// What becomes of it, by what came.
  std::expected<decide::Decision, decide::Refusal> decide() const;
  /// Takes the decided way. False if that leads to no cluster, but to an answer of the route's own.
  bool take(const decide::Decision& decision);
  /// What of it decides.
  decide::Request asked() const;
  /// Lets the Snapshot go, whose time a long tunnel should not prolong, but for the parts that it met.
  void let_snapshot_go();
  /// Counts `endpoint` as the one that the request is sent to now.
  void begin_attempt(EndpointState& endpoint) {
    targets_effect.reset();
    attempts_.begin(endpoint);
  }
  /// Tells in the patch what was risked before, if what it is sent to now is a chain of this process.
  void tell_risk(bool is_to_chain);
  /// Whether and when it is sent again after that failure.
  decide::Retry may_retry(Failure after) const;
  /// It is sent again.
  void note_retry();
  /// It ends so, for the record.
  void refuse(Failure with);
  /// A call of gRPC has ended by that failure.
  void note_call_end(Failure with);
  /// describe(), with the limit that was passed.
  std::string words(Failure of) const;
  /// What its service may have done for it, in all attempts, of which the last ended so.
  decide::Effect effect(Failure after) const { return both(effect_before_, last_effect(after)); }
  const Attempts& attempts() const { return attempts_; }
  /// Whether it is the service's turn: it has all of the request, or it is asked whether it wants the body
  /// (Expect: 100-continue). Else it waits for more of the body as well.
  bool awaits_response() const { return awaits_since_ != base::MonoTime::max(); }
  /// From now on it does, or does not.
  void await_response(bool awaits);
  /// So long it could not answer, for others' sake.
  void prolong_wait(base::Duration by) {
    if (awaits_response()) awaits_since_ += by;
  }
  /// When the route's time for the response's head is over; MonoTime::max() if it has no limit or does not
  /// run.
  base::MonoTime end() const;
  bool is_out_of_time() const;
  /// The time that it brought with it is over, not the route's.
  bool is_past_deadline() const;
  /// What is left of that time; zero: no limit. Never zero if there is one.
  base::Duration time_left() const;
  /// How long the endpoint may take or give nothing; zero: no limit. Never beyond a call's own deadline.
  base::Duration pause_limit() const;

  ClientConnection& client;
  Worker& worker;
  /// What it began with; stays in force for it until let_snapshot_go().
  LocalPtr<Config> config;
  const snapshot::Route* route = nullptr;
  /// If it goes to a cluster.
  decide::Forward forward;
  ClusterState* cluster = nullptr;

  /// The protocol that the client wants to change to; empty: none.
  std::string upgrade;

  /// The first piece of the body, kept for another attempt; whole if the body has ended. Null: not read yet.
  std::string_view first_piece;
  /// More of the body than first_piece was read: it is not at hand for another attempt.
  bool is_body_gone = false;
  /// The attempt under way, or the last, is by a connection that had been used before, or says itself that it
  /// took nothing: its endpoint may be asked again, by a new one.
  bool is_on_used_connection = false;
  /// What the target's chain says of its attempts, where this one cannot know.
  std::optional<decide::Effect> targets_effect;
  int interim_responses = 0;
  /// Bytes of the response have gone to the client: nothing else can be answered.
  bool has_begun_response = false;

  // For the record.
  int status = 0;
  /// How a call of gRPC has ended, as far as it has.
  http::grpc::Code grpc_status = http::grpc::Code::unknown;
  Failure failure = Failure::none;
  /// What another chain marked its answer with, that the client was given.
  Failure marked = Failure::none;
  std::string_view reason;
  std::uint64_t bytes_received = 0;
  std::uint64_t bytes_sent = 0;

 private:
  /// What attempts before may have done; those of the calling chain too, if it is one of this process.
  decide::Effect effect_before_with_callers() const;
  decide::Effect last_effect(Failure after) const { return targets_effect.value_or(effect_of(after)); }
  void read_deadline();
  telemetry::EndsSeries& series();
  void log();
  /// It does not weigh on its cluster any more.
  void leave_cluster();

  const message::RequestHead& head_;
  message::Patch& patch_;
  const snapshot::Listener* listener_;
  const std::size_t listener_place_;
  const snapshot::Direction direction_;
  /// The parts of a Snapshot that was let go; null: it was not.
  std::unique_ptr<std::array<std::shared_ptr<const void>, 3>> kept_;
  const bool has_body_;
  const bool is_grpc_;
  bool has_bad_deadline_ = false;
  /// By grpc-timeout; MonoTime::max(): none.
  base::MonoTime deadline_ = base::MonoTime::max();
  const base::MonoTime start_;
  const base::WallTime wall_;
  base::MonoTime awaits_since_;
  Attempts attempts_;
  /// Of the attempts before this one.
  decide::Effect effect_before_ = decide::Effect::none;
};

}  // namespace weft::proxy
