#include "control/reconcile/volumes.h"

#include <algorithm>

#include "control/reconcile/config.h"
#include "model/variables.h"

namespace weft::control::reconcile {
namespace {

using provider::Result;
using provider::VolumeFile;

/// A ConfigMap or Secret as files.
struct Source {
  bool is_secret = false;
  const std::string& name;
  const std::vector<model::KeyToPath>& items;
  std::int32_t mode = 0;
  bool optional = false;
};

Result<std::vector<VolumeFile>> files_of(const World& world, const std::string& ns, const Source& source) {
  std::vector<VolumeFile> files;
  const auto config = find_config(world, source.is_secret, ns, source.name);
  if (!config && source.optional) return files;
  if (!config) return std::unexpected(config.error());
  auto values = config->files();
  const auto mode_of = [](std::int32_t mode) { return static_cast<std::uint32_t>(mode); };
  if (source.items.empty()) {
    for (auto& [key, bytes] : values) files.push_back({key, std::move(bytes), mode_of(source.mode)});
  }
  for (const auto& item : source.items) {
    const auto at = values.find(item.key);
    if (at != values.end())
      files.push_back({item.path, at->second, mode_of(item.mode.value_or(source.mode))});
    else if (!source.optional)
      return std::unexpected(config->no_key(item.key));
  }
  return files;
}

provider::Volume::HostType host_type(model::HostPathType type) {
  using To = provider::Volume::HostType;
  switch (type) {
    case model::HostPathType::any: return To::any;
    case model::HostPathType::directory: return To::directory;
    case model::HostPathType::directory_or_create: return To::directory_or_create;
    case model::HostPathType::file: return To::file;
    case model::HostPathType::file_or_create: return To::file_or_create;
  }
  return To::any;
}

/// Nothing for a volume of a kind that weft does not have.
Result<std::optional<provider::Volume>> volume_of(const World& world, const std::string& ns,
                                                  const model::Volume& declared) {
  using Kind = provider::Volume::Kind;
  provider::Volume volume{
      .name = declared.name, .variable = model::volume_variable(declared.name), .files = {}, .host_path = {}};
  std::optional<Source> source;
  if (const auto& map = declared.config_map)
    source.emplace(false, map->name, map->items, map->default_mode, map->optional);
  if (const auto& secret = declared.secret)
    source.emplace(true, secret->secret_name, secret->items, secret->default_mode, secret->optional);
  if (source) {
    auto files = files_of(world, ns, *source);
    if (!files) return std::unexpected(files.error());
    volume.files = std::move(*files);
    return volume;
  }
  if (const auto& host = declared.host_path) {
    volume.kind = Kind::on_host;
    volume.host_path = host->path;
    volume.host_type = host_type(host->type);
    return volume;
  }
  if (!declared.empty_dir) return std::nullopt;
  volume.kind = declared.empty_dir->medium == model::Medium::memory ? Kind::in_memory : Kind::on_disk;
  return volume;
}

std::vector<const model::Volume*> mounted(const model::PodSpec& pod) {
  std::vector<const model::Volume*> found;
  if (pod.containers.empty()) return found;  // of an orphan
  for (const auto& mount : pod.containers.front().volume_mounts) {
    const auto at = std::ranges::find(pod.volumes, mount.name, &model::Volume::name);
    if (at != pod.volumes.end()) found.push_back(&*at);
  }
  return found;
}

}  // namespace

Result<std::vector<provider::Volume>> volumes_of(const World& world, const Instance& instance) {
  std::vector<provider::Volume> volumes;
  for (const auto* declared : mounted(*instance.pod)) {
    auto volume = volume_of(world, instance.ns(), *declared);
    if (!volume) return std::unexpected(volume.error());
    if (*volume) volumes.push_back(std::move(**volume));
  }
  return volumes;
}

bool has_config_volumes(const model::PodSpec& pod, const std::optional<store::Key>& config) {
  const auto is_made_of = [&](std::string_view kind, const std::string& name) {
    return !config || (config->kind == kind && config->name == name);
  };
  return std::ranges::any_of(mounted(pod), [&](const model::Volume* volume) {
    return (volume->config_map && is_made_of(model::ConfigMap::kind, volume->config_map->name)) ||
           (volume->secret && is_made_of(model::Secret::kind, volume->secret->secret_name));
  });
}

provider::RunAs run_as(const model::PodSpec& pod) {
  const model::SecurityContext none;
  const auto& of_pod = pod.security_context ? *pod.security_context : none;
  const auto& container = pod.containers.front().security_context;
  const auto& own = container ? *container : none;
  return {own.run_as_user.text.empty() ? of_pod.run_as_user.text : own.run_as_user.text,
          own.run_as_group.text.empty() ? of_pod.run_as_group.text : own.run_as_group.text,
          own.run_as_non_root || of_pod.run_as_non_root};
}

}  // namespace weft::control::reconcile
