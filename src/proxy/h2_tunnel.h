// A stream of HTTP/2 behind CONNECT, as one of bytes.
#pragma once

#include <array>
#include <string_view>

#include "http/h2/stream.h"
#include "runtime/reactor.h"
#include "runtime/stream.h"

namespace weft::proxy {

/// While it lives nobody else reads or writes the stream.
class H2Tunnel final : public runtime::Stream {
 public:
  explicit H2Tunnel(http::h2::RequestStream& stream);
  H2Tunnel(const H2Tunnel&) = delete;
  H2Tunnel& operator=(const H2Tunnel&) = delete;
  ~H2Tunnel() override;

  runtime::IoResult<std::size_t> try_read(std::span<char> into) override;
  bool has_ended() const override { return !stream_.is_open() || stream_.body_done(); }
  /// Takes a block at a time, and the next when the peer's windows have let that out.
  runtime::IoResult<std::size_t> try_write(std::span<const iovec> from) override;
  bool holds_back() const override { return ends_after_ || stream_.is_writing(); }
  void shutdown_write() override;
  void fail(runtime::IoError error) override;
  std::optional<std::uint64_t> taken_of(std::uint64_t) const override { return std::nullopt; }
  std::size_t unsent() const override { return stream_.unsent(); }

 private:
  void on_readable();
  void on_writable();
  void free_block();

  http::h2::RequestStream& stream_;
  /// Of what was read, what no reader has taken yet.
  std::string_view rest_;
  /// Holds what is being written; null while nothing is.
  char* block_ = nullptr;
  /// The end follows what is being written.
  bool ends_after_ = false;
  runtime::Hook<H2Tunnel, &H2Tunnel::on_readable> readable_hook_{*this};
  runtime::Hook<H2Tunnel, &H2Tunnel::on_writable> writable_hook_{*this};
};

}  // namespace weft::proxy
