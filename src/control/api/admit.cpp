#include "control/api/admit.h"

#include <fmt/format.h>

#include <utility>

#include "control/api/body.h"
#include "control/api/verbs.h"
#include "model/codes.h"
#include "model/decode.h"
#include "model/paths.h"
#include "model/secret.h"

namespace weft::control::api {

namespace {

using base::Json;

/// Length of the suffix that generateName is completed with, as in Kubernetes.
constexpr int generated_suffix_length = 5;
/// All annotations of an object with their keys, and all labels: as in Kubernetes (apimachinery,
/// TotalAnnotationSizeLimitB), which limits each label only.
constexpr std::size_t max_metadata_bytes = 256 * 1024;
/// The memory of one object: one of max_body_bytes that is not made to be dense takes less, see memory_of().
constexpr std::size_t max_object_memory = 8 * max_body_bytes;

/// The string at `object[field]`, empty if there is none; sets it to `wanted` then. The error is for one that
/// differs.
Outcome<void> settle(Json& object, const char* field, std::string_view wanted, std::string_view what) {
  auto& value = object[field];
  if (value.is_null() || value == "") {
    if (wanted.empty()) {
      object.erase(field);
    } else {
      value = wanted;
    }
    return {};
  }
  if (value == wanted) return {};
  const auto found = value.is_string() ? value.get<std::string>() : value.dump();
  return refuse(Reason::bad_request, wanted.empty()
                                         ? fmt::format("{} \"{}\" must not be set here", what, found)
                                         : fmt::format("{} \"{}\" does not match the path, which says \"{}\"",
                                                       what, found, wanted));
}

/// Fills in what the path says about the object, and refuses what contradicts it.
Outcome<void> settle_identity(Json& document, const ObjectRoute& route) {
  if (auto done = settle(document, "apiVersion", route.kind->api_version, "the apiVersion"); !done)
    return done;
  if (auto done = settle(document, "kind", route.kind->kind, "the kind"); !done) return done;
  auto& metadata = document["metadata"];
  if (metadata.is_null()) metadata = Json::object();
  if (!metadata.is_object()) return refuse(Reason::bad_request, "metadata must be an object");
  // Kubernetes' own bookkeeping of who set what: weft keeps none.
  metadata.erase("managedFields");
  metadata.erase("selfLink");
  if (auto done = settle(metadata, "namespace", route.ns, "metadata.namespace"); !done) return done;
  if (route.name.empty()) return {};
  return settle(metadata, "name", route.name, "metadata.name");
}

std::string name_of(const Json& document) { return store::key_of(document).name; }

/// Defaults that others' tools (kubectl describe) read without asking whether they are there. Only outside of
/// lists: `apply` replaces lists as a whole, so a default within one would make the same file look like a
/// change each time.
void fill_defaults(Json& document, const model::Resource& resource) {
  const auto fill = [&](const char* field, auto value) {
    auto& there = document["spec"][field];
    if (there.is_null()) there = value;
  };
  if (const auto* deployment = std::get_if<model::Deployment>(&resource))
    fill("replicas", deployment->spec.replicas);
  if (const auto* job = std::get_if<model::Job>(&resource)) fill("backoffLimit", job->spec.backoff_limit);
}

/// Errors about labels and annotations that are too many; without any if they are not.
base::Diagnostics check_metadata(const model::ObjectMeta& metadata) {
  base::Diagnostics found;
  for (const auto& [field, map] : {std::pair("metadata.annotations", &metadata.annotations),
                                   std::pair("metadata.labels", &metadata.labels)}) {
    std::size_t bytes = 0;
    for (const auto& [key, value] : *map) bytes += key.size() + value.size();
    if (bytes <= max_metadata_bytes) continue;
    base::Diagnostic diagnostic;
    diagnostic.code = model::code::invalid_value;
    diagnostic.field = field;
    diagnostic.message =
        fmt::format("they have {} bytes together, {} are the most", bytes, max_metadata_bytes);
    found.push_back(std::move(diagnostic));
  }
  return found;
}

/// Errors about paths that mean nothing here; without any if all begin at the root.
base::Diagnostics check_paths(model::Resource resource) {
  base::Diagnostics found;
  model::for_each_path(resource, [&](const model::PathField& path) {
    if (path.is_absolute()) return;
    base::Diagnostic diagnostic;
    diagnostic.code = model::code::relative_path;
    diagnostic.field = path.field;
    diagnostic.message =
        fmt::format("`{}` is relative to a file, of which this server knows nothing", path.text);
    diagnostic.mend = "Send an absolute path; `weft apply -f` does so.";
    found.push_back(std::move(diagnostic));
  });
  return found;
}

/// Of one that is immutable, as Kubernetes has it: neither its data nor that it is so; of a Secret its type
/// never.
base::Diagnostics check_immutable(const Json& before, const Json& after) {
  base::Diagnostics found;
  const auto keep = [&](const char* field, std::string_view why) {
    if (before.value(field, Json()) == after.value(field, Json())) return;
    base::Diagnostic diagnostic;
    diagnostic.code = model::code::invalid_value;
    diagnostic.field = field;
    diagnostic.message = fmt::format("it cannot be changed{}", why);
    diagnostic.mend = "Make one of another name, or delete this one first.";
    found.push_back(std::move(diagnostic));
  };
  const auto kind = before.value("kind", "");
  if (kind == model::Secret::kind) {
    if (before.value("type", "Opaque") != after.value("type", "Opaque")) keep("type", "");
  }
  if (kind != model::Secret::kind && kind != model::ConfigMap::kind) return found;
  if (before.value("immutable", Json()) != true) return found;
  for (const char* field : {"data", "binaryData", "immutable"})
    keep(field, ", for it is marked as immutable");
  return found;
}

/// What may be stored may also be read and sent again: a patch can make of an object what no body could hold.
Outcome<void> check_size(const Json& document) {
  const auto memory = base::memory_of(document);
  if (memory > max_object_memory) {
    return refuse(Reason::too_large, fmt::format("the object takes {} bytes of memory, {} are the most",
                                                 memory, max_object_memory));
  }
  // A byte becomes at most six as text (\u0001).
  if (memory <= max_body_bytes / 6) return {};
  if (const auto size = to_text(document).size(); size > max_body_bytes) {
    return refuse(Reason::too_large,
                  fmt::format("the object has {} bytes, it may have {} at most", size, max_body_bytes));
  }
  return {};
}

Outcome<Admitted> validate(Json document, const ObjectRoute& route) {
  document = model::with_folded_data(std::move(document));
  model::hide_last_applied(document);
  if (auto fits = check_size(document); !fits) return std::unexpected(fits.error());
  const auto decoded = model::decode(document);
  if (!decoded.resource) return std::unexpected(invalid(decoded.diagnostics, *route.kind, name_of(document)));
  auto faults = check_metadata(model::metadata_of(*decoded.resource));
  faults.append(check_paths(*decoded.resource));
  if (!faults.empty()) return std::unexpected(invalid(faults, *route.kind, name_of(document)));
  fill_defaults(document, *decoded.resource);
  Admitted admitted{.object = std::move(document), .warnings = {}};
  for (const auto& warning : decoded.diagnostics) {
    auto text =
        warning.field.empty() ? warning.message : fmt::format("{}: {}", warning.field, warning.message);
    if (!warning.mend.empty()) text += "; " + warning.mend;
    admitted.warnings.push_back(std::move(text));
  }
  return admitted;
}

}  // namespace

Outcome<Admitted> admit_new(Json document, const ObjectRoute& route, const store::Store& store,
                            base::Random& random) {
  if (auto done = settle_identity(document, route); !done) return std::unexpected(done.error());
  auto& metadata = document["metadata"];
  if (const auto version = metadata.find("resourceVersion");
      version != metadata.end() && !version->is_null() && *version != "") {
    return refuse(Reason::bad_request, "metadata.resourceVersion must not be set on an object to be created");
  }
  for (const auto* field :
       {"resourceVersion", "uid", "creationTimestamp", "generation", "deletionTimestamp"}) {
    metadata.erase(field);
  }
  document.erase("status");
  if (const auto prefix = metadata.find("generateName");
      name_of(document).empty() && prefix != metadata.end() && prefix->is_string()) {
    metadata["name"] = prefix->get<std::string>() + random.suffix(generated_suffix_length);
  }
  if (route.kind->namespaced && !store.get({"Namespace", {}, route.ns})) {
    return std::unexpected(not_found(*model::find_kind("Namespace"), route.ns));
  }
  // Dependencies name both kinds alike.
  for (const auto& [kind, other] :
       {std::pair("Service", "ExternalService"), {"ExternalService", "Service"}}) {
    if (route.kind->kind == kind && store.get({other, route.ns, name_of(document)})) {
      return refuse(
          Reason::already_exists,
          fmt::format("there is an object of kind {} with the name \"{}\", which what depends on it "
                      "could not tell from this one",
                      other, name_of(document)));
    }
  }
  return validate(std::move(document), route);
}

Outcome<Admitted> admit_change(Json document, const ObjectRoute& route, const Json& before) {
  if (auto done = settle_identity(document, route); !done) return std::unexpected(done.error());
  auto admitted = validate(std::move(document), route);
  if (!admitted) return admitted;
  if (const auto faults = check_immutable(before, admitted->object); !faults.empty())
    return std::unexpected(invalid(faults, *route.kind, route.name));
  return admitted;
}

}  // namespace weft::control::api
