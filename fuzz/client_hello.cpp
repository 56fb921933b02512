// The ClientHello of a TLS client: whole and in part agree, and so does one whose records are cut anew.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "proxy/opening/client_hello.h"

namespace {

using namespace weft::proxy::opening;

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto whole = parse_client_hello(bytes);
  require(whole || !describe(whole.error()).empty());
  const auto cut = size > 0 ? data[size - 1] % size : 0;
  const auto part = parse_client_hello(bytes.substr(0, cut));
  require((part && !*part) || part == whole);

  // The input as a handshake message of its own, in records of two sizes.
  if (size == 0 || size >= 16384) return 0;
  const auto in_records = [&](std::size_t most) {
    std::string text;
    for (std::size_t at = 0; at < size; at += most) {
      const auto fragment = bytes.substr(at, most);
      text += "\x16\x03\x01";
      text += static_cast<char>(fragment.size() >> 8U);
      text += static_cast<char>(fragment.size() & 0xffU);
      text += fragment;
    }
    return text;
  };
  require(parse_client_hello(in_records(size)) == parse_client_hello(in_records(1 + cut)));
  return 0;
}
