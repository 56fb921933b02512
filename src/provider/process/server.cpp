#include "provider/process/server.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "provider/process/descriptors.h"
#include "provider/process/protocol.h"
#include "runtime/combine.h"
#include "runtime/log.h"

namespace weft::provider::process {
namespace {

/// Peers at a time: control plane, proxy and commands, with room for what else of this user connects.
constexpr std::size_t most_connections = 64;
/// Of these, as many as have come when only descriptors are left that are kept back.
constexpr std::size_t most_spare_connections = 8;
/// Replies that a peer has not taken yet, before its next requests wait too.
constexpr std::size_t most_unread_bytes = std::size_t{1024} * 1024;
/// Descriptors in such replies. Who reads has one or two there.
constexpr std::size_t most_unread_descriptors = 64;
/// Of these, when only descriptors are left that are kept back: a proxy that starts again must get its
/// addresses even then.
constexpr std::size_t most_spare_unread_descriptors = 2;
/// Requests of one peer under way: more than a machine has instances to be stopped at once.
constexpr std::size_t most_requests = 16'384;

/// What a request says of how long it may take; zero if nothing, or nothing that can be understood.
std::chrono::milliseconds time_limit_in(const base::Json& request) {
  const auto found = request.find("limitMs");
  return found != request.end() && found->is_number_integer() ? time_limit(*found)
                                                              : std::chrono::milliseconds::zero();
}

}  // namespace

/// One peer. Requests run beside each other and end with the connection.
struct Server::Connection {
  struct Outgoing {
    std::string text;
    runtime::Fd fd;
  };

  Connection(Server& owner, runtime::Fd peer)
      : server(owner), fd(peer.get()), socket(owner.reactor_, std::move(peer)) {
    server.connections_.push_back(this);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() {
    server.connections_.remove(this);
    if (server.control_plane_ == this) server.control_plane_ = nullptr;
  }

  Server& server;
  int fd;
  runtime::MessageSocket socket;
  pid_t pid = -1;
  bool stops = false;  // everything, as it has said
  std::list<Pending*> pending;
  std::deque<Outgoing> outgoing;  // the first one may be on its way
  runtime::Event has_outgoing;
  std::size_t unread_bytes = 0;
  std::size_t unread_descriptors = 0;
  runtime::Event less;  // pulsed when a reply has gone or a request has ended
  runtime::Scope requests;

  bool is_full() const {
    return unread_bytes >= most_unread_bytes || unread_descriptors >= most_unread_descriptors ||
           requests.size() >= most_requests;
  }
  void push(const base::Json& message, runtime::Fd descriptor) {
    auto text = message.dump(-1, ' ', false, base::Json::error_handler_t::replace);
    push(std::move(text), std::move(descriptor));
  }
  void push(std::string text, runtime::Fd descriptor) {
    unread_bytes += text.size();
    if (descriptor) ++unread_descriptors;
    outgoing.push_back({std::move(text), std::move(descriptor)});
    has_outgoing.pulse();
  }
};

/// A request under way.
struct Server::Pending {
  Pending(Connection& peer, CarriedPeer::Request request, bool resumed, Instances& instances)
      : from(peer), what(std::move(request.what)), deadline(request.deadline), is_resumed(resumed) {
    from.pending.push_back(this);
    if (request.process.pid > 0) process = instances.adopt(request.process);
  }
  Pending(const Pending&) = delete;
  Pending& operator=(const Pending&) = delete;
  ~Pending() { from.pending.remove(this); }

  Connection& from;
  base::Json what;
  base::MonoTime deadline;           // of "execute"
  std::shared_ptr<Process> process;  // of "execute", once it has begun
  bool is_resumed;                   // it came to the program that this process was before
};

Server::Server(runtime::Reactor& reactor, Desk desk) : reactor_(reactor), desk_(std::move(desk)) {}
Server::~Server() = default;

runtime::Task<void> Server::serve(runtime::Fd listening) {
  runtime::Acceptor acceptor(reactor_, std::move(listening));
  while (true) {
    auto fd = co_await acceptor.accept_fd();
    if (!fd) {
      runtime::log::error("supervisor", "its socket accepts no more: {}", fd.error().message());
      co_return;
    }
    const auto most = is_spare(*fd) ? most_spare_connections : most_connections;
    if (scope_.size() < most) scope_.spawn(handle({.fd = fd->release()}));
  }
}

/// One that has just come, or came to the program that this process was before.
runtime::Task<void> Server::handle(CarriedPeer carried) {
  Connection connection(*this, take_carried(carried.fd));
  auto peer = connection.socket.peer_credentials();
  // The socket's mode keeps others out already; this holds also where its folder was opened to them.
  if (!peer || (peer->uid != ::geteuid() && peer->uid != 0)) co_return;
  connection.pid = peer->pid;
  if (carried.is_control_plane) control_plane_ = &connection;
  for (auto& [text, fd] : carried.unsent) connection.push(std::move(text), take_carried(fd));
  for (auto& request : carried.requests)
    connection.requests.spawn(answer(connection, std::move(request), true));
  co_await runtime::first(receive(connection), send(connection));
}

runtime::Task<void> Server::receive(Connection& from) {
  while (true) {
    auto message = co_await from.socket.receive();
    if (!message || !*message) co_return;
    auto request = base::Json::parse((*message)->bytes, nullptr, false);
    if (!request.is_object() || !request.contains("id") || !request["id"].is_number_unsigned())
      co_return;  // no peer of this protocol
    const auto limit = time_limit_in(request);
    from.requests.spawn(
        answer(from, {.what = std::move(request), .deadline = reactor_.clock().now() + limit, .process = {}},
               false));
    while (from.is_full()) {
      co_await from.less.wait();
      // Whoever pulsed it may end with the connection: let it return first.
      co_await reactor_.sleep(base::Duration::zero());
    }
  }
}

runtime::Task<void> Server::send(Connection& to) {
  while (true) {
    if (to.outgoing.empty()) {
      co_await to.has_outgoing.wait();
      continue;
    }
    // It stays in the queue until it is sent: else it would be lost with this program.
    std::vector<int> fds;
    if (to.outgoing.front().fd) fds.push_back(to.outgoing.front().fd.get());
    if (co_await to.socket.send(to.outgoing.front().text, std::move(fds))) {
      to.unread_bytes -= to.outgoing.front().text.size();
      if (to.outgoing.front().fd) --to.unread_descriptors;
      to.outgoing.pop_front();
      to.less.pulse();
      continue;
    }
    // The peer has gone, and the connection ends with this. What woke it may be the answer that could not be
    // sent, which ends too: let it return first.
    co_await reactor_.sleep(base::Duration::zero());
    co_return;
  }
}

runtime::Task<void> Server::answer(Connection& from, CarriedPeer::Request carried, bool is_resumed) {
  base::Json reply{{"id", carried.what["id"]}};
  Pending request(from, std::move(carried), is_resumed, desk_.instances);
  auto result = co_await perform(from, request);
  runtime::Fd fd;
  if (result && result->fd >= 0) {
    // A copy: the address may be released before the message is sent.
    fd = runtime::Fd(::fcntl(result->fd, F_DUPFD_CLOEXEC, 0));
    if (!fd) result = cannot("pass on a socket", runtime::IoError{errno});
    if (is_spare(fd) && from.unread_descriptors >= most_spare_unread_descriptors) {
      fd.reset();
      result = cannot("pass on a socket", runtime::IoError{EMFILE});
    }
  }
  if (result) {
    reply["ok"] = std::move(result->ok);
  } else {
    reply["error"] = to_json(result.error());
  }
  from.push(reply, std::move(fd));
  from.less.pulse();
}

runtime::Task<Result<Server::Answer>> Server::perform(Connection& from, Pending& pending) {
  const auto& request = pending.what;
  std::string op;
  std::string id;
  std::vector<std::string> argv;
  std::optional<std::chrono::milliseconds> limit;
  try {
    op = request.at("op").get<std::string>();
    if (op == "upgrade" || op == "replace") {
      auto what = request.at(op == "upgrade" ? "program" : "name").get<std::string>();
      // Of one that came to the program before this, this program is the answer.
      auto done = Result<void>();
      if (op == "replace") {
        done = co_await desk_.replace(std::move(what));
      } else if (!pending.is_resumed) {
        done = co_await desk_.upgrade(std::move(what));
      }
      if (!done) co_return std::unexpected(done.error());
      co_return Answer{true};
    }
    if (op != "stop" && op != "execute") {
      auto answer = perform_at_once(from, op, request);
      // An address is told only when a successor of this supervisor will know it too.
      if (answer && (op == "reserve" || op == "release")) co_await desk_.save_ports();
      co_return answer;
    }
    id = request.at("instance").get<std::string>();
    argv = request.value("argv", std::vector<std::string>());
    if (request.contains("limitMs")) limit = time_limit(request["limitMs"]);
  } catch (const base::Json::exception& error) {
    co_return base::fail(ProviderErrorKind::failed, fmt::format("malformed request: {}", error.what()));
  }
  if (op == "execute") {
    auto code = co_await desk_.instances.execute(std::move(id), std::move(argv),
                                                 limit.value_or(std::chrono::milliseconds::zero()),
                                                 pending.deadline, pending.process);
    if (!code) co_return std::unexpected(code.error());
    co_return Answer{*code};
  }
  auto stopped = co_await desk_.instances.stop(std::move(id), limit);
  if (!stopped) co_return std::unexpected(stopped.error());
  co_return Answer{to_json(*stopped)};
}

Result<Server::Answer> Server::perform_at_once(Connection& from, const std::string& op,
                                               const base::Json& request) {
  auto text = [&request](const char* field) { return request.at(field).get<std::string>(); };
  auto done = [](Result<void> result) -> Result<Answer> {
    if (!result) return std::unexpected(result.error());
    return Answer{true};
  };
  if (op == "start") {
    auto spec = spec_from_json(request.at("spec"));
    if (!spec) return std::unexpected(spec.error());
    auto started = desk_.instances.start(std::move(*spec));
    if (!started) return std::unexpected(started.error());
    return Answer{to_json(*started)};
  }
  if (op == "attach") return attach(from);
  if (op == "list") return list(text("after"));
  if (op == "remove") return done(desk_.instances.remove(text("instance")));
  if (op == "note") return done(desk_.instances.note(text("instance"), text("text")));
  if (op == "locate") {
    auto located = desk_.instances.locate(text("instance"), request.at("mayBeFixed").get<bool>());
    if (!located) return std::unexpected(located.error());
    return Answer{to_json(*located)};
  }
  if (op == "reserve") return reserve(text("key"));
  if (op == "release") return release(request.at("keys"));
  if (op == "listen") return listen(text("key"));
  if (op == "surroundings") {
    auto told = desk_.instances.surroundings(text("instance"));
    if (!told) return std::unexpected(told.error());
    return Answer{to_json(*told)};
  }
  if (op == "status") return Answer{to_json(desk_.status())};
  if (op == "log") {
    auto path = desk_.instances.log_path(text("instance"));
    if (!path) return std::unexpected(path.error());
    return Answer{*path};
  }
  if (op == "serves") {
    desk_.serves(from.pid, request.at("relieves").get<bool>());
    return Answer{true};
  }
  if (op == "stops") return stops(from);
  if (op == "shutdown") {
    desk_.shutdown(request.at("quick").get<bool>());
    return Answer{true};
  }
  return base::fail(ProviderErrorKind::failed, fmt::format("unknown request \"{}\"", op));
}

Result<Server::Answer> Server::attach(Connection& from) {
  if (control_plane_ != nullptr && control_plane_ != &from) {
    return base::fail(ProviderErrorKind::already_exists,
                      fmt::format("process {} is the control plane already", control_plane_->pid));
  }
  control_plane_ = &from;
  desk_.attached(from.pid);
  return Answer{true};
}

Result<Server::Answer> Server::stops(Connection& from) {
  if (auto why = desk_.leaves_stopping()) return base::fail(ProviderErrorKind::unavailable, std::move(*why));
  from.stops = true;
  return Answer{true};
}

bool Server::control_plane_stops() const { return control_plane_ != nullptr && control_plane_->stops; }

Result<Server::Answer> Server::reserve(const std::string& key) {
  auto address = desk_.ports.reserve(key);
  if (!address) return std::unexpected(address.error());
  return Answer{address->to_string()};
}

Result<Server::Answer> Server::release(const base::Json& keys) {
  for (const auto& key : keys) desk_.ports.release(key.get<std::string>());
  return Answer{true};
}

Result<Server::Answer> Server::listen(const std::string& key) {
  const int fd = desk_.ports.listening(key);
  if (fd < 0) return base::fail(ProviderErrorKind::not_found, fmt::format("{} is not reserved", key));
  return Answer{true, fd};
}

Result<Server::Answer> Server::list(const std::string& after) {
  auto instances = base::Json::array();
  std::size_t bytes = 0;
  for (auto* instance = desk_.instances.next_after(after); instance != nullptr && bytes < list_bytes;
       instance = desk_.instances.next_after(instance->id)) {
    bytes += instances.emplace_back(to_json(*instance))
                 .dump(-1, ' ', false, base::Json::error_handler_t::replace)
                 .size();
  }
  return Answer{std::move(instances)};
}

void Server::tell_exit(const Instance& instance) {
  if (control_plane_ == nullptr) return;
  control_plane_->push({{"exited", to_json(instance)}}, {});
}

std::vector<CarriedPeer> Server::carry() const {
  std::vector<CarriedPeer> peers;
  for (const auto* connection : connections_) {
    CarriedPeer peer{.fd = connection->fd, .is_control_plane = connection == control_plane_};
    for (const auto* request : connection->pending) {
      const auto process = request->process ? process::carry(*request->process) : CarriedProcess{};
      peer.requests.push_back({request->what, request->deadline, process});
    }
    for (const auto& message : connection->outgoing) peer.unsent.emplace_back(message.text, message.fd.get());
    peers.push_back(std::move(peer));
  }
  return peers;
}

void Server::resume(std::vector<CarriedPeer> peers) {
  for (auto& peer : peers) scope_.spawn(handle(std::move(peer)));
}

}  // namespace weft::provider::process
