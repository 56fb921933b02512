// What is known of an ExternalService beside what is stored.
#pragma once

#include <string>
#include <vector>

#include "base/address.h"

namespace weft::control::reconcile {

struct ExternalEndpoint {
  /// Without a port.
  base::Address address;
  /// All its ports took a connection when they were asked last, or did not fail often enough since.
  bool ready = false;
  /// Why not: "192.0.2.1:443: connection refused".
  std::string message;
  /// How often in a row it did not answer, counted up to external_failures.
  int failures = 0;

  /// As they are shown.
  friend bool operator==(const ExternalEndpoint& a, const ExternalEndpoint& b) {
    return a.address == b.address && a.ready == b.ready && a.message == b.message;
  }
};

struct ExternalState {
  std::vector<ExternalEndpoint> endpoints;
  /// Why its name gives no addresses; those that it gave before stay.
  std::string trouble;

  bool is_ready() const;
  /// Why it is not.
  std::string detail() const;
  friend bool operator==(const ExternalState&, const ExternalState&) = default;
};

}  // namespace weft::control::reconcile
