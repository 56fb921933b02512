#include "proxy/control.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "runtime/credentials.h"
#include "runtime/log.h"

namespace weft::proxy {
namespace {

using base::Json;
using runtime::MessageSocket;
using runtime::Task;

/// Who connects is of this user: a successor, and somebody who asks for the status. With one more the oldest
/// that is no successor goes.
constexpr std::size_t max_peers = 16;
/// Both ask at once; who says nothing for so long goes.
constexpr auto ask_limit = std::chrono::seconds(2);

runtime::IoResult<std::vector<runtime::Fd>> make_count_files(std::size_t count) {
  std::vector<runtime::Fd> files;
  while (files.size() < count) {
    auto file = make_counts_file();
    if (!file) return std::unexpected(file.error());
    files.push_back(std::move(*file));
  }
  return files;
}

/// Without room for them they are lost, and nothing else is.
void write(const telemetry::Samples& counted, const Generation& of, const runtime::Fd& file) {
  if (const auto written = write_counted(file.get(), counted); !written) {
    runtime::log::warning("proxy", "what generation {} has counted cannot be passed on: {}", of.number,
                          written.error().message());
  }
}

}  // namespace

Task<Exclusive::Held> Exclusive::take() {
  while (is_taken_) co_await given_.wait();
  is_taken_ = true;
  co_return Held(*this);
}

Exclusive::Held::~Held() {
  if (of_ == nullptr) return;
  of_->is_taken_ = false;
  of_->given_.pulse();
}

Control::Control(runtime::Reactor& reactor, Proxy& proxy, Generations& generations, runtime::Fd listening,
                 Options options)
    : reactor_(reactor), proxy_(proxy), generations_(generations), options_(std::move(options)) {
  acceptor_.emplace(reactor, std::move(listening));
}

Control::~Control() = default;

void Control::start() { accepting_.spawn(accept()); }

void Control::stop() {
  accepting_.cancel();
  acceptor_.reset();
  peers_.cancel();
  connected_.clear();
}

Task<void> Control::accept() {
  while (true) {
    auto fd = co_await acceptor_->accept_fd();
    if (!fd) co_return;
    const auto peer = runtime::peer_credentials(fd->get());
    const bool is_own = peer && (peer->uid == ::geteuid() || peer->uid == 0);
    if (!is_own) continue;
    if (connected_.size() >= max_peers) make_room();
    peers_.spawn(serve(std::move(*fd)));
  }
}

void Control::make_room() {
  const auto found = std::ranges::find_if(connected_, [](const auto& peer) { return !peer->held; });
  if (found == connected_.end()) return;
  // It may end within this, and would leave the list then.
  const auto oldest = std::move(*found);
  connected_.erase(found);
  oldest->dismissed.set();
}

Task<void> Control::serve(runtime::Fd fd) {
  const auto peer = std::make_shared<Peer>();
  connected_.push_back(peer);
  co_await runtime::first(answer(std::make_unique<MessageSocket>(reactor_, std::move(fd)), peer),
                          until(peer->dismissed));
  connected_.remove(peer);
}

/// A successor takes the time that it needs.
Task<std::optional<JsonMessage>> Control::next_word(MessageSocket& socket, bool is_successor) {
  if (is_successor) co_return co_await receive_json(socket);
  auto message = co_await runtime::within(reactor_, ask_limit, receive_json(socket));
  co_return message ? std::move(*message) : std::nullopt;
}

Task<void> Control::answer(std::unique_ptr<MessageSocket> socket, std::shared_ptr<Peer> peer) {
  while (const auto message = co_await next_word(*socket, peer->held.has_value())) {
    const auto op = message->json.value("op", Json());
    bool goes_on = false;
    if (op == "status") {
      goes_on = co_await tell_status(*socket);
    } else if (op == "take" && !peer->held) {
      peer->held.emplace(co_await exclusive_.take());
      goes_on = co_await give_sockets(*socket, *peer);
    } else if (op == "relieve" && peer->held) {
      co_await hand_over(std::move(socket), std::move(peer->count_files));
      co_return;
    }
    if (!goes_on) co_return;
  }
}

Task<bool> Control::tell_status(MessageSocket& socket) {
  auto list = Json::array({to_json(own_now(co_await proxy_.metrics()))});
  for (const auto& older : co_await generations_.status()) list.push_back(to_json(older));
  co_return (co_await send_json(socket, {{"generations", std::move(list)}})).has_value();
}

Task<bool> Control::give_sockets(MessageSocket& socket, Peer& peer) {
  auto listening = co_await proxy_.listening();
  if (!acceptor_) co_return false;  // another one has taken over meanwhile
  auto files = listening ? make_count_files(2 + generations_.count()) : std::unexpected(listening.error());
  if (!files) {
    runtime::log::warning("proxy", "another process is to take over, but cannot: {}",
                          files.error().message());
    (void)co_await send_json(socket, {{"error", fmt::format("it cannot pass its sockets on: {} (process {})",
                                                            files.error().message(), options_.own.pid)}});
    co_return false;
  }
  peer.count_files = std::move(*files);
  std::vector<HandedSocket> sockets{{SocketKind::control, acceptor_->address(), acceptor_->fd()}};
  if (admin_) sockets.push_back({SocketKind::admin, admin_->address, admin_->fd.get()});
  for (const auto& one : *listening) sockets.push_back({SocketKind::listener, one.address, one.fd.get()});
  co_return (co_await send_sockets(socket, options_.own, std::move(sockets))).has_value();
}

Task<void> Control::hand_over(std::unique_ptr<MessageSocket> socket, std::vector<runtime::Fd> count_files) {
  write(co_await proxy_.metrics(), options_.own, count_files[1]);
  // From here to its end without a pause, as a small message is sent at once: what older ones tell, and
  // whoever asks here, is for one of both to hear.
  auto given = generations_.give_up();
  auto own = options_.own;
  own.drains_since = reactor_.clock().wall();
  own.cut_at = *own.drains_since + options_.old_limit;
  auto list = Json::array({to_json(own)});
  write(given.ended, own, count_files[0]);
  std::vector<int> fds{count_files[0].get(), count_files[1].get()};
  for (std::size_t i = 0; i < given.older.size(); ++i) {
    const auto& older = given.older[i];
    list.push_back(to_json(older.generation));
    write(older.counted, older.generation, count_files[2 + i]);
    fds.push_back(older.link->fd());
    fds.push_back(count_files[2 + i].get());
  }
  if (!co_await send_json(*socket, {{"generations", std::move(list)}}, std::move(fds))) {
    // It has been killed: all stays as it was.
    generations_.adopt(std::move(given));
    co_return;
  }
  accepting_.cancel();
  acceptor_.reset();
  admin_.reset();
  options_.own = std::move(own);
  link_ = std::move(socket);
  runtime::log::info("proxy", "another process has taken over: what is under way here ends");
  options_.on_superseded();
}

Generation Control::own_now(const telemetry::Samples& samples) const {
  auto own = options_.own;
  own.connections = samples.total("weft_downstream_connections_active");
  own.streams = samples.total("weft_streams_active");
  return own;
}

Task<bool> Control::tell() {
  const auto samples = co_await proxy_.metrics();
  std::vector<int> fds;
  const auto file = make_counts_file();
  if (file && write_counted(file->get(), samples)) fds.push_back(file->get());
  co_return (co_await send_json(*link_, to_json(own_now(samples)), std::move(fds))).has_value();
}

Task<void> Control::obey() {
  while (const auto message = co_await receive_json(*link_)) {
    const auto op = message->json.value("op", Json());
    if (op == "tell" && !co_await tell()) break;
    if (op == "reopen") proxy_.reopen_access_log();
    const auto ms = message->json.value("ms", Json());
    if (op != "end" || !ms.is_number_unsigned()) continue;
    end_limit_ = std::chrono::milliseconds(ms.get<std::uint32_t>());
    told_to_end_.set();
  }
  if (told_to_end_.is_set()) co_return;
  runtime::log::warning(
      "proxy",
      "the newest generation has ended without a word: generation {} (process {}) goes on with "
      "what is under way, alone, until {} at the latest",
      options_.own.number, options_.own.pid, base::format_rfc3339(*options_.own.cut_at));
}

Task<void> Control::obey_until_told_to_end() {
  peers_.spawn(obey());
  co_await told_to_end_.wait();
}

Task<void> Control::drain_as_old() {
  // In this order: who is answered knows that nothing more is taken here.
  co_await runtime::first(proxy_.retire(options_.old_limit), obey_until_told_to_end());
  if (!end_limit_) co_return;
  end_within(*end_limit_);
  co_await proxy_.drain(*end_limit_);
}

void Control::end_within(base::Duration limit) { options_.own.cut_at = reactor_.clock().wall() + limit; }

Task<void> Control::tell_final() {
  peers_.cancel();
  (void)co_await runtime::within(reactor_, answer_limit, tell());
}

}  // namespace weft::proxy
