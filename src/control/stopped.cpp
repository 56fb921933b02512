#include "control/stopped.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "control/api/api.h"
#include "store/image.h"
#include "store/sqlite.h"

namespace weft::control {
namespace {

using base::Json;
using runtime::Task;

constexpr const char* stopped_message = "the mesh is stopped";

/// There is nothing to operate.
class NoOperations final : public api::Operations {
 public:
  Task<std::expected<void, base::ErrorOf<api::Reason>>> log(api::LogRequest, api::Output&) override {
    co_return base::fail(api::Reason::not_found, stopped_message);
  }
  void stop_instance(const std::string&, const std::string&) override {}  // there is none
  Task<void> shutdown(api::Output&) override { co_return; }
  Json status() const override { return {{"ready", false}, {"reason", stopped_message}}; }
  telemetry::Samples metrics() const override { return {}; }
  std::optional<std::string> not_ready() const override { return stopped_message; }
};

/// Counts in a status of what runs.
constexpr std::array<const char*, 8> counts{"replicas",        "readyReplicas",       "availableReplicas",
                                            "updatedReplicas", "unavailableReplicas", "active",
                                            "ready",           "terminating"};

std::string text_of(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

/// Whether it says that instances do what they are for.
bool is_of_instances(const Json& condition) {
  const auto type = condition.is_object() ? text_of(condition, "type") : "";
  return type == "Ready" || type == "Available" || type == "Complete";
}

/// Of the conditions, those that hold without anything that runs.
bool outlives_instances(const Json& condition) {
  if (!condition.is_object()) return false;
  const auto type = text_of(condition, "type");
  const bool is_end = type == "Complete" || type == "Failed";
  return (is_end && text_of(condition, "status") == "True") || text_of(condition, "reason") == "NotStarted";
}

}  // namespace

Json as_stopped(Json object) {
  const auto found = object.find("status");
  if (found == object.end() || !found->is_object()) return object;
  auto& status = *found;
  const auto listed = status.find("conditions");
  if (listed == status.end() || !listed->is_array()) return object;
  if (std::ranges::none_of(*listed, is_of_instances)) return object;
  for (const auto* count : counts) status.erase(count);
  // A Service's are counted, an ExternalService's are listed.
  if (const auto endpoints = status.find("endpoints"); endpoints != status.end()) {
    if (endpoints->is_object()) (*endpoints)["ready"] = 0;
    if (endpoints->is_array()) {
      for (Json& endpoint : *endpoints)
        if (endpoint.is_object()) endpoint["ready"] = false;
    }
  }
  Json conditions = Json::array();
  for (const Json& condition : *listed) {
    if (outlives_instances(condition)) {
      conditions.push_back(condition);
    } else if (is_of_instances(condition)) {
      conditions.push_back({{"type", condition["type"]},
                            {"status", "False"},
                            {"reason", "Stopped"},
                            {"message", stopped_message},
                            {"lastTransitionTime", text_of(condition, "lastTransitionTime")}});
    }
  }
  *listed = std::move(conditions);
  return object;
}

struct StoppedMesh::Impl {
  Impl(runtime::Reactor& reactor_in, std::optional<runtime::HomeLock> lock_in,
       std::unique_ptr<store::SqliteStore> store_in)
      : reactor(reactor_in),
        lock(std::move(lock_in)),
        store(std::move(store_in)),
        server(reactor, base::Random::from_entropy(), *store, operations) {}

  runtime::Reactor& reactor;
  std::optional<runtime::HomeLock> lock;
  std::unique_ptr<store::SqliteStore> store;
  NoOperations operations;
  api::Server server;
};

StoppedMesh::StoppedMesh(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

StoppedMesh::~StoppedMesh() = default;

std::unique_ptr<runtime::Stream> StoppedMesh::connect() {
  auto [ours, theirs] = runtime::memory_pair(impl_->reactor);
  impl_->server.serve(std::move(theirs));
  return std::move(ours);
}

store::Result<std::unique_ptr<StoppedMesh>> StoppedMesh::open(runtime::Reactor& reactor,
                                                              const runtime::Home& home, Access access) {
  std::optional<runtime::HomeLock> lock;
  std::unique_ptr<store::SqliteStore> store;
  std::error_code error;
  if (access == Access::change && std::filesystem::exists(home.database(), error)) {
    auto taken = runtime::HomeLock::take(home.supervisor_lock());
    if (!taken) {
      const bool held = taken.error().kind == runtime::HomeErrorKind::held;
      return base::fail(held ? store::StoreErrorKind::locked : store::StoreErrorKind::io,
                        taken.error().detail);
    }
    lock = std::move(*taken);
    auto opened = store::SqliteStore::open(reactor, base::Random::from_entropy(),
                                           {.path = home.database(), .spare_folder = {}});
    if (!opened) return std::unexpected(std::move(opened.error()));
    store = std::move(*opened);
  } else {
    auto objects = store::stored_objects(home.database());
    if (!objects) return std::unexpected(std::move(objects.error()));
    for (auto& object : *objects) object = std::make_shared<const Json>(as_stopped(*object));
    if (objects->empty()) {  // of a home in which no mesh ever was
      for (auto& ns : api::permanent_namespaces())
        objects->push_back(std::make_shared<const Json>(std::move(ns)));
    }
    store = store::SqliteStore::of(reactor, std::move(*objects));
  }
  return std::unique_ptr<StoppedMesh>(
      new StoppedMesh(std::make_unique<Impl>(reactor, std::move(lock), std::move(store))));
}

}  // namespace weft::control
