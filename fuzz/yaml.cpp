// Any bytes as YAML and as JSON: never a crash, and what was read prints and reads back as the same.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "model/decode.h"
#include "yaml/parse.h"
#include "yaml/print.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace weft;
  std::string text(reinterpret_cast<const char*>(data), size);
  (void)yaml::parse_json(text);
  yaml::Source source("fuzz", text);
  yaml::Parsed parsed = yaml::parse(source);
  (void)base::render(parsed.diagnostics);
  for (const yaml::Node& document : parsed.documents) {
    (void)model::decode(document, &source);
    if (base::has_errors(parsed.diagnostics)) continue;  // duplicate keys do not survive
    yaml::Parsed again = yaml::parse(yaml::Source("again", yaml::print(document)));
    bool is_same =
        again.documents.size() == 1 && yaml::to_json(again.documents.front()) == yaml::to_json(document);
    if (!is_same) std::abort();
  }
  return 0;
}
