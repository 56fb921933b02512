// DNS: what addresses a host name has, and for how long.
#pragma once

#include <expected>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/clock.h"
#include "runtime/reactor.h"
#include "runtime/task.h"

namespace weft::runtime {

/// At least one.
struct HostAddresses {
  /// Without ports, sorted, each once.
  std::vector<base::Address> addresses;
  /// How long they hold: the shortest TTL of the records (RFC 1035, 3.2.1); zero where none has one, such as
  /// those of the hosts file.
  base::Duration ttl{0};
};

/// Asks for the IPv4 and IPv6 addresses of `host` as the machine is set up now (hosts file, resolv.conf). The
/// error is in words: "no such host". `servers`, if given, are asked in place of those of resolv.conf
/// ("127.0.0.1:5353,[::1]:53").
Task<std::expected<HostAddresses, std::string>> resolve(Reactor& reactor, std::string host,
                                                        std::string servers = {});

}  // namespace weft::runtime
