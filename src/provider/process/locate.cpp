#include "provider/process/locate.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>

namespace weft::provider::process {
namespace {

/// So many addresses are named: a program that listens on more has a reader who knows which is which.
constexpr std::size_t most_named = 3;

/// Where one of loopback listens with that number; nothing if none does.
const base::Address* find_address(std::span<const base::Address> listens, std::uint16_t number) {
  const auto found = std::ranges::find_if(listens, [number](const base::Address& address) {
    return address.port() == number && address.is_loopback();
  });
  return found == listens.end() ? nullptr : &*found;
}

bool locate_port(BoundPort& bound, const ToldPort& told, std::span<const base::Address> listens,
                 bool may_be_fixed) {
  for (const auto number : {told.number, told.own, bound.port.number}) {
    const auto* address = number == 0 ? nullptr : find_address(listens, number);
    const bool is_fixed = number != told.number;
    if (address == nullptr || (is_fixed && !may_be_fixed)) continue;
    bound.address = *address;
    bound.is_fixed = is_fixed;
    return true;
  }
  return false;
}

std::string name_of(const base::Address& address) {
  return address.is_loopback() ? std::to_string(address.port()) : address.to_string();
}

std::string name_all(std::span<const base::Address> listens) {
  std::vector<std::string> names;
  for (const auto& address : listens.first(std::min(listens.size(), most_named)))
    names.push_back(name_of(address));
  const auto more = listens.size() - names.size();
  return fmt::format("{}{}", fmt::join(names, ", "), more > 0 ? fmt::format(" and {} more", more) : "");
}

/// What it was told, and what to do.
std::string advice(const BoundPort& bound, const ToldPort& told, bool may_be_fixed) {
  if (told.variable.empty()) {
    return fmt::format(
        "give its containerPort {0} a name, such as p{0}, and read where to listen from $PORT_P{0}",
        bound.port.number);
  }
  if (told.own != 0 && !may_be_fixed) {
    return fmt::format("its own `env` says {} in ${}, which one instance alone can have: leave that to weft",
                       told.own, told.variable);
  }
  const bool is_own = told.own != 0;
  return fmt::format("{} {} in ${}: read it from there", is_own ? "its own `env` says" : "weft told it",
                     is_own ? told.own : told.number, told.variable);
}

}  // namespace

std::string locate_ports(std::vector<BoundPort>& ports, const std::vector<ToldPort>& told,
                         std::span<const base::Address> listens, bool may_be_fixed) {
  std::optional<std::size_t> lost;
  std::vector<base::Address> others(listens.begin(), listens.end());
  for (std::size_t i = 0; i < ports.size(); ++i) {
    if (locate_port(ports[i], told[i], listens, may_be_fixed)) {
      std::erase(others, ports[i].address);
    } else if (!lost) {
      lost = i;
    }
  }
  if (!lost || others.empty()) return {};
  return fmt::format("it listens on {}; {}", name_all(others),
                     advice(ports[*lost], told[*lost], may_be_fixed));
}

std::string describe_taken(const std::vector<BoundPort>& ports, const std::vector<ToldPort>& told,
                           const std::function<std::string(std::uint16_t)>& holder_of) {
  for (std::size_t i = 0; i < ports.size(); ++i) {
    const auto number = told[i].own != 0 ? told[i].own : ports[i].port.number;
    if (const auto holder = holder_of(number); !holder.empty())
      return fmt::format("if it wants port {}, that is taken by {}; {}", number, holder,
                         advice(ports[i], told[i], false));
  }
  return {};
}

}  // namespace weft::provider::process
