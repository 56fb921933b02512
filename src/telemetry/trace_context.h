// W3C Trace Context: checking and starting a `traceparent`. The proxy makes no spans of its own, so
// it passes a valid one on as it is.
#pragma once

#include <array>
#include <string_view>

#include "base/random.h"

namespace weft::telemetry {

/// A `traceparent` value: version 00, 55 characters
/// (https://www.w3.org/TR/trace-context/#traceparent-header).
class TraceParent {
 public:
  /// Whether `value` is a valid traceparent of version 00, or of a later one whose known part is valid.
  static bool is_valid(std::string_view value);
  /// A new trace that is not sampled.
  static TraceParent started(base::Random& random);

  std::string_view text() const { return {text_.data(), text_.size()}; }
  std::string_view trace_id() const { return text().substr(3, 32); }

 private:
  std::array<char, 55> text_{};
};

}  // namespace weft::telemetry
