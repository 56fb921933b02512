// A connection's place among those of its endpoint.
#pragma once

#include <cstdint>

#include "proxy/local_ptr.h"

namespace weft::proxy {

class EndpointState;

/// Counted from the attempt to connect to the end.
class ConnectionPlace {
 public:
  explicit ConnectionPlace(LocalPtr<EndpointState> endpoint);
  ConnectionPlace(ConnectionPlace&& other) noexcept;
  ConnectionPlace& operator=(ConnectionPlace&&) = delete;
  /// Without connected() or failed() the attempt was given up.
  ~ConnectionPlace();

  /// `is_local`: within this process.
  void connected(bool is_local);
  void failed();
  EndpointState& endpoint() const { return *endpoint_; }

 private:
  LocalPtr<EndpointState> endpoint_;  // null when moved from
  /// The gauge that it counts in; null: none yet.
  std::uint64_t* active_ = nullptr;
};

}  // namespace weft::proxy
