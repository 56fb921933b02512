#include "runtime/stream.h"

#include <algorithm>
#include <climits>

#include "runtime/pipe.h"

namespace weft::runtime {

const base::Address& Stream::peer() const {
  static const base::Address none;
  return none;
}

IoResult<std::size_t> Stream::try_peek(std::span<char>) { return io_error(EOPNOTSUPP); }
IoResult<std::size_t> Stream::try_read_into(int, std::size_t) { return io_error(EOPNOTSUPP); }
IoResult<std::size_t> Stream::try_write_from(int, std::size_t) { return io_error(EOPNOTSUPP); }

bool Write::attempt() {
  while (!parts_.empty()) {
    if (parts_.front().iov_len == 0) {
      parts_ = parts_.subspan(1);
      continue;
    }
    auto written = stream_.try_write(parts_.first(std::min<std::size_t>(parts_.size(), IOV_MAX)));
    if (!written) {
      if (written.error().would_block()) return false;
      result_ = std::unexpected(written.error());
      return true;
    }
    while (*written > 0) {
      auto& part = parts_.front();
      const auto taken = std::min(*written, part.iov_len);
      part.iov_base = static_cast<char*>(part.iov_base) + taken;
      part.iov_len -= taken;
      *written -= taken;
      if (part.iov_len == 0) parts_ = parts_.subspan(1);
    }
  }
  result_ = {};
  return true;
}

void Write::wait() {
  if (deadline_ != nullptr) deadline_->expires_without_progress(pause_limit_);
  stream_.writable().wait(*this);
}

Task<IoResult<void>> write_all(Stream& stream, std::string bytes) {
  iovec part{bytes.data(), bytes.size()};
  co_return co_await write(stream, {&part, 1});
}

void Deadline::expires_after(base::Duration duration) {
  if (duration <= base::Duration::zero()) {
    clear();
    return;
  }
  pause_ = {};
  at_ = reactor_.coarse_now() + duration;
  // A timer that is already set for an earlier time finds out when it fires that the deadline has moved.
  if (!timer_.is_set() || timer_.at() > at_) timer_.set(at_);
}

void Deadline::expires_without_progress(base::Duration duration) {
  expires_after(duration);
  if (!has_time()) return;
  pause_ = duration;
  unsent_ = stream_->unsent();
}

void Deadline::wake() {
  if (!has_time()) return;
  if (reactor_.coarse_now() < at_) {
    timer_.set(at_);
    return;
  }
  if (pause_ > base::Duration::zero() && stream_->unsent() < unsent_) {
    expires_without_progress(pause_);
    return;
  }
  stream_->fail({ETIMEDOUT});
}

namespace {

class MemoryStream;

/// What one end sends to the other.
struct Direction {
  explicit Direction(std::size_t capacity) : pipe(capacity) {}
  Pipe pipe;
  bool has_ended = false;
  bool is_reset = false;
};

/// What both ends share; an end that is gone is null.
struct Pair {
  explicit Pair(std::size_t capacity) : directions{Direction(capacity), Direction(capacity)} {}
  Direction directions[2];
  MemoryStream* ends[2] = {nullptr, nullptr};
};

class MemoryStream final : public Stream, private Waiter {
 public:
  MemoryStream(Reactor& reactor, std::shared_ptr<Pair> pair, int side)
      : pair_(std::move(pair)), side_(side), soon_(reactor, *this) {
    pair_->ends[side_] = this;
  }
  MemoryStream(const MemoryStream&) = delete;
  MemoryStream& operator=(const MemoryStream&) = delete;
  ~MemoryStream() override {
    if (destroyed_ != nullptr) *destroyed_ = true;
    pair_->ends[side_] = nullptr;
    out().has_ended = true;
    out().is_reset = resets_at_close();
    wake_peer();
  }

  IoResult<std::size_t> try_read(std::span<char> into) override {
    if (failed_.code != 0) return std::unexpected(failed_);
    if (in().pipe.empty()) return nothing_to_read();
    const auto count = in().pipe.take(into);
    wake_peer();
    return count;
  }

  IoResult<std::size_t> try_peek(std::span<char> into) override {
    if (failed_.code != 0) return std::unexpected(failed_);
    return in().pipe.empty() ? nothing_to_read() : in().pipe.peek(into);
  }

  bool has_ended() const override { return failed_.code != 0 || pair_->directions[1 - side_].has_ended; }
  std::optional<std::uint64_t> taken_of(std::uint64_t written) const override {
    return written - pair_->directions[side_].pipe.size();
  }

  IoResult<std::size_t> try_write(std::span<const iovec> from) override {
    if (failed_.code != 0) return std::unexpected(failed_);
    if (out().has_ended || other_end() == nullptr) return io_error(EPIPE);
    const auto count = out().pipe.put(from);
    const bool any = std::ranges::any_of(from, [](const auto& part) { return part.iov_len > 0; });
    if (count == 0 && any) return io_error(EAGAIN);
    wake_peer();
    return count;
  }

  void shutdown_write() override {
    out().has_ended = true;
    wake_peer();
  }

  void fail(IoError error) override {
    failed_ = error;
    if (!resets_at_close()) out().has_ended = true;
    wake_peer();
    soon_.set();
  }

 private:
  Direction& in() { return pair_->directions[1 - side_]; }
  Direction& out() { return pair_->directions[side_]; }
  IoResult<std::size_t> nothing_to_read() {
    if (in().is_reset) return io_error(ECONNRESET);
    if (in().has_ended) return 0;
    return io_error(EAGAIN);
  }
  MemoryStream* other_end() { return pair_->ends[1 - side_]; }
  void wake_peer() {
    if (auto* other = other_end()) other->soon_.set();
  }
  void wake() override {
    bool destroyed = false;
    destroyed_ = &destroyed;
    readable_.notify();
    if (destroyed) return;
    writable_.notify();
    if (!destroyed) destroyed_ = nullptr;
  }
  std::shared_ptr<Pair> pair_;
  int side_;
  Soon soon_;
  IoError failed_;
  bool* destroyed_ = nullptr;
};

}  // namespace

std::pair<std::unique_ptr<Stream>, std::unique_ptr<Stream>> memory_pair(Reactor& reactor,
                                                                        std::size_t capacity) {
  auto pair = std::make_shared<Pair>(capacity);
  return {std::make_unique<MemoryStream>(reactor, pair, 0), std::make_unique<MemoryStream>(reactor, pair, 1)};
}

}  // namespace weft::runtime
