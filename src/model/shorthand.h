// What other tools write shorter (Docker Compose, a shell), written out as Kubernetes and weft have it: for
// the mends of what has the wrong type or a name that does not exist.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "model/resource.h"
#include "yaml/node.h"

namespace weft::model {

/// What an item of a list is, of those that others write shorter.
enum class Shorthand : std::uint8_t { none, word, dependency, variable, service_port, container_port };

template <class T>
inline constexpr Shorthand shorthand_of = Shorthand::none;
template <>
inline constexpr Shorthand shorthand_of<std::string> = Shorthand::word;
template <>
inline constexpr Shorthand shorthand_of<DependsOn> = Shorthand::dependency;
template <>
inline constexpr Shorthand shorthand_of<EnvVar> = Shorthand::variable;
template <>
inline constexpr Shorthand shorthand_of<ServicePort> = Shorthand::service_port;
template <>
inline constexpr Shorthand shorthand_of<ContainerPort> = Shorthand::container_port;

/// `text` in double quotes, as YAML and JSON read it back.
std::string in_quotes(std::string_view text);

/// A scalar that stands for an item, written out: `db` -> `{name: "db"}`, `A=b`, `8080:80/tcp`. Nothing if it
/// is none of these.
std::optional<std::string> item_of(Shorthand shorthand, std::string_view text);

/// `written` tells how a scalar stands in its text.
using Written = std::function<std::string(const yaml::Node&)>;
/// An entry of a map that stands for an item, written out: `A: b`, `db: {condition: service_healthy}`.
std::optional<std::string> item_of(Shorthand shorthand, const yaml::Entry& entry, const Written& written);

/// A map or scalar that stands for the list, written out: `{A: b}`, `{db: {condition: service_healthy}}`.
std::optional<std::string> list_of(Shorthand shorthand, const yaml::Node& node, const Written& written);

/// A list that stands for a map, written out: `[app=web]` -> `{"app": "web"}`. Nothing if it is no such list.
std::optional<std::string> map_of(const yaml::List& list);

/// A command line in one text as a list, with a shell where it takes one; nothing if it has a quote without
/// end. `field` is `command` or `args`; a shell cannot be had by `args` alone: there $NAME becomes $(NAME),
/// which needs none, and what else a shell does is nothing, too.
std::optional<std::string> words_of(std::string_view field, std::string_view text);

/// The field that is called otherwise elsewhere: `environment` -> `env`; empty if there is none.
std::string_view renamed(std::string_view field);

/// Of a port of Compose's, [HOST:]PUBLISHED:TARGET: the published one.
std::optional<int> published_port(std::string_view text);

/// An entry of a container of Compose's, written as one of ours.
struct EntryText {
  std::string_view field;
  std::string value;
};
/// `user: "1000"` -> `securityContext: {runAsUser: 1000}`, and `healthcheck` with its test as a
/// `readinessProbe`. Nothing for all else.
std::optional<EntryText> entry_of(const yaml::Entry& entry, const Written& written);

/// Of an entry of a container of Compose's that no change of the text alone mends: what weft has in its
/// place, in words; empty if it is none.
std::string instead_of(const yaml::Entry& entry);

/// Compose's condition of a dependency as ours: `service_healthy` -> `ready`; empty if it is none.
std::string_view renamed_condition(std::string_view condition);

/// Whether the document is a Compose file (compose-spec: `services` at its top, and neither kind nor
/// apiVersion).
bool is_compose_file(const yaml::Node& document);

}  // namespace weft::model
