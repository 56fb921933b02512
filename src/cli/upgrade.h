// Another build of weft in the place of the one that runs a mesh, part after part, while requests go on.
#pragma once

#include <string>

#include "base/json.h"
#include "cli/command.h"
#include "cli/failure.h"
#include "runtime/home.h"

namespace weft::cli {

/// Has `program` take the place of what runs the mesh of that home, within the invocation's limit, and tells
/// a line of each part on stderr unless documents are wanted. What each part is then, as `upgrade -o json`
/// shows it. An error says which part was not replaced, and what goes on.
Result<base::Json> upgrade_mesh(const Invocation& invocation, const runtime::Home& home, std::string program);

/// Does so with this program if a part of the mesh is of another build, unless that is of a later version
/// than this, which is told then: who calls an old program by mistake takes nothing back.
Result<void> bring_up_to_date(const Invocation& invocation, const runtime::Home& home);

}  // namespace weft::cli
