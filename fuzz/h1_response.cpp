// The response parser: whole and split must agree, and what is accepted must survive being written and read
// again.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "http/h1/parse.h"
#include "http/h1/serialize.h"

namespace {

using namespace weft;

void require(bool ok) {
  if (!ok) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  constexpr message::Method methods[] = {message::Method::get, message::Method::head,
                                         message::Method::connect};
  const auto method = methods[data[0] % 3];
  const std::string_view bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  http::h1::ResponseParser whole;
  message::ResponseHead head;
  const auto result = whole.parse(bytes, head, method);

  http::h1::ResponseParser split;
  message::ResponseHead again;
  const auto cut = bytes.empty() ? 0 : data[size - 1] % bytes.size();
  auto later = split.parse(bytes.substr(0, cut), again, method);
  if (later && !*later) later = split.parse(bytes, again, method);
  require(later.has_value() == result.has_value());
  if (!result || !*result) return 0;
  require(*later == *result && again.status == head.status && again.headers == head.headers);
  require(split.framing() == whole.framing());

  std::string rebuilt;
  http::h1::append_head(rebuilt, head, whole.framing());
  http::h1::ResponseParser next;
  message::ResponseHead forwarded;
  const auto parsed = next.parse(rebuilt, forwarded, method);
  if (!parsed) {
    require(http::h1::status_of(parsed.error()) == 431);
    return 0;
  }
  require(*parsed == rebuilt.size() && forwarded.status == head.status && next.framing() == whole.framing());
  return 0;
}
