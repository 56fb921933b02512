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
/// Where Kubernetes has its nodePorts, which people ask for by number: taken for others when all below are
/// gone.
constexpr int first_node_port = 30'000;
/// Of so many keys that were released the last port is remembered: the Services of a large mesh that is
/// deleted and made anew, in a file of some 100 KB.
constexpr std::size_t most_released = 1'024;
constexpr std::string_view ask_for_another = "ask for another one";
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
  const auto start = base::hash64(identity) >> 1;  // so that it can be counted on from
  const auto add = [&](int first, int count) {
    for (int i = 0; i < count; ++i) {
      const auto place = (start + static_cast<std::uint64_t>(i)) % static_cast<std::uint64_t>(count);
      free_.push_back(static_cast<std::uint16_t>(first + static_cast<int>(place)));
    }
  };
  const int below = std::clamp(first_node_port - range.first, 0, range.size());
  add(range.first, below);
  add(range.first + below, range.size() - below);
}

Result<std::uint16_t> Ports::take(const Claim& claim) {
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
  if (auto found = reservations_.find(key); found != reservations_.end())
    return reserve_again(key, found->second);
  const bool is_address = !is_for_instance(key);
  if (const auto most = range_.most_addresses(); is_address && addresses_ >= most) {
    return base::fail(ProviderErrorKind::no_free_port,
                      fmt::format("{}: the Services of this mesh and what depends on them have {} addresses, "
                                  "and may have {}, for instances need ports too: remove Services, ports of "
                                  "them, or dependencies",
                                  key, addresses_, most));
  }
  runtime::Fd socket;
  const Claim claim = [&socket](std::uint16_t candidate) -> runtime::IoResult<void> {
    auto bound = listen_at(base::Address::loopback(candidate));
    if (!bound) return std::unexpected(bound.error());
    socket = std::move(*bound);
    return {};
  };
  const auto wanted = wanted_port(key);
  Result<std::uint16_t> port = wanted != 0 ? take_wanted(wanted, claim) : take_released(key, claim);
  if (port && *port == 0) port = take(claim);
  if (!port) {
    if (wanted != 0) return std::unexpected(port.error());
    return base::fail(port.error().kind, fmt::format("{}: {}", key, port.error().detail));
  }
  released_.erase(key);
  reservations_[key] = {*port, 0, std::move(socket)};
  reserved_.insert(*port);
  addresses_ += is_address ? 1 : 0;
  return base::Address::loopback(*port);
}

std::string Ports::holder_of(std::uint16_t port) { return holders_.describe(port, clock_.now()); }

std::unexpected<ProviderError> Ports::cannot_have(std::uint16_t port, runtime::IoError error) {
  if (error.code == EACCES) {
    return base::fail(ProviderErrorKind::port_in_use,
                      fmt::format("port {} is for the system's own (net.ipv4.ip_unprivileged_port_start): {}",
                                  port, ask_for_another));
  }
  const auto holder = error.code == EADDRINUSE ? holder_of(port) : std::string();
  if (holder.empty()) return cannot(fmt::format("listen on port {}", port), error);
  return base::fail(ProviderErrorKind::port_in_use,
                    fmt::format("port {} is taken by {}: end that, or ask for another port", port, holder));
}

Result<base::Address> Ports::reserve_again(const std::string& key, Reservation& reservation) {
  reservation.unused_lives = 0;
  auto address = base::Address::loopback(reservation.port);
  if (reservation.socket) return address;
  auto bound = listen_at(address);
  if (bound) {
    reservation.socket = std::move(*bound);
    return address;
  }
  if (wanted_port(key) != 0) return cannot_have(reservation.port, bound.error());
  if (!is_of_somebody_else(bound.error()))
    return cannot(fmt::format("listen on {} for {}", address.to_string(), key), bound.error());
  auto holder = holder_of(reservation.port);
  return base::fail(ProviderErrorKind::port_in_use,
                    fmt::format("{}, the address of {}, is taken by {}", address.to_string(), key,
                                holder.empty() ? bound.error().message() : holder));
}

Result<std::uint16_t> Ports::take_wanted(std::uint16_t port, const Claim& claim) {
  if (lent_.contains(port)) {
    return base::fail(ProviderErrorKind::port_in_use,
                      fmt::format("port {} is that of an instance of this mesh: {}", port, ask_for_another));
  }
  const auto holder =
      std::ranges::find(reservations_, port, [](const auto& entry) { return entry.second.port; });
  if (holder != reservations_.end() && holder->second.socket) {
    return base::fail(ProviderErrorKind::port_in_use, fmt::format("port {} is that of {} in this mesh: {}",
                                                                  port, holder->first, ask_for_another));
  }
  if (auto claimed = claim(port); !claimed) return cannot_have(port, claimed.error());
  if (holder != reservations_.end()) release(std::string(holder->first));
  std::erase(free_, port);
  return port;
}

std::uint16_t Ports::take_released(const std::string& key, const Claim& claim) {
  const auto found = released_.find(key);
  if (found == released_.end()) return 0;
  const auto port = found->second.port;
  if (reserved_.contains(port) || lent_.contains(port) || !claim(port)) return 0;
  std::erase(free_, port);
  return port;
}

void Ports::release(const std::string& key) {
  auto found = reservations_.find(key);
  if (found == reservations_.end()) return;
  const auto port = found->second.port;
  addresses_ -= is_for_instance(key) ? 0 : 1;
  reserved_.erase(port);
  reservations_.erase(found);
  give_back(port);
  if (!is_for_instance(key) && wanted_port(key) == 0) remember_released(key, port);
}

void Ports::remember_released(const std::string& key, std::uint16_t port) {
  released_[key] = {port, ++releases_};
  if (released_.size() <= most_released) return;
  released_.erase(
      std::ranges::min_element(released_, {}, [](const auto& entry) { return entry.second.number; }));
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

std::shared_ptr<PortLoan> Ports::lend_again(std::uint16_t port) {
  lent_.insert(port);
  return std::make_shared<PortLoan>(*this, port);
}

void Ports::adopt(const std::string& key, runtime::Fd socket) {
  const auto port = runtime::local_address(socket.get()).port();
  const auto [entry, is_new] = reservations_.try_emplace(key);
  addresses_ += is_new && !is_for_instance(key) ? 1 : 0;
  entry->second = {port, 0, std::move(socket)};
  reserved_.insert(port);
}

std::vector<std::pair<std::string, int>> Ports::sockets() const {
  std::vector<std::pair<std::string, int>> open;
  for (const auto& [key, reservation] : reservations_)
    if (reservation.socket) open.emplace_back(key, reservation.socket.get());
  return open;
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
  for (const auto& [key, released] : released_)
    json[key] = {{"port", released.port}, {"released", released.number}};
  return json;
}

void Ports::restore(const base::Json& json) {
  if (!json.is_object()) return;
  for (const auto& [key, entry] : json.items()) {
    if (!entry.is_object() || is_for_instance(key)) continue;
    auto port = entry.find("port");
    auto unused = entry.find("unusedLives");
    if (port == entry.end() || !port->is_number_unsigned() || *port < 1U || *port > 65'535U) continue;
    auto number = port->get<std::uint16_t>();
    if (auto released = entry.find("released"); released != entry.end()) {
      if (!released->is_number_unsigned() || released_.size() >= most_released) continue;
      released_[key] = {number, released->get<std::uint64_t>()};
      releases_ = std::max(releases_, released_[key].number);
      continue;
    }
    auto lives = unused != entry.end() && unused->is_number_integer() ? unused->get<int>() + 1 : 1;
    if (lives > most_unused_lives || reserved_.contains(number)) continue;
    reservations_[key] = {number, lives, {}};
    reserved_.insert(number);
    ++addresses_;
  }
  // Their keys may come back for them: others take them last.
  std::unordered_set<std::uint16_t> last;
  for (const auto& [key, released] : released_) last.insert(released.port);
  std::erase_if(free_, [&last](std::uint16_t port) { return last.contains(port); });
  for (const auto port : last) give_back(port);
}

}  // namespace weft::provider::process
