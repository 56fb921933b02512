#include "control/api/verbs.h"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <utility>

#include "control/api/admit.h"
#include "control/api/api.h"
#include "control/api/body.h"
#include "control/api/namespaces.h"
#include "model/merge.h"
#include "store/change.h"

namespace weft::control::api {

namespace {

using base::Json;
using runtime::Task;

/// Each round one of those who change the same object at the same time succeeds; more of them than this at
/// once is no load but a loop.
constexpr int conflict_attempts = 200;
/// Five characters of 27 give 14 million names.
constexpr int generated_name_attempts = 8;

store::Key key_of(const ObjectRoute& route) { return {std::string(route.kind->kind), route.ns, route.name}; }

Answer answer(int code, const Json& object, std::vector<std::string> warnings = {}) {
  return {.code = code, .body = to_text(object), .warnings = std::move(warnings)};
}

/// What the store would make of it.
store::Result<store::Object> rehearse_create(const Means& means, Json object) {
  const auto current = means.store.get(store::key_of(object));
  auto made = store::created(current, std::move(object),
                             {.version = {}, .time = means.clock.wall(), .uid = means.random.uuid()});
  if (!made) return made;
  Json without_version = **made;
  without_version["metadata"].erase("resourceVersion");
  return std::make_shared<const Json>(std::move(without_version));
}

store::Result<store::Object> rehearse_update(const Means& means, Json object) {
  const auto current = means.store.get(store::key_of(object));
  return store::updated(
      current, std::move(object),
      {.version = current ? store::version_of(*current) : store::Version(), .time = {}, .uid = {}});
}

/// Admits the next state of an object and stores it. Sets `conflict` if it rests on a state that is no longer
/// the newest.
Task<Outcome<Answer>> replace(Means& means, ObjectRoute route, bool dry_run, Json document, bool* conflict) {
  const auto current = means.store.get(key_of(route));
  if (!current) co_return std::unexpected(not_found(*route.kind, route.name));
  auto admitted = admit_change(std::move(document), route, *current);
  if (!admitted) co_return std::unexpected(admitted.error());
  store::Result<store::Object> stored;
  if (dry_run) {
    stored = rehearse_update(means, std::move(admitted->object));
  } else {
    stored = co_await means.store.update(std::move(admitted->object));
  }
  if (!stored) {
    *conflict = stored.error().kind == store::StoreErrorKind::conflict;
    co_return std::unexpected(failure_of(stored.error(), *route.kind, route.name));
  }
  co_return answer(200, **stored, std::move(admitted->warnings));
}

bool names_version(const Json& patch) {
  const auto metadata = patch.find("metadata");
  return metadata != patch.end() && metadata->is_object() && metadata->contains("resourceVersion");
}

/// What a DELETE's body may say (meta/v1 DeleteOptions).
struct DeleteOptions {
  std::string uid;
  std::optional<store::Version> version;
  bool dry_run = false;
};

/// A member of `object`, null if it is not there. The error is for one that is neither null nor of the wanted
/// type: a condition that is not understood must not be taken for none.
Outcome<Json> member(const Json& object, const char* name, std::string_view wanted, bool (*is)(const Json&)) {
  const auto found = object.find(name);
  if (found == object.end() || found->is_null()) return Json();
  if (is(*found)) return *found;
  return refuse(Reason::bad_request, fmt::format("{} of the DeleteOptions must be {}", name, wanted));
}

/// A condition of a misspelled name must not be taken for none either.
Outcome<void> check_members(const Json& object, std::initializer_list<std::string_view> known) {
  for (const auto& [name, value] : object.items()) {
    if (std::ranges::find(known, name) != known.end()) continue;
    return refuse(Reason::bad_request,
                  fmt::format("{} is no field of the DeleteOptions that is known here", name));
  }
  return {};
}

constexpr auto is_text = [](const Json& json) { return json.is_string(); };
constexpr auto is_map = [](const Json& json) { return json.is_object(); };
constexpr auto is_whole = [](const Json& json) { return json.is_number_integer(); };
constexpr auto is_truth = [](const Json& json) { return json.is_boolean(); };

Outcome<void> check_ignored(const Json& body) {
  // How long an instance has to stop stands in its template, and dependents always go with it.
  if (auto seconds = member(body, "gracePeriodSeconds", "a whole number", is_whole); !seconds)
    return std::unexpected(seconds.error());
  const auto policy = member(body, "propagationPolicy", "a string", is_text);
  if (!policy) return std::unexpected(policy.error());
  const auto orphans = member(body, "orphanDependents", "true or false", is_truth);
  if (!orphans) return std::unexpected(orphans.error());
  if (*policy != nullptr && *policy != "Background" && *policy != "Foreground") {
    return refuse(Reason::bad_request, fmt::format("the propagationPolicy \"{}\" is not supported, only "
                                                   "Background and Foreground are: instances go with what "
                                                   "they were made for",
                                                   policy->get<std::string>()));
  }
  if (*orphans == true)
    return refuse(Reason::bad_request,
                  "orphanDependents is not supported: instances go with what they were made for");
  return {};
}

Outcome<DeleteOptions> parse_delete_options(const ObjectRequest& request) {
  DeleteOptions options{.uid = {}, .version = {}, .dry_run = request.dry_run};
  if (auto checked = check_ignored(request.delete_options); !checked) return std::unexpected(checked.error());
  if (request.body.empty()) return options;
  const auto body = parse_object(request.content_type, request.body);
  if (!body) return std::unexpected(body.error());
  if (auto checked = check_members(*body, {"apiVersion", "kind", "gracePeriodSeconds", "propagationPolicy",
                                           "orphanDependents", "dryRun", "preconditions"});
      !checked)
    return std::unexpected(checked.error());
  if (auto checked = check_ignored(*body); !checked) return std::unexpected(checked.error());
  const auto dry = member(*body, "dryRun", "a list of \"All\"", [](const Json& json) {
    return json.is_array() && std::ranges::all_of(json, [](const Json& one) { return one == "All"; });
  });
  if (!dry) return std::unexpected(dry.error());
  if (!dry->empty()) options.dry_run = true;
  const auto conditions = member(*body, "preconditions", "a map", is_map);
  if (!conditions) return std::unexpected(conditions.error());
  if (conditions->is_null()) return options;
  if (auto checked = check_members(*conditions, {"uid", "resourceVersion"}); !checked)
    return std::unexpected(checked.error());
  const auto uid = member(*conditions, "uid", "a string", is_text);
  if (!uid) return std::unexpected(uid.error());
  if (!uid->is_null()) options.uid = *uid;
  const auto version = member(*conditions, "resourceVersion", "a string", is_text);
  if (!version) return std::unexpected(version.error());
  if (!version->is_null()) options.version = store::Version(version->get<std::string>());
  return options;
}

Json deleted_status(const ObjectRoute& route, const Json& object) {
  return {{"kind", "Status"},
          {"apiVersion", "v1"},
          {"metadata", Json::object()},
          {"status", "Success"},
          {"details",
           {{"name", route.name},
            {"group", route.kind->group()},
            {"kind", route.kind->plural},
            {"uid", object.at("metadata").at("uid")}}}};
}

}  // namespace

std::string to_text(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

Outcome<Answer> get(const store::Store& store, const ObjectRoute& route) {
  const auto object = store.get(key_of(route));
  if (!object) return std::unexpected(not_found(*route.kind, route.name));
  return answer(200, *object);
}

Task<void> list(const store::Store& store, const model::Kind& kind, Selection selection, Output& output) {
  const auto [objects, version] = store.list(kind.kind, selection.ns);
  // Text of the store's own, which may need escapes.
  auto body =
      fmt::format(R"({{"kind":"{}List","apiVersion":"{}","metadata":{{"resourceVersion":{}}},"items":[)",
                  kind.kind, kind.api_version, to_text(version.text()));
  bool first = true;
  for (const auto& object : objects) {
    if (!selection.matches(*object)) continue;
    if (!std::exchange(first, false)) body += ',';
    body += to_text(*object);
    if (body.size() >= piece_bytes) co_await output.write(std::exchange(body, {}));
  }
  body += "]}";
  co_await output.write(std::move(body));
}

Task<Outcome<Answer>> create(Means& means, ObjectRequest request) {
  const auto document = parse_object(request.content_type, request.body);
  if (!document) co_return std::unexpected(document.error());
  for (int attempt = 1;; ++attempt) {
    auto admitted = admit_new(*document, request.route, means.store, means.random);
    if (!admitted) co_return std::unexpected(admitted.error());
    const auto name = store::key_of(admitted->object).name;
    const bool generated = store::key_of(*document).name.empty();
    store::Result<store::Object> stored;
    if (request.dry_run) {
      stored = rehearse_create(means, std::move(admitted->object));
    } else {
      stored = co_await means.store.create(std::move(admitted->object));
    }
    if (stored) co_return answer(201, **stored, std::move(admitted->warnings));
    const bool taken = stored.error().kind == store::StoreErrorKind::already_exists;
    if (taken && generated && attempt < generated_name_attempts) continue;
    co_return std::unexpected(failure_of(stored.error(), *request.route.kind, name));
  }
}

Task<Outcome<Answer>> update(Means& means, ObjectRequest request) {
  auto document = parse_object(request.content_type, request.body);
  if (!document) co_return std::unexpected(document.error());
  bool conflict = false;
  co_return co_await replace(means, request.route, request.dry_run, std::move(*document), &conflict);
}

Task<Outcome<Answer>> patch(Means& means, ObjectRequest request) {
  const auto change = parse_merge_patch(request.content_type, request.body);
  if (!change) co_return std::unexpected(change.error());
  for (int attempt = 1;; ++attempt) {
    const auto current = means.store.get(key_of(request.route));
    if (!current) co_return std::unexpected(not_found(*request.route.kind, request.route.name));
    bool conflict = false;
    auto result = co_await replace(means, request.route, request.dry_run,
                                   model::apply_merge_patch(*current, *change), &conflict);
    if (!conflict || names_version(*change) || attempt == conflict_attempts) co_return result;
  }
}

Task<Outcome<Answer>> remove(Means& means, ObjectRequest request) {
  const auto& route = request.route;
  auto options = parse_delete_options(request);
  if (!options) co_return std::unexpected(options.error());
  const auto current = means.store.get(key_of(route));
  if (!current) co_return std::unexpected(not_found(*route.kind, route.name));
  if (!options->uid.empty() && current->at("metadata").at("uid") != options->uid) {
    co_return std::unexpected(
        failure_of({store::StoreErrorKind::conflict, fmt::format("its uid is not {}", options->uid)},
                   *route.kind, route.name));
  }
  // Nobody may put another object of that name in its place meanwhile.
  if (!options->uid.empty() && !options->version) options->version = store::version_of(*current);
  const bool is_namespace = route.kind->kind == "Namespace";
  if (is_namespace && is_permanent(route.name)) {
    co_return refuse(Reason::forbidden, fmt::format("the namespace \"{}\" always exists", route.name));
  }
  store::Result<store::Object> removed;
  if (options->dry_run) {
    const store::Stamp stamp{.version = store::version_of(*current), .time = {}, .uid = {}};
    removed = store::removed(current, key_of(route), options->version, stamp);
  } else if (route.kind->ephemeral) {
    if (options->version && *options->version != store::version_of(*current)) {
      co_return std::unexpected(
          failure_of({store::StoreErrorKind::conflict, "it has changed meanwhile"}, *route.kind, route.name));
    }
    means.operations.stop_instance(route.ns, route.name);
    removed = current;
  } else if (is_namespace) {
    removed = co_await remove_namespace(means.store, route.name, options->version);
  } else {
    removed = co_await means.store.remove(key_of(route), options->version);
  }
  if (!removed) co_return std::unexpected(failure_of(removed.error(), *route.kind, route.name));
  co_return answer(200, deleted_status(route, **removed));
}

}  // namespace weft::control::api
