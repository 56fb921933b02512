// Which protocol a Service's port carries: by its appProtocol, else by the name that it is given, as Istio
// has it (<protocol>[-suffix]), else by numbers that everybody knows.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "model/resource.h"

namespace weft::model {

struct Protocol {
  /// "PostgreSQL".
  std::string_view title;
  /// What a port's name or appProtocol may call it, before a `-`; nothing after the first empty one. Those
  /// with a slash are Kubernetes' own (KEP-3726), for an appProtocol alone.
  std::array<std::string_view, 4> names;
  /// Its ports by default, up to the first 0.
  std::array<std::uint16_t, 4> numbers;
  /// What the mesh makes of it.
  AppProtocol traffic = AppProtocol::tcp;
};

/// All that are known; docs/kinds.md has the same table.
std::span<const Protocol> protocols();
/// What the name of a port, or an appProtocol, calls it; null if it is none of protocols().
const Protocol* protocol_of_name(std::string_view name);
/// What a port without appProtocol is taken for: by its name, else by its number or that of its targetPort.
/// Null if nothing says it.
const Protocol* guessed_protocol(const ServicePort& port);

}  // namespace weft::model
