#include "provider/process/ports.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <fstream>

#include "base/hash.h"
#include "base/json.h"
#include "provider/process/proc.h"
#include "runtime/socket.h"

namespace weft::provider::process {
namespace {

constexpr std::uint16_t lowest_port = 20'000;
/// Fewer than this below the ephemeral range are too few for a mesh.
constexpr int fewest_ports = 2'000;
constexpr int highest_port = 65'535;
/// A key that was not asked for during so many lives of the supervisor belongs to something that is gone.
constexpr int most_unused_lives = 8;

/// Whether an application could bind it, on any address and without SO_REUSEADDR.
bool can_bind(std::uint16_t port) {
  const runtime::Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_port = htons(port);
  name.sin_addr.s_addr = htonl(INADDR_ANY);
  return fd && ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0;
}

}  // namespace

PortRange usable_ports() {
  std::ifstream file("/proc/sys/net/ipv4/ip_local_port_range");
  int first = 32'768;
  int last = 60'999;
  file >> first >> last;
  if (first - lowest_port >= fewest_ports) return {lowest_port, static_cast<std::uint16_t>(first - 1)};
  if (highest_port - last >= fewest_ports) return {static_cast<std::uint16_t>(last + 1), highest_port};
  return {lowest_port, 32'767};
}

Ports::Ports(PortRange range, const std::string& identity)
    : range_(range),
      next_(static_cast<int>(base::hash64(identity) % static_cast<std::uint64_t>(range.size()))) {}

bool Ports::is_taken(std::uint16_t port) const { return reserved_.contains(port) || lent_.contains(port); }

std::uint16_t Ports::next_candidate() {
  for (int tried = 0; tried < range_.size(); ++tried) {
    auto port = static_cast<std::uint16_t>(range_.first + next_);
    next_ = (next_ + 1) % range_.size();
    if (!is_taken(port)) return port;
  }
  return 0;
}

Result<base::Address> Ports::reserve(const std::string& key) {
  auto found = reservations_.find(key);
  if (found != reservations_.end()) {
    auto& [port, unused_lives, socket] = found->second;
    unused_lives = 0;
    auto address = base::Address::loopback(port);
    if (socket) return address;
    auto bound = runtime::listen_on(address);
    if (!bound) {
      auto holder = describe_listener(port);
      return base::fail(ProviderErrorKind::port_in_use,
                        fmt::format("{}, the address of {}, is taken by {}", address.to_string(), key,
                                    holder.empty() ? bound.error().message() : holder));
    }
    socket = std::move(*bound);
    return address;
  }
  for (int tried = 0; tried < range_.size(); ++tried) {
    auto port = next_candidate();
    if (port == 0) break;
    auto address = base::Address::loopback(port);
    auto bound = runtime::listen_on(address);
    if (!bound && bound.error().code != EADDRINUSE && bound.error().code != EACCES) {
      return base::fail(ProviderErrorKind::failed,
                        fmt::format("cannot listen on {}: {}", address.to_string(), bound.error().message()));
    }
    if (!bound) continue;
    reservations_[key] = {port, 0, std::move(*bound)};
    reserved_.insert(port);
    return address;
  }
  return base::fail(ProviderErrorKind::no_free_port,
                    fmt::format("no port from {} to {} is free for {}", range_.first, range_.last, key));
}

void Ports::release(const std::string& key) {
  auto found = reservations_.find(key);
  if (found == reservations_.end()) return;
  reserved_.erase(found->second.port);
  reservations_.erase(found);
}

int Ports::listening(std::uint16_t port) const {
  if (!reserved_.contains(port)) return -1;
  auto found =
      std::ranges::find_if(reservations_, [port](const auto& entry) { return entry.second.port == port; });
  return found->second.socket.get();
}

Result<std::shared_ptr<PortLoan>> Ports::lend() {
  for (int tried = 0; tried < range_.size(); ++tried) {
    auto port = next_candidate();
    if (port == 0) break;
    if (!can_bind(port)) continue;
    lent_.insert(port);
    return std::make_shared<PortLoan>(*this, port);
  }
  return base::fail(ProviderErrorKind::no_free_port,
                    fmt::format("no port from {} to {} is free", range_.first, range_.last));
}

PortLoan::~PortLoan() { ports_.lent_.erase(port_); }
bool PortLoan::is_free() const { return can_bind(port_); }

base::Json Ports::to_json() const {
  auto json = base::Json::object();
  for (const auto& [key, reservation] : reservations_) {
    json[key] = {{"port", reservation.port}, {"unusedLives", reservation.unused_lives}};
  }
  return json;
}

void Ports::restore(const base::Json& json) {
  if (!json.is_object()) return;
  for (const auto& [key, entry] : json.items()) {
    if (!entry.is_object()) continue;
    auto port = entry.find("port");
    auto unused = entry.find("unusedLives");
    if (port == entry.end() || !port->is_number_unsigned() || *port < 1U || *port > 65'535U) continue;
    auto lives = unused != entry.end() && unused->is_number_integer() ? unused->get<int>() + 1 : 1;
    auto number = port->get<std::uint16_t>();
    if (lives > most_unused_lives || !reserved_.insert(number).second) continue;
    reservations_[key] = {number, lives, {}};
  }
}

}  // namespace weft::provider::process
