// image.yaml: how a folder of files says what to run.
#pragma once

#include <string>

#include "provider/process/image.h"

namespace weft::provider::process {

/// Reads `<folder>/image.yaml`: command (required), args, env (a map), ports ([{name, containerPort}]),
/// workingDir. What is wrong with it, with line and column, is an error of kind `failed`. command[0] is as it
/// was written.
Result<Image> read_image_yaml(const std::string& folder);

}  // namespace weft::provider::process
