// The supervisor's socket: control plane, proxy and CLI ask here. See protocol.h.
#pragma once

#include <functional>
#include <string>

#include "base/json.h"
#include "provider/process/client.h"
#include "provider/process/instances.h"
#include "provider/process/ports.h"
#include "runtime/scope.h"
#include "runtime/socket.h"

namespace weft::provider::process {

/// What requests reach.
struct Desk {
  Instances& instances;
  Ports& ports;
  std::function<SupervisorStatus()> status;
  std::function<void(bool quick)> shutdown;
  /// To be called after each change of what must be remembered of the ports; ends once it is on disk, or
  /// could not be written.
  std::function<runtime::Task<void>()> save_ports;
};

class Server {
 public:
  Server(runtime::Reactor& reactor, Desk desk);
  ~Server();

  /// Serves all connections until it is cancelled.
  runtime::Task<void> serve(runtime::Fd listening);
  /// To the attached control plane, if there is one.
  void tell_exit(const Instance& instance);

 private:
  struct Connection;
  struct Answer {
    base::Json ok;
    int fd = -1;  // to be sent along; the supervisor keeps it
  };

  runtime::Task<void> handle(runtime::Fd fd);
  runtime::Task<void> receive(Connection& from);
  runtime::Task<void> send(Connection& to);
  runtime::Task<void> answer(Connection& from, base::Json request);
  runtime::Task<Result<Answer>> perform(Connection& from, base::Json request);
  Result<Answer> perform_at_once(Connection& from, const std::string& op, const base::Json& request);
  Result<Answer> attach(Connection& from);
  Result<Answer> reserve(const std::string& key);
  Result<Answer> release(const base::Json& keys);
  Result<Answer> listen(const std::string& key);
  Result<Answer> list(const std::string& after);

  runtime::Reactor& reactor_;
  Desk desk_;
  Connection* control_plane_ = nullptr;
  runtime::Scope scope_;  // one task for each connection
};

}  // namespace weft::provider::process
