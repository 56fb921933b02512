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

  /// The trace id of a valid value; empty for a value that is too short.
  static std::string_view trace_id(std::string_view value) {
    return value.size() < 35 ? std::string_view() : value.substr(3, 32);
  }

  std::string_view text() const { return {text_.data(), text_.size()}; }

 private:
  std::array<char, 55> text_{};
};

}  // namespace weft::telemetry
