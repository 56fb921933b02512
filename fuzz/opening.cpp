// What a connection speaks: more bytes never change what was decided, some number of them always decides, and
// what our own parser takes for a request is never passed on as bytes.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "http/h1/parse.h"
#include "proxy/opening/protocol.h"

namespace {

using namespace weft;
using proxy::opening::Protocol;

void require(bool holds) {
  if (!holds) std::abort();
}

void check_is_decided_once(std::string_view bytes, Protocol (*of)(std::string_view, bool)) {
  const auto whole = of(bytes, false);
  auto before = Protocol::undecided;
  const auto step = std::max<std::size_t>(1, bytes.size() / 256);
  for (std::size_t size = 0; size <= bytes.size(); size += step) {
    const auto now = of(bytes.substr(0, size), false);
    require(before == Protocol::undecided || now == before);
    before = now;
  }
  require(before == Protocol::undecided || before == whole);
  require(of(bytes, true) != Protocol::undecided);
  require(whole == Protocol::undecided || of(bytes, true) == whole);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  check_is_decided_once(bytes, proxy::opening::of_client);
  check_is_decided_once(bytes, proxy::opening::of_server);
  const auto padded = std::string(bytes) + std::string(proxy::opening::max_undecided_bytes, 'x');
  require(proxy::opening::of_client(padded, false) != Protocol::undecided);

  http::h1::RequestParser parser;
  message::RequestHead head;
  const auto parsed = parser.parse(bytes, head);
  if (parsed && *parsed) require(proxy::opening::of_client(bytes, false) == Protocol::http1);
  return 0;
}
