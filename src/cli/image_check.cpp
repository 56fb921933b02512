// Looks for images as the provider will.
#include "cli/image_check.h"

#include <fmt/format.h>

#include "model/codes.h"
#include "model/findings.h"
#include "provider/process/image.h"
#include "yaml/lookalike.h"

namespace weft::cli {
namespace {

const model::PodTemplateSpec* template_of(const model::Object& object) {
  if (const auto* deployment = std::get_if<model::Deployment>(&object.resource))
    return &deployment->spec.pod_template;
  const auto* job = std::get_if<model::Job>(&object.resource);
  return job ? &job->spec.pod_template : nullptr;
}

bool is_run_as_process(const model::Object& object) {
  const auto& annotations = model::metadata_of(object.resource).annotations;
  const auto found = annotations.find(std::string(model::annotation::provider));
  return found == annotations.end() || found->second == "process";
}

}  // namespace

base::Diagnostics check_images(std::span<const model::Object> objects) {
  base::Diagnostics findings;
  const auto folders = provider::process::image_folders();
  for (const auto& object : objects) {
    const auto* pod = template_of(object);
    if (!pod || !is_run_as_process(object)) continue;
    const auto& name = pod->spec.containers.front().image;
    const auto image = provider::process::find_image(name, folders);
    if (image) continue;
    const std::string field = "spec.template.spec.containers[0].image";
    const auto* value = yaml::find_path(object.node, field);
    const model::Report report{.source = object.source.get()};
    const bool is_missing = image.error().kind == provider::ProviderErrorKind::image_not_found;
    const auto program = is_missing ? provider::process::installed_program(name) : std::string();
    model::Mend mend(
        "Write an image's name or the path of a program; WEFT_IMAGES has the folders of images.");
    if (!is_missing) mend.words = "Mend it before it is started.";
    if (!program.empty() && value)
      mend = report.replace(*value, fmt::format("Write `image: {}`.", program), program);
    auto finding =
        report.make(base::Severity::warning, model::code::unknown_image,
                    value ? value->position : object.position, field, image.error().detail, std::move(mend));
    findings.push_back(object.source ? yaml::blame_lookalike(*object.source, std::move(finding)) : finding);
  }
  return findings;
}

}  // namespace weft::cli
