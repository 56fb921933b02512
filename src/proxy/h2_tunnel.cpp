#include "proxy/h2_tunnel.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "runtime/block.h"

namespace weft::proxy {
namespace {

constexpr auto block_bytes = runtime::small_block_bytes;

}  // namespace

H2Tunnel::H2Tunnel(http::h2::RequestStream& stream) : stream_(stream) {
  stream_.readable().wait(readable_hook_);
  stream_.writable().wait(writable_hook_);
}

H2Tunnel::~H2Tunnel() {
  stream_.readable().cancel(readable_hook_);
  stream_.writable().cancel(writable_hook_);
  stream_.drop_write();
  free_block();
}

void H2Tunnel::free_block() {
  if (block_ != nullptr) runtime::give_block(std::exchange(block_, nullptr), block_bytes);
}

void H2Tunnel::on_readable() {
  stream_.readable().wait(readable_hook_);
  readable().notify();  // may be the end of this
}

void H2Tunnel::on_writable() {
  stream_.writable().wait(writable_hook_);
  if (stream_.is_writing()) return;
  free_block();
  if (std::exchange(ends_after_, false)) stream_.begin_write({}, true);
  writable().notify();  // may be the end of this
}

runtime::IoResult<std::size_t> H2Tunnel::try_read(std::span<char> into) {
  if (rest_.empty()) {
    const auto piece = stream_.try_body();
    if (!piece) return runtime::io_error(EAGAIN);
    if (!*piece) {
      const auto& error = piece->error();
      return runtime::io_error(error.kind == http::ReadError::Kind::io ? error.io.code : ECONNRESET);
    }
    rest_ = **piece;
  }
  const auto size = std::min(rest_.size(), into.size());
  std::ranges::copy(rest_.substr(0, size), into.begin());
  rest_.remove_prefix(size);
  return size;
}

runtime::IoResult<std::size_t> H2Tunnel::try_write(std::span<const iovec> from) {
  if (!stream_.is_open()) return runtime::io_error(EPIPE);
  if (stream_.is_writing()) return runtime::io_error(EAGAIN);
  if (block_ == nullptr) block_ = runtime::take_block(block_bytes);
  std::size_t size = 0;
  for (const auto& part : from) {
    const auto taken = std::min(part.iov_len, block_bytes - size);
    std::memcpy(block_ + size, part.iov_base, taken);
    size += taken;
  }
  stream_.begin_write({block_, size}, false);
  if (!stream_.is_writing()) free_block();
  return size;
}

void H2Tunnel::shutdown_write() {
  if (stream_.is_writing()) {
    ends_after_ = true;
  } else {
    stream_.begin_write({}, true);
  }
}

void H2Tunnel::fail(runtime::IoError error) { stream_.reset(http::h2::ResetCode::cancel, error); }

}  // namespace weft::proxy
