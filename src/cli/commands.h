// Every command, one function each: adds it to its parent and says what it does. Each lives in a file of its
// own.
#pragma once

#include "cli/command.h"

namespace weft::cli {

// Resources of any kind, as kubectl has them.
void add_apply(Command parent, Invocation& invocation);
void add_get(Command parent, Invocation& invocation);
/// `ps`: the instances.
void add_ps(Command parent, Invocation& invocation);
/// `create secret` and `create configmap`.
void add_create(Command parent, Invocation& invocation);
void add_describe(Command parent, Invocation& invocation);
void add_delete(Command parent, Invocation& invocation);
void add_wait(Command parent, Invocation& invocation);
/// `exec`: one more program beside an instance.
void add_exec(Command parent, Invocation& invocation);
void add_logs(Command parent, Invocation& invocation);
void add_port_forward(Command parent, Invocation& invocation);
void add_validate(Command parent, Invocation& invocation);
void add_diff(Command parent, Invocation& invocation);

// The life of services, Deployments and Jobs: `start web`, `restart deployment/worker job/migrate`.
void add_start(Command parent, Invocation& invocation);
/// `stop`; without a name, of the mesh.
void add_stop(Command parent, Invocation& invocation);
void add_restart(Command parent, Invocation& invocation);
void add_scale(Command parent, Invocation& invocation);
/// What `stop NAME...` does.
Result<void> stop_named(const Invocation& invocation, const std::vector<std::string>& words);
/// `rollout status|history|undo|restart`.
void add_rollout(Command parent, Invocation& invocation);
void add_service_create(Command parent, Invocation& invocation, bool with_kind);
void add_service_delete(Command parent, Invocation& invocation, bool with_kind);
/// `service list` and `service describe`.
void add_service_list(Command parent, Invocation& invocation);
void add_service_describe(Command parent, Invocation& invocation);

// The mesh as a whole.
void add_up(Command parent, Invocation& invocation);
void add_run(Command parent, Invocation& invocation);
/// `stop` of the mesh.
Result<void> stop(const Invocation& invocation);
/// `down`: that, or `delete -f`.
void add_down(Command parent, Invocation& invocation);
void add_status(Command parent, Invocation& invocation);
void add_top(Command parent, Invocation& invocation);
/// `line` is what the words are completed for, and explained.
void add_completion(Command parent, Invocation& invocation, const CommandLine& line);
void add_help(Command parent, Invocation& invocation, const CommandLine& line);
void add_version(Command parent, Invocation& invocation);

/// `upgrade`: another program in the place of the one that runs.
void add_upgrade(Command parent, Invocation& invocation);

// Its processes; the supervisor starts the other two.
void add_keep(Command parent, Invocation& invocation);
void add_supervise(Command parent, Invocation& invocation);
void add_serve(Command parent, Invocation& invocation);
void add_proxy(Command parent, Invocation& invocation);
/// `proxy status`.
void add_proxy_status(Command parent, Invocation& invocation);
/// `proxy bootstrap`.
void add_proxy_bootstrap(Command parent, Invocation& invocation);

}  // namespace weft::cli
