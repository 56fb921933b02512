#include "provider/process/carried.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "provider/process/descriptors.h"
#include "provider/process/protocol.h"

namespace weft::provider::process {
namespace {

using base::Json;

template <class Time>
std::int64_t to_ns(Time time) {
  return time.time_since_epoch().count();
}
template <class Time>
Time time_in(const Json& json) {
  return Time(base::Duration(json.get<std::int64_t>()));
}

template <class T>
std::optional<T> optional_in(const Json& json, const char* name) {
  const auto found = json.find(name);
  return found == json.end() ? std::nullopt : std::optional(found->get<T>());
}

/// What protocol.h reads; its error is thrown on to read_carried().
template <class T>
T taken(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().detail);
  return std::move(*result);
}

Json encode(const CarriedProcess& process) {
  Json json{{"pid", process.pid}, {"ended", process.has_ended}, {"at", to_ns(process.ended_at)}};
  if (process.status.code) json["code"] = *process.status.code;
  if (process.status.signal) json["signal"] = *process.status.signal;
  return json;
}

CarriedProcess process_in(const Json& json) {
  return {.pid = json.at("pid").get<pid_t>(),
          .has_ended = json.at("ended").get<bool>(),
          .status = {optional_in<int>(json, "code"), optional_in<int>(json, "signal")},
          .ended_at = time_in<base::WallTime>(json.at("at"))};
}

Json encode(const CarriedOutput& output) {
  return {{"pipe", output.pipe}, {"withinLine", output.is_within_line}, {"lost", output.lost_lines}};
}

CarriedOutput output_in(const Json& json) {
  return {json.at("pipe").get<int>(), json.at("withinLine").get<bool>(),
          json.at("lost").get<std::uint64_t>()};
}

Json encode(const Program& program) {
  return {{"argv", program.argv},
          {"environment", program.environment},
          {"directory", program.directory},
          {"oom", program.oom_score_adj}};
}

Program program_in(const Json& json) {
  Program program;
  program.argv = json.at("argv").get<std::vector<std::string>>();
  program.environment = json.at("environment").get<Environment>();
  program.directory = json.at("directory").get<std::string>();
  program.oom_score_adj = json.at("oom").get<int>();
  return program;
}

Json encode(const LoggedRun& run) {
  Json json{{"started", to_ns(run.started)}, {"exit", run.exit}};
  if (run.ended) json["ended"] = to_ns(*run.ended);
  return json;
}

LoggedRun run_in(const Json& json) {
  LoggedRun run{.started = time_in<base::WallTime>(json.at("started")), .ended = {}, .exit = json.at("exit")};
  if (json.contains("ended")) run.ended = time_in<base::WallTime>(json.at("ended"));
  return run;
}

// Found by the list's encode_all() only if they are declared before it.
Json encode(const CarriedInstance& instance);
Json encode(const CarriedOwn::Run& run);
Json encode(const CarriedPeer::Request& request);
Json encode(const CarriedPeer& peer);

template <class T>
Json encode_all(const std::vector<T>& list) {
  auto json = Json::array();
  for (const auto& one : list) json.push_back(encode(one));
  return json;
}

template <class Decode>
auto all_in(const Json& json, const Decode& decode) {
  std::vector<decltype(decode(json))> list;
  for (const auto& one : json) list.push_back(decode(one));
  return list;
}

Json encode(const CarriedInstance& instance) {
  Json json{{"spec", to_json(instance.spec)},    {"program", encode(instance.program)},
            {"seen", to_json(instance.seen)},    {"ports", instance.ports},
            {"runs", encode_all(instance.runs)}, {"mustNoteLog", instance.must_note_log},
            {"main", encode(instance.main)},     {"hasCgroup", instance.has_cgroup},
            {"output", encode(instance.output)}};
  if (instance.kill_at) json["killAt"] = to_ns(*instance.kill_at);
  return json;
}

CarriedInstance instance_in(const Json& json) {
  CarriedInstance instance{.spec = taken(spec_from_json(json.at("spec"))),
                           .program = program_in(json.at("program")),
                           .seen = taken(instance_from_json(json.at("seen"))),
                           .ports = json.at("ports").get<std::vector<std::uint16_t>>(),
                           .runs = all_in(json.at("runs"), run_in),
                           .must_note_log = json.at("mustNoteLog").get<bool>(),
                           .main = process_in(json.at("main")),
                           .has_cgroup = json.at("hasCgroup").get<bool>(),
                           .output = output_in(json.at("output")),
                           .kill_at = {}};
  instance.program.credentials = instance.spec.credentials;
  if (json.contains("killAt")) instance.kill_at = time_in<base::MonoTime>(json.at("killAt"));
  if (instance.ports.size() != instance.seen.ports.size() || instance.runs.empty())
    throw std::runtime_error(instance.spec.id + " has another number of ports than addresses, or no run");
  return instance;
}

Json encode(const CarriedOwn::Run& run) {
  return {{"group", run.group},
          {"hasCgroup", run.has_cgroup},
          {"main", encode(run.main)},
          {"output", encode(run.output)}};
}

CarriedOwn::Run own_run_in(const Json& json) {
  return {json.at("group").get<std::string>(), json.at("hasCgroup").get<bool>(), process_in(json.at("main")),
          output_in(json.at("output"))};
}

Json encode(const CarriedOwn& own) {
  return {{"seen", to_json(own.seen)},
          {"starts", own.starts},
          {"hasCurrent", own.has_current},
          {"runs", encode_all(own.runs)}};
}

CarriedOwn own_in(const Json& json) {
  return {own_process_from_json(json.at("seen")), json.at("starts").get<int>(),
          json.at("hasCurrent").get<bool>(), all_in(json.at("runs"), own_run_in)};
}

Json encode(const CarriedPeer::Request& request) {
  return {
      {"what", request.what}, {"deadline", to_ns(request.deadline)}, {"process", encode(request.process)}};
}

CarriedPeer::Request request_in(const Json& json) {
  return {json.at("what"), time_in<base::MonoTime>(json.at("deadline")), process_in(json.at("process"))};
}

Json encode(const CarriedPeer& peer) {
  return {{"fd", peer.fd},
          {"isControlPlane", peer.is_control_plane},
          {"requests", encode_all(peer.requests)},
          {"unsent", peer.unsent}};
}

CarriedPeer peer_in(const Json& json) {
  return {json.at("fd").get<int>(), json.at("isControlPlane").get<bool>(),
          all_in(json.at("requests"), request_in),
          json.at("unsent").get<std::vector<std::pair<std::string, int>>>()};
}

Json encode(const Carried& carried) {
  Json json{{"form", carried_form},
            {"identity", carried.identity},
            {"cgroup", carried.cgroup_root},
            {"ports", carried.ports},
            {"sockets", carried.sockets},
            {"startedAt", to_ns(carried.started_at)},
            {"oom", carried.oom_found},
            {"pid", carried.pid},
            {"fileLimit", {carried.file_limit.soft, carried.file_limit.hard}},
            {"lock", carried.lock},
            {"listening", carried.listening},
            {"controlPlane", encode(carried.control_plane)},
            {"proxy", encode(carried.proxy)},
            {"instances", encode_all(carried.instances)},
            {"peers", encode_all(carried.peers)}};
  if (const auto& keeper = carried.keeper) {
    json["keeper"] = {{"pidfd", keeper->pidfd},
                      {"child", encode(keeper->child)},
                      {"seen", to_json(keeper->seen)},
                      {"kept", keeper->is_kept},
                      {"asked", keeper->is_asked}};
  }
  return json;
}

Carried carried_in(const Json& json) {
  Carried carried;
  carried.identity = json.at("identity").get<std::string>();
  carried.cgroup_root = json.at("cgroup").get<std::string>();
  carried.ports = json.at("ports");
  carried.sockets = json.at("sockets").get<std::vector<std::pair<std::string, int>>>();
  carried.started_at = time_in<base::WallTime>(json.at("startedAt"));
  carried.oom_found = json.at("oom").get<int>();
  carried.pid = json.value("pid", 0);
  carried.file_limit = {json.at("fileLimit").at(0).get<std::uint64_t>(),
                        json.at("fileLimit").at(1).get<std::uint64_t>()};
  carried.lock = json.at("lock").get<int>();
  carried.listening = json.at("listening").get<int>();
  if (const auto keeper = json.find("keeper"); keeper != json.end()) {
    carried.keeper = {keeper->at("pidfd").get<int>(), process_in(keeper->at("child")),
                      own_process_from_json(keeper->at("seen")), keeper->value("kept", true),
                      keeper->value("asked", false)};
  }
  carried.control_plane = own_in(json.at("controlPlane"));
  carried.proxy = own_in(json.at("proxy"));
  carried.instances = all_in(json.at("instances"), instance_in);
  carried.peers = all_in(json.at("peers"), peer_in);
  return carried;
}

}  // namespace

std::vector<int> Carried::descriptors() const {
  std::vector<int> all{lock, listening};
  const auto add_runs = [&all](const CarriedOwn& own) {
    for (const auto& run : own.runs) all.push_back(run.output.pipe);
  };
  for (const auto& [key, fd] : sockets) all.push_back(fd);
  if (keeper) all.push_back(keeper->pidfd);
  add_runs(control_plane);
  add_runs(proxy);
  for (const auto& instance : instances) all.push_back(instance.output.pipe);
  for (const auto& peer : peers) {
    all.push_back(peer.fd);
    for (const auto& [text, fd] : peer.unsent) all.push_back(fd);
  }
  std::erase(all, -1);
  return all;
}

runtime::IoResult<runtime::Fd> write_carried(const Carried& carried) {
  runtime::Fd file(::memfd_create("weft-supervisor", MFD_CLOEXEC));
  if (!file) return runtime::last_error();
  const auto bytes = Json::to_cbor(encode(carried));
  for (std::size_t done = 0; done < bytes.size();) {
    const auto written = ::write(file.get(), bytes.data() + done, bytes.size() - done);
    if (written < 0 && errno != EINTR) return runtime::last_error();
    if (written > 0) done += static_cast<std::size_t>(written);
  }
  return file;
}

Result<Carried> read_carried(int fd) {
  struct stat found{};
  if (::fstat(fd, &found) != 0) return cannot("read what the supervisor left", runtime::IoError{errno});
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(found.st_size));
  const auto got = ::pread(fd, bytes.data(), bytes.size(), 0);
  if (got != found.st_size)
    return cannot("read what the supervisor left", runtime::IoError{got < 0 ? errno : EIO});
  try {
    const auto json = Json::from_cbor(bytes);
    if (const int form = json.at("form").get<int>(); form != carried_form) {
      return base::fail(
          ProviderErrorKind::failed,
          fmt::format("the supervisor's state is of form {}, and this program knows {}", form, carried_form));
    }
    return carried_in(json);
  } catch (const std::exception& error) {
    return base::fail(ProviderErrorKind::failed,
                      fmt::format("the supervisor's state is malformed: {}", error.what()));
  }
}

runtime::Fd take_carried(int fd) {
  if (fd >= 0) ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  return runtime::Fd(fd);
}

}  // namespace weft::provider::process
