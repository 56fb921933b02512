// Any bytes as a file of variables and as base64: never a crash, and what was read can be written and read
// again.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/base64.h"
#include "model/env_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace weft;
  const std::string text(reinterpret_cast<const char*>(data), size);
  if (base::decode_base64(base::encode_base64(text)) != text) std::abort();
  if (const auto bytes = base::decode_base64(text))
    if (base::decode_base64(base::encode_base64(*bytes)) != *bytes) std::abort();
  const auto none = [](const std::string&) { return std::optional<std::string>(); };
  const auto variables = model::parse_env_file(text, none);
  if (!variables) return 0;
  std::string again;
  for (const auto& [name, value] : *variables) {
    again += name + "=\"";
    for (const char c : value) {
      if (c == '"' || c == '\\' || c == '$') again += '\\';
      again += c == '\n' ? std::string("\\n") : c == '\r' ? std::string("\\r") : std::string(1, c);
    }
    again += "\"\n";
  }
  if (model::parse_env_file(again, none) != *variables) std::abort();
  return 0;
}
