// Which protocol a Service's port carries, where its appProtocol says nothing: by the name that it is given,
// as Istio has it (<protocol>[-suffix]), and by numbers that everybody knows.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "model/resource.h"

namespace weft::model {

/// A protocol whose traffic is no HTTP/1.1: it is passed on byte by byte.
struct Protocol {
  /// "PostgreSQL".
  std::string_view title;
  /// What a port's name or appProtocol may call it, before a `-`; nothing after the first empty one.
  std::array<std::string_view, 4> names;
  /// Its ports by default, up to the first 0.
  std::array<std::uint16_t, 4> numbers;
};

/// All that are known; docs/kinds.md has the same table.
std::span<const Protocol> protocols();
/// What the name of a port, or an appProtocol, calls it; null if it is none of protocols().
const Protocol* protocol_of_name(std::string_view name);
/// What makes a port without appProtocol one of TCP: its name, else its number or that of its targetPort.
/// Null for one of HTTP, and for one that is called tcp.
const Protocol* guessed_protocol(const ServicePort& port);

}  // namespace weft::model
