// The counted pointer under the name that this room gives it.
#pragma once

#include "runtime/local_ptr.h"

namespace weft::proxy {

using runtime::LocalCounted;
using runtime::LocalPtr;

}  // namespace weft::proxy
