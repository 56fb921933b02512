// What a stream and its DATA frames take of the heap once a connection has warmed up. nghttp2's own memory is
// not counted.
#include <gtest/gtest.h>

#include <cstdlib>
#include <new>

#include "http/h2/connection.h"
#include "runtime/combine.h"
#include "runtime/scope.h"

// The sanitizers have an operator new of their own, and blocks and frames are not kept under them.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && !__has_feature(address_sanitizer) && \
    !__has_feature(thread_sanitizer)

namespace {
thread_local std::size_t allocations = 0;
}  // namespace

// NOLINTBEGIN(cppcoreguidelines-no-malloc): it stands in for the heap.
void* operator new(std::size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
// NOLINTEND(cppcoreguidelines-no-malloc)

namespace weft::http::h2 {
namespace {

using runtime::Reactor;
using runtime::Task;

constexpr std::size_t body_bytes = 1'000'000;

Task<void> drain(RequestStream* stream) {
  while (true) {
    const auto piece = co_await stream->read_body();
    if (!piece || piece->empty()) co_return;
  }
}

Task<void> serve(Connection* connection) {
  const message::ResponseHead head;
  while (auto stream = co_await connection->accept()) {
    co_await drain(&*stream);
    stream->put_head(head, message::Content::unknown());
    (void)co_await stream->write("answer", true);
  }
}

Task<void> ask(Connection* connection, const message::RequestHead* head, std::string_view body) {
  auto stream = connection->open();
  stream->put_head(*head, message::Content::of_length(body.size()));
  (void)co_await stream->write(body, true);
  (void)co_await stream->read_head();
  co_await drain(&*stream);
}

TEST(H2Allocations, NoneForAStreamNorForItsFrames) {
  Reactor reactor;
  auto [a, b] = runtime::memory_pair(reactor);
  auto client = Connection::client(reactor, std::move(a));
  auto server = Connection::server(reactor, std::move(b));
  runtime::Scope scope;
  scope.spawn(serve(&server));
  message::RequestHead head;
  head.headers = {{"host", "a"}, {"user-agent", "test"}, {"x-more", "fields"}};
  const std::string body(body_bytes, 'x');
  for (int i = 0; i < 10; ++i) reactor.block_on(ask(&client, &head, body));
  EXPECT_GT(allocations, 0U) << "it counts";
  allocations = 0;
  for (int i = 0; i < 10; ++i) reactor.block_on(ask(&client, &head, body));
  EXPECT_EQ(allocations, 0U);
}

}  // namespace
}  // namespace weft::http::h2

#endif
