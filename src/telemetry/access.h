// What is known of one request or connection when it is over: the content of an access-log line.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/address.h"
#include "base/clock.h"
#include "telemetry/flags.h"

namespace weft::telemetry {

/// Views are valid during the call that records it only.
struct AccessRecord {
  base::WallTime start{};
  std::chrono::nanoseconds duration{};
  /// The listener's name.
  std::string_view listener;
  std::string_view source_workload;
  std::string_view source_namespace;
  /// Empty method: an opaque connection.
  std::string_view method;
  /// Of an opaque connection: the server name that a client of TLS asks for.
  std::string_view host;
  std::string_view path;
  std::string_view request_id;
  std::string_view trace_id;
  /// 0: nothing was answered.
  int status = 0;
  /// How a call of gRPC ended: "UNAVAILABLE"; empty: it was none.
  std::string_view grpc_status;
  ResponseFlag flag = ResponseFlag::none;
  /// The proxy's words for what went wrong; empty if nothing did.
  std::string_view reason;
  /// Body bytes from and to the client.
  std::uint64_t bytes_received = 0;
  std::uint64_t bytes_sent = 0;
  std::string_view route;
  std::string_view cluster;
  std::string_view endpoint;
  const base::Address* client = nullptr;
  const base::Address* upstream = nullptr;
  /// How often it was sent upstream.
  int attempts = 0;

  /// Where fields are kept as they stand in a line, by what they are of: they are made once and copied from
  /// then on. Empty: not made yet; null: not kept.
  struct Kept {
    std::string* listener = nullptr;
    std::string* client = nullptr;
    /// Cluster, endpoint and upstream.
    std::string* target = nullptr;
  } kept;
};

}  // namespace weft::telemetry
