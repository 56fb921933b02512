// Every command, one function each: adds it to its parent and says what it does. Each lives in a file of its
// own.
#pragma once

#include "cli/command.h"

namespace weft::cli {

// Resources of any kind, as kubectl has them.
void add_apply(Command parent, Context& context);
void add_get(Command parent, Context& context);
void add_describe(Command parent, Context& context);
void add_delete(Command parent, Context& context);
void add_wait(Command parent, Context& context);
void add_logs(Command parent, Context& context);
void add_validate(Command parent, Context& context);
void add_diff(Command parent, Context& context);

// The life of one service: `control-plane <verb> service NAME`.
void add_service_create(Command parent, Context& context, bool with_kind);
void add_service_start(Command parent, Context& context);
void add_service_stop(Command parent, Context& context);
void add_service_restart(Command parent, Context& context);
void add_service_scale(Command parent, Context& context);
void add_service_delete(Command parent, Context& context, bool with_kind);
/// `service list` and `service describe`.
void add_service_list(Command parent, Context& context);
void add_service_describe(Command parent, Context& context);

// The mesh as a whole.
void add_up(Command parent, Context& context);
void add_run(Command parent, Context& context);
/// `stop` of the mesh, with `stop service NAME` below it.
void add_stop(Command parent, Context& context);
void add_status(Command parent, Context& context);
void add_top(Command parent, Context& context);
/// `line` is what the words are completed for.
void add_completion(Command parent, Context& context, const CommandLine& line);
void add_version(Command parent, Context& context);

// Its processes; the supervisor starts the other two.
void add_keep(Command parent, Context& context);
void add_supervise(Command parent, Context& context);
void add_serve(Command parent, Context& context);
void add_proxy(Command parent, Context& context);

}  // namespace weft::cli
