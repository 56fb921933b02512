#include "provider/process/client.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/expansion.h"
#include "provider/process/account.h"
#include "provider/process/log_reader.h"
#include "provider/process/protocol.h"

namespace weft::provider::process {
namespace {

/// Between two attempts to reach a supervisor that is just starting.
constexpr auto connect_pause = std::chrono::milliseconds(5);

ProviderError gone_error() { return {ProviderErrorKind::unavailable, "the supervisor is gone"}; }

Result<std::string> text_of(const base::Json& json) {
  if (json.is_string()) return json.get<std::string>();
  return base::fail(ProviderErrorKind::failed, "malformed reply of the supervisor");
}

}  // namespace

/// Resumes who awaits it from the reactor's loop, never from within set(): whoever is resumed may destroy the
/// client.
class SupervisorClient::Latch final : public runtime::Waiter {
 public:
  explicit Latch(runtime::Reactor& reactor) : soon_(reactor, *this) {}
  void set() {
    is_set_ = true;
    if (handle_) soon_.set();
  }
  bool await_ready() const { return is_set_; }
  void await_suspend(std::coroutine_handle<> handle) { handle_ = handle; }
  void await_resume() const {}
  void wake() override { handle_.resume(); }

 private:
  runtime::Soon soon_;
  bool is_set_ = false;
  std::coroutine_handle<> handle_;
};

/// A request that waits for its reply.
struct SupervisorClient::Call {
  Call(SupervisorClient& owner, std::uint64_t number) : client(owner), id(number), answered(owner.reactor_) {
    client.calls_[id] = this;
  }
  ~Call() { client.calls_.erase(id); }

  SupervisorClient& client;
  std::uint64_t id;
  Latch answered;
  Result<Reply> reply = std::unexpected(gone_error());
};

Result<std::unique_ptr<SupervisorClient>> SupervisorClient::connect(runtime::Reactor& reactor,
                                                                    const std::string& socket_path) {
  auto fd = runtime::connect_messages(socket_path);
  if (fd) return std::make_unique<SupervisorClient>(reactor, std::move(*fd));
  return base::fail(ProviderErrorKind::unavailable,
                    fmt::format("no supervisor answers at {}: {}", socket_path, fd.error().message()));
}

runtime::Task<Result<std::unique_ptr<SupervisorClient>>> SupervisorClient::connect_within(
    runtime::Reactor& reactor, std::string socket_path, base::Duration limit) {
  auto deadline = reactor.clock().now() + limit;
  while (true) {
    auto client = connect(reactor, socket_path);
    if (client || reactor.clock().now() >= deadline) co_return client;
    co_await reactor.sleep(connect_pause);
  }
}

SupervisorClient::SupervisorClient(runtime::Reactor& reactor, runtime::Fd fd)
    : reactor_(reactor), socket_(reactor, std::move(fd)) {
  scope_.spawn(receive_loop());
  scope_.spawn(send_loop());
}

SupervisorClient::~SupervisorClient() = default;

runtime::Task<void> SupervisorClient::receive_loop() {
  while (true) {
    auto message = co_await socket_.receive();
    if (!message || !*message) break;
    deliver(std::move(**message));
  }
  end();
}

runtime::Task<void> SupervisorClient::send_loop() {
  while (auto request = co_await outgoing_.pop()) {
    auto sent = co_await socket_.send(std::move(request->text));
    if (sent) continue;
    if (sent.error().code != EMSGSIZE) co_return end();
    // Larger than this user may send at once: it fails alone.
    auto found = calls_.find(request->id);
    if (found == calls_.end()) continue;
    found->second->reply = base::fail(ProviderErrorKind::failed, "a request to the supervisor is too large");
    found->second->answered.set();
  }
}

void SupervisorClient::deliver(runtime::Message message) {
  auto json = base::Json::parse(message.bytes, nullptr, false);
  if (!json.is_object()) return;
  if (auto exited = json.find("exited"); exited != json.end()) {
    if (auto instance = instance_from_json(*exited)) changes_.push_back(std::move(*instance));
    if (change_waiter_ != nullptr) change_waiter_->set();
    return;
  }
  auto id = json.find("id");
  auto found =
      id != json.end() && id->is_number_unsigned() ? calls_.find(id->get<std::uint64_t>()) : calls_.end();
  if (found == calls_.end()) return;  // whoever asked has gone
  if (auto ok = json.find("ok"); ok != json.end()) {
    found->second->reply = Reply{std::make_unique<base::Json>(std::move(*ok)), std::move(message.fds)};
  } else {
    found->second->reply = std::unexpected(error_from_json(json.value("error", base::Json::object())));
  }
  found->second->answered.set();
}

void SupervisorClient::end() {
  for (auto& [id, call] : calls_) call->answered.set();
  if (change_waiter_ != nullptr) change_waiter_->set();
  gone_.set();
}

runtime::Task<Result<SupervisorClient::Reply>> SupervisorClient::call(base::Json request) {
  if (gone_.is_set()) co_return std::unexpected(gone_error());
  Call call(*this, next_id_++);
  request["id"] = call.id;
  outgoing_.push({call.id, request.dump(-1, ' ', false, base::Json::error_handler_t::replace)});
  co_await call.answered;
  co_return std::move(call.reply);
}

runtime::Task<Result<void>> SupervisorClient::attach(VolumeFolders volumes) {
  auto reply = co_await call({{"op", "attach"}});
  if (!reply) co_return std::unexpected(reply.error());
  volumes_ = Volumes(std::move(volumes));
  auto listed = co_await list();
  if (!listed) co_return std::unexpected(listed.error());
  volumes_.remove_others(
      [&](const std::string& id) { return std::ranges::find(*listed, id, &Instance::id) != listed->end(); });
  co_return Result<void>{};
}

runtime::Task<Result<Instance>> SupervisorClient::start(InstanceSpec spec) {
  auto account = find_account(spec.run_as);
  if (!account) co_return std::unexpected(account.error());
  spec.credentials = account->credentials;
  auto variables = volumes_.make(spec.id, spec.volumes, spec.credentials);
  if (!variables) co_return std::unexpected(variables.error());
  for (const auto& [name, value] : account->variables) variables->emplace_back(name, base::literal(value));
  // First, for what is declared may use them, and wins.
  spec.environment.insert(spec.environment.begin(), variables->begin(), variables->end());
  auto reply = co_await call({{"op", "start"}, {"spec", to_json(spec)}});
  if (!reply) co_return std::unexpected(reply.error());
  co_return instance_from_json(*reply->ok);
}

runtime::Task<Result<Instance>> SupervisorClient::stop(std::string id,
                                                       std::optional<std::chrono::milliseconds> grace) {
  base::Json request{{"op", "stop"}, {"instance", id}};
  if (grace) request["limitMs"] = grace->count();
  auto reply = co_await call(std::move(request));
  if (!reply) co_return std::unexpected(reply.error());
  co_return instance_from_json(*reply->ok);
}

runtime::Task<Result<void>> SupervisorClient::refresh(std::string id, std::vector<Volume> volumes,
                                                      RunAs run_as) {
  const auto account = find_account(run_as);
  if (!account) co_return std::unexpected(account.error());
  const auto made = volumes_.make(id, volumes, account->credentials);
  if (!made) co_return std::unexpected(made.error());
  co_return Result<void>{};
}

runtime::Task<Result<void>> SupervisorClient::remove(std::string id) {
  auto reply = co_await call({{"op", "remove"}, {"instance", id}});
  // Of one that never began there are volumes alone.
  if (reply || reply.error().kind == ProviderErrorKind::not_found) volumes_.remove(id);
  if (!reply) co_return std::unexpected(reply.error());
  co_return Result<void>{};
}

runtime::Task<Result<void>> SupervisorClient::note(std::string id, std::string text) {
  auto reply = co_await call({{"op", "note"}, {"instance", id}, {"text", text}});
  if (!reply) co_return std::unexpected(reply.error());
  co_return Result<void>{};
}

runtime::Task<Result<std::vector<Instance>>> SupervisorClient::list() {
  std::vector<Instance> instances;
  while (true) {
    auto reply = co_await call({{"op", "list"}, {"after", instances.empty() ? "" : instances.back().id}});
    if (!reply) co_return std::unexpected(reply.error());
    if (!reply->ok->is_array()) co_return base::fail(ProviderErrorKind::failed, "malformed list");
    for (const auto& json : *reply->ok) {
      auto instance = instance_from_json(json);
      if (!instance) co_return std::unexpected(instance.error());
      instances.push_back(std::move(*instance));
    }
    if (reply->ok->empty()) co_return instances;
  }
}

runtime::Task<Result<Instance>> SupervisorClient::next_change() {
  while (changes_.empty()) {
    if (gone_.is_set()) co_return std::unexpected(gone_error());
    Latch latch(reactor_);
    change_waiter_ = &latch;
    struct Clear {
      Latch*& pointer;
      ~Clear() { pointer = nullptr; }
    } clear{change_waiter_};
    co_await latch;
  }
  auto instance = std::move(changes_.front());
  changes_.pop_front();
  co_return instance;
}

runtime::Task<Result<Located>> SupervisorClient::locate(std::string id, bool may_be_fixed) {
  auto reply = co_await call({{"op", "locate"}, {"instance", id}, {"mayBeFixed", may_be_fixed}});
  if (!reply) co_return std::unexpected(reply.error());
  co_return located_from_json(*reply->ok);
}

runtime::Task<Result<int>> SupervisorClient::execute(std::string id, std::vector<std::string> argv,
                                                     std::chrono::milliseconds limit) {
  auto reply =
      co_await call({{"op", "execute"}, {"instance", id}, {"argv", argv}, {"limitMs", limit.count()}});
  if (!reply) co_return std::unexpected(reply.error());
  if (!reply->ok->is_number_integer()) co_return base::fail(ProviderErrorKind::failed, "malformed exit code");
  co_return reply->ok->get<int>();
}

runtime::Task<Result<std::unique_ptr<LogReader>>> SupervisorClient::logs(std::string id, LogOptions options) {
  auto reply = co_await call({{"op", "log"}, {"instance", id}});
  if (!reply) co_return std::unexpected(reply.error());
  auto path = text_of(*reply->ok);
  if (!path) co_return std::unexpected(path.error());
  const auto slash = path->rfind('/') + 1;
  auto log = find_log(path->substr(0, slash), path->substr(slash));
  if (!log) co_return base::fail(ProviderErrorKind::not_found, fmt::format("{} does not exist", *path));
  if (options.previous && log->runs.size() < 2) {
    co_return base::fail(ProviderErrorKind::not_found,
                         fmt::format("{} has not been restarted: there is no run before this one", id));
  }
  co_return std::make_unique<LogFileReader>(reactor_, *log, options);
}

runtime::Task<Result<base::Address>> SupervisorClient::reserve(std::string key) {
  auto reply = co_await call({{"op", "reserve"}, {"key", key}});
  if (!reply) co_return std::unexpected(reply.error());
  auto text = text_of(*reply->ok);
  if (!text) co_return std::unexpected(text.error());
  auto address = base::Address::parse(*text);
  if (!address) co_return base::fail(ProviderErrorKind::failed, fmt::format("\"{}\" is no address", *text));
  co_return *address;
}

runtime::Task<Result<void>> SupervisorClient::release(std::vector<std::string> keys) {
  auto reply = co_await call({{"op", "release"}, {"keys", keys}});
  if (!reply) co_return std::unexpected(reply.error());
  co_return Result<void>{};
}

runtime::Task<Result<runtime::Fd>> SupervisorClient::listen(std::string key) {
  auto reply = co_await call({{"op", "listen"}, {"key", key}});
  if (!reply) co_return std::unexpected(reply.error());
  if (reply->fds.size() != 1)
    co_return base::fail(ProviderErrorKind::failed, "the reply holds no descriptor");
  co_return std::move(reply->fds.front());
}

runtime::Task<Result<SupervisorStatus>> SupervisorClient::status() {
  auto reply = co_await call({{"op", "status"}});
  if (!reply) co_return std::unexpected(reply.error());
  co_return status_from_json(*reply->ok);
}

runtime::Task<Result<Surroundings>> SupervisorClient::surroundings(std::string id) {
  auto reply = co_await call({{"op", "surroundings"}, {"instance", id}});
  if (!reply) co_return std::unexpected(reply.error());
  co_return surroundings_from_json(*reply->ok);
}

runtime::Task<Result<void>> SupervisorClient::upgrade(std::string program) {
  auto reply = co_await call({{"op", "upgrade"}, {"program", program}});
  if (!reply) co_return std::unexpected(reply.error());
  co_return Result<void>{};
}

runtime::Task<Result<void>> SupervisorClient::replace(std::string name) {
  auto reply = co_await call({{"op", "replace"}, {"name", name}});
  if (!reply) co_return std::unexpected(reply.error());
  co_return Result<void>{};
}

runtime::Task<Result<void>> SupervisorClient::serves(bool relieves) {
  auto reply = co_await call({{"op", "serves"}, {"relieves", relieves}});
  if (!reply) co_return std::unexpected(reply.error());
  co_return Result<void>{};
}

runtime::Task<Result<void>> SupervisorClient::stops() {
  auto reply = co_await call({{"op", "stops"}});
  if (!reply) co_return std::unexpected(reply.error());
  co_return Result<void>{};
}

runtime::Task<Result<void>> SupervisorClient::shutdown(bool quick) {
  auto reply = co_await call({{"op", "shutdown"}, {"quick", quick}});
  if (!reply) co_return std::unexpected(reply.error());
  co_return Result<void>{};
}

runtime::Task<void> SupervisorClient::until_gone() {
  co_await gone_.wait();
  // From the loop, for the same reason as Latch.
  co_await reactor_.sleep(base::Duration::zero());
}

}  // namespace weft::provider::process
