// Ports on loopback below the ephemeral range: listening sockets of the mesh, kept for ever, and ports of
// applications.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/json_fwd.h"
#include "provider/provider.h"
#include "runtime/fd.h"

namespace weft::provider::process {

/// First and last port to use.
struct PortRange {
  std::uint16_t first = 0;
  std::uint16_t last = 0;

  int size() const { return last - first + 1; }
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
  Ports(PortRange range, const std::string& identity);

  /// The address of `key`: 127.0.0.1 and a port, on which a socket listens from now on. A key that had a port
  /// before keeps it. Errors: port_in_use (somebody else has the key's port; the detail says who),
  /// no_free_port.
  Result<base::Address> reserve(const std::string& key);
  /// Closes its socket and forgets its port.
  void release(const std::string& key);
  /// The socket that listens on a reserved port, -1 if none does.
  int listening(std::uint16_t port) const;

  /// Lends a port that is free now, for an application to listen on. Not longer than this object lives.
  Result<std::shared_ptr<PortLoan>> lend();

  /// What must outlive the supervisor: the keys and their ports. A key that nobody asked for during many
  /// lives of the supervisor is forgotten.
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

  bool is_taken(std::uint16_t port) const;
  /// The next port that nobody here has, 0 if there is none; each is given once for a whole round.
  std::uint16_t next_candidate();

  PortRange range_;
  int next_;
  std::map<std::string, Reservation> reservations_;
  std::set<std::uint16_t> reserved_;
  std::set<std::uint16_t> lent_;
};

}  // namespace weft::provider::process
