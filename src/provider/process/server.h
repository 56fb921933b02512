// The supervisor's socket: control plane, proxy and CLI ask here. See protocol.h.
#pragma once

#include <functional>
#include <list>
#include <optional>
#include <string>

#include "base/json.h"
#include "provider/process/carried.h"
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
  /// The control plane has come, as that process.
  std::function<void(pid_t pid)> attached;
  /// The proxy of that pid says that it does its work; `relieves`: the one before it drains by its word.
  std::function<void(pid_t pid, bool relieves)> serves;
  /// Why the control plane, which wants to stop everything, must leave that to its successor; nothing: it
  /// may.
  std::function<std::optional<std::string>()> leaves_stopping;
  /// Executes that program in this process's place: an answer is an error, or comes from there.
  std::function<runtime::Task<Result<void>>(std::string program)> upgrade;
  /// Has another process do the work of one of the two ("control-plane", "proxy"), or of the keeper; ends
  /// when it does.
  std::function<runtime::Task<Result<void>>(std::string name)> replace;
};

class Server {
 public:
  Server(runtime::Reactor& reactor, Desk desk);
  ~Server();

  /// Serves all connections until it is cancelled.
  runtime::Task<void> serve(runtime::Fd listening);
  bool has_control_plane() const { return control_plane_ != nullptr; }
  /// It has said that it stops everything.
  bool control_plane_stops() const;
  /// To the attached control plane, if there is one.
  void tell_exit(const Instance& instance);
  /// For whom goes on in this process's place.
  std::vector<CarriedPeer> carry() const;
  /// Goes on with them.
  void resume(std::vector<CarriedPeer> peers);

 private:
  struct Connection;
  struct Pending;
  struct Answer {
    base::Json ok;
    int fd = -1;  // to be sent along; the supervisor keeps it
  };

  runtime::Task<void> handle(CarriedPeer carried);
  runtime::Task<void> receive(Connection& from);
  runtime::Task<void> send(Connection& to);
  runtime::Task<void> answer(Connection& from, CarriedPeer::Request request, bool is_resumed);
  runtime::Task<Result<Answer>> perform(Connection& from, Pending& request);
  Result<Answer> perform_at_once(Connection& from, const std::string& op, const base::Json& request);
  Result<Answer> attach(Connection& from);
  Result<Answer> stops(Connection& from);
  Result<Answer> reserve(const std::string& key);
  Result<Answer> release(const base::Json& keys);
  Result<Answer> listen(const std::string& key);
  Result<Answer> list(const std::string& after);

  runtime::Reactor& reactor_;
  Desk desk_;
  Connection* control_plane_ = nullptr;
  std::list<Connection*> connections_;
  runtime::Scope scope_;  // one task for each connection
};

}  // namespace weft::provider::process
