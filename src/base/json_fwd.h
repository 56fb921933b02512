// Names base::Json without its definition.
#pragma once

#include <nlohmann/json_fwd.hpp>

namespace weft::base {
using Json = nlohmann::json;
}
