#include "model/merge.h"

#include <string>

#include "model/resource.h"
#include "model/secret.h"
#include "yaml/parse.h"

namespace weft::model {
namespace {

/// What must change in `live` to have all that `desired` says; never removes.
base::Json additions(const base::Json& live, const base::Json& desired) {
  base::Json patch = base::Json::object();
  for (const auto& [key, wanted] : desired.items()) {
    auto there = live.find(key);
    if (wanted.is_null()) continue;  // null is how a merge patch removes: a document cannot ask for it
    if (there == live.end()) {
      patch[key] = wanted;
    } else if (wanted.is_object() && there->is_object()) {
      if (base::Json inner = additions(*there, wanted); !inner.empty()) patch[key] = std::move(inner);
    } else if (*there != wanted) {
      patch[key] = wanted;
    }
  }
  return patch;
}

/// Adds a null to `patch` for what was set before, is no longer wanted, and is still there.
void add_removals(const base::Json& before, const base::Json& live, const base::Json& desired,
                  base::Json& patch) {
  for (const auto& [key, old] : before.items()) {
    auto there = live.find(key);
    if (there == live.end() || there->is_null()) continue;  // null is as good as nothing
    auto wanted = desired.find(key);
    if (wanted == desired.end() || wanted->is_null()) {
      patch[key] = nullptr;
    } else if (old.is_object() && wanted->is_object() && there->is_object()) {
      base::Json inner = patch.contains(key) ? patch[key] : base::Json::object();
      add_removals(old, *there, *wanted, inner);
      if (!inner.empty()) patch[key] = std::move(inner);
    }
  }
}

}  // namespace

base::Json apply_merge_patch(base::Json target, const base::Json& patch) {
  target.merge_patch(patch);
  return target;
}

base::Json three_way_patch(const base::Json& last_applied, const base::Json& live,
                           const base::Json& desired) {
  base::Json patch = additions(live, desired);
  if (last_applied.is_object()) add_removals(last_applied, live, desired, patch);
  return patch;
}

base::Json with_last_applied(base::Json document) {
  base::Json plain = document;
  if (auto metadata = plain.find("metadata"); metadata != plain.end() && metadata->contains("annotations")) {
    base::Json& annotations = (*metadata)["annotations"];
    if (annotations.is_object()) annotations.erase(std::string(annotation::last_applied));
  }
  document["metadata"]["annotations"][std::string(annotation::last_applied)] =
      without_values(std::move(plain)).dump();
  return document;
}

base::Json last_applied_of(const base::Json& live) {
  auto metadata = live.find("metadata");
  if (metadata == live.end() || !metadata->is_object()) return nullptr;
  auto annotations = metadata->find("annotations");
  if (annotations == metadata->end() || !annotations->is_object()) return nullptr;
  auto text = annotations->find(std::string(annotation::last_applied));
  if (text == annotations->end() || !text->is_string()) return nullptr;
  auto parsed = yaml::parse_json(text->get_ref<const std::string&>());
  return parsed && parsed->is_object() ? *std::move(parsed) : base::Json(nullptr);
}

}  // namespace weft::model
