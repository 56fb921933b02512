#include "provider/process/instances.h"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <filesystem>
#include <set>
#include <utility>

#include "provider/process/descriptors.h"
#include "provider/process/locate.h"
#include "provider/process/proc.h"
#include "provider/process/protocol.h"
#include "runtime/log.h"

namespace weft::provider::process {
namespace {

/// How long an instance's log pipe may stay open after all its processes are gone.
constexpr auto output_limit = std::chrono::milliseconds(500);
/// How long stop_all() waits for one after SIGKILL: one that sleeps in the kernel must not keep the others
/// waiting.
constexpr auto end_limit = std::chrono::seconds(10);
/// After so many removals the logs of those that are gone are looked at, so that many that come and go
/// quickly leave no more than the limits between two hourly looks.
constexpr int removals_between_looks = 16;

bool is_name(std::string_view text) {
  auto fits = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.'; };
  return !text.empty() && text.front() != '.' && std::ranges::all_of(text, fits);
}

/// "<namespace>/<name>": it becomes part of paths.
bool is_id(std::string_view id) {
  auto slash = id.find('/');
  return id.size() <= 255 && slash != std::string_view::npos && is_name(id.substr(0, slash)) &&
         is_name(id.substr(slash + 1));
}

std::unexpected<ProviderError> unknown(const std::string& id) {
  return base::fail(ProviderErrorKind::not_found, fmt::format("no instance {}", id));
}

/// Why a program was not started.
ProviderError exec_error(const Program& wanted, runtime::IoError error) {
  const auto& program = wanted.argv.front();
  if (wanted.credentials && error.code == EACCES) {
    return {
        ProviderErrorKind::image_not_executable,
        fmt::format("user {} may not execute {}, or not enter {}: let him read both, and enter all folders "
                    "above them",
                    wanted.credentials->uid, program, wanted.directory)};
  }
  if (!wanted.directory.empty() && ::access(wanted.directory.c_str(), X_OK) != 0) {
    return {ProviderErrorKind::image_not_executable,
            fmt::format("{} cannot run in its working directory {}: {}", program, wanted.directory,
                        runtime::IoError{errno}.message())};
  }
  switch (error.code) {
    case ENOENT:
      return {ProviderErrorKind::image_not_executable,
              fmt::format("{} cannot run: its interpreter does not exist", program)};
    case ENOEXEC:
      return {ProviderErrorKind::image_not_executable,
              fmt::format("{} is no program of this machine (a script needs a first line such as #!/bin/sh)",
                          program)};
    case E2BIG:
      return {ProviderErrorKind::failed,
              fmt::format("{} cannot run: its command line and environment are larger than the kernel takes",
                          program)};
    case EACCES:
      return {ProviderErrorKind::image_not_executable,
              fmt::format("{}: permission denied: this user may not execute it, or not on this file system",
                          program)};
    default: return cannot(fmt::format("start {}", program), error).error();
  }
}

runtime::Task<void> output_then_event(runtime::Task<void> output, runtime::Event& done) {
  co_await std::move(output);
  done.set();
}

/// How long until a note is tried again that could not be written: what is a disk full of, goes slowly.
constexpr auto note_pause = std::chrono::seconds(1);

/// Without a note `logs` does not know whose the log is. What is written is how it is then.
runtime::Task<void> note_again(runtime::Reactor& reactor, const InstanceLog& note) {
  do co_await reactor.sleep(note_pause);
  while (!note_log(note));
}

}  // namespace

struct Instances::Managed {
  Managed(Fence& fence, InstanceSpec what, std::string log_path, LogLimits limits)
      : spec(std::move(what)), group(fence, spec.id), log(std::move(log_path), limits) {
    note.id = spec.id;
    note.path = log.path();
    note.labels = spec.labels;
  }

  InstanceSpec spec;
  Program program;
  std::vector<std::shared_ptr<PortLoan>> loans;
  std::vector<ToldPort> told;  // of each of seen.ports
  Group group;
  LogFile log;
  InstanceLog note;
  Instance seen;  // what others see of it
  std::shared_ptr<Process> main;
  std::optional<base::MonoTime> kill_at;  // it has got SIGTERM
  int pipe = -1;                          // of its output, while `output` reads it
  runtime::Event output_ended;
  runtime::Event finished;
  runtime::Scope output;  // copies the log
  runtime::Scope notes;   // writes the note again, after a full disk
};

Instances::Instances(Fence& fence, Ports& ports, InstanceSettings settings,
                     std::function<void(const Instance&)> on_exit)
    : fence_(fence),
      ports_(ports),
      settings_(std::move(settings)),
      on_exit_(std::move(on_exit)),
      inherited_(inherited_environment()) {}

Instances::~Instances() = default;

Instances::Pointer Instances::find(const std::string& id) const {
  auto found = instances_.find(id);
  return found == instances_.end() ? nullptr : found->second;
}

Result<Instance> Instances::start(InstanceSpec spec) {
  auto before = find(spec.id);
  if (closed_) return base::fail(ProviderErrorKind::unavailable, "the supervisor is stopping");
  if (!is_id(spec.id)) {
    return base::fail(ProviderErrorKind::failed,
                      fmt::format("\"{}\" is no id: it must be <namespace>/<name>", spec.id));
  }
  if (spec.image.size() > PATH_MAX || spec.working_directory.size() > PATH_MAX) {
    return base::fail(ProviderErrorKind::failed,
                      fmt::format("{} has a path of more than {} bytes", spec.id, PATH_MAX));
  }
  std::size_t text = 0;
  for (const auto& [name, value] : spec.labels) text += name.size() + value.size();
  if (text > label_bytes) {
    return base::fail(ProviderErrorKind::failed,
                      fmt::format("the labels of {} are larger than {} bytes", spec.id, label_bytes));
  }
  if (before && before->seen.phase != Phase::exited) {
    return base::fail(ProviderErrorKind::already_exists, fmt::format("{} runs already", spec.id));
  }
  auto managed = prepare(std::move(spec), before.get());
  if (!managed) return std::unexpected(managed.error());
  if (auto launched = launch(**managed); !launched) {
    if (!before) LogFile::remove((*managed)->log.path());
    return std::unexpected(launched.error());
  }
  instances_[(*managed)->spec.id] = *managed;
  scope_.spawn(watch(*managed));
  return (*managed)->seen;
}

Result<Instances::Pointer> Instances::prepare(InstanceSpec spec, const Managed* before) {
  auto image = find_image(spec.image, settings_.images);
  if (!image) return std::unexpected(image.error());
  const auto& wanted = spec.ports.empty() ? image->ports : spec.ports;
  if (wanted.size() > most_instance_ports) {
    return base::fail(ProviderErrorKind::failed, fmt::format("{} has {} ports, at most {} are allowed",
                                                             spec.id, wanted.size(), most_instance_ports));
  }
  auto loans = borrow_ports(wanted.size(), before);
  if (!loans) return std::unexpected(loans.error());
  std::vector<BoundPort> ports;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    ports.push_back({wanted[i], base::Address::loopback((*loans)[i]->port())});
  }

  auto expansion = instance_environment(inherited_, image->environment, spec, ports);
  if (!expansion) return std::unexpected(expansion.error());
  Program program;
  for (const auto& word : command_line(spec, *image)) {
    auto argument = expansion->argument(word);
    if (!argument) return too_large("an argument", argument.error());
    program.argv.push_back(std::move(*argument));
  }
  program.environment = expansion->variables();
  auto path = find_program(program.argv.front(), image->folder, program.environment["PATH"]);
  if (!path) return std::unexpected(path.error());
  program.argv.front() = *path;
  program.oom_score_adj = fence_.oom.instance;
  program.credentials = spec.credentials;
  program.directory = spec.working_directory.empty() ? image->working_directory : spec.working_directory;
  if (!program.directory.starts_with('/')) program.directory = image->folder + "/" + program.directory;

  auto log_path = settings_.log_folder + "/" + log_name(spec.id);
  if (!before) reopen_log(log_path);  // of one of that name that is gone
  auto managed = std::make_shared<Managed>(fence_, std::move(spec), std::move(log_path), settings_.logs);
  if (before) managed->note.runs = before->note.runs;
  managed->told = told_ports(program.environment, ports);
  managed->program = std::move(program);
  managed->loans = std::move(*loans);
  managed->seen.id = managed->spec.id;
  managed->seen.labels = managed->spec.labels;
  managed->seen.ports = std::move(ports);
  return managed;
}

Result<Instances::Loans> Instances::borrow_ports(std::size_t count, const Managed* before) {
  Loans loans;
  // An instance that is started again listens where it did, so that its inbound listener stays right.
  const bool same = before != nullptr && before->loans.size() == count;
  while (loans.size() < count) {
    if (same && before->loans[loans.size()]->is_free()) {
      loans.push_back(before->loans[loans.size()]);
      continue;
    }
    auto loan = ports_.lend();
    if (!loan) return std::unexpected(loan.error());
    loans.push_back(std::move(*loan));
  }
  return loans;
}

Result<void> Instances::launch(Managed& managed) {
  auto pipe = output_pipe();
  if (pipe && is_spare(pipe->first)) pipe = runtime::io_error(EMFILE);
  if (!pipe) return cannot(fmt::format("start {}", managed.spec.id), pipe.error());
  // Else the program could write to it, but not open it again as /dev/stdout.
  if (const auto& who = managed.program.credentials;
      who && ::fchown(pipe->second.get(), who->uid, who->gid) != 0)
    return cannot(fmt::format("start {}", managed.spec.id), runtime::IoError{errno});
  managed.program.output = pipe->second.get();
  auto process = managed.group.start(managed.program);
  managed.program.output = -1;
  if (!process) return std::unexpected(exec_error(managed.program, process.error()));
  managed.main = *process;
  managed.seen.phase = Phase::running;
  managed.seen.pid = managed.main->pid;
  managed.seen.started_at = fence_.reactor.clock().wall();
  auto& runs = managed.note.runs;
  runs.push_back({.started = managed.seen.started_at, .ended = {}, .exit = {}});
  if (runs.size() > kept_runs) runs.erase(runs.begin());
  write_note(managed);
  read_output(managed, std::move(pipe->first));
  return {};
}

void Instances::read_output(Managed& managed, runtime::Fd pipe) {
  managed.pipe = pipe.get();
  managed.output.spawn(output_then_event(copy_output(fence_.reactor, std::move(pipe), managed.log, false),
                                         managed.output_ended));
}

void Instances::write_note(Managed& managed) {
  if (note_log(managed.note)) return;
  managed.notes.cancel();  // of the state before
  managed.notes.spawn(note_again(fence_.reactor, managed.note));
}

runtime::Task<void> Instances::watch(Pointer managed) {
  co_await managed->main->ended.wait();
  // The main process is the instance: what it forked away goes with it.
  if (!co_await managed->group.kill()) {
    runtime::log::warning("supervisor", "processes of {} do not end after SIGKILL", managed->spec.id);
  }
  // Its last words have been written by now; the pipe stays open only if somebody outside got hold of it.
  co_await runtime::within(fence_.reactor, output_limit, until(managed->output_ended));
  managed->log.finish(fence_.reactor.clock().wall());
  auto& seen = managed->seen;
  seen.phase = Phase::exited;
  managed->note.runs.back().ended = managed->main->ended_at;
  managed->note.runs.back().exit = managed->main->status.to_string();
  write_note(*managed);
  seen.exit = Exit{managed->main->status.code, managed->main->status.signal, managed->main->ended_at};
  on_exit_(seen);
  managed->finished.set();
}

void Instances::begin_stop(const Pointer& managed, std::chrono::milliseconds grace) {
  if (managed->seen.phase != Phase::running) return;
  managed->seen.phase = Phase::stopping;
  managed->kill_at = fence_.reactor.clock().now() + grace;
  managed->group.signal(SIGTERM);
  scope_.spawn(terminate(managed));
}

runtime::Task<void> Instances::terminate(Pointer managed) {
  const auto left = *managed->kill_at - fence_.reactor.clock().now();
  if (co_await runtime::within(fence_.reactor, std::max<base::Duration>(left, base::Duration::zero()),
                               until(managed->main->ended)))
    co_return;
  runtime::log::warning("supervisor", "{} is killed: it did not end in time after SIGTERM", managed->spec.id);
  managed->group.signal(SIGKILL);  // watch() does the rest
}

runtime::Task<Result<Instance>> Instances::stop(std::string id,
                                                std::optional<std::chrono::milliseconds> grace) {
  auto managed = find(id);
  if (!managed) co_return unknown(id);
  begin_stop(managed, grace.value_or(managed->spec.grace));
  co_await managed->finished.wait();
  co_return managed->seen;
}

runtime::Task<void> Instances::stop_all(std::chrono::milliseconds most_grace) {
  std::vector<Pointer> running;
  for (const auto& [id, managed] : instances_) {
    if (managed->seen.phase != Phase::exited) running.push_back(managed);
  }
  for (const auto& managed : running) begin_stop(managed, std::min(managed->spec.grace, most_grace));
  auto deadline = fence_.reactor.clock().now() + most_grace;
  for (const auto& managed : running) {
    // Those that somebody was stopping already may have a longer grace of their own.
    auto left = std::max<base::Duration>(deadline - fence_.reactor.clock().now(), base::Duration::zero());
    if (co_await runtime::within(fence_.reactor, left, until(managed->main->ended))) continue;
    managed->group.signal(SIGKILL);
  }
  for (const auto& managed : running)
    co_await runtime::within(fence_.reactor, end_limit, until(managed->finished));
}

Result<void> Instances::remove(const std::string& id) {
  auto managed = find(id);
  if (!managed) return unknown(id);
  if (managed->seen.phase != Phase::exited) {
    return base::fail(ProviderErrorKind::failed, fmt::format("{} runs: stop it first", id));
  }
  close_log(managed->log.path());
  instances_.erase(id);
  if (++removed_ % removals_between_looks == 0) remove_logs_of_gone();
  return {};
}

Result<void> Instances::note(const std::string& id, std::string text) {
  auto managed = find(id);
  if (!managed) return unknown(id);
  if (text.size() > note_bytes) {
    return base::fail(ProviderErrorKind::failed, fmt::format("a note is larger than {} bytes", note_bytes));
  }
  managed->seen.note = std::move(text);
  return {};
}

Result<Located> Instances::locate(const std::string& id, bool may_be_fixed) {
  const auto managed = find(id);
  if (!managed) return unknown(id);
  auto& ports = managed->seen.ports;
  std::string fault;
  if (managed->seen.phase == Phase::exited) {
    fault =
        describe_taken(ports, managed->told, [this](std::uint16_t port) { return ports_.holder_of(port); });
  } else {
    fault = locate_ports(ports, managed->told, listening_addresses(managed->group.members()), may_be_fixed);
  }
  return Located{managed->seen, std::move(fault)};
}

Result<std::shared_ptr<Process>> Instances::start_beside(const std::string& id,
                                                         std::vector<std::string> argv) {
  auto managed = find(id);
  if (!managed) return unknown(id);
  if (managed->seen.phase != Phase::running || argv.empty()) {
    return base::fail(ProviderErrorKind::failed, fmt::format("{} does not run", id));
  }
  auto program = managed->program;
  auto path = find_program(argv.front(), program.directory, program.environment["PATH"]);
  if (!path) return base::fail(ProviderErrorKind::failed, path.error().detail);
  program.argv = std::move(argv);
  program.argv.front() = *path;
  auto process = managed->group.start_beside(program);
  if (!process) return std::unexpected(exec_error(program, process.error()));
  return *process;
}

runtime::Task<Result<int>> Instances::execute(std::string id, std::vector<std::string> argv,
                                              std::chrono::milliseconds limit, base::MonoTime deadline,
                                              std::shared_ptr<Process>& process) {
  if (!process) {
    auto started = start_beside(id, std::move(argv));
    if (!started) co_return std::unexpected(started.error());
    process = std::move(*started);
  }
  // Also if whoever asked goes away: nothing of it is left.
  struct Killer {
    Process& process;
    ~Killer() {
      if (process.is_running()) ::kill(-process.pid, SIGKILL);
    }
  } killer{*process};
  const auto left = std::max<base::Duration>(deadline - fence_.reactor.clock().now(), base::Duration::zero());
  if (!co_await runtime::within(fence_.reactor, left, until(process->ended))) {
    co_return base::fail(ProviderErrorKind::timed_out,
                         fmt::format("it took longer than {}", base::format_duration(limit)));
  }
  const auto& status = process->status;
  co_return status.code ? *status.code : 128 + status.signal.value_or(0);
}

Result<Surroundings> Instances::surroundings(const std::string& id) const {
  auto managed = find(id);
  if (!managed) return unknown(id);
  if (managed->seen.phase != Phase::running)
    return base::fail(ProviderErrorKind::failed, fmt::format("{} does not run", id));
  auto told = managed->group.surroundings(managed->program);
  std::size_t bytes = told.directory.size();
  for (const auto& variable : told.environment) bytes += variable.size();
  if (bytes <= surroundings_bytes) return told;
  return base::fail(ProviderErrorKind::failed,
                    fmt::format("the environment of {} is larger than {} bytes", id, surroundings_bytes));
}

void Instances::remove_logs_of_gone() const {
  std::set<std::string> present;
  for (const auto& [id, managed] : instances_) present.insert(log_name(id));
  remove_old_logs(settings_.log_folder, present, fence_.reactor.clock().wall(), settings_.old_logs);
}

void Instances::close_logs() const {
  for (const auto& [id, managed] : instances_) close_log(managed->log.path());
}

Result<std::string> Instances::log_path(const std::string& id) const {
  auto managed = find(id);
  if (!managed) return unknown(id);
  return managed->log.path();
}

const Instance* Instances::next_after(const std::string& id) const {
  auto next = instances_.upper_bound(id);
  return next == instances_.end() ? nullptr : &next->second->seen;
}

std::size_t Instances::running() const {
  return static_cast<std::size_t>(std::ranges::count_if(
      instances_, [](const auto& entry) { return entry.second->seen.phase != Phase::exited; }));
}

std::vector<CarriedInstance> Instances::carry() const {
  const auto now = fence_.reactor.clock().wall();
  std::vector<CarriedInstance> all;
  for (const auto& [id, managed] : instances_) {
    auto& log = managed->log;
    if (managed->output.size() > 0) log.flush(now);
    CarriedInstance one{
        .spec = managed->spec,
        .program = managed->program,
        .seen = managed->seen,
        .ports = {},
        .runs = managed->note.runs,
        .must_note_log = managed->notes.size() > 0,
        .main = process::carry(*managed->main),
        .has_cgroup = managed->group.has_cgroup(),
        .output = {managed->output.size() > 0 ? managed->pipe : -1, log.is_within_line(), log.lost_lines()},
        .kill_at = managed->kill_at};
    for (const auto& loan : managed->loans) one.ports.push_back(loan->port());
    all.push_back(std::move(one));
  }
  return all;
}

void Instances::resume(std::vector<CarriedInstance> carried) {
  for (auto& one : carried) {
    auto managed = resume_one(std::move(one));
    instances_[managed->spec.id] = managed;
    if (managed->seen.phase == Phase::exited) {
      managed->finished.set();
    } else {
      resumed_.push_back(std::move(managed));
    }
  }
}

void Instances::watch_resumed() {
  for (const auto& managed : std::exchange(resumed_, {})) {
    scope_.spawn(watch(managed));
    if (managed->kill_at) scope_.spawn(terminate(managed));
  }
}

Instances::Pointer Instances::resume_one(CarriedInstance carried) {
  auto log_path = settings_.log_folder + "/" + log_name(carried.spec.id);
  auto managed =
      std::make_shared<Managed>(fence_, std::move(carried.spec), std::move(log_path), settings_.logs);
  managed->program = std::move(carried.program);
  managed->seen = std::move(carried.seen);
  auto ports = managed->seen.ports;
  for (std::size_t i = 0; i < ports.size(); ++i) {
    managed->loans.push_back(ports_.lend_again(carried.ports[i]));
    ports[i].address = base::Address::loopback(carried.ports[i]);
  }
  managed->told = told_ports(managed->program.environment, ports);
  managed->note.runs = std::move(carried.runs);
  managed->main = fence_.processes.adopt(carried.main);
  managed->group.adopt(managed->main, carried.has_cgroup);
  managed->kill_at = carried.kill_at;
  managed->log.resume(carried.output.is_within_line, carried.output.lost_lines);
  if (carried.output.pipe >= 0) {
    read_output(*managed, take_carried(carried.output.pipe));
  } else {
    managed->output_ended.set();
    managed->log.finish(fence_.reactor.clock().wall());  // it rests closed
  }
  if (carried.must_note_log) write_note(*managed);
  return managed;
}

}  // namespace weft::provider::process
