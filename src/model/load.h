// A file of resources: text to documents to typed objects, with everything that is wrong in it.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/diagnostic.h"
#include "base/json.h"
#include "model/resource.h"
#include "yaml/node.h"
#include "yaml/parse.h"

namespace weft::model {

/// A resource as written, as read, and where it stands. `node` and `source` are empty for one from the store.
struct Object {
  /// With metadata.namespace filled in for namespaced kinds; else as written.
  base::Json json;
  Resource resource;
  base::Position position;
  yaml::Node node;
  std::shared_ptr<const yaml::Source> source;
};

struct LoadOptions {
  /// For namespaced objects that name none.
  std::string default_namespace = "default";
};

/// `objects` holds those without errors, in the order of the text. To apply all or nothing, look at
/// base::has_errors(diagnostics) first.
struct Loaded {
  std::vector<Object> objects;
  base::Diagnostics diagnostics;
};

/// All documents of a text; a document of kind List (or v1 List's kin, such as DeploymentList) counts as its
/// items. A text without any document is an error (model/empty), and so is the same object twice.
Loaded load(std::string text, std::string file, const LoadOptions& options = {});

/// An object of the store, for check(); its document must be valid.
Object from_store(base::Json document, Resource resource);

}  // namespace weft::model
