// Whether the images that files name are there, as far as this command can see.
#pragma once

#include <span>

#include "base/diagnostic.h"
#include "model/load.h"

namespace weft::cli {

/// A warning for each image that the `process` provider would not find now, in the folders of this command's
/// WEFT_IMAGES: it may be made until it is started, or the mesh may have others.
base::Diagnostics check_images(std::span<const model::Object> objects);

}  // namespace weft::cli
