#include "control/api/namespaces.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "control/api/api.h"
#include "model/kinds.h"
#include "runtime/combine.h"

namespace weft::control::api {

namespace {

using runtime::Task;
using store::Object;
using store::Result;

constexpr std::array<std::string_view, 2> permanent{"default", "weft-system"};

std::vector<store::Key> contents(const store::Store& store, const std::string& ns) {
  std::vector<store::Key> keys;
  for (const auto& kind : model::kinds()) {
    // What is in memory only goes with what it was made from.
    if (!kind.namespaced || kind.ephemeral) continue;
    for (const auto& object : store.list(kind.kind, ns).objects) keys.push_back(store::key_of(*object));
  }
  return keys;
}

Task<void> remove_one(store::Store& store, store::Key key, std::optional<store::Version> version,
                      Result<Object>* result) {
  *result = co_await store.remove(std::move(key), version);
}

}  // namespace

bool is_permanent(std::string_view ns) { return std::ranges::find(permanent, ns) != permanent.end(); }

std::vector<base::Json> permanent_namespaces() {
  std::vector<base::Json> all;
  for (const auto name : permanent)
    all.push_back({{"apiVersion", "v1"}, {"kind", "Namespace"}, {"metadata", {{"name", name}}}});
  return all;
}

Task<Result<void>> create_namespaces(store::Store& store) {
  for (auto& ns : permanent_namespaces()) {
    if (store.get(store::key_of(ns))) continue;
    auto made = co_await store.create(std::move(ns));
    if (!made) co_return std::unexpected(made.error());
  }
  co_return Result<void>();
}

Task<Result<Object>> remove_namespace(store::Store& store, std::string ns,
                                      std::optional<store::Version> version) {
  const store::Key self{"Namespace", {}, ns};
  const auto current = store.get(self);
  Result<Object> last = current
                            ? Result<Object>(current)
                            : base::fail(store::StoreErrorKind::not_found, "the namespace does not exist");
  if (!last) co_return last;
  if (version && *version != store::version_of(*current)) {
    // The contents must not go if the namespace itself is to stay.
    co_return co_await store.remove(self, version);
  }
  // All of it is asked for at once, so nothing new comes in between; what was on its way before goes in
  // another round.
  for (;;) {
    const auto keys = contents(store, ns);
    const bool exists = store.get(self) != nullptr;
    if (keys.empty() && !exists) co_return last;
    std::vector<Result<Object>> results(keys.size() + 1);
    std::vector<Task<void>> tasks;
    for (std::size_t i = 0; i < keys.size(); ++i)
      tasks.push_back(remove_one(store, keys[i], {}, &results[i]));
    if (exists) tasks.push_back(remove_one(store, self, {}, &results.back()));
    co_await runtime::all(std::move(tasks));
    for (const auto& result : results) {
      if (!result && result.error().kind != store::StoreErrorKind::not_found) co_return result;
    }
    if (exists && results.back()) last = std::move(results.back());
  }
}

}  // namespace weft::control::api
