// The way of one object in `apply`: look at the stored one, merge, create or patch; again when somebody was
// faster.
#include "cli/apply.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "cli/objects.h"
#include "model/merge.h"
#include "model/resource.h"
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
  std::vector<model::Object> objects;
  std::vector<Json> live;  // beside objects; null: not there
  std::vector<std::optional<Applied>> applied;
  std::size_t next = 0;
  std::size_t end = 0;
  ApplyReport report;
};

Awaited which(const model::Object& object) {
  const auto& metadata = model::metadata_of(object.resource);
  return {model::find_kind(model::kind_of(object.resource)), metadata.ns, metadata.name};
}

void keep(std::vector<std::string>& all, std::vector<std::string> more) {
  for (auto& text : more) {
    if (std::ranges::find(all, text) == all.end()) all.push_back(std::move(text));
  }
}

Task<Result<Applied>> apply_one(Run& run, std::size_t index) {
  const auto target = which(run.objects[index]);
  const std::string collection = rest_path(*target.kind, target.ns);
  const std::string path = rest_path(*target.kind, target.ns, target.name);
  const Json desired = model::with_last_applied(desired_of(run.objects[index]));
  Json live = std::move(run.live[index]);
  Result<Reply> reply;
  for (int attempt = 0; attempt < attempts; ++attempt) {
    if (live.is_null()) {
      reply = co_await run.api.call(Method::post, collection, desired);
      if (reply && reply->ok()) {
        keep(run.report.warnings, reply->warnings);
        co_return Applied{target, Change::created, std::move(reply->body)};
      }
    } else {
      Json patch = model::three_way_patch(model::last_applied_of(live), live, desired);
      if (patch.empty()) co_return Applied{target, Change::unchanged, std::move(live)};
      const auto change = visible_part(patch).empty() ? Change::unchanged : Change::configured;
      reply = co_await run.api.call(Method::patch, path, std::move(patch));
      if (reply && reply->ok()) {
        keep(run.report.warnings, reply->warnings);
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

/// A workload comes after the Services that select it: they say what it waits for, and it would start at
/// once.
constexpr int stages = 3;
int stage_of(const model::Object& object) {
  const auto kind = model::kind_of(object.resource);
  if (kind == "Service") return 1;
  return kind == "Deployment" || kind == "Job" ? 2 : 0;
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
  Json document = object.json;
  // What the control plane writes: a file made by `get -o yaml` has it too.
  document.erase("status");
  for (const char* field : {"resourceVersion", "uid", "generation", "creationTimestamp", "managedFields"}) {
    document["metadata"].erase(field);
  }
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

Task<ApplyReport> apply_all(Api& api, std::vector<model::Object> objects) {
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
  Run run{api, std::move(objects), {}, {}, 0, 0, {}};
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
