// Resources of a peer, read and (if they are valid) written and read again: no crash, and the same comes
// back. The first byte picks the type.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "xds/wire.h"

namespace {

using namespace weft;

void require(bool holds) {
  if (!holds) std::abort();
}

void read_cluster(std::string_view body) {
  xds::Ignored ignored;
  auto first = xds::decode_cluster(body, ignored);
  if (!first) return;
  auto again = xds::decode_cluster(xds::encode_cluster(first->cluster).body, ignored);
  first->cluster.endpoints.clear();
  require(again && again->cluster == first->cluster);
}

void read_endpoints(std::string_view body) {
  xds::Ignored ignored;
  auto first = xds::decode_endpoints(body, ignored);
  if (!first) return;
  snapshot::Cluster cluster;
  cluster.name = first->cluster;
  cluster.endpoints = first->endpoints;
  auto again = xds::decode_endpoints(xds::encode_endpoints(cluster).body, ignored);
  require(again && again->endpoints == first->endpoints);
}

void read_listener(std::string_view body) {
  xds::Ignored ignored;
  auto first = xds::decode_listener(body, ignored);
  if (!first) return;
  auto again = xds::decode_listener(xds::encode_listener(*first).body, ignored);
  require(again && *again == *first);
}

void read_routes(std::string_view body) {
  xds::Ignored ignored;
  auto first = xds::decode_routes(body, ignored);
  if (!first) return;
  auto again = xds::decode_routes(xds::encode_routes(*first).body, ignored);
  require(again && *again == *first);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  std::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);
  xds::Ignored ignored;
  switch (static_cast<xds::Type>(data[0] % xds::type_count)) {
    case xds::Type::context: (void)xds::decode_context(body, ignored); break;
    case xds::Type::placement: (void)xds::decode_placement(body, ignored); break;
    case xds::Type::cluster: read_cluster(body); break;
    case xds::Type::endpoints: read_endpoints(body); break;
    case xds::Type::listener: read_listener(body); break;
    case xds::Type::routes: read_routes(body); break;
  }
  return 0;
}
