// Relative paths in files: what they are relative to, and whether something is there.
#pragma once

#include <string>

#include "base/diagnostic.h"
#include "model/load.h"

namespace weft::cli {

/// The folder that paths in `file` are relative to: its own; the current one for what is no regular file,
/// such as standard input ("-").
std::string folder_of(const std::string& file);

/// Makes the paths of an object absolute in its JSON and as a value; gives errors about those where nothing
/// is that could be used.
base::Diagnostics resolve_paths(model::Object& object, const std::string& folder);

/// An image of the command line: a path (model::is_path) is from the current folder, a name is left as it is.
std::string resolve_image(const std::string& image);

}  // namespace weft::cli
