#include "runtime/dns.h"

#include <ares.h>
#include <netinet/in.h>
#include <poll.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "runtime/combine.h"

namespace weft::runtime {
namespace {

/// For the first answer of a server, and how often all are asked: c-ares doubles the time with each round, so
/// that 1 s, 2 s and 4 s pass before a name is given up.
constexpr int first_wait_ms = 1000;
constexpr int rounds = 3;

std::string words(int status) {
  switch (status) {
    case ARES_ENOTFOUND:
    case ARES_ENODATA: return "no such host";
    case ARES_ETIMEOUT: return "no DNS server answered in time";
    case ARES_ECONNREFUSED: return "no DNS server can be reached";
    default: return ares_strerror(status);
  }
}

std::optional<base::Address> address_of(const sockaddr& from) {
  if (from.sa_family == AF_INET) {
    std::array<std::uint8_t, 4> bytes{};
    std::memcpy(bytes.data(), &reinterpret_cast<const sockaddr_in&>(from).sin_addr, bytes.size());
    return base::Address::ipv4(bytes, 0);
  }
  if (from.sa_family == AF_INET6) {
    std::array<std::uint8_t, 16> bytes{};
    std::memcpy(bytes.data(), &reinterpret_cast<const sockaddr_in6&>(from).sin6_addr, bytes.size());
    return base::Address::ipv6(bytes, 0);
  }
  return {};
}

bool is_readable(int fd) {
  pollfd one{.fd = fd, .events = POLLIN, .revents = 0};
  return ::poll(&one, 1, 0) == 1;
}

/// One question. It has a channel of its own, so that each sees the machine's settings of its time, and so
/// that its end ends all that belongs to it.
class Lookup final : private Waiter {
 public:
  explicit Lookup(Reactor& reactor) : reactor_(reactor), timer_(reactor, *this) {}
  Lookup(const Lookup&) = delete;
  Lookup& operator=(const Lookup&) = delete;
  ~Lookup() {
    if (channel_ != nullptr) ares_destroy(channel_);
  }

  /// Why it cannot be asked, ARES_SUCCESS if it was.
  int ask(const std::string& host, const std::string& servers);
  bool is_answered() const { return answer_.has_value(); }
  /// Who waits may end this from within.
  Readiness& answered() { return answered_; }
  std::expected<HostAddresses, std::string> take() { return std::move(*answer_); }

 private:
  /// A socket of the channel.
  struct Watch final : Waiter {
    Watch(Lookup& of, int fd) : lookup(of), socket(fd), registration(of.reactor_, fd, readable, writable) {
      wait();
    }
    void wait() {
      readable.wait(*this);
      writable.wait(*this);
    }
    void wake() override {
      wait();
      lookup.process(socket);  // may be the end of this
    }
    Lookup& lookup;
    int socket;
    Readiness readable;
    Readiness writable;
    Registration registration;
  };

  static void note_socket(void* self, ares_socket_t fd, int wants_read, int wants_write);
  static void note_answer(void* self, int status, int timeouts, ares_addrinfo* found);
  void wake() override { process(ARES_SOCKET_BAD); }
  /// Lets c-ares go on, by a socket or because time has passed. May be the end of this.
  void process(int fd);
  void set_timer();

  Reactor& reactor_;
  ares_channel channel_ = nullptr;
  std::map<int, std::unique_ptr<Watch>> watches_;
  Timer timer_;
  std::optional<std::expected<HostAddresses, std::string>> answer_;
  Readiness answered_;
};

int Lookup::ask(const std::string& host, const std::string& servers) {
  static std::once_flag once;
  std::call_once(once, [] { ares_library_init(ARES_LIB_INIT_ALL); });
  ares_options options{};
  options.timeout = first_wait_ms;
  options.tries = rounds;
  options.sock_state_cb = note_socket;
  options.sock_state_cb_data = this;
  int status =
      ares_init_options(&channel_, &options, ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB);
  if (status != ARES_SUCCESS) return status;
  if (!servers.empty()) status = ares_set_servers_ports_csv(channel_, servers.c_str());
  if (status != ARES_SUCCESS) return status;
  ares_addrinfo_hints hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_flags = ARES_AI_NOSORT;
  ares_getaddrinfo(channel_, host.c_str(), nullptr, &hints, note_answer, this);
  set_timer();
  return ARES_SUCCESS;
}

void Lookup::note_socket(void* self, ares_socket_t fd, int wants_read, int wants_write) {
  auto& lookup = *static_cast<Lookup*>(self);
  if (wants_read == 0 && wants_write == 0) {
    lookup.watches_.erase(fd);
  } else if (!lookup.watches_.contains(fd)) {
    lookup.watches_.emplace(fd, std::make_unique<Watch>(lookup, fd));
  }
}

void Lookup::note_answer(void* self, int status, int /*timeouts*/, ares_addrinfo* found) {
  auto& lookup = *static_cast<Lookup*>(self);
  if (status == ARES_EDESTRUCTION) return;
  if (status != ARES_SUCCESS) {
    lookup.answer_ = std::unexpected(words(status));
    return;
  }
  HostAddresses host;
  int ttl = std::numeric_limits<int>::max();
  for (const auto* node = found->nodes; node != nullptr; node = node->ai_next) {
    const auto address = address_of(*node->ai_addr);
    if (!address) continue;
    host.addresses.push_back(*address);
    ttl = std::min(ttl, node->ai_ttl);
  }
  ares_freeaddrinfo(found);
  std::ranges::sort(host.addresses);
  const auto [first, last] = std::ranges::unique(host.addresses);
  host.addresses.erase(first, last);
  if (host.addresses.empty()) {
    lookup.answer_ = std::unexpected(words(ARES_ENODATA));
    return;
  }
  host.ttl = std::chrono::seconds(std::max(ttl, 0));
  lookup.answer_ = std::move(host);
}

void Lookup::process(int fd) {
  // The reactor tells of what has come once, and c-ares may leave some of it.
  do {
    ares_process_fd(channel_, fd, fd);
  } while (!is_answered() && watches_.contains(fd) && is_readable(fd));
  if (!is_answered()) return set_timer();
  answered_.notify();
}

void Lookup::set_timer() {
  timeval left{};
  if (ares_timeout(channel_, nullptr, &left) == nullptr) return timer_.cancel();
  timer_.set(reactor_.clock().now() + std::chrono::seconds(left.tv_sec) +
             std::chrono::microseconds(left.tv_usec));
}

}  // namespace

Task<std::expected<HostAddresses, std::string>> resolve(Reactor& reactor, std::string host,
                                                        std::string servers) {
  Lookup lookup(reactor);
  if (const int status = lookup.ask(host, servers); status != ARES_SUCCESS)
    co_return std::unexpected(words(status));
  if (!lookup.is_answered()) co_await Wait(lookup.answered());
  co_return lookup.take();
}

}  // namespace weft::runtime
