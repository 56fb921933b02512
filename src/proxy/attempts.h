// The endpoints that one request was sent to, or that were tried for one opaque connection.
#pragma once

#include <array>
#include <cstddef>
#include <span>

#include "decide/retry.h"
#include "proxy/endpoint.h"
#include "proxy/local_ptr.h"

namespace weft::proxy {

/// The last of them carries it, and counts it among what is under way.
class Attempts {
 public:
  Attempts() = default;
  Attempts(const Attempts&) = delete;
  Attempts& operator=(const Attempts&) = delete;
  ~Attempts() { end(); }

  /// At most decide::max_attempts times.
  void begin(EndpointState& endpoint) {
    end();
    tried_[count_++] = LocalPtr(&endpoint);
    endpoint.begin();
  }
  bool empty() const { return count_ == 0; }
  std::size_t count() const { return count_; }
  std::span<const LocalPtr<EndpointState>> tried() const { return {tried_.data(), count_}; }
  /// The last; there is one.
  EndpointState& endpoint() const { return *tried_[count_ - 1]; }

 private:
  void end() {
    if (count_ > 0) --endpoint().active;
  }

  std::array<LocalPtr<EndpointState>, decide::max_attempts> tried_;
  std::size_t count_ = 0;
};

}  // namespace weft::proxy
