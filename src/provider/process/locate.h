// Where an instance listens that does not listen where it was told to.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/address.h"
#include "provider/process/environment.h"
#include "provider/provider.h"

namespace weft::provider::process {

/// Gives each port the address at which the instance listens for it, of those in `listens`: with the number
/// that it was told, or if `may_be_fixed` with its own number or its containerPort; a port for which it
/// listens at none of them keeps its address. What comes out says where it listens instead, and what to do;
/// empty if every port is listened on, or nothing is known.
std::string locate_ports(std::vector<BoundPort>& ports, const std::vector<ToldPort>& told,
                         std::span<const base::Address> listens, bool may_be_fixed);

/// Who else has a port that the instance may have wanted to listen on when it ended; empty if nobody, as
/// `holder_of` says (Ports).
std::string describe_taken(const std::vector<BoundPort>& ports, const std::vector<ToldPort>& told,
                           const std::function<std::string(std::uint16_t)>& holder_of);

}  // namespace weft::provider::process
