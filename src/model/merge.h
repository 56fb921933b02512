// Patches: RFC 7386 merge patch, and the three-way merge of `apply`.
#pragma once

#include "base/json.h"

namespace weft::model {

/// The target with the patch applied (RFC 7386): null removes, objects merge, all else replaces.
base::Json apply_merge_patch(base::Json target, const base::Json& patch);

/// The merge patch that `apply` sends, as kubectl computes it on the client for kinds without a strategic
/// schema (k8s.io/apimachinery, jsonmergepatch): what `desired` sets differently than `live`, and null for
/// what `last_applied` set and `desired` no longer does. What others wrote into `live` stays. Lists are
/// replaced as a whole. `last_applied` may be null (never applied). An empty object means: nothing to do.
base::Json three_way_patch(const base::Json& last_applied, const base::Json& live, const base::Json& desired);

/// The document with its text of itself in the last-applied annotation, ready to send. A Secret's values are
/// left out of that: three_way_patch() needs its keys alone.
base::Json with_last_applied(base::Json document);
/// The document in that annotation; null if there is none or it is malformed.
base::Json last_applied_of(const base::Json& live);

}  // namespace weft::model
