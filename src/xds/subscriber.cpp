#include "xds/subscriber.h"

#include <algorithm>
#include <ranges>
#include <string_view>

#include "base/hash.h"
#include "xds/serialize.h"

namespace weft::xds {
namespace {

constexpr std::string_view wildcard = "*";

/// State of the world has all of these in one response: what it does not have is gone.
bool is_whole(Type type) { return type == Type::listener || type == Type::cluster; }

/// Of the others who asks for nothing gets nothing.
bool has_older_wildcard(Type type) { return type != Type::endpoints && type != Type::routes; }

/// What it costs to remember a name: with the node of the tree that holds it.
std::size_t cost_of(std::string_view name) { return name.size() + 96; }

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

/// Whether an entry that is needed is not held as it is.
template <class Held>
bool lacks(const std::vector<Inventory::Entry>& entries, const Held& held, auto is_needed) {
  return std::ranges::any_of(entries, [&, all_held = Along(held)](const Inventory::Entry& entry) mutable {
    const auto at = all_held.find(entry.name);
    return is_needed(entry) && (at == held.end() || at->second != entry.version);
  });
}

/// Whether something is held that is not there any more.
template <class Held>
bool has_left_over(const std::vector<Inventory::Entry>& entries, const Held& held) {
  return std::ranges::any_of(held, [there = AlongEntries(entries)](const auto& entry) mutable {
    return !there.contains(entry.first);
  });
}

void put(google::protobuf::Any& into, Resource resource) {
  into.set_type_url(std::string(type_url(resource.type)));
  into.set_value(std::move(resource.body));
}

}  // namespace

std::string message_of(Update update, Variant variant) {
  if (variant == Variant::incremental) {
    envoy::service::discovery::v3::DeltaDiscoveryResponse response;
    response.set_type_url(std::string(type_url(update.type)));
    response.set_nonce(std::move(update.nonce));
    for (auto& name : update.removed) response.add_removed_resources(std::move(name));
    for (auto& resource : update.resources) {
      auto& into = *response.add_resources();
      into.set_name(resource.name);
      into.set_version(resource.version);
      put(*into.mutable_resource(), std::move(resource));
    }
    return serialize(response);
  }
  envoy::service::discovery::v3::DiscoveryResponse response;
  response.set_type_url(std::string(type_url(update.type)));
  response.set_nonce(std::move(update.nonce));
  std::string versions;
  for (auto& resource : update.resources) {
    versions += resource.version;
    put(*response.add_resources(), std::move(resource));
  }
  response.set_version_info(base::content_hash(versions));
  return serialize(response);
}

struct Subscriber::Step {
  Type type;
  bool additions;
  bool removals;
};

/// Make before break: what is named comes before what names it, and goes after it.
constexpr std::array<Subscriber::Step, 9> Subscriber::steps{{{Type::placement, true, true},
                                                             {Type::context, true, true},
                                                             {Type::cluster, true, false},
                                                             {Type::endpoints, true, false},
                                                             {Type::listener, true, true},
                                                             {Type::routes, true, false},
                                                             {Type::routes, false, true},
                                                             {Type::endpoints, false, true},
                                                             {Type::cluster, false, true}}};

Subscriber::Answer Subscriber::take(const DeltaRequest& request) {
  const auto type = type_of(request.type_url());
  if (!type) return Answer::unknown_type;
  subscribe(*type, request);
  return answer(request.response_nonce(),
                request.has_error_detail() ? &request.error_detail().message() : nullptr);
}

Subscriber::Answer Subscriber::take(const WorldRequest& request) {
  const auto type = type_of(request.type_url());
  if (!type) return Answer::unknown_type;
  const auto& nonce = request.response_nonce();
  const auto& newest = of(*type).nonce;
  subscribe(*type, request, !nonce.empty() && !newest.empty() && nonce != newest);
  return answer(nonce, request.has_error_detail() ? &request.error_detail().message() : nullptr);
}

void Subscriber::look_again(Interest& interest) {
  step_ = 0;
  interest.sent = interest.cleared = nullptr;
}

void Subscriber::subscribe(Type type, const DeltaRequest& request) {
  auto& interest = of(type);
  const bool is_first = !std::exchange(interest.was_asked, true);
  // Most requests are bare answers.
  if (!is_first && request.resource_names_subscribe().empty() && request.resource_names_unsubscribe().empty())
    return;
  look_again(interest);
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
  if (is_first && request.resource_names_subscribe().empty() && has_older_wildcard(type))
    interest.is_wildcard = true;
  for (const auto& name : request.resource_names_unsubscribe()) unsubscribe(interest, name);
  if (!is_first) return;
  for (const auto& [name, version] : request.initial_resource_versions()) {
    if (!interest.wants(name)) continue;
    interest.held[name] = version;
    asked_bytes_ += cost_of(name) + version.size();
  }
  interest.was_answered = !interest.held.empty();
}

void Subscriber::unsubscribe(Interest& interest, const std::string& name) {
  if (name == wildcard) {
    interest.is_wildcard = false;
    std::erase_if(interest.held, [&](const auto& held) { return !interest.wants(held.first); });
    interest.done_with.clear();
    return;
  }
  const bool was_named = interest.names.erase(name) > 0;
  if (was_named) asked_bytes_ -= cost_of(name);
  const auto held = interest.held.find(name);
  if (held == interest.held.end()) return;
  if (!interest.is_wildcard) {
    interest.held.erase(held);
  } else if (was_named) {
    // It cannot know whether the wildcard has it too, and is told.
    held->second.clear();
  } else {
    interest.done_with.insert(name);
  }
}

void Subscriber::subscribe(Type type, const WorldRequest& request, bool is_stale) {
  auto& interest = of(type);
  const std::set<std::string_view> asked(request.resource_names().begin(), request.resource_names().end());
  const bool is_first = !std::exchange(interest.was_asked, true);
  interest.was_named |= !asked.empty();
  // Whoever has never named one means all by none: the older form of the wildcard.
  const bool is_wildcard = asked.contains(wildcard) || (!interest.was_named && has_older_wildcard(type));
  // Who answers an older response has the newest to answer still, and says all names again then. What it has
  // given up meanwhile it has given up.
  bool has_changed = is_first;
  if (!is_stale || !is_wildcard)
    has_changed |= std::exchange(interest.is_wildcard, is_wildcard) != is_wildcard;
  const auto dropped = std::erase_if(interest.names, [&](const auto& named) {
    if (asked.contains(named.first)) return false;
    asked_bytes_ -= cost_of(named.first);
    return true;
  });
  has_changed |= dropped > 0;
  for (const auto name : asked) {
    if (is_stale || name == wildcard || !interest.names.try_emplace(std::string(name), false).second)
      continue;
    asked_bytes_ += cost_of(name);
    if (const auto held = interest.held.find(name); held != interest.held.end()) interest.held.erase(held);
    has_changed = true;
  }
  if (!has_changed) return;
  std::erase_if(interest.held, [&](const auto& held) { return !interest.wants(held.first); });
  look_again(interest);
}

Subscriber::Answer Subscriber::answer(const std::string& nonce, const std::string* refusal) {
  const auto found = unanswered_.find(nonce);
  if (found == unanswered_.end()) return Answer::none;
  const auto type = found->second;
  unanswered_.erase(found);
  // Of state of the world the newest of a type is the only one that must be answered.
  if (variant_ == Variant::state_of_the_world && nonce == of(type).nonce)
    std::erase_if(unanswered_, [type](const auto& other) { return other.second == type; });
  if (refusal != nullptr) {
    refusal_ = refusal->substr(0, max_refusal_bytes);
    batch_refused_ = true;
  }
  if (unanswered_.empty()) {
    if (!batch_refused_) refusal_.reset();
    batch_refused_ = false;
  }
  return refusal != nullptr ? Answer::nack : Answer::ack;
}

std::optional<Update> Subscriber::next(const InventoryPtr& latest) {
  if (auto update = due()) return update;
  if (!unanswered_.empty() || !latest || target_ == latest) return std::nullopt;
  before_ = std::exchange(target_, latest);
  step_ = 0;
  return due();
}

std::optional<Update> Subscriber::due() {
  if (!target_ || unanswered_.size() >= max_unanswered) return std::nullopt;
  for (; step_ < steps.size(); ++step_) {
    if (!of(steps[step_].type).is_any()) continue;
    if (must_wait(steps[step_])) return std::nullopt;
    if (auto update = respond(steps[step_])) return update;
  }
  before_ = nullptr;
  return std::nullopt;
}

bool Subscriber::must_wait(const Step& step) const {
  if (target_->dialect == Dialect::weft) return false;  // it takes a Snapshot as one, and answers it as one
  const auto is_unanswered = [&](Type one, Type other) {
    return std::ranges::any_of(unanswered_ | std::views::values,
                               [=](Type type) { return type == one || type == other; });
  };
  switch (step.type) {
    case Type::listener:
    case Type::routes: return is_unanswered(Type::cluster, Type::endpoints);
    case Type::cluster:
    case Type::endpoints: return step.removals && is_unanswered(Type::listener, Type::routes);
    case Type::context:
    case Type::placement: return false;
  }
  return false;
}

std::optional<Update> Subscriber::respond(const Step& step) {
  auto& interest = of(step.type);
  Update update{.type = step.type, .nonce = {}, .resources = {}, .removed = {}};
  // A wildcard's first response is sent also if it is empty: the peer learns that there is nothing.
  bool is_due = step.additions && interest.is_wildcard && !interest.was_answered;
  if (variant_ == Variant::state_of_the_world && is_whole(step.type)) {
    is_due |= add_whole(step, update);
  } else {
    const auto& entries = target_->shared(step.type);
    if (step.additions && interest.sent != entries && add_changed(step.type, update)) interest.sent = entries;
    if (step.removals && interest.cleared != entries) {
      add_removed(step.type, update);
      interest.cleared = entries;
    }
    is_due |= !update.resources.empty() || !update.removed.empty();
  }
  if (!is_due) return std::nullopt;
  interest.was_answered = true;
  update.nonce = interest.nonce = std::to_string(++last_nonce_);
  unanswered_.emplace(update.nonce, step.type);
  return update;
}

void Subscriber::note_sent(Type type, std::string_view name) {
  if (type != Type::cluster || target_->dialect == Dialect::weft) return;
  // Envoy takes a cluster that has changed for one without endpoints until it is told them again.
  auto& endpoints = of(Type::endpoints);
  const auto held = endpoints.held.find(name);
  if (held == endpoints.held.end()) return;
  endpoints.held.erase(held);
  endpoints.sent = nullptr;
}

bool Subscriber::add_changed(Type type, Update& update) {
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
    update.resources.push_back(target_->resource(type, entry.name));
    bytes += update.resources.back().body.size();
    if (held != interest.held.end()) {
      interest.done_with.erase(held->first);
      held->second = entry.version;
    } else {
      interest.held.emplace(entry.name, entry.version);
    }
    if (named != interest.names.end()) named->second = false;
    note_sent(type, entry.name);
  }
  return true;
}

void Subscriber::add_removed(Type type, Update& update) {
  auto& interest = of(type);
  const auto tell = [&](const std::string& name) {
    if (variant_ == Variant::incremental) update.removed.push_back(name);
  };
  AlongEntries still_there(target_->of(type));
  std::erase_if(interest.held, [&](const auto& held) {
    if (still_there.contains(held.first)) return false;
    tell(held.first);
    interest.done_with.erase(held.first);
    if (auto named = interest.names.find(held.first); named != interest.names.end()) named->second = true;
    return true;
  });
  AlongEntries there(target_->of(type));
  for (auto& [name, was_told] : interest.names) {
    if (was_told || there.contains(name)) continue;
    tell(name);
    was_told = true;
  }
}

bool Subscriber::add_whole(const Step& step, Update& update) {
  auto& interest = of(step.type);
  const auto& entries = target_->shared(step.type);
  const auto is_wanted = [&](const Inventory::Entry& entry) { return interest.wants(entry.name); };
  const auto is_news = [&](const auto& named) {
    return !named.second && !interest.held.contains(named.first) &&
           target_->find(step.type, named.first) == nullptr;
  };
  const bool has_additions =
      step.additions && interest.sent != entries &&
      (lacks(*entries, interest.held, is_wanted) || std::ranges::any_of(interest.names, is_news));
  const bool has_removals =
      step.removals && interest.cleared != entries && has_left_over(*entries, interest.held);
  if (step.additions) interest.sent = entries;
  if (step.removals) interest.cleared = entries;
  if (!has_additions && !has_removals) return false;
  for (const auto& entry : *entries) {
    if (!is_wanted(entry)) continue;
    update.resources.push_back(target_->resource(step.type, entry.name));
    auto& held = interest.held[std::string(entry.name)];
    if (std::exchange(held, entry.version) != entry.version) note_sent(step.type, entry.name);
  }
  // What is to go stays until its step comes.
  std::erase_if(interest.held, [&](const auto& held) {
    if (target_->find(step.type, held.first) != nullptr) return false;
    if (step.removals || !before_ || before_->find(step.type, held.first) == nullptr) return true;
    update.resources.push_back(before_->resource(step.type, held.first));
    return false;
  });
  for (auto& [name, was_told] : interest.names) was_told = target_->find(step.type, name) == nullptr;
  return true;
}

bool Subscriber::is_settled(const InventoryPtr& latest) const {
  if (target_ != latest || !unanswered_.empty() || refusal_) return false;
  const bool is_foreign = latest->dialect != Dialect::weft;
  for (std::size_t i = 0; i < type_count; ++i) {
    auto type = static_cast<Type>(i);
    const auto& interest = of(type);
    // Only weft's own proxies ask for the context.
    if (type == Type::context && !interest.was_answered) continue;
    const auto is_needed = [&](const Inventory::Entry& entry) {
      return is_foreign ? interest.wants(entry.name) : entry.referenced;
    };
    if (lacks(latest->of(type), interest.held, is_needed)) return false;
    if (has_left_over(latest->of(type), interest.held)) return false;
  }
  // A proxy that has not heard yet of clusters and listeners has not begun, even if there are none.
  return is_foreign || latest->snapshot == nullptr ||
         (of(Type::cluster).was_answered && of(Type::listener).was_answered);
}

}  // namespace weft::xds
