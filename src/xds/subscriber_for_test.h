// For tests of what one stream is sent: requests in short, and responses as lines.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "xds/sample_for_test.h"
#include "xds/subscriber.h"

namespace weft::xds {

inline InventoryPtr inventory(const snapshot::Snapshot& snapshot, const InventoryPtr& before = nullptr,
                              Dialect dialect = Dialect::weft) {
  return take_inventory(std::make_shared<const snapshot::Snapshot>(snapshot), before, dialect);
}

inline Subscriber::DeltaRequest ask(Type type, std::vector<std::string> names = {}) {
  Subscriber::DeltaRequest request;
  request.set_type_url(std::string(type_url(type)));
  for (auto& name : names) request.add_resource_names_subscribe(std::move(name));
  return request;
}

inline Subscriber::DeltaRequest answer(const Update& response, const std::string& refusal = {}) {
  Subscriber::DeltaRequest request;
  request.set_type_url(std::string(type_url(response.type)));
  request.set_response_nonce(response.nonce);
  if (!refusal.empty()) request.mutable_error_detail()->set_message(refusal);
  return request;
}

/// "cluster +2 -1"
inline std::string line(const Update& response) {
  const char* names[] = {"context", "cluster", "endpoints", "listener", "routes", "placement"};
  std::string text = names[static_cast<int>(response.type)];
  if (!response.resources.empty()) text += " +" + std::to_string(response.resources.size());
  if (!response.removed.empty()) text += " -" + std::to_string(response.removed.size());
  return text;
}

/// A peer like Envoy: asks for the names that clusters and listeners lead to, acknowledges everything.
struct Peer {
  Subscriber subscriber;
  std::vector<Update> unanswered;

  std::vector<std::string> get(const InventoryPtr& latest) {
    std::vector<std::string> lines;
    while (auto response = subscriber.next(latest)) {
      lines.push_back(line(*response));
      unanswered.push_back(*response);
    }
    return lines;
  }
  void acknowledge() {
    for (const auto& response : std::exchange(unanswered, {})) subscriber.take(answer(response));
  }
};

inline std::vector<std::string> endpoints_of(int count) {
  std::vector<std::string> names;
  for (const auto& cluster : sample_snapshot(count).clusters) names.push_back(cluster.name);
  return names;
}

inline std::vector<std::string> routes_of(int count) {
  std::vector<std::string> names;
  for (const auto& listener : sample_snapshot(count).listeners) names.push_back(listener.routes);
  return names;
}

}  // namespace weft::xds
