// What a service manager such as systemd passes to this process and is told by it, over three variables and a
// datagram: sd_listen_fds(3), sd_notify(3).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "runtime/fd.h"

namespace weft::runtime {

/// A listening socket that was open before this process began.
struct InheritedSocket {
  /// FileDescriptorName= of its unit; "unknown" if that was not said.
  std::string name;
  base::Address address;
  Fd fd;
};

/// Those that were passed to this very process (LISTEN_PID), made as listen_on() makes its own; a descriptor
/// that is no listening stream socket is passed over with a warning. The variables are taken out of the
/// environment: children are not meant. Once only, before other threads begin.
std::vector<InheritedSocket> inherited_sockets();

/// Whether a variable of the environment is from a service manager for this very process: one that it starts
/// must not get it, for it would speak for this one, or take what is this one's.
bool is_of_service_manager(std::string_view variable);

/// Whether one started this process, and is told how it is (NOTIFY_SOCKET).
bool has_service_manager();

/// Tells it `state`, lines such as "READY=1" (sd_notify(3)); without NOTIFY_SOCKET, or if nobody reads there,
/// nothing happens: it never waits.
void notify_manager(std::string_view state);

/// The same for what begins to load its configuration anew, with the time that RELOADING=1 must say.
void notify_reloading();

}  // namespace weft::runtime
