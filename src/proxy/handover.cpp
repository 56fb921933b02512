#include "proxy/handover.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "export/counted.h"
#include "runtime/combine.h"
#include "runtime/log.h"

namespace weft::proxy {
namespace {

using base::Json;
using runtime::MessageSocket;
using runtime::Task;

/// Above what all series that a proxy may have take (telemetry::Shard::max_ends); a bound for what is not
/// from a proxy.
constexpr std::size_t most_counted_bytes = std::size_t{512} << 20U;

/// What helps where one that runs is of no use.
constexpr std::string_view end_it = "end that process (`ss -xlp` names it), then start this one";

std::string_view word(SocketKind kind) {
  switch (kind) {
    case SocketKind::control: return "control";
    case SocketKind::admin: return "admin";
    case SocketKind::listener: return "listener";
  }
  return {};
}

std::optional<SocketKind> kind_of(std::string_view text) {
  for (const auto kind : {SocketKind::control, SocketKind::admin, SocketKind::listener}) {
    if (word(kind) == text) return kind;
  }
  return std::nullopt;
}

std::int64_t to_ns(base::WallTime time) { return time.time_since_epoch().count(); }

/// Exceptions are how this library tells what is not of the right form.
template <class Read>
auto decoded(Read read) -> std::optional<decltype(read())> {
  try {
    return read();
  } catch (const Json::exception&) {
    return std::nullopt;
  }
}

std::optional<base::WallTime> time_in(const Json& json, const char* field) {
  const auto found = json.find(field);
  if (found == json.end()) return std::nullopt;
  return base::WallTime(base::Duration(found->get<std::int64_t>()));
}

/// The process at the other end of a socket that has connected; 0 if the kernel does not say.
pid_t listener_of(const MessageSocket& socket) {
  const auto peer = socket.peer_credentials();
  return peer ? peer->pid : 0;
}

Task<std::optional<std::vector<Generation>>> ask(MessageSocket& socket) {
  if (const auto asked = co_await send_json(socket, {{"op", "status"}}); !asked) co_return std::nullopt;
  const auto answer = co_await receive_json(socket);
  if (!answer) co_return std::nullopt;
  std::vector<Generation> generations;
  for (const auto& json : answer->json.value("generations", Json::array())) {
    if (auto generation = generation_from(json)) generations.push_back(std::move(*generation));
  }
  co_return generations;
}

}  // namespace

Json to_json(const Generation& generation) {
  Json json{{"number", generation.number},           {"pid", generation.pid},
            {"version", generation.version},         {"startedNs", to_ns(generation.started)},
            {"connections", generation.connections}, {"streams", generation.streams}};
  if (generation.drains_since) json["drainsSinceNs"] = to_ns(*generation.drains_since);
  if (generation.cut_at) json["cutAtNs"] = to_ns(*generation.cut_at);
  return json;
}

std::optional<Generation> generation_from(const Json& json) {
  return decoded([&] {
    Generation generation;
    generation.number = json.at("number").get<unsigned>();
    generation.pid = json.at("pid").get<pid_t>();
    generation.version = json.at("version").get<std::string>();
    generation.started = time_in(json, "startedNs").value_or(base::WallTime{});
    generation.drains_since = time_in(json, "drainsSinceNs");
    generation.cut_at = time_in(json, "cutAtNs");
    generation.connections = json.at("connections").get<std::uint64_t>();
    generation.streams = json.at("streams").get<std::uint64_t>();
    return generation;
  });
}

runtime::IoResult<runtime::Fd> make_counts_file() {
  runtime::Fd fd(::memfd_create("weft-counted", MFD_CLOEXEC));
  if (!fd) return runtime::last_error();
  return fd;
}

runtime::IoResult<void> write_counted(int fd, const telemetry::Samples& samples) {
  const auto text = exporter::counted_json(samples).dump(-1, ' ', false, Json::error_handler_t::replace);
  for (std::size_t at = 0; at < text.size();) {
    const auto size = ::pwrite(fd, text.data() + at, text.size() - at, static_cast<off_t>(at));
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return size < 0 ? runtime::last_error() : runtime::io_error(ENOSPC);
    at += static_cast<std::size_t>(size);
  }
  return {};
}

std::optional<telemetry::Samples> read_counted(int fd) {
  struct stat status{};
  if (::fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) return std::nullopt;
  if (static_cast<std::size_t>(status.st_size) > most_counted_bytes) return std::nullopt;
  std::string text(static_cast<std::size_t>(status.st_size), '\0');
  for (std::size_t at = 0; at < text.size();) {
    const auto size = ::pread(fd, text.data() + at, text.size() - at, static_cast<off_t>(at));
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return std::nullopt;
    at += static_cast<std::size_t>(size);
  }
  const auto json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return std::nullopt;
  return exporter::read_counted(json);
}

Task<runtime::IoResult<void>> send_json(MessageSocket& socket, Json json, std::vector<int> fds) {
  return socket.send(json.dump(-1, ' ', false, Json::error_handler_t::replace), std::move(fds));
}

Task<std::optional<JsonMessage>> receive_json(MessageSocket& socket) {
  auto message = co_await socket.receive();
  if (!message || !*message) co_return std::nullopt;
  auto json = Json::parse((*message)->bytes, nullptr, false);
  if (!json.is_object()) co_return std::nullopt;
  co_return JsonMessage{std::move(json), std::move((*message)->fds)};
}

Task<runtime::IoResult<void>> send_sockets(MessageSocket& link, Generation of,
                                           std::vector<HandedSocket> sockets) {
  std::size_t at = 0;
  do {
    const auto count = std::min(sockets.size() - at, MessageSocket::max_fds);
    auto list = Json::array();
    std::vector<int> fds;
    for (const auto end = at + count; at < end; ++at) {
      list.push_back({word(sockets[at].kind), sockets[at].address.to_string()});
      fds.push_back(sockets[at].fd);
    }
    const Json json{{"generation", to_json(of)}, {"sockets", std::move(list)}, {"more", at < sockets.size()}};
    if (auto sent = co_await send_json(link, json, std::move(fds)); !sent) co_return sent;
  } while (at < sockets.size());
  co_return runtime::IoResult<void>{};
}

Task<std::expected<std::unique_ptr<Predecessor>, NotGiven>> Predecessor::find(runtime::Reactor& reactor,
                                                                              std::string path) {
  auto fd = runtime::connect_messages(path);
  if (!fd) {
    const auto code = fd.error().code;
    if (code == ENOENT || code == ECONNREFUSED) co_return nullptr;
    auto why = fmt::format("cannot connect to {}: {}", path, fd.error().message());
    if (code != EAGAIN) co_return std::unexpected(NotGiven{std::move(why), {}});
    co_return std::unexpected(NotGiven{"it does not answer", std::string(end_it)});  // too many wait already
  }
  std::unique_ptr<Predecessor> found(new Predecessor(reactor, std::move(*fd)));
  auto answered = co_await runtime::within(reactor, answer_limit, found->receive_sockets());
  if (!answered) {
    const auto pid = listener_of(*found->link_);
    co_return std::unexpected(
        NotGiven{fmt::format("{} does not answer within {}",
                             pid > 0 ? fmt::format("process {}", pid) : std::string("it"),
                             base::format_duration(answer_limit)),
                 std::string(end_it)});
  }
  if (!*answered) co_return std::unexpected(std::move(answered->error()));
  if (!**answered) co_return nullptr;
  co_return found;
}

Task<std::expected<bool, NotGiven>> Predecessor::receive_sockets() {
  if (const auto asked = co_await send_json(*link_, {{"op", "take"}}); !asked) co_return false;
  while (true) {
    auto message = co_await receive_json(*link_);
    if (!message) co_return false;
    const auto& json = message->json;
    auto& fds = message->fds;
    if (const auto error = json.find("error"); error != json.end() && error->is_string()) {
      co_return std::unexpected(
          NotGiven{error->get<std::string>(),
                   "raise its limit (`prlimit --nofile=NUMBER --pid PID`), or have it close connections, and "
                   "start this one again"});
    }
    const auto read = decoded([&] {
      return std::pair(json.at("sockets").get<std::vector<std::pair<std::string, std::string>>>(),
                       json.at("more").get<bool>());
    });
    const auto generation = generation_from(json.value("generation", Json::object()));
    if (!read || !generation || read->first.size() < fds.size()) {
      co_return std::unexpected(
          NotGiven{"what it says is not understood: it is of a version that this one cannot follow",
                   std::string(end_it)});
    }
    if (read->first.size() > fds.size()) {
      co_return std::unexpected(NotGiven{"this process may not have as many descriptors as its sockets take",
                                         "raise the limit (`ulimit -n`) and start this one again"});
    }
    generation_ = *generation;
    for (std::size_t i = 0; i < fds.size(); ++i) {
      const auto kind = kind_of(read->first[i].first);
      const auto address = base::Address::parse(read->first[i].second);
      if (kind == SocketKind::control) {
        control_ = std::move(fds[i]);
      } else if (kind && address) {
        sockets_.emplace_back(*kind, ListeningSocket{*address, std::move(fds[i])});
      }
    }
    if (!read->second) co_return true;
  }
}

std::optional<runtime::Fd> Predecessor::take(SocketKind kind, const base::Address& address) {
  const auto found = std::ranges::find_if(
      sockets_, [&](const auto& entry) { return entry.first == kind && entry.second.address == address; });
  if (found == sockets_.end()) return std::nullopt;
  auto fd = std::move(found->second.fd);
  sockets_.erase(found);
  return fd;
}

std::vector<base::Address> Predecessor::listening() const {
  std::vector<base::Address> addresses;
  for (const auto& [kind, socket] : sockets_) {
    if (kind == SocketKind::listener) addresses.push_back(socket.address);
  }
  return addresses;
}

void Predecessor::close_rest() {
  for (const auto& [kind, socket] : sockets_) {
    if (kind == SocketKind::admin && socket.address.family() == base::Address::Family::unix_path)
      ::unlink(socket.address.path().c_str());
  }
  sockets_.clear();
}

std::optional<Relieved> relieved_from(runtime::Reactor& reactor, JsonMessage& message) {
  auto& [json, fds] = message;
  const auto list = json.find("generations");
  if (list == json.end() || !list->is_array()) return std::nullopt;
  const auto counted = [&fds](std::size_t at) {
    return (at < fds.size() ? read_counted(fds[at].get()) : std::nullopt).value_or(telemetry::Samples());
  };
  Relieved relieved;
  // Of each its link and its counts; of the first, whose link this is, in that place what ended ones counted.
  for (std::size_t i = 0; i < list->size(); ++i) {
    const auto generation = generation_from((*list)[i]);
    const bool has_link = i == 0 || 2 * i < fds.size();
    if (!generation || !has_link) continue;
    auto link = i == 0 ? nullptr : std::make_unique<MessageSocket>(reactor, std::move(fds[2 * i]));
    relieved.older.push_back({*generation, std::move(link), counted(2 * i + 1)});
  }
  if (relieved.older.empty() || relieved.older.front().link) return std::nullopt;
  relieved.ended = counted(0);
  return relieved;
}

Task<Relieved> Predecessor::relieve() {
  const auto sent = co_await send_json(*link_, {{"op", "relieve"}});
  auto answer = sent ? co_await runtime::within(reactor_, answer_limit, receive_json(*link_))
                     : std::optional<std::optional<JsonMessage>>(std::nullopt);
  if (answer && !*answer) {
    runtime::log::warning("proxy", "process {}, whose sockets this one has taken over, has ended",
                          generation_.pid);
    co_return Relieved{};
  }
  auto relieved = answer ? relieved_from(reactor_, **answer) : std::nullopt;
  if (!relieved) {
    // It has been told, and drains once it can: the link stays for what it says then.
    runtime::log::warning("proxy", "process {}, whose sockets this one has taken over, hangs",
                          generation_.pid);
    generation_.drains_since = reactor_.clock().wall();
    relieved.emplace().older.push_back({generation_, nullptr, {}});
  }
  relieved->older.front().link = std::move(link_);
  co_return std::move(*relieved);
}

Task<std::expected<std::vector<Generation>, Unanswered>> ask_status(runtime::Reactor& reactor,
                                                                    std::string path, base::Duration limit) {
  auto fd = runtime::connect_messages(path);
  // EAGAIN: more wait already than may.
  if (!fd) co_return std::unexpected(Unanswered{.listens = fd.error().code == EAGAIN});
  MessageSocket socket(reactor, std::move(*fd));
  auto answer = co_await runtime::within(reactor, limit, ask(socket));
  if (!answer) co_return std::unexpected(Unanswered{.listens = true, .pid = listener_of(socket)});
  if (!*answer) co_return std::unexpected(Unanswered{});  // it has just ended
  co_return std::move(**answer);
}

}  // namespace weft::proxy
