#include "control/api/watch.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "control/api/status.h"
#include "control/api/verbs.h"
#include "runtime/combine.h"

namespace weft::control::api {

namespace {

using base::Json;

/// Without changes a bookmark goes out this often, as in Kubernetes: short against the time that history
/// reaches back.
constexpr auto bookmark_interval = std::chrono::seconds(60);

void add_line(std::string& lines, std::string_view type, const Json& object) {
  lines += fmt::format("{{\"type\":\"{}\",\"object\":", type);
  lines += to_text(object);
  lines += "}\n";
}

std::string error_line(const store::StoreError& error, const model::Kind& kind) {
  std::string line;
  add_line(line, "ERROR", to_json(failure_of(error, kind, "")));
  return line;
}

std::string bookmark(const model::Kind& kind, const store::Version& version, bool ends_initial_events) {
  Json metadata{{"resourceVersion", version.text()}};
  if (ends_initial_events) metadata["annotations"] = {{"k8s.io/initial-events-end", "true"}};
  std::string line;
  add_line(line, "BOOKMARK", {{"kind", kind.kind}, {"apiVersion", kind.api_version}, {"metadata", metadata}});
  return line;
}

/// What an event means to someone who sees only what is selected: an object that no longer matches is gone
/// for them.
std::string_view type_for(const store::Event& event, const Selection& selection) {
  const bool was = event.previous && selection.matches(*event.previous);
  const bool is = event.type != store::Event::Type::deleted && selection.matches(*event.object);
  if (is) return was ? "MODIFIED" : "ADDED";
  return was ? "DELETED" : "";
}

runtime::Task<void> write_events(std::vector<store::Event> events, const Selection& selection,
                                 Output& output) {
  std::string lines;
  for (const auto& event : events) {
    if (const auto type = type_for(event, selection); !type.empty()) add_line(lines, type, *event.object);
    if (lines.size() >= piece_bytes) co_await output.write(std::exchange(lines, {}));
  }
  if (!lines.empty()) co_await output.write(std::move(lines));
}

/// The answer begins with the first write, also if there is nothing to tell.
runtime::Task<void> write_initial(store::List list, const WatchRequest& request, Output& output) {
  std::string lines;
  for (const auto& object : list.objects) {
    if (request.selection.matches(*object)) add_line(lines, "ADDED", *object);
    if (lines.size() >= piece_bytes) co_await output.write(std::exchange(lines, {}));
  }
  if (request.marks_initial_events) lines += bookmark(*request.kind, list.version, true);
  co_await output.write(std::move(lines));
}

}  // namespace

runtime::Task<void> watch(runtime::Reactor& reactor, store::Store& store, WatchRequest request,
                          Output& output) {
  const auto& kind = *request.kind;
  const auto end = request.limit ? reactor.clock().now() + *request.limit : base::MonoTime::max();
  // The watch begins in the same turn as the list is read, so nothing falls between them.
  std::optional<store::List> initial;
  if (!request.since) initial = store.list(kind.kind, request.selection.ns);
  auto changes = store.watch(std::string(kind.kind), initial ? initial->version : *request.since);
  if (!changes) {
    co_await output.write(error_line(changes.error(), kind));
    co_return;
  }
  if (initial) {
    co_await write_initial(std::move(*initial), request, output);
  } else {
    co_await output.write({});
  }
  for (;;) {
    const auto left = std::min<base::Duration>(end - reactor.clock().now(), bookmark_interval);
    auto events = co_await runtime::within(reactor, left, (*changes)->next());
    if (!events) {
      if (request.bookmarks) co_await output.write(bookmark(kind, (*changes)->seen(), false));
      if (reactor.clock().now() >= end) co_return;
      continue;
    }
    if (!*events) {
      co_await output.write(error_line(events->error(), kind));
      co_return;
    }
    co_await write_events(std::move(**events), request.selection, output);
  }
}

}  // namespace weft::control::api
