// The request parser: whole and byte by byte must agree, and what is accepted must survive being written and
// read again.
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
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  http::h1::RequestParser whole;
  message::RequestHead head;
  const auto result = whole.parse(bytes, head);

  // A split at one place stands for all: it comes from the input itself.
  http::h1::RequestParser split;
  message::RequestHead again;
  const auto cut = size > 0 ? data[size - 1] % size : 0;
  auto later = split.parse(bytes.substr(0, cut), again);
  if (later && !*later) later = split.parse(bytes, again);
  require(later.has_value() == result.has_value());
  if (!result || !*result) return 0;
  require(*later == *result && again.target == head.target && again.headers == head.headers);
  require(split.framing() == whole.framing());

  // RFC 9112: what goes upstream means the same to the next reader.
  std::string rebuilt;
  http::h1::append_head(rebuilt, head, whole.framing());
  http::h1::RequestParser next;
  message::RequestHead forwarded;
  const auto parsed = next.parse(rebuilt, forwarded);
  if (head.version == message::Version::http_1_0 && head.authority().empty()) return 0;  // 1.1 needs a Host
  if (!parsed) {
    // Rebuilding may add a field and a line's spaces beyond a limit, and nothing else.
    require(http::h1::status_of(parsed.error()) == 431);
    return 0;
  }
  require(*parsed == rebuilt.size());
  require(forwarded.method_text() == head.method_text() && forwarded.target == head.target);
  require(forwarded.authority() == head.authority() && next.framing() == whole.framing());
  return 0;
}
