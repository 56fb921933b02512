// The one dynamic document type behind the text border: resources at rest, on the wire, in patches.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>

namespace weft::base {

using Json = nlohmann::json;

/// The memory that a document takes, in bytes, to within the allocator's rounding: up to some thirty times
/// its text, if it consists of many small values. Recursive: for documents whose depth is bounded.
std::size_t memory_of(const Json& json);

}  // namespace weft::base
