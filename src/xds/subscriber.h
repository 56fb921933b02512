// The state of one xDS stream on the server's side, of either variant: what the peer asked for, has, and has
// not answered yet. It decides what is sent next, and does no I/O (envoyproxy.io/docs, "xDS REST and gRPC
// protocol").
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "envoy/service/discovery/v3/discovery.pb.h"
#include "xds/inventory.h"

namespace weft::xds {

/// Bytes of resources after which a response is closed and a further one begun: well below the usual limit of
/// 4 MiB. All listeners, or all clusters, go into one where the protocol is state of the world.
inline constexpr std::size_t max_response_bytes = 1024 * 1024;
/// Of a peer's words of refusal so much is kept.
inline constexpr std::size_t max_refusal_bytes = 1024;
/// Responses that may be without an answer: far more than one Snapshot takes, and few to remember.
inline constexpr std::size_t max_unanswered = 4096;

enum class Variant : std::uint8_t { incremental, state_of_the_world };

/// One response, in neither variant's form yet.
struct Update {
  Type type = Type::context;
  std::string nonce;
  std::vector<Resource> resources;
  /// Only the incremental variant says so.
  std::vector<std::string> removed;
};

/// The DiscoveryResponse or DeltaDiscoveryResponse, serialized. Of state of the world the version is a hash
/// of what it has, equal for equal content.
std::string message_of(Update update, Variant variant);

class Subscriber {
 public:
  /// Of the two variants.
  using DeltaRequest = envoy::service::discovery::v3::DeltaDiscoveryRequest;
  using WorldRequest = envoy::service::discovery::v3::DiscoveryRequest;

  /// What a request was, for the counters.
  enum class Answer : std::uint8_t { none, ack, nack, unknown_type };

  explicit Subscriber(Variant variant = Variant::incremental) : variant_(variant) {}

  Variant variant() const { return variant_; }
  /// Takes a subscription, an ACK or a NACK, of the variant that it was made for.
  Answer take(const DeltaRequest& request);
  Answer take(const WorldRequest& request);
  /// The next response to send, nothing if the peer has all it may have by now. `latest` (may be null)
  /// becomes what the peer is brought to as soon as it has answered everything of the one before.
  std::optional<Update> next(const InventoryPtr& latest);

  /// Whether the peer has taken all of `latest`; of a foreign client all that it has asked for.
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
    /// Whether there was a request, and one with names.
    bool was_asked = false;
    bool was_named = false;
    /// The newest response.
    std::string nonce;
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

    bool is_any() const { return is_wildcard || !names.empty() || !held.empty(); }
    bool wants(std::string_view name) const { return is_wildcard || names.contains(name); }
  };
  struct Step;
  static const std::array<Step, 9> steps;

  Interest& of(Type type) { return interests_[static_cast<std::size_t>(type)]; }
  const Interest& of(Type type) const { return interests_[static_cast<std::size_t>(type)]; }
  void subscribe(Type type, const DeltaRequest& request);
  /// A stale one takes names away and adds none.
  void subscribe(Type type, const WorldRequest& request, bool is_stale);
  void unsubscribe(Interest& interest, const std::string& name);
  void look_again(Interest& interest);
  Answer answer(const std::string& nonce, const std::string* refusal);
  std::optional<Update> due();
  /// Whether a foreign client must answer first to what the step builds on.
  bool must_wait(const Step& step) const;
  std::optional<Update> respond(const Step& step);
  /// New and changed resources of that type; false if there is more than goes into one response.
  bool add_changed(Type type, Update& update);
  void add_removed(Type type, Update& update);
  /// All that the peer wants of that type, if it must be told anything of it in this step; whether so.
  bool add_whole(const Step& step, Update& update);
  /// A resource that is new or has changed is on its way.
  void note_sent(Type type, std::string_view name);

  Variant variant_;
  std::array<Interest, type_count> interests_;
  InventoryPtr target_;
  /// The one before, while there is something of it left that goes after what takes its place has come.
  InventoryPtr before_;
  /// The step that is next for `target_`: those before it have nothing to send until something is asked for.
  std::size_t step_ = 0;
  std::map<std::string, Type> unanswered_;  // by nonce
  bool batch_refused_ = false;
  std::optional<std::string> refusal_;
  std::size_t asked_bytes_ = 0;
  std::uint64_t last_nonce_ = 0;
};

}  // namespace weft::xds
