// The way of one object in `apply`: look at the stored one, merge, create or patch; again when somebody was
// faster.
#include "cli/apply.h"

#include <fmt/format.h>

#include <algorithm>
#include <ranges>
#include <utility>

#include "cli/objects.h"
#include "model/merge.h"
#include "model/resource.h"
#include "model/secret.h"
#include "runtime/combine.h"

namespace weft::cli {

using base::Json;
using message::Method;
using runtime::Task;

namespace {

/// How often an object is tried that others change at the same time.
constexpr int attempts = 20;

/// One run's state, shared by its workers.
struct Run {
  Api& api;
  ApplyOptions options;
  std::vector<model::Object> objects;
  std::vector<Json> live;  // beside objects; null: not there
  std::vector<std::optional<Applied>> applied;
  std::size_t next = 0;
  std::size_t end = 0;
  ApplyReport report;
};

/// The label's name is that of kubectl's ApplySets (KEP-3659); the value is the name that the user gave.
constexpr std::string_view set_label = "applyset.kubernetes.io/part-of";

std::string set_of(const Json& object) {
  const Json& labels = value_at(object, "/metadata/labels");
  return labels.is_object() ? labels.value(std::string(set_label), "") : std::string();
}

Task<Result<Applied>> apply_one(Run& run, std::size_t index) {
  const auto target = which(run.objects[index]);
  const bool dry = run.options.dry_run == DryRun::server;
  const auto sent_to = [dry](std::string path) {
    return with_query(std::move(path), {{"dryRun", dry ? "All" : ""}});
  };
  const std::string collection = sent_to(rest_path(*target.kind, target.ns));
  const std::string path = rest_path(*target.kind, target.ns, target.name);
  Json wanted = desired_of(run.objects[index]);
  if (!run.options.set.empty()) wanted["metadata"]["labels"][std::string(set_label)] = run.options.set;
  const Json desired = model::with_last_applied(std::move(wanted));
  Json live = std::move(run.live[index]);
  if (const auto other = set_of(live);
      !run.options.set.empty() && !other.empty() && other != run.options.set) {
    co_return failure(Exit::failed, fmt::format("it belongs to the set {}", other), {},
                      "apply it with that one, or delete it first");
  }
  Result<Reply> reply;
  for (int attempt = 0; attempt < attempts; ++attempt) {
    if (live.is_null()) {
      if (run.options.dry_run == DryRun::client) co_return Applied{target, Change::created, desired};
      reply = co_await run.api.call(Method::post, collection, desired);
      if (reply && reply->ok()) {
        // What the answer warns of has been said of the file.
        co_return Applied{target, Change::created, std::move(reply->body)};
      }
    } else {
      Json patch = model::three_way_patch(model::last_applied_of(live), live, desired);
      if (patch.empty()) co_return Applied{target, Change::unchanged, std::move(live)};
      const auto change = visible_part(patch).empty() ? Change::unchanged : Change::configured;
      if (run.options.dry_run == DryRun::client)
        co_return Applied{target, change, model::apply_merge_patch(std::move(live), patch)};
      reply = co_await run.api.call(Method::patch, sent_to(path), std::move(patch));
      if (reply && reply->ok()) {
        co_return Applied{target, change, std::move(reply->body)};
      }
    }
    if (!reply) co_return std::unexpected(std::move(reply.error()));
    // Created or deleted by somebody else since we looked: look again.
    if (reply->status != 409 && !(reply->status == 404 && !live.is_null())) break;
    auto now = co_await run.api.call(Method::get, path);
    if (!now) co_return std::unexpected(std::move(now.error()));
    live = now->ok() ? std::move(now->body) : Json();
  }
  co_return std::unexpected(failure_of(*reply));
}

Task<void> worker(Run& run) {
  while (run.next < run.end) {
    const std::size_t index = run.next++;
    auto result = co_await apply_one(run, index);
    if (result) {
      run.applied[index] = std::move(*result);
      continue;
    }
    auto failure = std::move(result.error());
    // What is left would fail in the same way.
    if (failure.exit == Exit::timeout) run.next = run.end;
    failure.what = fmt::format("{}: {}", which(run.objects[index]).to_string(), failure.what);
    if (const auto& source = run.objects[index].source; source && failure.where.empty()) {
      failure.where = fmt::format("{}:{}", source->file(), run.objects[index].position.line);
    }
    run.report.failures.push_back(std::move(failure));
  }
}

/// What is in a namespace comes after that. A workload comes after the Services that select it, which say
/// what it waits for, and the ConfigMaps and Secrets that it is given, for it would start at once. A
/// Deployment comes after the Jobs: one whose template changes along with that of a Job which must complete
/// first waits for the new run.
constexpr int stages = 4;
int stage_of(const model::Object& object) {
  const auto kind = model::kind_of(object.resource);
  if (kind == "Deployment") return 3;
  if (kind == "Job") return 2;
  return model::find_kind(kind)->namespaced ? 1 : 0;
}

Task<void> apply_range(Run& run, std::size_t begin, std::size_t end) {
  run.next = begin;
  run.end = end;
  std::vector<Task<void>> workers;
  for (std::size_t i = 0; i < std::min(Api::max_connections, end - begin); ++i)
    workers.push_back(worker(run));
  co_await runtime::all(std::move(workers));
}

}  // namespace

std::string_view to_string(Change change) {
  switch (change) {
    case Change::created: return "created";
    case Change::configured: return "configured";
    case Change::unchanged: return "unchanged";
  }
  return "";
}

Json desired_of(const model::Object& object) {
  Json document = model::with_folded_data(object.json);
  document.erase("status");
  for (const char* field : written_by_server) document["metadata"].erase(field);
  if (object.source && object.source->file() != "-") {
    document["metadata"]["annotations"][std::string(model::annotation::source)] =
        fmt::format("{}:{}", base::printable(object.source->file()), object.position.line);
  }
  return document;
}

Json visible_part(Json patch) {
  const auto metadata = patch.find("metadata");
  if (metadata == patch.end() || !metadata->contains("annotations")) return patch;
  Json& annotations = (*metadata)["annotations"];
  if (!annotations.is_object()) return patch;
  for (const auto own : {model::annotation::source, model::annotation::last_applied})
    annotations.erase(std::string(own));
  if (annotations.empty()) metadata->erase("annotations");
  if (metadata->empty()) patch.erase("metadata");
  return patch;
}

Awaited which(const model::Object& object) {
  const auto& metadata = model::metadata_of(object.resource);
  return {model::find_kind(model::kind_of(object.resource)), metadata.ns, metadata.name};
}

Task<Result<std::vector<Awaited>>> find_pruned(Api& api, std::vector<Awaited> kept, std::string set,
                                               std::string selector) {
  const bool everywhere = !set.empty();
  if (everywhere) selector = fmt::format("{}={}", set_label, set);
  std::vector<Awaited> found;
  for (const auto& kind : std::views::reverse(model::kinds())) {
    if (kind.ephemeral || kind.kind == "Namespace") continue;
    auto all = co_await api.list(with_query(rest_path(kind, ""), {{"labelSelector", selector}}));
    if (!all) co_return std::unexpected(std::move(all.error()));
    for (const Json& object : *all) {
      Awaited one{&kind, namespace_of(object), name_of(object)};
      const bool stays = std::ranges::find(kept, one) != kept.end();
      const bool is_near = everywhere || !kind.namespaced ||
                           std::ranges::any_of(kept, [&](const auto& other) { return other.ns == one.ns; });
      if (!stays && is_near && !model::last_applied_of(object).is_null()) found.push_back(std::move(one));
    }
  }
  co_return found;
}

Task<ApplyReport> apply_all(Api& api, std::vector<model::Object> objects, ApplyOptions options) {
  // Stable: within a stage, in the order of the files.
  std::vector<std::size_t> ends;
  std::vector<model::Object> staged;
  for (int stage = 0; stage < stages; ++stage) {
    for (auto& object : objects) {
      if (stage_of(object) == stage) staged.push_back(object);
    }
    ends.push_back(staged.size());
  }
  objects = std::move(staged);
  std::vector<Awaited> targets;
  for (const auto& object : objects) targets.push_back(which(object));
  auto live = co_await fetch_all(api, targets);
  Run run{api, std::move(options), std::move(objects), {}, {}, 0, 0, {}};
  if (!live) {
    run.report.failures.push_back(std::move(live.error()));
    co_return std::move(run.report);
  }
  run.live = std::move(*live);
  run.applied.resize(run.objects.size());
  std::size_t begin = 0;
  for (const auto end : ends) co_await apply_range(run, std::exchange(begin, end), end);
  for (auto& applied : run.applied) {
    if (applied) run.report.applied.push_back(std::move(*applied));
  }
  co_return std::move(run.report);
}

}  // namespace weft::cli
