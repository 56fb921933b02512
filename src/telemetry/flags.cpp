#include "telemetry/flags.h"

namespace weft::telemetry {

std::string_view letters(ResponseFlag flag) {
  switch (flag) {
    case ResponseFlag::none: return "-";
    case ResponseFlag::no_route: return "NR";
    case ResponseFlag::no_cluster: return "NC";
    case ResponseFlag::no_healthy_endpoint: return "UH";
    case ResponseFlag::connect_failure: return "UF";
    case ResponseFlag::overflow: return "UO";
    case ResponseFlag::upstream_closed: return "UC";
    case ResponseFlag::upstream_timeout: return "UT";
    case ResponseFlag::upstream_protocol_error: return "UPE";
    case ResponseFlag::downstream_protocol_error: return "DPE";
    case ResponseFlag::downstream_closed: return "DC";
    case ResponseFlag::downstream_timeout: return "DT";
  }
  return "-";
}

ResponseFlag flag_of(std::string_view text) {
  for (int i = 0; i <= static_cast<int>(ResponseFlag::downstream_timeout); ++i) {
    if (letters(static_cast<ResponseFlag>(i)) == text) return static_cast<ResponseFlag>(i);
  }
  return ResponseFlag::none;
}

}  // namespace weft::telemetry
