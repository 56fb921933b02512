// JSONPath templates: any text is understood or refused in words, and what is understood finds an end in a
// document.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "cli/jsonpath.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const weft::base::Json document = {{"a", {1, "two", {{"b", {true, nullptr}}}, 4.5}},
                                            {"b", {{"c.d", "e"}}},
                                            {"items", {{{"a", "b"}}, {{"a", 7}}}}};
  // More `..` than that, one after another, take time by their power.
  constexpr std::size_t most = 64;
  if (size > most) return 0;
  const auto path = weft::cli::JsonPath::parse({reinterpret_cast<const char*>(data), size});
  if (path) (void)path->print(document);
  return 0;
}
