// The state of one incremental xDS stream on the server's side: what the peer asked for, has, and has not
// answered yet. It decides what is sent next, and does no I/O (envoyproxy.io/docs, "xDS REST and gRPC
// protocol", incremental xDS).
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "envoy/service/discovery/v3/discovery.pb.h"
#include "xds/inventory.h"

namespace weft::xds {

/// Bytes of resources after which a response is closed and a further one begun: well below the usual limit of
/// 4 MiB.
inline constexpr std::size_t max_response_bytes = 1024 * 1024;
/// Of a peer's words of refusal so much is kept.
inline constexpr std::size_t max_refusal_bytes = 1024;
/// Responses that may be without an answer: far more than one Snapshot takes, and few to remember.
inline constexpr std::size_t max_unanswered = 4096;

class Subscriber {
 public:
  using Request = envoy::service::discovery::v3::DeltaDiscoveryRequest;
  using Response = envoy::service::discovery::v3::DeltaDiscoveryResponse;

  /// What a request was, for the counters.
  enum class Answer : std::uint8_t { none, ack, nack, unknown_type };

  /// Takes a subscription, an ACK or a NACK.
  Answer take(const Request& request);
  /// The next response to send, nothing if the peer has all it may have by now. `latest` (may be null)
  /// becomes what the peer is brought to as soon as it has answered everything of the one before.
  std::optional<Response> next(const InventoryPtr& latest);

  /// Whether the peer has taken all of `latest`.
  bool is_settled(const InventoryPtr& latest) const;
  /// Whether the peer has said of the resource that it has that it needs it no longer, although it is still
  /// told of all.
  bool is_done_with(Type type, const std::string& name) const { return of(type).done_with.contains(name); }
  /// Bytes of the names that the peer has asked for or says it has.
  std::size_t asked_bytes() const { return asked_bytes_; }
  /// The peer's refusal of what it has been sent, until it has taken something newer.
  const std::optional<std::string>& refusal() const { return refusal_; }

 private:
  struct Interest {
    bool is_wildcard = false;
    /// Whether the peer knows that there may be none: it has had a response, or came with versions.
    bool was_answered = false;
    bool was_named = false;
    /// Names asked for; true once the peer was told that there is no such resource.
    std::map<std::string, bool, std::less<>> names;
    /// What the peer has or has been sent, by name.
    std::map<std::string, std::string, std::less<>> held;
    /// Those of them that it is told of by the wildcard and has unsubscribed from, as they are now.
    std::set<std::string> done_with;
    /// The entries of which all that is wanted has been sent, and those of which it was told what is gone:
    /// what has the same has nothing more of that type.
    Inventory::Entries sent;
    Inventory::Entries cleared;

    bool wants(std::string_view name) const { return is_wildcard || names.contains(name); }
  };

  Interest& of(Type type) { return interests_[static_cast<std::size_t>(type)]; }
  const Interest& of(Type type) const { return interests_[static_cast<std::size_t>(type)]; }
  void subscribe(Interest& interest, const Request& request);
  Answer answer(const Request& request);
  std::optional<Response> due();
  /// New and changed resources of that type, removed ones, or both.
  std::optional<Response> respond(Type type, bool additions, bool removals);
  /// False if there is more than goes into one.
  bool add_changed(Type type, Response& response);
  void add_removed(Type type, Response& response);

  std::array<Interest, type_count> interests_;
  InventoryPtr target_;
  /// The step that is next for `target_`: those before it have nothing to send until something is asked for.
  std::size_t step_ = 0;
  std::set<std::string> unanswered_;
  bool batch_refused_ = false;
  std::optional<std::string> refusal_;
  std::size_t asked_bytes_ = 0;
  std::uint64_t last_nonce_ = 0;
};

}  // namespace weft::xds
