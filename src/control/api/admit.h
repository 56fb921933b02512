// From a document that a client sent to one that may be stored: it belongs to the path, and it is valid.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "base/random.h"
#include "control/api/route.h"
#include "control/api/status.h"
#include "store/store.h"

namespace weft::control::api {

struct Admitted {
  base::Json object;
  /// For the client's user.
  std::vector<std::string> warnings;
};

/// A new object: what belongs to the store and status are removed, metadata.generateName becomes a name.
/// Errors: bad_request (it contradicts the path), not_found (its namespace), invalid,
/// too_large.
Outcome<Admitted> admit_new(base::Json document, const ObjectRoute& route, const store::Store& store,
                            base::Random& random);
/// The next state of an object that is `before` now. Errors: bad_request, invalid, too_large.
Outcome<Admitted> admit_change(base::Json document, const ObjectRoute& route, const base::Json& before);

}  // namespace weft::control::api
