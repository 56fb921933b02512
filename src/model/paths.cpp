#include "model/paths.h"

#include <fmt/format.h>

namespace weft::model {

bool is_path(std::string_view image) {
  return image.starts_with('/') || image == "." || image == ".." || image.starts_with("./") ||
         image.starts_with("../");
}

void for_each_path(Resource& resource, const std::function<void(const PathField&)>& visit) {
  PodSpec* spec = nullptr;
  if (auto* deployment = std::get_if<Deployment>(&resource)) spec = &deployment->spec.pod_template.spec;
  if (auto* job = std::get_if<Job>(&resource)) spec = &job->spec.pod_template.spec;
  if (!spec) return;
  const std::string root = "spec.template.spec";
  for (std::size_t i = 0; i < spec->containers.size(); ++i) {
    auto& container = spec->containers[i];
    const auto at = fmt::format("{}.containers[{}]", root, i);
    if (is_path(container.image)) visit({PathField::What::image, at + ".image", container.image});
    if (!container.working_dir.empty())
      visit({PathField::What::folder, at + ".workingDir", container.working_dir});
  }
  for (std::size_t i = 0; i < spec->volumes.size(); ++i) {
    auto& host = spec->volumes[i].host_path;
    if (host)
      visit({PathField::What::volume, fmt::format("{}.volumes[{}].hostPath.path", root, i), host->path,
             host->type});
  }
}

}  // namespace weft::model
