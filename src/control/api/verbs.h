// What each verb does with the store. Reads are answered from memory, changes when they are durable.
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/random.h"
#include "control/api/api.h"
#include "control/api/route.h"
#include "control/api/select.h"
#include "control/api/status.h"
#include "runtime/task.h"
#include "store/store.h"

namespace weft::control::api {

/// What the verbs work with; it outlives every request.
struct Means {
  base::Clock& clock;
  store::Store& store;
  base::Random& random;
  Operations& operations;
};

/// What came with the path: bodies as sent, the query as it concerns objects.
struct ObjectRequest {
  ObjectRoute route;
  std::string content_type;
  std::string body;
  bool dry_run = false;
  /// What the query says of DeleteOptions, with their types.
  base::Json delete_options = base::Json::object();
};

struct Answer {
  int code = 200;
  /// JSON.
  std::string body;
  std::vector<std::string> warnings;
};

Outcome<Answer> get(const store::Store& store, const ObjectRoute& route);
/// Writes all that is selected, as it is now, piece by piece.
runtime::Task<void> list(const store::Store& store, const model::Kind& kind, Selection selection,
                         Output& output);
runtime::Task<Outcome<Answer>> create(Means& means, ObjectRequest request);
runtime::Task<Outcome<Answer>> update(Means& means, ObjectRequest request);
/// A merge patch. Without a resourceVersion in it, it applies to whatever is there: changes by others
/// meanwhile are merged with, not refused.
runtime::Task<Outcome<Answer>> patch(Means& means, ObjectRequest request);
/// Of a Namespace: with all that is in it. Of a Pod: its instance is stopped.
runtime::Task<Outcome<Answer>> remove(Means& means, ObjectRequest request);

/// JSON text; bytes that are no UTF-8 become U+FFFD.
std::string to_text(const base::Json& json);

}  // namespace weft::control::api
