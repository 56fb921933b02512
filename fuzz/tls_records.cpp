// A TLS connection between two of ours over a way that the input steers: in pieces of any size, with bytes
// put in, and cut anywhere. What is read is what was written, from its begin and without a gap; an end is
// told of only where the writer has ended; all that was begun ends; and where nothing was put in or cut, all
// of it arrives.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "runtime/reactor.h"
#include "runtime/scope.h"
#include "runtime/stream.h"
#include "tls/testing_certificates_test.h"
#include "tls/tls.h"

namespace {

using namespace weft;
using runtime::Task;

constexpr auto handshake_limit = std::chrono::seconds(5);
/// Small, so that records do not fit.
constexpr std::size_t capacity = 4096;
/// What one step moves, reads or writes at most.
constexpr std::size_t most = 40'000;

void require(bool ok) {
  if (!ok) std::abort();
}

/// The byte at a place of what a side writes.
char byte_at(std::size_t place) { return static_cast<char>(place * 31 + (place >> 8U)); }

/// What all inputs share: making it costs more than a handshake.
struct Settings {
  base::ManualClock clock;
  tls::Library library{tls::make_session_store(), {}, clock};
  std::shared_ptr<tls::ServerContext> servers[2];  // the second asks for a certificate
  std::shared_ptr<tls::ClientContext> client;

  Settings() {
    const tls::testing::Holder ca({.name = "ca", .is_ca = true}, nullptr);
    const tls::testing::Holder app({.name = "app"}, &ca);
    const tls::testing::Holder user({.name = "user"}, &ca);
    servers[0] = library.server({.own = app.pair(), .protocols = {"h2"}}).value();
    servers[1] = library.server({.own = app.pair(), .client_ca = ca.certificate()}).value();
    client = library.client({.ca = ca.certificate(), .name = "app", .own = user.pair()}).value();
  }
};

struct Side {
  /// The way's end at this side.
  std::unique_ptr<runtime::Stream> way;
  std::unique_ptr<tls::Connection> connection;
  bool is_over = false;  // its handshake has failed, or it is gone
  std::size_t written = 0;
  std::size_t read = 0;
  /// It has said that nothing more comes.
  bool has_ended = false;
  bool has_seen_end = false;
  /// On the way to this side, but not there yet.
  std::string coming;
};

class Machine {
 public:
  Machine(Settings& settings, bool is_mutual) {
    auto [client, client_way] = runtime::memory_pair(reactor_, capacity);
    auto [server, server_way] = runtime::memory_pair(reactor_, capacity);
    sides_[0].way = std::move(client_way);
    sides_[1].way = std::move(server_way);
    auto resumption = tls::make_resumption();
    tasks_.spawn(keep(sides_[0], tls::connect(reactor_, settings.client, std::move(client), {"h2"},
                                              std::move(resumption), handshake_limit)));
    tasks_.spawn(keep(sides_[1], tls::accept(reactor_, settings.servers[is_mutual ? 1 : 0], std::move(server),
                                             handshake_limit)));
  }

  void step(unsigned what, std::size_t size, std::string_view& input) {
    auto& side = sides_[what % 2];
    auto& other = sides_[1 - what % 2];
    switch (what / 2 % 8) {
      case 0:
      case 1: move(other, side, size); break;
      case 2: write(side, size); break;
      case 3: read(side, other, size); break;
      case 4: peek(side, other, size); break;
      case 5: put_in(side, input, size); break;
      case 6: end(side, size); break;
      case 7: cut(side); break;
    }
    settle();
  }
  void finish() {
    for (std::size_t before = 0, now = 1; now != before;) {
      before = now;
      for (auto* side : {&sides_[0], &sides_[1]}) {
        auto& other = side == &sides_[0] ? sides_[1] : sides_[0];
        move(other, *side, most);
        settle();
        read(*side, other, most);
      }
      now = 1 + moved_ + sides_[0].read + sides_[1].read;
    }
    if (!is_tampered_) {
      for (const auto i : {0, 1}) {
        if (sides_[i].is_over || sides_[1 - i].is_over) continue;
        require(sides_[i].connection != nullptr);
        require(sides_[i].read >= sides_[1 - i].written);
        require(sides_[i].has_seen_end == sides_[1 - i].has_ended);
      }
    }
    clock_.advance(2 * handshake_limit);
    settle();
    require(tasks_.size() == 0);
  }

 private:
  static Task<void> keep(Side& side, Task<tls::Result<std::unique_ptr<tls::Connection>>> opening) {
    auto made = co_await std::move(opening);
    if (made) {
      side.connection = std::move(*made);
    } else {
      require(!made.error().detail.empty());
      side.is_over = true;
    }
  }
  void settle() {
    while (reactor_.poll()) {
    }
  }
  void move(Side& from, Side& to, std::size_t size) {
    std::vector<char> bytes(std::min(size, most));
    const auto came = from.way->try_read(bytes);
    if (came && *came > 0) to.coming.append(bytes.data(), *came);
    while (!to.coming.empty()) {
      const iovec part{to.coming.data(), to.coming.size()};
      const auto taken = to.way->try_write({&part, 1});
      if (!taken && taken.error().would_block()) return;
      moved_ += taken.value_or(0);
      to.coming.erase(0, taken.value_or(to.coming.size()));
    }
    if (came && *came == 0) to.way->shutdown_write();
  }
  static void write(Side& side, std::size_t size) {
    if (!side.connection) return;
    std::vector<char> bytes(std::min(size, most));
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = byte_at(side.written + i);
    const auto half = bytes.size() / 2;
    const iovec parts[] = {{bytes.data(), half}, {bytes.data() + half, bytes.size() - half}};
    const auto taken = side.connection->try_write(parts);
    require(!taken || (!side.has_ended && *taken <= bytes.size()));
    side.written += taken.value_or(0);
  }
  static void take(const Side& side, const Side& other, std::span<const char> bytes) {
    for (std::size_t i = 0; i < bytes.size(); ++i) require(bytes[i] == byte_at(side.read + i));
    require(!bytes.empty() || (other.has_ended && side.read >= other.written));
  }
  static void read(Side& side, const Side& other, std::size_t size) {
    if (!side.connection) return;
    std::vector<char> bytes(std::min(size, most));
    while (true) {
      const auto came = side.connection->try_read(bytes);
      if (!came) return;
      take(side, other, std::span(bytes).first(*came));
      require(*came == 0 || !side.has_seen_end);
      side.read += *came;
      side.has_seen_end = *came == 0;
      if (*came == 0 || size < most) return;
    }
  }
  static void peek(const Side& side, const Side& other, std::size_t size) {
    if (!side.connection) return;
    std::vector<char> bytes(std::min(size, most));
    if (const auto came = side.connection->try_peek(bytes)) take(side, other, std::span(bytes).first(*came));
  }
  void put_in(Side& to, std::string_view& input, std::size_t size) {
    const auto bytes = input.substr(0, size);
    input.remove_prefix(bytes.size());
    if (!bytes.empty()) is_tampered_ = true;
    to.coming += bytes;
  }
  static void end(Side& side, std::size_t how) {
    if (!side.connection) return;
    side.has_ended = side.has_ended || how % 4 != 3;
    if (how % 4 < 2) return side.connection->shutdown_write();
    side.connection->reset_at_close(how % 4 == 3);
    side.connection.reset();
    side.is_over = true;
  }
  void cut(Side& side) {
    is_tampered_ = true;
    side.way->shutdown_write();
  }

  base::ManualClock clock_;
  runtime::Reactor reactor_{clock_};
  Side sides_[2];
  runtime::Scope tasks_;
  std::size_t moved_ = 0;
  bool is_tampered_ = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Settings settings;
  std::string_view input(reinterpret_cast<const char*>(data), size);
  if (input.empty()) return 0;
  Machine machine(settings, (static_cast<unsigned char>(input.front()) & 1U) != 0);
  input.remove_prefix(1);
  while (input.size() >= 2) {
    const auto what = static_cast<unsigned char>(input[0]);
    const std::size_t scale = static_cast<unsigned char>(input[1]);
    input.remove_prefix(2);
    machine.step(what, scale < 128 ? scale + 1 : (scale - 126) * 256, input);
  }
  machine.finish();
  return 0;
}
