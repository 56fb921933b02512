// What a process has counted, as JSON, for another one that goes on counting.
#pragma once

#include "base/json.h"
#include "telemetry/samples.h"

namespace weft::exporter {

/// The counters and histograms of `samples`, without the gauges: those end with their process.
base::Json counted_json(const telemetry::Samples& samples);
/// The reverse. What is not of the right form is passed over, as are histograms with other buckets, which a
/// process of another version may have.
telemetry::Samples read_counted(const base::Json& json);

}  // namespace weft::exporter
