#include "provider/process/ports.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <fstream>
#include <string_view>
#include <utility>

#include "base/hash.h"
#include "base/json.h"
#include "provider/process/descriptors.h"
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
/// Ports of others are tried again after so long, for nobody tells when they become free: a range of 12,000
/// that is all theirs costs some 50 ms each time.
constexpr auto others_pause = std::chrono::seconds(1);

/// Whether an application could bind it, on any address and without SO_REUSEADDR.
runtime::IoResult<void> try_to_bind(std::uint16_t port) {
  const runtime::Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return runtime::last_error();
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_port = htons(port);
  name.sin_addr.s_addr = htonl(INADDR_ANY);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0)
    return runtime::last_error();
  return {};
}

/// A socket that listens there, but for the descriptors that are kept back.
runtime::IoResult<runtime::Fd> listen_at(const base::Address& address) {
  auto socket = runtime::listen_on(address);
  if (socket && is_spare(*socket)) return runtime::io_error(EMFILE);
  return socket;
}

bool is_for_instance(std::string_view key) { return key.starts_with(instance_key_prefix); }

bool is_of_somebody_else(runtime::IoError error) { return error.code == EADDRINUSE || error.code == EACCES; }

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

Ports::Ports(PortRange range, const std::string& identity, base::Clock& clock)
    : range_(range), clock_(clock) {
  const auto size = static_cast<std::uint64_t>(range.size());
  const auto start = base::hash64(identity) % size;
  for (std::uint64_t i = 0; i < size; ++i)
    free_.push_back(static_cast<std::uint16_t>(range.first + (start + i) % size));
}

Result<std::uint16_t> Ports::take(const std::function<runtime::IoResult<void>(std::uint16_t)>& claim) {
  const auto taken = reservations_.size() + lent_.size();
  if (const auto most = range_.most_of_one_home(); std::cmp_greater_equal(taken, most)) {
    return base::fail(
        ProviderErrorKind::no_free_port,
        fmt::format(
            "this mesh has {} ports for its addresses and {} for its instances, and may take {} of those "
            "from {} to {}, for others need some too: remove Services or instances",
            reservations_.size(), lent_.size(), most, range_.first, range_.last));
  }
  if (free_.empty()) look_at_others_again();
  while (!free_.empty()) {
    const auto port = free_.front();
    free_.pop_front();
    if (reserved_.contains(port) || lent_.contains(port)) continue;  // restored
    auto claimed = claim(port);
    if (claimed) return port;
    if (is_of_somebody_else(claimed.error())) {
      of_others_.push_back(port);
      tried_at_ = clock_.now();
      continue;
    }
    free_.push_front(port);
    return cannot(fmt::format("use port {}", port), claimed.error());
  }
  return none_free();
}

void Ports::look_at_others_again() {
  if (clock_.now() - tried_at_ < others_pause) return;
  free_.assign(of_others_.begin(), of_others_.end());
  of_others_.clear();
}

std::unexpected<ProviderError> Ports::none_free() const {
  return base::fail(
      ProviderErrorKind::no_free_port,
      fmt::format(
          "no port from {} to {} is free: this mesh has {} for its addresses and {} for its instances, "
          "others use {} (see `ss -ltn`)",
          range_.first, range_.last, reserved_.size(), lent_.size(), of_others_.size()));
}

Result<base::Address> Ports::reserve(const std::string& key) {
  auto found = reservations_.find(key);
  if (found == reservations_.end()) {
    const bool is_address = !is_for_instance(key);
    if (const auto most = range_.most_addresses(); is_address && addresses_ >= most) {
      return base::fail(
          ProviderErrorKind::no_free_port,
          fmt::format("{}: the Services of this mesh and what depends on them have {} addresses, "
                      "and may have {}, for instances need ports too: remove Services, ports of "
                      "them, or dependencies",
                      key, addresses_, most));
    }
    runtime::Fd socket;
    auto port = take([&socket](std::uint16_t candidate) -> runtime::IoResult<void> {
      auto bound = listen_at(base::Address::loopback(candidate));
      if (!bound) return std::unexpected(bound.error());
      socket = std::move(*bound);
      return {};
    });
    if (!port) return base::fail(port.error().kind, fmt::format("{}: {}", key, port.error().detail));
    reservations_[key] = {*port, 0, std::move(socket)};
    reserved_.insert(*port);
    addresses_ += is_address ? 1 : 0;
    return base::Address::loopback(*port);
  }
  auto& [port, unused_lives, socket] = found->second;
  unused_lives = 0;
  auto address = base::Address::loopback(port);
  if (socket) return address;
  auto bound = listen_at(address);
  if (bound) {
    socket = std::move(*bound);
    return address;
  }
  if (!is_of_somebody_else(bound.error()))
    return cannot(fmt::format("listen on {} for {}", address.to_string(), key), bound.error());
  auto holder = describe_listener(port);
  return base::fail(ProviderErrorKind::port_in_use,
                    fmt::format("{}, the address of {}, is taken by {}", address.to_string(), key,
                                holder.empty() ? bound.error().message() : holder));
}

void Ports::release(const std::string& key) {
  auto found = reservations_.find(key);
  if (found == reservations_.end()) return;
  const auto port = found->second.port;
  addresses_ -= is_for_instance(key) ? 0 : 1;
  reserved_.erase(port);
  reservations_.erase(found);
  give_back(port);
}

void Ports::give_back(std::uint16_t port) {
  if (port >= range_.first && port <= range_.last) free_.push_back(port);
}

int Ports::listening(const std::string& key) const {
  const auto found = reservations_.find(key);
  return found == reservations_.end() ? -1 : found->second.socket.get();
}

Result<std::shared_ptr<PortLoan>> Ports::lend() {
  auto port = take(try_to_bind);
  if (!port) return std::unexpected(port.error());
  lent_.insert(*port);
  return std::make_shared<PortLoan>(*this, *port);
}

PortLoan::~PortLoan() {
  ports_.lent_.erase(port_);
  ports_.give_back(port_);
}
bool PortLoan::is_free() const { return try_to_bind(port_).has_value(); }

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
    if (!entry.is_object() || is_for_instance(key)) continue;
    auto port = entry.find("port");
    auto unused = entry.find("unusedLives");
    if (port == entry.end() || !port->is_number_unsigned() || *port < 1U || *port > 65'535U) continue;
    auto lives = unused != entry.end() && unused->is_number_integer() ? unused->get<int>() + 1 : 1;
    auto number = port->get<std::uint16_t>();
    if (lives > most_unused_lives || reserved_.contains(number)) continue;
    reservations_[key] = {number, lives, {}};
    reserved_.insert(number);
    ++addresses_;
  }
}

}  // namespace weft::provider::process
