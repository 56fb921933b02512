// The control plane's REST server: Kubernetes' paths, verbs and errors over the store, for the CLI and for
// kubectl.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/random.h"
#include "control/api/status.h"
#include "runtime/error.h"
#include "runtime/fd.h"
#include "runtime/reactor.h"
#include "runtime/stream.h"
#include "runtime/task.h"
#include "store/store.h"
#include "telemetry/samples.h"

namespace weft::control::api {

/// Lists and watches are written in pieces of about this size, so that one whose reader is slow holds little.
constexpr std::size_t piece_bytes = 64 * 1024;

/// Where the bytes of a streamed answer go.
class Output {
 public:
  virtual ~Output() = default;
  /// Sends `bytes` now and ends when the connection has taken them. The first write sends the answer's head;
  /// an empty one does that alone (for a log that is followed and still silent). If the client goes, the
  /// writing task is destroyed where it waits.
  virtual runtime::Task<void> write(std::string bytes) = 0;
};

/// GET /api/v1/namespaces/{ns}/pods/{name}/log
struct LogRequest {
  std::string ns;
  std::string pod;
  /// Empty: the only one.
  std::string container;
  /// Goes on with what comes until the instance has ended or the client goes.
  bool follow = false;
  /// The log of the run before the last restart.
  bool previous = false;
  /// Each line begins with its time.
  bool timestamps = false;
  std::optional<std::uint64_t> tail_lines;
  /// Only lines from then on.
  std::optional<base::WallTime> since;
};

/// What the server hands on to the rest of the control plane. A client that goes away destroys the task.
class Operations {
 public:
  virtual ~Operations() = default;

  /// Writes the log's bytes. An error before the first write is answered as a Status (not_found, bad_request
  /// ...); a later one just ends the answer.
  virtual runtime::Task<std::expected<void, base::ErrorOf<Reason>>> log(LogRequest request,
                                                                        Output& output) = 0;
  /// DELETE of a Pod: takes the instance out as its workload would, which then makes another. Returns at
  /// once; the Pod is gone when its process is.
  virtual void stop_instance(const std::string& ns, const std::string& pod) = 0;
  /// POST /weft/v1/shutdown: stops all instances in reverse order of dependency, writes one JSON object a
  /// line about it, and has the control plane end after its return. Goes on if the client goes away
  /// meanwhile: start the work in a scope of its own and only report from here.
  virtual runtime::Task<void> shutdown(Output& output) = 0;
  /// GET /weft/v1/status: one JSON object.
  virtual base::Json status() const = 0;
  /// GET /metrics: what it has to add to the server's own.
  virtual telemetry::Samples metrics() const = 0;
  /// GET /readyz: why the control plane is not ready yet; nothing if it is.
  virtual std::optional<std::string> not_ready() const = 0;
};

/// The namespaces that always exist (`default`, `weft-system`), as they are created.
std::vector<base::Json> permanent_namespaces();
/// Creates those where they are missing. Call it before serving.
runtime::Task<store::Result<void>> create_namespaces(store::Store& store);

/// Serves connections until it is stopped or destroyed; all on the reactor's thread. `store` and `operations`
/// must outlive it.
class Server {
 public:
  Server(runtime::Reactor& reactor, base::Random random, store::Store& store, Operations& operations);
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server();

  /// Takes connections from `listening` (made by runtime::listen_on); ends after a stop, or with the
  /// acceptor's error.
  runtime::Task<runtime::IoResult<void>> serve(runtime::Fd listening);
  /// Serves one connection beside the others.
  void serve(std::unique_ptr<runtime::Stream> stream);
  /// No new connections and requests; ends when the running requests have ended, at the latest after `limit`.
  runtime::Task<void> stop(base::Duration limit);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace weft::control::api
