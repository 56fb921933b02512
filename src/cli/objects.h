// Reading of resources as JSON: fields that may be missing, conditions, and what one line says about each
// kind.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "cli/terminal.h"
#include "model/kinds.h"
#include "model/labels.h"

namespace weft::cli {

/// The string at a JSON pointer ("/metadata/name"), empty if there is none.
std::string text_at(const base::Json& object, std::string_view pointer);
std::int64_t number_at(const base::Json& object, std::string_view pointer, std::int64_t otherwise = 0);
/// The value at a JSON pointer; null if there is none.
const base::Json& value_at(const base::Json& object, std::string_view pointer);

std::string name_of(const base::Json& object);
std::string namespace_of(const base::Json& object);
/// "service/web", with the kind's singular in lower case.
std::string kind_and_name(const base::Json& object);

/// The reason of the condition Progressing of a rollout that does not get on.
constexpr std::string_view deadline_exceeded = "ProgressDeadlineExceeded";

struct Condition {
  std::string status;  // "True", "False", "Unknown", empty if the condition is not there
  std::string reason;
  std::string message;
  bool is_true() const { return status == "True"; }
};
/// All conditions of its status; of a route those of all its parents.
std::vector<const base::Json*> conditions_of(const base::Json& object);
/// Whether the status is about what the specification says now; true for kinds whose status says no
/// generation.
bool is_observed(const base::Json& object);
/// Of several of that type the first that is not True.
Condition condition_of(const base::Json& object, std::string_view type);

/// Not started: replicas 0 with the annotation weft.dev/replicas.
bool is_not_started(const base::Json& deployment);
/// The replicas that `start` gives back to one that is not started.
std::int64_t intended_replicas(const base::Json& deployment);

/// The addresses under which users reach a Service.
std::vector<std::string> urls_of(const base::Json& service);

/// Whether a Service's selector matches the pod template of a Deployment or Job, or the labels of a Pod, of
/// its own namespace.
bool selects(const base::Json& service, const base::Json& target);
/// Why a Deployment has its present template, in the user's words; kept with the template, as kubectl does.
inline constexpr std::string_view change_cause_annotation = "kubernetes.io/change-cause";
/// The value of an annotation; empty if it has none.
std::string annotation_of(const base::Json& object, std::string_view key);

/// The labels of the object itself.
model::Labels labels_of(const base::Json& object);
/// Whether resources of that kind are instances, or have instances of their own.
bool has_instances(std::string_view kind);
/// Whether the instance of that name with these labels, in the same namespace, is the Pod or one of the
/// workload that `kind` and `name` say, which need not be stored any more.
bool is_instance_of(std::string_view kind, std::string_view name, std::string_view instance,
                    const model::Labels& labels);
/// The same of a Pod and whatever is stored; of a Service those that it selects.
bool is_instance_of(const base::Json& pod, const base::Json& target);
/// Ready, and not about to leave.
bool is_serving(const base::Json& pod);

/// "12s", "5m", "3h", "2d" between an RFC 3339 time and now; empty for a malformed time.
std::string age_of(std::string_view since, base::WallTime now);

/// What `get` shows for objects of one kind. `wide` adds columns; `with_namespace` puts one in front.
struct Columns {
  std::vector<std::string> header;
  std::vector<Row> rows;
};
Columns columns_of(const model::Kind& kind, const std::vector<base::Json>& objects, bool wide,
                   bool with_namespace, base::WallTime now);

/// Puts Events in the order of time, the latest last.
void sort_events(std::vector<base::Json>& events);

/// The word for a Pod's state: its waiting or terminated reason, else its phase.
std::string pod_state(const base::Json& pod);
/// The word for a Service, Deployment or Job: "Ready", or the reason why it is not.
Cell state_cell(const base::Json& object);

}  // namespace weft::cli
