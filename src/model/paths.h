// The paths in a resource: of programs and folders on the machine that runs it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "model/resource.h"

namespace weft::model {

struct PathField {
  /// Image: an executable file or a folder with an image.yaml. Folder: where a process works. Volume: a
  /// hostPath.
  enum class What : std::uint8_t { image, folder, volume };
  What what = What::image;
  /// "spec.template.spec.containers[0].image".
  std::string field;
  /// To be read and replaced.
  std::string& text;
  /// Of a volume.
  HostPathType type = HostPathType::any;

  bool is_absolute() const { return text.starts_with('/'); }
};

/// Whether an image is a path and no name: it begins with /, ./ or ../.
bool is_path(std::string_view image);

/// Calls `visit` for each path of a Deployment or Job: hostPath, workingDir, and an image that is one.
void for_each_path(Resource& resource, const std::function<void(const PathField&)>& visit);

}  // namespace weft::model
