// The one dynamic document type behind the text border: resources at rest, on the wire, in patches.
#pragma once

#include <nlohmann/json.hpp>

namespace weft::base {
using Json = nlohmann::json;
}
