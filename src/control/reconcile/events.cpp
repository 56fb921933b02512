#include "control/reconcile/events.h"

#include "model/kinds.h"

namespace weft::control::reconcile {

namespace {
constexpr std::size_t event_writers = 4;
constexpr int suffix_length = 10;
}  // namespace

Events::Events(runtime::Reactor& reactor, store::Store& store, base::Random random)
    : reactor_(reactor),
      store_(store),
      random_(random),
      queue_(reactor, event_writers, [this](store::Key name) { return write(std::move(name)); }) {}

void Events::record(const store::Key& object, EventType type, std::string reason, std::string message) {
  Subject subject{object, std::move(reason), std::move(message)};
  auto [known, is_new] = names_.try_emplace(subject);
  if (is_new) {
    known->second = {"Event", object.ns.empty() ? "default" : object.ns,
                     object.name + "." + random_.suffix(suffix_length)};
    auto& entry = entries_[known->second];
    entry.subject = std::move(subject);
    entry.type = type;
    entry.first = reactor_.clock().wall();
    order_.push_back(known->second);
  }
  auto& entry = entries_[known->second];
  ++entry.count;
  entry.last = reactor_.clock().wall();
  queue_.add(known->second);
  if (order_.size() > events_kept) forget_oldest();
}

void Events::forget_oldest() {
  const auto name = order_.front();
  order_.pop_front();
  const auto at = entries_.find(name);
  names_.erase(at->second.subject);
  entries_.erase(at);
  queue_.add(name);
}

runtime::Task<bool> Events::write(store::Key name) {
  const auto at = entries_.find(name);
  if (at == entries_.end()) {
    (void)co_await store_.remove(name, {});
    co_return true;
  }
  auto object = to_json(name, at->second);
  if (store_.get(name)) {
    (void)co_await store_.update(std::move(object));
  } else {
    (void)co_await store_.create(std::move(object));
  }
  co_return true;
}

base::Json Events::to_json(const store::Key& name, const Entry& entry) const {
  const auto& [object, reason, message] = entry.subject;
  base::Json involved = {{"kind", object.kind}, {"name", object.name}};
  if (!object.ns.empty()) involved["namespace"] = object.ns;
  if (const auto* kind = model::find_kind(object.kind)) involved["apiVersion"] = kind->api_version;
  return {{"apiVersion", "v1"},
          {"kind", "Event"},
          {"metadata", {{"name", name.name}, {"namespace", name.ns}}},
          {"involvedObject", std::move(involved)},
          {"type", entry.type == EventType::warning ? "Warning" : "Normal"},
          {"reason", reason},
          {"message", message},
          {"count", entry.count},
          {"firstTimestamp", base::format_rfc3339(entry.first)},
          {"lastTimestamp", base::format_rfc3339(entry.last)},
          {"source", {{"component", "weft"}}}};
}

}  // namespace weft::control::reconcile
