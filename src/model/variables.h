// The names of the variables that an instance is told things by, and the fields of itself that it may ask
// for.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "model/dependency.h"
#include "model/resource.h"

namespace weft::model {

/// In upper case, with _ for - and dots: Kubernetes' makeEnvVariableName.
std::string variable_name(std::string_view name);

/// A Service that a workload is told the addresses of, and what the names of these variables begin with:
/// DATABASE of DATABASE_SERVICE_HOST.
struct NamedService {
  Ref service;
  std::string prefix;
};

/// Each Service that the workload declares, once: those of its own namespace first, else in their order. One
/// whose name is taken by one before it carries its namespace (OTHER_DATABASE), and a number if that is taken
/// too.
std::vector<NamedService> named_services(const Workload& workload);

/// What tells where the folder of a volume is: VOLUME_<NAME>.
std::string volume_variable(std::string_view volume);

/// Whether `fieldRef` may name that field of an instance.
bool is_known_field(std::string_view field_path);
/// "label `app`": what the field is of the template's metadata, if it has no such label or annotation; empty
/// otherwise.
std::string missing_key(std::string_view field_path, const ObjectMeta& metadata);

/// An instance as its fieldRefs see it.
struct InstanceFields {
  std::string_view name;
  std::string_view ns;
  std::string_view node;
  std::string_view service_account;
  const Labels& labels;
  const Labels& annotations;
};
/// The value of a known field.
std::string field_value(std::string_view field_path, const InstanceFields& fields);

}  // namespace weft::model
