// The templates that a Deployment has had, to go back to: Kubernetes' ControllerRevisions, one for each, with
// the number of its last use. The one that is used again becomes the newest.
#include "control/reconcile/revisions.h"

#include <fmt/format.h>

#include <algorithm>

#include "control/reconcile/engine.h"
#include "model/decode.h"

namespace weft::control::reconcile {
namespace {

using base::Json;

constexpr std::string_view kind = "ControllerRevision";
constexpr const char* change_cause = "kubernetes.io/change-cause";

std::int64_t number_of(const Json& revision) { return revision.value("revision", std::int64_t{0}); }

const Json& owner_of(const Json& revision) { return revision.at("metadata").at("ownerReferences").at(0); }

std::string hash_of(const Json& revision) {
  return revision.at("metadata").at("labels").value(std::string(model::label::template_hash), "");
}

model::Ref deployment_of(const Json& revision) {
  return {model::DependencyKind::deployment, store::key_of(revision).ns,
          owner_of(revision).value("name", "")};
}

store::Key key_of_revision(const model::Ref& deployment, const std::string& template_hash) {
  return {std::string(kind), deployment.ns, fmt::format("{}-{}", deployment.name, template_hash)};
}

Json revision_of(const Workload& workload, const Json& object, std::int64_t number) {
  const auto& ref = workload.ref;
  Json metadata = {{"name", key_of_revision(ref, workload.revision).name},
                   {"namespace", ref.ns},
                   {"labels", workload.metadata().labels},
                   {"ownerReferences", Json::array({{{"apiVersion", "apps/v1"},
                                                     {"kind", model::Deployment::kind},
                                                     {"name", ref.name},
                                                     {"uid", workload.metadata().uid},
                                                     {"controller", true}}})}};
  metadata["labels"][std::string(model::label::template_hash)] = workload.revision;
  const auto& annotations = workload.metadata().annotations;
  if (const auto cause = annotations.find(change_cause); cause != annotations.end())
    metadata["annotations"][change_cause] = cause->second;
  return {{"apiVersion", "apps/v1"},
          {"kind", kind},
          {"metadata", std::move(metadata)},
          {"data", {{"spec", {{"template", object.at("spec").at("template")}}}}},
          {"revision", number}};
}

}  // namespace

std::shared_ptr<const model::PodSpec> pod_of_template(const World& world, const Workload& workload,
                                                      const std::string& template_hash) {
  if (workload.revision == template_hash)
    return std::make_shared<const model::PodSpec>(workload.pod_template().spec);
  if (!workload.deployment) return nullptr;
  const auto revision = world.find_object(key_of_revision(workload.ref, template_hash));
  if (!revision) return nullptr;
  const auto& kept = revision->at("data").at("spec").at("template");
  // Only a whole resource is decoded. As the selector any will do that the template matches.
  auto deployment = model::decode_as<model::Deployment>(
      {{"apiVersion", "apps/v1"},
       {"kind", model::Deployment::kind},
       {"metadata", {{"name", workload.ref.name}, {"namespace", workload.ref.ns}}},
       {"spec", {{"selector", {{"matchLabels", kept.at("metadata").at("labels")}}}, {"template", kept}}}});
  if (!deployment) return nullptr;
  return std::make_shared<const model::PodSpec>(std::move(deployment->spec.pod_template.spec));
}

void Engine::adopt_revisions() {
  for (const auto& object : store_.list(kind).objects) {
    const auto ref = deployment_of(*object);
    auto* workload = world_.find_workload(ref);
    if (!workload || !workload->is_stored || owner_of(*object).value("uid", "") != workload->metadata().uid) {
      reports_.add(key_of(ref));
    } else if (number_of(*object) > workload->newest.number) {
      workload->newest = {hash_of(*object), number_of(*object)};
    }
  }
}

runtime::Task<bool> Engine::keep_revisions(model::Ref deployment) {
  const auto* workload = world_.find_workload(deployment);
  const auto object = store_.get(key_of(deployment));
  if (!object) co_return co_await trim_revisions(deployment, {}, 0);
  // What is not known yet is reported once it is.
  if (!workload || workload->metadata().generation != object->at("metadata").at("generation")) co_return true;
  if (workload->newest.template_hash == workload->revision) co_return true;
  const auto uid = workload->metadata().uid;
  const NewestRevision next{workload->revision, workload->newest.number + 1};
  const auto most = static_cast<std::size_t>(workload->deployment->spec.revision_history_limit) + 1;
  if (!co_await write_object(revision_of(*workload, *object, next.number))) co_return false;
  if (auto* known = world_.find_workload(deployment); known && known->metadata().uid == uid)
    known->newest = next;
  co_return co_await trim_revisions(deployment, uid, most);
}

runtime::Task<bool> Engine::trim_revisions(model::Ref deployment, std::string uid, std::size_t most) {
  auto revisions = store_.list(kind, deployment.ns).objects;
  std::erase_if(revisions, [&](const store::Object& one) { return deployment_of(*one) != deployment; });
  // Those of a namesake that was deleted first, then the oldest.
  std::ranges::sort(revisions, std::greater(), [&](const store::Object& one) {
    return std::pair(owner_of(*one).value("uid", "") == uid, number_of(*one));
  });
  const auto is_foreign = [&](const store::Object& one) { return owner_of(*one).value("uid", "") != uid; };
  for (std::size_t i = 0; i < revisions.size(); ++i) {
    if (i < most && !is_foreign(revisions[i])) continue;
    auto removed = co_await store_.remove(store::key_of(*revisions[i]), {});
    if (!removed && store::can_retry(removed.error().kind)) co_return false;
  }
  co_return true;
}

}  // namespace weft::control::reconcile
