#include "http/h1/linger.h"

#include <array>

#include "runtime/combine.h"

namespace weft::http::h1 {
namespace {

runtime::Task<void> drop_all(runtime::Stream& stream) {
  std::array<char, 2048> dropped;
  while (true) {
    const auto size = co_await runtime::read(stream, dropped);
    if (!size || *size == 0) co_return;
  }
}

}  // namespace

runtime::Task<void> linger(runtime::Reactor& reactor, runtime::Stream& stream, base::Duration limit) {
  stream.shutdown_write();
  co_await runtime::within(reactor, limit, drop_all(stream));
}

}  // namespace weft::http::h1
