#include "ends/h2_load.h"

#include <algorithm>
#include <chrono>

#include "ends/backend.h"
#include "runtime/combine.h"
#include "runtime/scope.h"
#include "runtime/socket.h"

namespace weft::bench {
namespace {

using namespace std::chrono_literals;
using base::MonoTime;
using runtime::Reactor;
using runtime::Task;

/// Connections that are being opened at once by h2_rest().
constexpr std::size_t openers = 32;

Task<std::unique_ptr<H2Client>> open(Reactor& reactor, const Load& load, Call call) {
  auto stream = co_await runtime::connect(reactor, load.to, 5s);
  if (!stream) co_return nullptr;
  co_return std::make_unique<H2Client>(std::move(*stream), call, load.body_bytes);
}

/// A connection on which one call has been answered, so that the way to the backend is open; null if that
/// failed.
Task<std::unique_ptr<H2Client>> open_way(Reactor& reactor, const Load& load, Call call) {
  auto client = co_await open(reactor, load, call);
  if (!client) co_return nullptr;
  client->ask({});
  bool ok = client->send();
  while (ok && client->under_way() > 0) {
    ok = co_await client->more() && client->take([](MonoTime) {});
    ok = ok && client->send();
  }
  co_return ok ? std::move(client) : nullptr;
}

class Loop final : public runtime::Waiter {
 public:
  Loop(Reactor& reactor, const Load& load, Call call, H2Clients& kept, Result& result)
      : reactor_(reactor), load_(load), call_(call), kept_(kept), result_(result), soon_(reactor, *this) {
    if (load.requests_per_second > 0)
      interval_ = std::chrono::duration_cast<base::Duration>(
          std::chrono::duration<double>(1 / load.requests_per_second));
  }
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;
  ~Loop() = default;

  Task<void> run() {
    kept_.resize(static_cast<std::size_t>(load_.connections));
    runtime::Scope scope;
    for (auto& client : kept_) scope.spawn(open_one(client));
    co_await scope.join();
    next_ = reactor_.clock().now();
    end_ = next_ + load_.duration;
    for (auto& client : kept_) {
      if (client) scope.spawn(serve_one(client));
    }
    soon_.set();
    co_await over_.wait();
  }

 private:
  bool is_open_loop() const { return interval_ > base::Duration::zero(); }
  bool is_over() const { return under_way_ == 0 && (!is_open_loop() || next_ >= end_); }
  /// What is due is asked, in turn on each connection; looks at the clock in every turn of the loop.
  void wake() override {
    const auto now = reactor_.clock().now();
    for (; is_open_loop() && next_ <= now && next_ < end_; next_ += interval_) {
      auto& client = kept_[turn_++ % kept_.size()];
      if (client) {
        ask(*client, next_);
        result_.errors += client->send() ? 0 : 1;
      } else {
        ++result_.errors;
      }
    }
    if (is_over()) return over_.set();
    if (is_open_loop()) soon_.set();
  }
  Task<void> open_one(std::unique_ptr<H2Client>& client) {
    if (!client) client = co_await open_way(reactor_, load_, call_);
    if (!client) ++result_.errors;
  }
  void ask(H2Client& client, MonoTime since) {
    client.ask(since);
    ++under_way_;
  }
  Task<void> serve_one(std::unique_ptr<H2Client>& client) {
    for (int i = 0; !is_open_loop() && i < load_.streams; ++i) ask(*client, reactor_.clock().now());
    bool ok = client->send();
    while (ok) {
      ok = co_await client->more();
      const auto now = reactor_.clock().now();
      ok = ok && client->take([&](MonoTime since) {
        --under_way_;
        ++result_.exchanges;
        result_.latencies_ns.push_back(static_cast<std::uint32_t>((now - since) / 1ns));
        if (!is_open_loop() && now < end_) ask(*client, now);
      });
      ok = ok && client->send();
      if (is_over()) soon_.set();
    }
    ++result_.errors;
    under_way_ -= client->under_way();
    client.reset();
    if (is_over()) soon_.set();
  }

  Reactor& reactor_;
  const Load& load_;
  Call call_;
  H2Clients& kept_;
  Result& result_;
  base::Duration interval_{};
  MonoTime next_{};
  MonoTime end_{};
  std::size_t turn_ = 0;
  std::size_t under_way_ = 0;
  runtime::Event over_;
  runtime::Soon soon_;
};

}  // namespace

Task<void> h2_loop(Reactor& reactor, Load load, Call call, H2Clients& kept, Result& result) {
  Loop loop(reactor, load, call, kept, result);
  co_await loop.run();
}

Task<void> h2_rest(Reactor& reactor, Load load, H2Clients& kept, Result& result) {
  const auto known = kept.size();
  kept.resize(std::max(known, static_cast<std::size_t>(load.connections)));
  auto at = load.streams > 0 ? 0 : known;
  const auto all = unanswered() + kept.size() * static_cast<std::size_t>(load.streams);
  const auto fill_some = [&]() -> Task<void> {
    while (at < kept.size()) {
      auto& client = kept[at++];
      if (load.streams == 0) {
        client = co_await open_way(reactor, load, Call::get);
      } else if (!client) {
        client = co_await open(reactor, load, Call::get);
      }
      for (int i = 0; client && i < load.streams; ++i) client->ask({});
      (client && client->send() ? result.exchanges : result.errors) += 1;
    }
  };
  runtime::Scope scope;
  for (std::size_t i = 0; i < openers; ++i) scope.spawn(fill_some());
  co_await scope.join();
  const auto end = reactor.clock().now() + load.duration;
  while (unanswered() < all && reactor.clock().now() < end) co_await reactor.sleep(1ms);
  result.errors += std::max(all, unanswered()) - unanswered();
}

}  // namespace weft::bench
