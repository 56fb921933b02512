// The closed words of telemetry: who reports, and Envoy's response flags.
#pragma once

#include <cstdint>
#include <string_view>

namespace weft::telemetry {

/// Which of the two proxies of a hop counted: the caller's side or the target's.
enum class Reporter : std::uint8_t { source, destination };

/// What cut a request short, in Envoy's letters (access logs and the label response_flags).
enum class ResponseFlag : std::uint8_t {
  none,                       // -
  no_route,                   // NR
  no_cluster,                 // NC
  no_healthy_endpoint,        // UH
  connect_failure,            // UF
  overflow,                   // UO: a limit of connections or pending requests was reached
  upstream_closed,            // UC: the connection broke before or within the response
  upstream_timeout,           // UT
  upstream_protocol_error,    // UPE
  downstream_protocol_error,  // DPE
  downstream_closed,          // DC: the client went away
  downstream_timeout,         // DT: the client was too slow with its body
};

/// The letters; "-" for none.
std::string_view letters(ResponseFlag flag);
/// The flag of these letters, none if they are unknown.
ResponseFlag flag_of(std::string_view letters);

}  // namespace weft::telemetry
