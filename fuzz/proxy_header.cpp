// The PROXY protocol's header: whole and in part agree, and what is read of one can be written and read
// again.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "proxy/opening/proxy_header.h"

namespace {

using namespace weft;
using namespace weft::proxy::opening;
using Family = base::Address::Family;

void require(bool holds) {
  if (!holds) std::abort();
}

bool is_ip(const base::Address& address) {
  return address.family() == Family::ipv4 || address.family() == Family::ipv6;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto whole = parse_proxy_header(bytes);
  require(whole || !describe(whole.error()).empty());
  const auto cut = size > 0 ? data[size - 1] % size : 0;
  const auto part = parse_proxy_header(bytes.substr(0, cut));
  require((part && !*part) || part == whole);
  require(size < max_proxy_header_bytes || !whole || *whole);  // never more than that
  if (!whole || !*whole) return 0;
  const auto& header = **whole;
  require(header.size > 0 && header.size <= size);
  require(parse_proxy_header(bytes.substr(0, header.size)) == whole);
  if (!is_ip(header.source) || header.source.family() != header.destination.family()) return 0;
  for (const auto& text : {proxy_header_v1(header.source, header.destination),
                           proxy_header_v2(header.source, header.destination)}) {
    require(parse_proxy_header(text) == ProxyHeader{header.source, header.destination, text.size()});
  }
  return 0;
}
