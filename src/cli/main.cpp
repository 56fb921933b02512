// Which commands each of the three names has, and how a run ends.
#include "cli/main.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "cli/commands.h"
#include "cli/output.h"
#include "cli/system_service.h"
#include "cli/terminal.h"

// A note in the program's file that says its version, which runtime::build_of() reads: also of a process
// whose file is gone. In the words of the assembler, for C++ has none for a section of this type.
__asm__(
    ".pushsection .note.weft, \"a\", @note\n"
    ".balign 4\n"
    ".long 5, 2f - 1f, 1\n"
    ".asciz \"weft\"\n"
    ".balign 4\n"
    "1: .asciz \"" WEFT_VERSION
    "\"\n"
    "2: .balign 4\n"
    ".popsection\n");

namespace weft::cli {

namespace {

constexpr const char* exit_codes =
    "Exit codes:\n  0 done; 1 failed; 2 wrong command line; 3 invalid resources; 4 not found; 5 time limit "
    "passed; "
    "6 no control plane; 130 interrupted\n";

Program program_of(std::string_view argv0) {
  const auto name = std::filesystem::path(argv0).filename().string();
  if (name == "control-plane") return Program::control_plane;
  if (name == "service") return Program::service;
  return Program::weft;
}

Command add_group(Command parent, const std::string& name, const std::string& description,
                  const std::string& examples) {
  auto group = parent.add(name, description, examples);
  group.needs_subcommand();
  return group;
}

/// What weft and control-plane have alike.
void add_life(Command app, Invocation& invocation) {
  add_start(app, invocation);
  add_stop(app, invocation);
  add_restart(app, invocation);
  add_scale(app, invocation);
  add_status(app, invocation);
}

void add_control_plane_commands(Command app, Invocation& invocation) {
  app.needs_subcommand();
  add_service_create(app, invocation, true);
  add_life(app, invocation);
  add_service_delete(add_group(app, "delete", "Delete a service with its Deployment",
                               "control-plane delete service simple-web-service"),
                     invocation, true);
  add_get(app, invocation);
  add_describe(app, invocation);
  add_logs(app, invocation);
  add_run(app, invocation);
  add_serve(app, invocation);
}

void add_service_commands(Command app, Invocation& invocation) {
  app.needs_subcommand();
  add_service_create(app, invocation, false);
  add_service_list(app, invocation);
  add_service_describe(app, invocation);
  add_service_delete(app, invocation, false);
}

void add_weft_commands(Command app, Invocation& invocation) {
  app.needs_subcommand();
  add_up(app, invocation);
  add_down(app, invocation);
  add_apply(app, invocation);
  add_create(app, invocation);
  add_get(app, invocation);
  add_ps(app, invocation);
  add_describe(app, invocation);
  add_delete(app, invocation);
  add_wait(app, invocation);
  add_life(app, invocation);
  add_rollout(app, invocation);
  add_logs(app, invocation);
  add_exec(app, invocation);
  add_port_forward(app, invocation);
  add_top(app, invocation);
  add_validate(app, invocation);
  add_diff(app, invocation);
  add_control_plane_commands(
      app.add("control-plane", "The life of the mesh and of single services; also a command of its own",
              "weft control-plane create service web --image=example-web-service\n"
              "weft control-plane start service web"),
      invocation);
  add_service_commands(
      app.add("service", "Short form for services; also a command of its own", "weft service list"),
      invocation);
  add_proxy(app, invocation);
  add_upgrade(app, invocation);
  add_keep(app, invocation);
  add_supervise(app, invocation);
}

struct Face {
  const char* name;
  const char* description;
  const char* examples;
  void (*add_commands)(Command app, Invocation& invocation);
};

Face face_of(Program program) {
  switch (program) {
    case Program::weft: break;
    case Program::control_plane:
      return {"control-plane", "The life of weft's mesh and of single services",
              "  control-plane create service simple-web-service --image=example-web-service\n"
              "  control-plane start service simple-web-service\n",
              add_control_plane_commands};
    case Program::service:
      return {"service",
              "weft's services in short; other words than these four go to the system's own `service`",
              "  service create web --image=example-web-service\n  service list\n", add_service_commands};
  }
  return {"weft", "A service mesh for Linux: runs services, connects them, shows what they do",
          "  weft up -f examples/shop\n  weft apply -f web.yaml --wait\n  weft get services\n",
          add_weft_commands};
}

int report(const Failure& failure) {
  tell(render(failure, wants_colour(STDERR_FILENO)));
  return static_cast<int>(failure.exit);
}

}  // namespace

int run(int argc, char** argv) {
  Invocation invocation;
  invocation.program = program_of(argv[0]);
  if (invocation.program == Program::service && argc > 1 && !is_own_service_verb(argv[1]))
    return run_system_service(argv);
  const char* ns = std::getenv("WEFT_NAMESPACE");
  invocation.ns = ns == nullptr || *ns == '\0' ? "default" : ns;
  const auto face = face_of(invocation.program);
  CommandLine line(face.name, face.description, fmt::format("Example:\n{}\n{}", face.examples, exit_codes));
  face.add_commands(line.root(), invocation);
  // Other words than its own verbs never get here as `service`.
  if (invocation.program != Program::service) {
    add_completion(line.root(), invocation, line);
    add_help(line.root(), invocation, line);
    add_version(line.root(), invocation);
    line.version("weft " WEFT_VERSION);
  }
  auto parsed = line.parse(argc, argv);
  if (!parsed) return report(parsed.error());
  if (!*parsed) return 0;
  if (!invocation.action) return report({Exit::usage, "no command was given", {}, "see `weft --help`", {}});
  auto result = invocation.action();
  return result ? 0 : report(result.error());
}

}  // namespace weft::cli
