#include "xds/unknown.h"

#include <fmt/format.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

#include <algorithm>

namespace weft::xds {

void ignore(Ignored& ignored, std::string what) {
  ++ignored.count;
  bool is_new = std::ranges::find(ignored.examples, what) == ignored.examples.end();
  if (is_new && ignored.examples.size() < Ignored::max_examples) ignored.examples.push_back(std::move(what));
}

std::optional<std::string> scan_unknown(std::string_view fields, const UnknownPolicy& policy,
                                        Ignored& ignored) {
  if (fields.empty()) return std::nullopt;
  using google::protobuf::internal::WireFormatLite;
  google::protobuf::io::CodedInputStream input(reinterpret_cast<const std::uint8_t*>(fields.data()),
                                               static_cast<int>(fields.size()));
  for (std::uint32_t tag = input.ReadTag(); tag != 0; tag = input.ReadTag()) {
    auto number = static_cast<std::uint32_t>(WireFormatLite::GetTagFieldNumber(tag));
    auto known = std::ranges::find(policy.critical, number, &Critical::number);
    if (known != policy.critical.end()) {
      return fmt::format(
          "the field {} of {} is not supported, and passing over it would change security or routing",
          known->name, policy.message);
    }
    if (policy.all_critical) {
      return fmt::format("field {} of {} is not known, and passing over it would change routing", number,
                         policy.message);
    }
    ignore(ignored, fmt::format("{} field {}", policy.message, number));
    if (!WireFormatLite::SkipField(&input, tag)) return fmt::format("{} cannot be parsed", policy.message);
  }
  return std::nullopt;
}

}  // namespace weft::xds
