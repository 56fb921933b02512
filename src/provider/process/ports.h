// Ports on loopback below the ephemeral range: listening sockets of the mesh, kept for ever, and ports of
// applications.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/json_fwd.h"
#include "provider/process/proc.h"
#include "provider/provider.h"
#include "runtime/error.h"
#include "runtime/fd.h"

namespace weft::provider::process {

/// First and last port to use.
struct PortRange {
  std::uint16_t first = 0;
  std::uint16_t last = 0;

  int size() const { return last - first + 1; }
  /// The most ports that one home takes: all but a sixteenth (800 of the usual 12,768), so that there is
  /// always room for another one.
  int most_of_one_home() const { return (size() * 15 + 15) / 16; }
  /// Of these, for the addresses of Services and of what depends on them: so many that 10,000 Services have
  /// one each. Text alone takes them, 128 for each Service, and must not leave instances without ports.
  int most_addresses() const { return (size() * 13 + 15) / 16; }
};

/// From 20000 to below the kernel's ephemeral range (/proc/sys/net/ipv4/ip_local_port_range): no outgoing
/// connection takes one of them by chance. Above it if there is no room below.
PortRange usable_ports();

class Ports;

/// A port of an application, which nobody else here is given while this exists.
class PortLoan {
 public:
  PortLoan(Ports& ports, std::uint16_t port) : ports_(ports), port_(port) {}
  PortLoan(const PortLoan&) = delete;
  PortLoan& operator=(const PortLoan&) = delete;
  ~PortLoan();
  std::uint16_t port() const { return port_; }
  /// Whether an application could listen there now, on any address.
  bool is_free() const;

 private:
  Ports& ports_;
  std::uint16_t port_;
};

class Ports {
 public:
  /// Ports are tried from a place that `identity` picks, so that two homes rarely compete.
  Ports(PortRange range, const std::string& identity, base::Clock& clock = base::system_clock());

  /// The address of `key`: 127.0.0.1 and a port, on which a socket listens from now on: wanted_port(key), if
  /// it says one. A key that had a port before keeps it; one that was released gets it again while it is
  /// free. Errors: port_in_use (somebody else has the key's port; the detail says who), no_free_port (the
  /// detail says which limit is reached, and who holds how many), failed (such as too many open files).
  Result<base::Address> reserve(const std::string& key);
  /// Closes its socket; others may have its port.
  void release(const std::string& key);
  /// The socket that listens at the key's address, -1 if none does.
  int listening(const std::string& key) const;

  /// Lends a port that is free now, for an application to listen on. Not longer than this object lives.
  Result<std::shared_ptr<PortLoan>> lend();

  /// Who listens on a port of this machine, as Holders says.
  std::string holder_of(std::uint16_t port);

  /// The key's address is that of `socket`, which listens there already. After restore().
  void adopt(const std::string& key, runtime::Fd socket);
  /// The sockets that are open, by their keys.
  std::vector<std::pair<std::string, int>> sockets() const;
  /// Lends this very port, which the application had before this object was made.
  std::shared_ptr<PortLoan> lend_again(std::uint16_t port);

  /// What must outlive the supervisor: the keys and their ports, but for those of instances, and the last
  /// ports of those that were released. A key that nobody asked for during many lives of the supervisor is
  /// forgotten.
  base::Json to_json() const;
  /// Before the first reserve(). Entries that are no keys with ports are passed over.
  void restore(const base::Json& json);

 private:
  friend class PortLoan;
  struct Reservation {
    std::uint16_t port = 0;
    int unused_lives = 0;
    runtime::Fd socket;  // open once it was asked for
  };

  struct Released {
    std::uint16_t port = 0;
    std::uint64_t number = 0;  // grows with each release
  };
  /// Makes a port its caller's.
  using Claim = std::function<runtime::IoResult<void>(std::uint16_t)>;

  /// Why a port that was asked for cannot be had.
  std::unexpected<ProviderError> cannot_have(std::uint16_t port, runtime::IoError error);
  /// A reservation whose socket is open, or is opened now.
  Result<base::Address> reserve_again(const std::string& key, Reservation& reservation);
  /// The next free port for which `claim` succeeds. Each is tried once, until it is given back or the others'
  /// are looked at again: a call costs no more when the range is used up.
  Result<std::uint16_t> take(const Claim& claim);
  /// This very port. One that only a key has which nobody asked for in this life is taken from it.
  Result<std::uint16_t> take_wanted(std::uint16_t port, const Claim& claim);
  /// The port that the key had when it was released; 0 if it cannot be had.
  std::uint16_t take_released(const std::string& key, const Claim& claim);
  void remember_released(const std::string& key, std::uint16_t port);
  void look_at_others_again();
  void give_back(std::uint16_t port);
  std::unexpected<ProviderError> none_free() const;

  PortRange range_;
  base::Clock& clock_;
  std::deque<std::uint16_t>
      free_;  // as far as is known, and maybe some that were restored; the longest first
  std::vector<std::uint16_t> of_others_;  // somebody else's when they were tried
  base::MonoTime tried_at_{};             // one of these
  std::map<std::string, Reservation> reservations_;
  std::map<std::string, Released> released_;
  Holders holders_;
  std::uint64_t releases_ = 0;
  int addresses_ = 0;  // of these, not for an instance
  std::unordered_set<std::uint16_t> reserved_;
  std::unordered_set<std::uint16_t> lent_;
};

}  // namespace weft::provider::process
