// The registry of kinds: what each is called in files, in REST paths and on the command line.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "model/values.h"

namespace weft::model {

struct Kind {
  std::string_view kind;                          // "Deployment"
  std::string_view api_version;                   // "apps/v1"; "v1" for the core group
  std::string_view plural;                        // "deployments", in REST paths
  std::string_view singular;                      // "deployment"
  std::span<const std::string_view> short_names;  // "deploy"
  bool namespaced = true;
  /// Lives in memory only and is written by weft alone (Pod, Event, EndpointSlice).
  bool ephemeral = false;
  /// What its name may be.
  Fault (*name_fault)(std::string_view) = dns1123_subdomain_fault;
  /// The types of the conditions that its status may have.
  std::span<const std::string_view> conditions;

  /// Made by weft alone: what lives in memory, and the templates that a Deployment has had.
  bool is_read_only() const { return ephemeral || kind == "ControllerRevision"; }
  /// "apps", empty for the core group.
  std::string_view group() const;
  /// "v1".
  std::string_view version() const;
};

/// All kinds; the order is that in which a set of objects is applied (namespaces first).
std::span<const Kind> kinds();
/// By kind, plural, singular or short name, in any case; null if there is none.
const Kind* find_kind(std::string_view name);
/// By the segments of a REST path; `group` is empty for /api/v1.
const Kind* find_kind(std::string_view group, std::string_view version, std::string_view plural);

}  // namespace weft::model
