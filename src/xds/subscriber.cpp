#include "xds/subscriber.h"

#include <algorithm>

namespace weft::xds {
namespace {

constexpr std::string_view wildcard = "*";

struct Step {
  Type type;
  bool additions;
  bool removals;
};

/// Make before break: what is named comes before what names it, and goes after it.
constexpr std::array<Step, 9> steps{{{Type::placement, true, true},
                                     {Type::context, true, true},
                                     {Type::cluster, true, false},
                                     {Type::endpoints, true, false},
                                     {Type::listener, true, true},
                                     {Type::routes, true, false},
                                     {Type::routes, false, true},
                                     {Type::endpoints, false, true},
                                     {Type::cluster, false, true}}};

/// What it costs to remember a name: with the node of the tree that holds it.
std::size_t cost_of(const std::string& name) { return name.size() + 96; }

/// Finds names in a sorted map, each not before the one asked for last: a walk along both costs a tenth of a
/// search for each.
template <class Map>
class Along {
 public:
  explicit Along(Map& map) : map_(map), at_(map.begin()) {}
  /// The place of `name`, map.end() if it is not there.
  auto find(std::string_view name) {
    while (at_ != map_.end() && at_->first < name) ++at_;
    return at_ != map_.end() && at_->first == name ? at_ : map_.end();
  }

 private:
  Map& map_;
  decltype(std::declval<Map&>().begin()) at_;
};

/// The same in an inventory's entries.
class AlongEntries {
 public:
  explicit AlongEntries(const std::vector<Inventory::Entry>& entries) : entries_(entries) {}
  bool contains(std::string_view name) {
    while (at_ < entries_.size() && entries_[at_].name < name) ++at_;
    return at_ < entries_.size() && entries_[at_].name == name;
  }

 private:
  const std::vector<Inventory::Entry>& entries_;
  std::size_t at_ = 0;
};

}  // namespace

Subscriber::Answer Subscriber::take(const Request& request) {
  auto type = type_of(request.type_url());
  if (!type) return Answer::unknown_type;
  subscribe(of(*type), request);
  return request.response_nonce().empty() ? Answer::none : answer(request);
}

void Subscriber::subscribe(Interest& interest, const Request& request) {
  bool is_first = !std::exchange(interest.was_named, true);
  // Most requests are bare answers.
  if (!is_first && request.resource_names_subscribe().empty() && request.resource_names_unsubscribe().empty())
    return;
  step_ = 0;
  interest.sent = interest.cleared = nullptr;
  for (const auto& name : request.resource_names_subscribe()) {
    if (name == wildcard) {
      interest.is_wildcard = true;
    } else {
      if (interest.names.insert_or_assign(name, false).second) asked_bytes_ += cost_of(name);
      // Who asks again for what it has wants it again.
      interest.held.erase(name);
    }
  }
  // A first request without names is the older form of the wildcard.
  if (is_first && request.resource_names_subscribe().empty()) interest.is_wildcard = true;
  for (const auto& name : request.resource_names_unsubscribe()) {
    if (name == wildcard) interest.is_wildcard = false;
    if (interest.names.erase(name) > 0) asked_bytes_ -= cost_of(name);
    if (!interest.is_wildcard) {
      interest.held.erase(name);
    } else if (interest.held.contains(name)) {
      interest.done_with.insert(name);
    }
  }
  if (!is_first) return;
  for (const auto& [name, version] : request.initial_resource_versions()) {
    if (!interest.wants(name)) continue;
    interest.held[name] = version;
    asked_bytes_ += cost_of(name) + version.size();
  }
  interest.was_answered = !interest.held.empty();
}

Subscriber::Answer Subscriber::answer(const Request& request) {
  if (unanswered_.erase(request.response_nonce()) == 0) return Answer::none;
  bool refused = request.has_error_detail();
  if (refused) {
    refusal_ = request.error_detail().message().substr(0, max_refusal_bytes);
    batch_refused_ = true;
  }
  if (unanswered_.empty()) {
    if (!batch_refused_) refusal_.reset();
    batch_refused_ = false;
  }
  return refused ? Answer::nack : Answer::ack;
}

std::optional<Subscriber::Response> Subscriber::next(const InventoryPtr& latest) {
  if (auto response = due()) return response;
  if (!unanswered_.empty() || !latest || target_ == latest) return std::nullopt;
  target_ = latest;
  step_ = 0;
  return due();
}

std::optional<Subscriber::Response> Subscriber::due() {
  if (!target_ || unanswered_.size() >= max_unanswered) return std::nullopt;
  for (; step_ < steps.size(); ++step_) {
    const auto& step = steps[step_];
    if (auto response = respond(step.type, step.additions, step.removals)) return response;
  }
  return std::nullopt;
}

std::optional<Subscriber::Response> Subscriber::respond(Type type, bool additions, bool removals) {
  auto& interest = of(type);
  if (!interest.is_wildcard && interest.names.empty() && interest.held.empty()) return std::nullopt;
  Response response;
  const auto& entries = target_->shared(type);
  if (additions && interest.sent != entries && add_changed(type, response)) interest.sent = entries;
  if (removals && interest.cleared != entries) {
    add_removed(type, response);
    interest.cleared = entries;
  }
  // A wildcard's first response is sent also if it is empty: the peer learns that there is nothing.
  bool greets = additions && interest.is_wildcard && !interest.was_answered;
  if (response.resources().empty() && response.removed_resources().empty() && !greets) return std::nullopt;
  interest.was_answered = true;
  response.set_type_url(std::string(type_url(type)));
  response.set_nonce(std::to_string(++last_nonce_));
  unanswered_.insert(response.nonce());
  return response;
}

bool Subscriber::add_changed(Type type, Response& response) {
  auto& interest = of(type);
  std::size_t bytes = 0;
  Along names(interest.names);
  Along all_held(interest.held);
  for (const auto& entry : target_->of(type)) {
    auto named = names.find(entry.name);
    if (!interest.is_wildcard && named == interest.names.end()) continue;
    auto held = all_held.find(entry.name);
    if (held != interest.held.end() && held->second == entry.version) continue;
    if (bytes >= max_response_bytes) return false;
    auto resource = target_->resource(type, entry.name);
    bytes += resource.body.size();
    auto& into = *response.add_resources();
    into.set_name(resource.name);
    into.set_version(entry.version);
    into.mutable_resource()->set_type_url(std::string(type_url(type)));
    into.mutable_resource()->set_value(std::move(resource.body));
    if (held != interest.held.end()) {
      interest.done_with.erase(held->first);
      held->second = entry.version;
    } else {
      interest.held.emplace(entry.name, entry.version);
    }
    if (named != interest.names.end()) named->second = false;
  }
  return true;
}

void Subscriber::add_removed(Type type, Response& response) {
  auto& interest = of(type);
  AlongEntries still_there(target_->of(type));
  std::erase_if(interest.held, [&](const auto& held) {
    if (still_there.contains(held.first)) return false;
    response.add_removed_resources(held.first);
    interest.done_with.erase(held.first);
    if (auto named = interest.names.find(held.first); named != interest.names.end()) named->second = true;
    return true;
  });
  AlongEntries there(target_->of(type));
  for (auto& [name, was_told] : interest.names) {
    if (was_told || there.contains(name)) continue;
    response.add_removed_resources(name);
    was_told = true;
  }
}

bool Subscriber::is_settled(const InventoryPtr& latest) const {
  if (target_ != latest || !unanswered_.empty() || refusal_) return false;
  for (std::size_t i = 0; i < type_count; ++i) {
    auto type = static_cast<Type>(i);
    const auto& interest = of(type);
    // Only weft's own proxies ask for the context.
    if (type == Type::context && !interest.was_answered) continue;
    auto is_missing = [&, all_held = Along(interest.held)](const Inventory::Entry& entry) mutable {
      auto held = all_held.find(entry.name);
      return entry.referenced && (held == interest.held.end() || held->second != entry.version);
    };
    auto is_left_over = [there = AlongEntries(latest->of(type))](const auto& held) mutable {
      return !there.contains(held.first);
    };
    if (std::ranges::any_of(latest->of(type), std::ref(is_missing))) return false;
    if (std::ranges::any_of(interest.held, std::ref(is_left_over))) return false;
  }
  // A peer that has not heard yet of clusters and listeners has not begun, even if there are none.
  return latest->snapshot == nullptr || (of(Type::cluster).was_answered && of(Type::listener).was_answered);
}

}  // namespace weft::xds
