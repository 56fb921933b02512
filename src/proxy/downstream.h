// A client's HTTP/1.1 connection: request after request, with the limits on its patience.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <optional>

#include "http/h1/reader.h"
#include "http/h1/writer.h"
#include "message/patch.h"
#include "proxy/context.h"
#include "runtime/reactor.h"
#include "runtime/stream.h"
#include "runtime/task.h"
#include "telemetry/shard.h"

namespace weft::proxy {

class Worker;

/// What a client's connection needs while it carries a request. On loan from its worker, so that a connection
/// at rest is small and a busy one allocates nothing.
struct Codec {
  explicit Codec(runtime::Reactor& reactor) : read_deadline(reactor), write_deadline(reactor) {}
  void attach(runtime::Stream& stream, base::Duration pause_limit);
  /// The stream may go.
  void detach();
  /// It has served a head so large that its memory is better given back.
  bool is_bloated() const;

  http::h1::RequestReader reader;
  http::h1::Writer writer;
  message::Patch request_patch;
  message::Patch response_patch;
  /// For one piece of a request's body to come.
  runtime::Deadline read_deadline;
  /// For one piece of a response to be taken.
  runtime::Deadline write_deadline;
};

/// A client's connection among those that are counted, from accept to end.
class ClientCount {
 public:
  ClientCount(telemetry::ProxyCounters& counters, const Peer& peer);
  ClientCount(const ClientCount&) = delete;
  ClientCount& operator=(const ClientCount&) = delete;
  ~ClientCount();

 private:
  /// The gauge that it counts in; null: its other end is a chain of this process, which counts it.
  std::uint64_t* active_;
};

class Downstream final {
 public:
  Downstream(Worker& worker, LocalPtr<ListenerState> listener, std::unique_ptr<runtime::Stream> stream,
             Peer peer);
  ~Downstream();
  Downstream(const Downstream&) = delete;
  Downstream& operator=(const Downstream&) = delete;

  /// Serves its requests until it ends.
  runtime::Task<void> run();
  /// Ends it if no request is under way.
  void close_if_idle();
  /// Ends it if the time for its next request is over. When that will be; MonoTime::max() while one is under
  /// way.
  base::MonoTime close_if_late();
  /// No further request shall come on it.
  bool is_ending() const;

  // While a request is under way:
  http::h1::RequestReader& reader() const { return codec_->reader; }
  http::h1::Writer& writer() const { return codec_->writer; }
  message::Patch& request_patch() const { return codec_->request_patch; }
  message::Patch& response_patch() const { return codec_->response_patch; }
  runtime::Deadline& read_deadline() const { return codec_->read_deadline; }

  Worker& worker;
  const LocalPtr<ListenerState> listener;
  const Peer peer;
  const std::unique_ptr<runtime::Stream> stream;
  /// The series of an inbound listener's requests; null until the first.
  telemetry::EndsSeries* inbound_series = nullptr;
  /// Of the access log: AccessRecord::Kept::client.
  std::string log_fields;

 private:
  /// The next head, or what was found in its place; nothing if more must arrive.
  std::optional<http::h1::ReadResult<void>> try_head();
  /// The wait for a request ends after that time.
  void wait_for(base::Duration limit);
  bool has_begun() const { return codec_ != nullptr && codec_->reader.has_begun(); }

  std::unique_ptr<Codec> codec_;
  /// Of the wait for a request; MonoTime::max() while one is under way.
  base::MonoTime wait_until_ = base::MonoTime::max();
  std::uint32_t requests_ = 0;
  const ClientCount count_;
  std::list<Downstream*>::iterator place_;
};

/// Serves an HTTP/1.1 connection to its end.
runtime::Task<void> serve_http(Worker& worker, LocalPtr<ListenerState> listener,
                               std::unique_ptr<runtime::Stream> stream, Peer peer);

}  // namespace weft::proxy
