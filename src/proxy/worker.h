// One worker: a reactor with everything that its connections need, touched by its thread alone.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/address.h"
#include "base/intrusive_list.h"
#include "base/random.h"
#include "export/access_log.h"
#include "proxy/context.h"
#include "proxy/limits.h"
#include "proxy/proxy.h"
#include "proxy/tls_contexts.h"
#include "runtime/fd.h"
#include "runtime/reactor.h"
#include "runtime/scope.h"
#include "runtime/socket.h"
#include "telemetry/access.h"
#include "telemetry/shard.h"

namespace weft::proxy {

struct Codec;
class HttpConnection;
class Worker;

/// How endpoints are connected to; a test puts memory here.
using Connect = std::function<runtime::Task<runtime::IoResult<std::unique_ptr<runtime::Stream>>>(
    runtime::Reactor& reactor, base::Address to, base::Duration limit)>;

/// A pipe through which bulk moves within the kernel (splice(2)).
struct SplicePipe {
  runtime::Fd in;
  runtime::Fd out;
  explicit operator bool() const { return static_cast<bool>(in); }
};

struct WorkerParts {
  Limits limits;
  std::uint64_t seed = 1;
  Connect connect = runtime::connect;
  /// Null: no access log.
  exporter::AccessLogFile* access_log = nullptr;
  /// Gives an accepted connection to another worker if that has fewer; false if this worker shall keep it.
  /// Empty: it keeps all.
  std::function<bool(const snapshot::ContextId& context, ListenerNumber listener, runtime::Fd& fd)> hand_out;
  /// The count of this worker's connections that hand_out goes by, and has added to.
  std::atomic<std::size_t>* load = nullptr;
  /// Runs when a connection of a listener that drains has ended, or carries a stream from now on. Empty:
  /// nobody wants to know.
  std::function<void()> on_drain_progress;
  /// Of all workers; null: no client resumes a session.
  std::shared_ptr<tls::SessionStore> tls_sessions;
};

class Worker {
 public:
  Worker(runtime::Reactor& reactor, WorkerParts parts);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Configuration.
  void apply(const snapshot::ContextId& id, PlanPtr plan);
  void remove(const snapshot::ContextId& id);
  /// Accepts on `listening` for that listener until it is removed or the worker drains.
  void accept_on(const snapshot::ContextId& id, ListenerNumber listener, runtime::Fd listening);
  LocalPtr<ListenerState> find_listener(const snapshot::ContextId& id, ListenerNumber number) const;
  /// The inbound listener of this process at that address; null if there is none. All contexts of a process
  /// are of one node, where an address that an endpoint has means one listener only.
  ListenerState* inbound_at(const base::Address& address) const;

  /// Whether anything is under way that came by that listener, or waits to be accepted here. Without
  /// `with_streams` tunnels and event streams do not count.
  bool is_busy(const snapshot::ContextId& id, ListenerNumber number, bool with_streams) const;
  void tell_drain_progress() const {
    if (parts_.on_drain_progress) parts_.on_drain_progress();
  }

  // Connections.
  /// Serves a client's connection, accepted (a socket) or made within this process.
  void serve(LocalPtr<ListenerState> listener, std::unique_ptr<runtime::Stream> stream, Peer peer);
  /// The same for one that carries HTTP, whatever its listener takes besides.
  void serve_requests(LocalPtr<ListenerState> listener, std::unique_ptr<runtime::Stream> stream, Peer peer);
  /// serve() for a descriptor that another worker accepted; closed if the listener is gone.
  void serve_fd(const snapshot::ContextId& id, ListenerNumber listener, runtime::Fd fd);
  /// Serves a connection that has begun with the preface of HTTP/2; `received` was read of it.
  void serve_http2(LocalPtr<ListenerState> listener, std::unique_ptr<runtime::Stream> stream, Peer peer,
                   std::string received);
  /// Stops accepting; connections end after the request under way.
  void begin_drain();
  /// The same for clients who may not know of it: those that rest may ask once more for a short while
  /// (Limits::drain_idle_timeout), and those that have said nothing yet stay until close_silent().
  void retire();
  bool is_retiring() const { return is_retiring_; }
  void close_silent() { close_silent_if_ending(); }
  /// Duplicates of the sockets that it accepts on; an error if not all can be had.
  runtime::IoResult<std::vector<ListeningSocket>> listening() const;
  bool is_draining() const { return is_draining_; }
  /// Connections of clients, those within this process included.
  std::size_t connections() const { return scope_.size(); }
  /// Ends all connections now.
  void cut();

  /// While it lives nothing is under way on that client's connection, and it ends as soon as the client is to
  /// end, unless that one has begun to speak.
  class Silence : private base::Link<Silence> {
   public:
    Silence(const ClientConnection& client, runtime::Stream& stream);
    Silence(const Silence&) = delete;
    Silence& operator=(const Silence&) = delete;
    ~Silence() = default;

   private:
    friend class Worker;
    friend class base::IntrusiveList<Silence, Silence>;
    const ClientConnection& client_;
    runtime::Stream& stream_;
  };

  /// Some client's connection may have waited long enough at that time.
  void sweep_by(base::MonoTime time) {
    if (!sweep_.timer.is_set() || time < sweep_.timer.at()) sweep_.timer.set(time);
  }

  /// A worker that may have `most` sockets accepts connections while it has fewer than this.
  static std::size_t most_to_accept(std::size_t most) { return most / 4 * 3; }
  /// Whether another connection to an endpoint may be opened without taking the last descriptors. Connections
  /// to endpoints that rest are closed if it takes that.
  bool may_connect() { return make_room(limits().max_sockets); }

  /// A pipe for bulk; none if there are too few descriptors.
  SplicePipe take_pipe();
  /// One that is empty.
  void give_pipe(SplicePipe pipe);

  /// The means to serve requests on `stream`, and where they go when it has none to serve.
  std::unique_ptr<Codec> take_codec(runtime::Stream& stream);
  void give_codec(std::unique_ptr<Codec> codec);

  // Telemetry.
  telemetry::Samples samples() const { return shard.read(); }
  void add_endpoints(std::vector<EndpointStatus>& into) const;
  bool logs_access() const { return parts_.access_log != nullptr && parts_.access_log->is_on(); }
  /// Whether the next record is one of the sample.
  bool is_sampled();
  void log_access(const telemetry::AccessRecord& record);
  void flush_access_log();

  const Limits& limits() const { return parts_.limits; }
  const Connect& connect() const { return parts_.connect; }

  runtime::Reactor& reactor;
  base::Random random;
  telemetry::Shard shard;

 private:
  friend class HttpConnection;
  /// Wakes to close upstream connections that rested too long and to give memory back.
  struct Housekeeping final : runtime::Waiter {
    explicit Housekeeping(Worker& of) : worker(of), timer(of.reactor, *this) {}
    void wake() override;
    Worker& worker;
    runtime::Timer timer;
  };
  struct LogFlush final : runtime::Waiter {
    explicit LogFlush(Worker& of) : worker(of), timer(of.reactor, *this) {}
    void wake() override { worker.flush_access_log(); }
    Worker& worker;
    runtime::Timer timer;
  };

  /// Closes client connections that waited too long for a request: one look at all of them, not more often
  /// than once in sweep_interval, in place of a timer for each.
  struct Sweep final : runtime::Waiter {
    explicit Sweep(Worker& of) : worker(of), timer(of.reactor, *this) {}
    void wake() override;
    Worker& worker;
    runtime::Timer timer;
  };

  runtime::Task<void> accept_loop(LocalPtr<ListenerState> listener, runtime::Fd listening);
  bool may_accept();
  /// Whether there are fewer sockets than `most`, once those that rest are closed. They are looked for at
  /// most once in a while, however many ask: there may be 10,000 endpoints.
  bool make_room(std::size_t most);
  /// Does `work(context id, cluster, endpoint)` for each endpoint in force.
  template <class Do>
  void each_endpoint(Do work) const;
  std::size_t sockets() const;
  void accepted(LocalPtr<ListenerState> listener, runtime::Fd fd);
  void serve_socket(LocalPtr<ListenerState> listener, runtime::Fd fd);
  void forget_listeners(const std::vector<LocalPtr<ListenerState>>& removed);
  /// Whether that address leads to that listener.
  static bool is_inbound_at(const base::Address& address, const ListenerState& listener);
  void close_idle_if_ending();
  void close_silent_if_ending();

  WorkerParts parts_;
  TlsContexts tls_;
  std::map<snapshot::ContextId, LocalPtr<Context>> contexts_;
  std::unordered_map<base::Address, ListenerState*> inbound_;
  /// Accepts for a listener, on that descriptor, until it goes; -1: that is of no use any more.
  struct Accepting {
    int listening = -1;
    runtime::Scope scope;
  };
  std::unordered_map<ListenerState*, Accepting> acceptors_;
  base::IntrusiveList<HttpConnection, HttpConnection> clients_;
  base::IntrusiveList<Silence, Silence> silent_;
  std::vector<std::unique_ptr<Codec>> codecs_;
  std::vector<SplicePipe> pipes_;
  bool is_draining_ = false;
  bool is_retiring_ = false;
  base::MonoTime next_room_{};  // when make_room() closes what rests again
  std::string log_lines_;
  LogFlush log_flush_;
  Housekeeping housekeeping_;
  Sweep sweep_;
  runtime::Scope scope_;
};

}  // namespace weft::proxy
