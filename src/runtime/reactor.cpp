#include "runtime/reactor.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <mutex>
#include <span>
#include <vector>

#include "runtime/fd.h"
#include "runtime/log.h"

namespace weft::runtime {
namespace {

constexpr int events_per_turn = 256;
/// How often a descriptor is looked at that the kernel does not watch.
constexpr auto poll_interval = std::chrono::milliseconds(10);

/// A failure here means that the process cannot go on (no descriptors or memory for the loop itself).
void require(bool ok, std::string_view what) {
  if (ok) return;
  log::error("runtime", "{}: {}", what, IoError{errno}.message());
  std::abort();
}

/// epoll_wait(2), without what glibc does around it to make it a point where a thread can be cancelled.
int wait_for_events(int epoll, std::span<epoll_event> into, int timeout_ms) {
  return static_cast<int>(
      ::syscall(SYS_epoll_pwait, epoll, into.data(), into.size(), timeout_ms, nullptr, std::size_t{0}));
}

}  // namespace

struct Reactor::Impl {
  Fd epoll;
  Fd wakeup;
  std::vector<Timer*> timers;  // a binary heap, the earliest first
  std::array<epoll_event, events_per_turn> events;
  int pending = 0;  // how many of `events` this turn has, and which is next
  int next = 0;
  std::vector<Soon*> soon;
  std::atomic<bool> stopped = false;
  std::atomic<bool> woken = false;
  std::mutex mutex;
  std::vector<std::move_only_function<void()>> posted;

  void place(std::size_t slot, Timer* timer) {
    timers[slot] = timer;
    timer->slot_ = slot;
  }
  void sift_up(std::size_t slot) {
    auto* timer = timers[slot];
    while (slot > 0) {
      const auto parent = (slot - 1) / 2;
      if (timers[parent]->at_ <= timer->at_) break;
      place(slot, timers[parent]);
      slot = parent;
    }
    place(slot, timer);
  }
  void sift_down(std::size_t slot) {
    auto* timer = timers[slot];
    while (true) {
      auto child = slot * 2 + 1;
      if (child >= timers.size()) break;
      if (child + 1 < timers.size() && timers[child + 1]->at_ < timers[child]->at_) ++child;
      if (timer->at_ <= timers[child]->at_) break;
      place(slot, timers[child]);
      slot = child;
    }
    place(slot, timer);
  }
  void remove(Timer& timer) {
    const auto slot = timer.slot_;
    timer.slot_ = Timer::not_set;
    auto* last = timers.back();
    timers.pop_back();
    if (last == &timer) return;
    place(slot, last);
    sift_up(slot);
    sift_down(last->slot_);
  }
  void wake() {
    if (woken.exchange(true)) return;
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(wakeup.get(), &one, sizeof one);
  }
};

void Timer::set(base::MonoTime at) {
  auto& impl = *reactor_.impl_;
  at_ = at;
  if (slot_ == not_set) {
    impl.timers.push_back(this);
    slot_ = impl.timers.size() - 1;
    impl.sift_up(slot_);
    return;
  }
  impl.sift_up(slot_);
  impl.sift_down(slot_);
}

void Timer::cancel() {
  if (is_set()) reactor_.impl_->remove(*this);
}

void Soon::set() {
  if (std::exchange(is_set_, true)) return;
  reactor_.impl_->soon.push_back(this);
}

void Soon::cancel() {
  if (!std::exchange(is_set_, false)) return;
  auto& soon = reactor_.impl_->soon;
  *std::ranges::find(soon, this) = nullptr;
}

/// Stands in for the kernel's watch.
class Registration::Polling final : private Waiter {
 public:
  explicit Polling(Registration& of) : of_(of), timer_(of.reactor_, *this) { wait(); }

 private:
  void wait() { timer_.set(of_.reactor_.clock().now() + poll_interval); }
  void wake() override {
    auto& of = of_;
    if (of.add()) {  // the kernel tells of what is there already
      of.polling_.reset();
      return;
    }
    wait();
    pollfd look{of.fd_, POLLIN | POLLOUT | POLLRDHUP, 0};
    if (::poll(&look, 1, 0) > 0) of.told(static_cast<std::uint32_t>(look.revents));
  }

  Registration& of_;
  Timer timer_;
};

// What poll(2) tells reads as what epoll(7) does.
static_assert(POLLIN == EPOLLIN && POLLOUT == EPOLLOUT && POLLRDHUP == EPOLLRDHUP && POLLHUP == EPOLLHUP &&
              POLLERR == EPOLLERR);

Registration::Registration(Reactor& reactor, int fd, Readiness& readable, Readiness& writable)
    : reactor_(reactor), fd_(fd), readable_(readable), writable_(writable), next_turn_(reactor, *this) {
  if (!add()) polling_ = std::make_unique<Polling>(*this);
}

Registration::~Registration() {
  if (destroyed_ != nullptr) *destroyed_ = true;
  auto& impl = *reactor_.impl_;
  epoll_ctl(impl.epoll.get(), EPOLL_CTL_DEL, fd_, nullptr);
  for (int i = impl.next; i < impl.pending; ++i) {
    auto& event = impl.events[static_cast<std::size_t>(i)];
    if (event.data.ptr == this) event.data.ptr = nullptr;
  }
}

bool Registration::add() {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.ptr = this;
  return epoll_ctl(reactor_.impl_->epoll.get(), EPOLL_CTL_ADD, fd_, &event) == 0;
}

void Registration::told(std::uint32_t events) {
  const bool ended = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
  const bool readable = ended || (events & EPOLLIN) != 0;
  const bool writable = (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0;
  may_read_ = may_read_ || readable;
  has_ended_ = has_ended_ || ended;
  dispatch(readable, writable);
}

void Registration::dispatch(bool readable, bool writable) {
  // Who is woken may fail the stream, which dispatches again, and the outer dispatch must know what the inner
  // one saw.
  bool destroyed = false;
  bool* const outer = std::exchange(destroyed_, &destroyed);
  if (readable) readable_.notify();
  if (!destroyed && writable) writable_.notify();
  if (!destroyed) {
    destroyed_ = outer;
  } else if (outer != nullptr) {
    *outer = true;
  }
}

Reactor::Reactor(base::Clock& clock)
    : clock_(clock), coarse_now_(clock.now()), impl_(std::make_unique<Impl>()) {
  impl_->epoll = Fd(epoll_create1(EPOLL_CLOEXEC));
  require(static_cast<bool>(impl_->epoll), "epoll_create1");
  impl_->wakeup = Fd(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  require(static_cast<bool>(impl_->wakeup), "eventfd");
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;
  event.data.ptr = impl_.get();
  require(epoll_ctl(impl_->epoll.get(), EPOLL_CTL_ADD, impl_->wakeup.get(), &event) == 0, "epoll_ctl");
}

Reactor::~Reactor() = default;

void Reactor::post(std::move_only_function<void()> work) {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->posted.push_back(std::move(work));
  }
  impl_->wake();
}

void Reactor::stop() {
  impl_->stopped = true;
  impl_->wake();
}

void Reactor::run() {
  while (!impl_->stopped) turn();
  impl_->stopped = false;
}

void Reactor::turn() { turn(true); }
bool Reactor::poll() { return turn(false); }

bool Reactor::turn(bool wait) {
  auto& impl = *impl_;
  int timeout_ms = wait && impl.soon.empty() ? -1 : 0;
  if (timeout_ms < 0 && !impl.timers.empty()) {
    // Rounded up: waking a fraction too early would spin until the timer is due.
    const auto left = impl.timers.front()->at_ - clock_.now();
    const auto ms = std::chrono::ceil<std::chrono::milliseconds>(left).count();
    timeout_ms = static_cast<int>(std::clamp<std::int64_t>(ms, 0, 3'600'000));
  }
  const int count = wait_for_events(impl.epoll.get(), impl.events, timeout_ms);
  require(count >= 0 || errno == EINTR, "epoll_wait");
  coarse_now_ = clock_.now();
  coarse_wall_.reset();
  const bool events = dispatch_events(std::max(count, 0));
  const bool timers = run_timers();
  const bool soon = run_soon();
  return events || timers || soon;
}

bool Reactor::dispatch_events(int count) {
  auto& impl = *impl_;
  bool posted = false;
  impl.pending = count;
  for (impl.next = 0; impl.next < impl.pending;) {
    const auto event = impl.events[static_cast<std::size_t>(impl.next++)];
    if (event.data.ptr == &impl) {
      posted = true;
    } else if (event.data.ptr != nullptr) {
      static_cast<Registration*>(event.data.ptr)->told(event.events);
    }
  }
  impl.pending = 0;
  if (posted) run_posted();
  return count > 0;
}

bool Reactor::run_timers() {
  auto& impl = *impl_;
  bool ran = false;
  while (!impl.timers.empty() && impl.timers.front()->at_ <= coarse_now_) {
    auto& timer = *impl.timers.front();
    impl.remove(timer);
    timer.owner_.wake();
    ran = true;
  }
  return ran;
}

bool Reactor::run_soon() {
  auto& impl = *impl_;
  ++turns_;  // who waits here for a new share has it
  // Only what is set by now: what these set again runs in the next turn, after new events.
  const auto count = impl.soon.size();
  for (std::size_t i = 0; i < count; ++i) {
    auto* soon = std::exchange(impl.soon[i], nullptr);
    if (soon == nullptr) continue;
    soon->is_set_ = false;
    soon->owner_.wake();
  }
  impl.soon.erase(impl.soon.begin(), impl.soon.begin() + static_cast<std::ptrdiff_t>(count));
  return count > 0;
}

void Reactor::run_posted() {
  std::uint64_t value = 0;
  [[maybe_unused]] const auto got = ::read(impl_->wakeup.get(), &value, sizeof value);
  impl_->woken = false;
  std::vector<std::move_only_function<void()>> work;
  {
    const std::lock_guard lock(impl_->mutex);
    work.swap(impl_->posted);
  }
  for (auto& item : work) item();
}

}  // namespace weft::runtime
