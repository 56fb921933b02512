// One way to move a message, over HTTP/1 and HTTP/2 as they come.
#include <gtest/gtest.h>

#include <array>
#include <string>

#include "http/h1/reader.h"
#include "http/h1/writer.h"
#include "http/h2/connection.h"
#include "runtime/combine.h"
#include "runtime/scope.h"

namespace weft::http {
namespace {

using runtime::Reactor;
using runtime::Task;

message::Content content_of(const h1::Reader& reader) { return reader.framing().content(); }
message::Content content_of(const h2::RequestStream& stream) { return stream.content(); }

void put_head(h1::Writer& writer, const message::RequestHead& head, const message::Content& content) {
  writer.put_head(head, h1::Framing::of(content, h1::Framing::Kind::chunked));
}
void put_head(h2::ClientStream& stream, const message::RequestHead& head, const message::Content& content) {
  stream.put_head(head, content);
}

/// Moves a message whose head has been read.
template <class Reader, class Writer>
Task<bool> forward(Reader* from, runtime::Readiness* readable, Writer* to) {
  put_head(*to, from->head(), content_of(*from));
  while (true) {
    const auto piece = from->try_body();
    if (!piece) {
      co_await runtime::Wait(*readable);
      continue;
    }
    if (!*piece) co_return false;
    const bool last = from->body_done();
    if (!co_await to->write(**piece, last, &from->trailers())) co_return false;
    if (last) co_return to->is_done();
  }
}

Task<void> over_h1_to_h2(runtime::Stream* in, h2::Connection* out) {
  h1::RequestReader reader(*in);
  auto stream = out->open();
  if (!co_await reader.read_head()) co_return;
  EXPECT_TRUE(co_await forward(&reader, &in->readable(), &*stream));
  // The request has arrived: its answer is not asked for.
  (void)co_await stream->read_head();
}

Task<void> over_h2_to_h1(h2::Connection* in, runtime::Stream* out) {
  h1::Writer writer(*out);
  auto stream = co_await in->accept();
  EXPECT_TRUE(co_await forward(&*stream, &stream->readable(), &writer));
  out->shutdown_write();
}

Task<void> over_h2_to_h2(h2::Connection* in, h2::Connection* out) {
  auto stream = co_await in->accept();
  auto onward = out->open();
  EXPECT_TRUE(co_await forward(&*stream, &stream->readable(), &*onward));
  (void)co_await onward->read_head();
}

Task<std::string> read_to_end(runtime::Stream* stream) {
  std::string all;
  std::array<char, 4096> buffer{};
  while (true) {
    const auto size = co_await runtime::read(*stream, buffer);
    if (!size || *size == 0) co_return all;
    all.append(buffer.data(), *size);
  }
}

/// What a request is after it came by HTTP/1, went on by HTTP/2 twice, and by HTTP/1 again.
std::string forwarded(std::string text) {
  Reactor reactor;
  auto [client, in] = runtime::memory_pair(reactor);
  auto [out, service] = runtime::memory_pair(reactor);
  auto [a, b] = runtime::memory_pair(reactor);
  auto [c, d] = runtime::memory_pair(reactor);
  auto first = h2::Connection::client(reactor, std::move(a));
  auto second = h2::Connection::server(reactor, std::move(b));
  auto third = h2::Connection::client(reactor, std::move(c));
  auto fourth = h2::Connection::server(reactor, std::move(d));
  runtime::Scope scope;
  scope.spawn(over_h1_to_h2(in.get(), &first));
  scope.spawn(over_h2_to_h2(&second, &third));
  scope.spawn(over_h2_to_h1(&fourth, out.get()));
  EXPECT_TRUE(reactor.block_on(runtime::write_all(*client, std::move(text))));
  return reactor.block_on(read_to_end(service.get()));
}

TEST(Forward, AMessageIsTheSameByWhateverItGoes) {
  const std::string large(40'000, 'x');
  for (const auto& text : {
           std::string("GET /a?b HTTP/1.1\r\nhost: a\r\nx-more: 1\r\n\r\n"),
           std::string("PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n"),
           std::string("PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello"),
           "PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 40000\r\n\r\n" + large,
           std::string("PUT / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"
                       "5\r\nhello\r\n0\r\nx-sum: 1\r\n\r\n"),
       }) {
    EXPECT_EQ(forwarded(text), text);
  }
}

}  // namespace
}  // namespace weft::http
