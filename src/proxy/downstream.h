// A client's HTTP/1.1 connection: request after request, with the limits on its patience.
#pragma once

#include <list>
#include <memory>
#include <string>

#include "http/h1/reader.h"
#include "http/h1/writer.h"
#include "proxy/context.h"
#include "runtime/reactor.h"
#include "runtime/stream.h"
#include "runtime/task.h"
#include "telemetry/shard.h"

namespace weft::proxy {

class Worker;

/// Limits the wait for a request: a connection may rest for the idle limit, and a head that has begun must be
/// whole after the head limit, give or take one: the timer looks only that often, so that a request costs no
/// timer.
class HeadLimit final : private runtime::Waiter {
 public:
  HeadLimit(runtime::Reactor& reactor, const Limits& limits, runtime::Stream& stream,
            const http::h1::Reader& reader)
      : reactor_(reactor), limits_(limits), stream_(stream), reader_(reader), timer_(reactor, *this) {}

  void begin();
  void end() { is_waiting_ = false; }
  bool is_waiting() const { return is_waiting_; }

 private:
  void wake() override;

  runtime::Reactor& reactor_;
  const Limits& limits_;
  runtime::Stream& stream_;
  const http::h1::Reader& reader_;
  runtime::Timer timer_;
  base::MonoTime idle_until_{};
  bool is_waiting_ = false;
  bool has_begun_ = false;
};

class Downstream {
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
  /// No further request shall come on it.
  bool is_ending() const;

  const base::Address& address() const { return address_; }
  /// The client's IP, empty for memory and Unix sockets.
  const std::string& ip() const { return ip_; }

  Worker& worker;
  const LocalPtr<ListenerState> listener;
  const Peer peer;
  const std::unique_ptr<runtime::Stream> stream;
  http::h1::RequestReader reader;
  http::h1::Writer writer;
  /// For one piece of a request's body to come.
  runtime::Deadline read_deadline;
  /// For one piece of a response to be taken.
  runtime::Deadline write_deadline;
  /// The series of an inbound listener's requests; null until the first.
  telemetry::EndsSeries* inbound_series = nullptr;

 private:
  runtime::Task<bool> refuse_malformed(http::h1::Refusal refusal);

  const base::Address address_;
  const std::string ip_;
  HeadLimit head_limit_;
  std::size_t requests_ = 0;
  std::list<Downstream*>::iterator place_;
};

/// Serves an HTTP/1.1 connection to its end.
runtime::Task<void> serve_http(Worker& worker, LocalPtr<ListenerState> listener,
                               std::unique_ptr<runtime::Stream> stream, Peer peer);

}  // namespace weft::proxy
