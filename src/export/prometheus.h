// Samples as Prometheus' text format (version 0.0.4).
#pragma once

#include <string>

#include "telemetry/samples.h"

namespace weft::exporter {

inline constexpr std::string_view prometheus_content_type = "text/plain; version=0.0.4; charset=utf-8";

std::string prometheus_text(const telemetry::Samples& samples);

}  // namespace weft::exporter
