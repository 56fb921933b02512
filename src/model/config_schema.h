// What a user may write of ConfigMaps and Secrets, and of what a container takes from them and from the
// machine: variables, volumes, another user. The rest is in schema.h, with how to read it.
#pragma once

#include <initializer_list>
#include <string_view>

#include "model/schema.h"

namespace weft::model {

/// Of the values of a ConfigMap or Secret: Kubernetes' MaxSecretSize.
constexpr std::size_t most_data_bytes = std::size_t{1} << 20;
/// Permissions of a file, without the bits for another user or a sticky folder.
constexpr Range mode_range{0, 0777};

template <>
struct EnumNames<Medium> {
  static constexpr std::pair<std::string_view, Medium> values[] = {{"", Medium::disk},
                                                                   {"Memory", Medium::memory}};
};
template <>
struct EnumNames<HostPathType> {
  static constexpr std::pair<std::string_view, HostPathType> values[] = {
      {"", HostPathType::any},
      {"Directory", HostPathType::directory},
      {"DirectoryOrCreate", HostPathType::directory_or_create},
      {"File", HostPathType::file},
      {"FileOrCreate", HostPathType::file_or_create}};
};
template <>
struct Schema<KeySelector> {
  template <class V>
  static void fields(V& v) {
    v.required("name", &KeySelector::name, dns1123_subdomain_fault);
    v.required("key", &KeySelector::key, data_key_fault);
    v.field("optional", &KeySelector::optional);
  }
};

template <>
struct Schema<FieldSelector> {
  template <class V>
  static void fields(V& v) {
    v.required("fieldPath", &FieldSelector::field_path);
    v.kept({"apiVersion"});
  }
  static void check(Findings& findings, FieldSelector& selector);
};

template <>
struct Schema<EnvVarSource> {
  template <class V>
  static void fields(V& v) {
    v.field("configMapKeyRef", &EnvVarSource::config_map_key_ref);
    v.field("secretKeyRef", &EnvVarSource::secret_key_ref);
    v.field("fieldRef", &EnvVarSource::field_ref);
    v.kept({"fileKeyRef", "resourceFieldRef"});
  }
  static void check(Findings& findings, EnvVarSource& source);
};

template <>
struct Schema<EnvSource> {
  template <class V>
  static void fields(V& v) {
    v.required("name", &EnvSource::name, dns1123_subdomain_fault);
    v.field("optional", &EnvSource::optional);
  }
};

template <>
struct Schema<EnvFromSource> {
  template <class V>
  static void fields(V& v) {
    v.field("prefix", &EnvFromSource::prefix, env_prefix_fault);
    v.field("configMapRef", &EnvFromSource::config_map_ref);
    v.field("secretRef", &EnvFromSource::secret_ref);
  }
  static void check(Findings& findings, EnvFromSource& source);
};

template <>
struct Schema<SecurityContext> {
  template <class V>
  static void fields(V& v) {
    v.field("runAsUser", &SecurityContext::run_as_user);
    v.field("runAsGroup", &SecurityContext::run_as_group);
    v.field("runAsNonRoot", &SecurityContext::run_as_non_root);
    v.ignored({"allowPrivilegeEscalation", "appArmorProfile", "capabilities", "fsGroup",
               "fsGroupChangePolicy", "privileged", "procMount", "readOnlyRootFilesystem",
               "seLinuxChangePolicy", "seLinuxOptions", "seccompProfile", "supplementalGroups",
               "supplementalGroupsPolicy", "sysctls", "windowsOptions"});
  }
};

template <>
struct Schema<VolumeMount> {
  template <class V>
  static void fields(V& v) {
    v.required("name", &VolumeMount::name, dns1123_label_fault);
    v.field("mountPath", &VolumeMount::mount_path);
    v.ignored({"mountPropagation", "readOnly", "recursiveReadOnly", "subPath", "subPathExpr"});
  }
};

template <>
struct Schema<KeyToPath> {
  template <class V>
  static void fields(V& v) {
    v.required("key", &KeyToPath::key, data_key_fault);
    v.required("path", &KeyToPath::path, path_below_fault);
    v.field("mode", &KeyToPath::mode, mode_range);
  }
};

template <>
struct Schema<ConfigMapVolume> {
  template <class V>
  static void fields(V& v) {
    v.required("name", &ConfigMapVolume::name, dns1123_subdomain_fault);
    v.field("items", &ConfigMapVolume::items);
    v.field("defaultMode", &ConfigMapVolume::default_mode, mode_range);
    v.field("optional", &ConfigMapVolume::optional);
  }
  static void check(Findings& findings, ConfigMapVolume& volume);
};

template <>
struct Schema<SecretVolume> {
  template <class V>
  static void fields(V& v) {
    v.required("secretName", &SecretVolume::secret_name, dns1123_subdomain_fault);
    v.field("items", &SecretVolume::items);
    v.field("defaultMode", &SecretVolume::default_mode, mode_range);
    v.field("optional", &SecretVolume::optional);
  }
  static void check(Findings& findings, SecretVolume& volume);
};

template <>
struct Schema<EmptyDirVolume> {
  template <class V>
  static void fields(V& v) {
    v.field("medium", &EmptyDirVolume::medium);
    v.ignored({"sizeLimit"});
  }
};

template <>
struct Schema<HostPathVolume> {
  template <class V>
  static void fields(V& v) {
    v.required("path", &HostPathVolume::path);
    v.field("type", &HostPathVolume::type);
  }
};

/// The kinds of volume that Kubernetes has and weft has not.
constexpr std::initializer_list<std::string_view> other_volumes = {"awsElasticBlockStore",
                                                                   "azureDisk",
                                                                   "azureFile",
                                                                   "cephfs",
                                                                   "cinder",
                                                                   "csi",
                                                                   "downwardAPI",
                                                                   "ephemeral",
                                                                   "fc",
                                                                   "flexVolume",
                                                                   "flocker",
                                                                   "gcePersistentDisk",
                                                                   "gitRepo",
                                                                   "glusterfs",
                                                                   "image",
                                                                   "iscsi",
                                                                   "nfs",
                                                                   "persistentVolumeClaim",
                                                                   "photonPersistentDisk",
                                                                   "portworxVolume",
                                                                   "projected",
                                                                   "quobyte",
                                                                   "rbd",
                                                                   "scaleIO",
                                                                   "storageos",
                                                                   "vsphereVolume"};

template <>
struct Schema<Volume> {
  template <class V>
  static void fields(V& v) {
    v.required("name", &Volume::name, dns1123_label_fault);
    v.field("configMap", &Volume::config_map);
    v.field("secret", &Volume::secret);
    v.field("emptyDir", &Volume::empty_dir);
    v.field("hostPath", &Volume::host_path);
    v.ignored(other_volumes);
  }
  static void check(Findings& findings, Volume& volume);
};

template <>
struct Schema<ConfigMap> {
  template <class V>
  static void fields(V& v) {
    v.kept({"apiVersion", "kind"});
    v.required("metadata", &ConfigMap::metadata);
    v.field("data", &ConfigMap::data, MapRule::data);
    v.field("binaryData", &ConfigMap::binary_data, MapRule::base64);
    v.field("immutable", &ConfigMap::immutable);
  }
  static void check(Findings& findings, ConfigMap& resource);
};

template <>
struct Schema<Secret> {
  template <class V>
  static void fields(V& v) {
    v.kept({"apiVersion", "kind"});
    v.required("metadata", &Secret::metadata);
    v.field("type", &Secret::type);
    v.field("data", &Secret::data, MapRule::base64);
    v.field("stringData", &Secret::string_data, MapRule::data);
    v.field("immutable", &Secret::immutable);
  }
  static void check(Findings& findings, Secret& resource);
};

}  // namespace weft::model
