// The endpoints that one request was sent to, or that were tried for one opaque connection.
#pragma once

#include <cstddef>
#include <cstdint>
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

  /// Both together at most decide::max_attempts times. pass_over(): it has no room, and is not asked.
  void begin(EndpointState& endpoint) {
    end();
    last_ = tried_count_;
    tried_[tried_count_++] = LocalPtr(&endpoint);
    ++count_;
    endpoint.begin();
  }
  /// As if there had been none.
  void clear() {
    end();
    for (auto& one : tried_) one = {};
    tried_count_ = last_ = count_ = 0;
  }
  void pass_over(EndpointState& endpoint) { tried_[tried_count_++] = LocalPtr(&endpoint); }
  bool is_used_up() const { return tried_count_ == decide::max_attempts; }
  bool empty() const { return count_ == 0; }
  std::size_t count() const { return count_; }
  /// Those that were passed over too.
  std::span<const LocalPtr<EndpointState>> tried() const { return {tried_, tried_count_}; }
  /// The last that was asked; there is one.
  EndpointState& endpoint() const { return *tried_[last_]; }

 private:
  void end() {
    if (count_ > 0) --endpoint().active;
  }

  LocalPtr<EndpointState> tried_[decide::max_attempts];
  std::size_t tried_count_ = 0;
  std::size_t last_ = 0;
  std::size_t count_ = 0;
};

}  // namespace weft::proxy
