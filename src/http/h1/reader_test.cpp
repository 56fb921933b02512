// Reader and Writer over memory streams: the same messages with their bytes split at each position.
#include "http/h1/reader.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "http/h1/limits.h"
#include "http/h1/writer.h"
#include "runtime/combine.h"

namespace weft::http::h1 {
namespace {

using runtime::IoResult;
using runtime::Reactor;
using runtime::Stream;
using runtime::Task;

/// What a reader saw, as text: "GET / [body] +trailer: x" for each message, then why it ended.
using Seen = std::vector<std::string>;

std::string trailers_text(const Reader& reader) {
  std::string text;
  for (const auto field : reader.trailers()) text += fmt::format(" +{}: {}", field.name, field.value);
  return text;
}

Task<std::string> body_text(Reader* reader) {
  std::string body;
  while (true) {
    const auto piece = co_await reader->read_body();
    if (!piece) co_return fmt::format("{}!{}", body, piece.error().to_string());
    if (piece->empty()) co_return body;
    body.append(*piece);
  }
}

Task<void> read_requests(Stream* stream, Seen* seen) {
  RequestReader reader(*stream);
  while (true) {
    const auto read = co_await reader.read_head();
    if (!read) {
      seen->push_back(read.error().to_string());
      co_return;
    }
    const auto line = fmt::format("{} {}", reader.head().method_text(), reader.head().target);
    const auto body = co_await body_text(&reader);
    seen->push_back(fmt::format("{} [{}]{}", line, body, trailers_text(reader)));
    if (!reader.body_done()) co_return;
  }
}

Task<void> read_responses(Stream* stream, message::Method method, Seen* seen) {
  ResponseReader reader(*stream);
  while (true) {
    const auto read = co_await reader.read_head(method);
    if (!read) {
      seen->push_back(read.error().to_string());
      co_return;
    }
    const auto body = co_await body_text(&reader);
    seen->push_back(fmt::format("{} [{}]{}{}", reader.head().status, body, trailers_text(reader),
                                reader.is_reusable() ? " reusable" : ""));
    if (!reader.body_done() || reader.framing().kind == Framing::Kind::until_close) co_return;
  }
}

void put(Stream& stream, std::string_view bytes) {
  iovec part{const_cast<char*>(bytes.data()), bytes.size()};
  ASSERT_EQ(stream.try_write({&part, 1}), bytes.size());
}

/// Starts `read` on one end and sends it `first`, then after all of that was taken `second`, then the end.
template <class Read>
void send_in_two(std::string_view first, std::string_view second, Read read) {
  Reactor reactor;
  auto [here, there] = runtime::memory_pair(reactor);
  runtime::Scope scope;
  scope.spawn(read(there.get()));
  for (const auto part : {first, second}) {
    put(*here, part);
    while (reactor.poll()) {
    }
  }
  here->shutdown_write();
  while (reactor.poll()) {
  }
  EXPECT_EQ(scope.size(), 0u);
}

Seen requests_in_two(std::string_view bytes, std::size_t split) {
  Seen seen;
  send_in_two(bytes.substr(0, split), bytes.substr(split),
              [&](Stream* stream) { return read_requests(stream, &seen); });
  return seen;
}

Seen responses_in_two(std::string_view bytes, std::size_t split, message::Method method) {
  Seen seen;
  send_in_two(bytes.substr(0, split), bytes.substr(split),
              [&](Stream* stream) { return read_responses(stream, method, &seen); });
  return seen;
}

TEST(RequestReader, AnySplitGivesTheSame) {
  struct Case {
    std::string_view name;
    std::string_view bytes;
    Seen seen;
  };
  const Case cases[] = {
      {"nothing", "", {"closed by the peer"}},
      {"pipelined",
       "GET /a HTTP/1.1\r\nHost: x\r\n\r\nPOST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhelloGET "
       "/c "
       "HTTP/1.1\r\nHost: x\r\n\r\n",
       {"GET /a []", "POST /b [hello]", "GET /c []", "closed by the peer"}},
      {"chunked",
       "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n1\r\nd\r\n0\r\nSum: "
       "1\r\n\r\nGET "
       "/b HTTP/1.1\r\nHost: x\r\n\r\n",
       {"POST /a [abcd] +Sum: 1", "GET /b []", "closed by the peer"}},
      {"head_cut", "GET /a HTTP/1.1\r\nHost: x\r\n", {"closed by the peer within a message"}},
      {"body_cut",
       "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhell",
       {"POST /a [hell!closed by the peer within a message]"}},
      {"chunk_cut",
       "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
       {"POST /a [hello!closed by the peer within a message]"}},
      {"refused_head", "GET /a HTTP/1.1\r\nHost : x\r\n\r\n", {"space between a field name and its colon"}},
  };
  for (const auto& test : cases) {
    for (std::size_t split = 0; split <= test.bytes.size(); ++split) {
      SCOPED_TRACE(fmt::format("{} split at {}", test.name, split));
      EXPECT_EQ(requests_in_two(test.bytes, split), test.seen);
    }
  }
}

TEST(ResponseReader, AnySplitGivesTheSame) {
  using message::Method;
  struct Case {
    std::string_view name;
    std::string_view bytes;
    Method method;
    Seen seen;
  };
  const Case cases[] = {
      {"length",
       "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
       Method::get,
       {"200 [hello] reusable", "closed by the peer"}},
      {"interim",
       "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 No\r\n\r\n",
       Method::post,
       {"100 []", "103 []", "204 [] reusable", "closed by the peer"}},
      {"head",
       "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
       Method::head,
       {"200 [] reusable", "closed by the peer"}},
      {"close",
       "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
       Method::get,
       {"200 [ok]", "closed by the peer"}},
      {"until_close", "HTTP/1.0 200 OK\r\n\r\nhello", Method::get, {"200 [hello]"}},
      {"until_close_empty", "HTTP/1.1 200 OK\r\n\r\n", Method::get, {"200 []"}},
      {"body_cut",
       "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
       Method::get,
       {"200 [hell!closed by the peer within a message]"}},
  };
  for (const auto& test : cases) {
    for (std::size_t split = 0; split <= test.bytes.size(); ++split) {
      SCOPED_TRACE(fmt::format("{} split at {}", test.name, split));
      auto seen = responses_in_two(test.bytes, split, test.method);
      EXPECT_EQ(seen, test.seen);
    }
  }
}

TEST(ResponseReader, BytesBehindAResponseMakeItUnfitForAnother) {
  Seen seen = responses_in_two("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokX", 0, message::Method::get);
  EXPECT_EQ(seen[0], "200 [ok]");
}

Task<void> read_pieces(Stream* stream, Seen* seen) {
  RequestReader reader(*stream);
  if (!co_await reader.read_head()) co_return;
  while (!reader.body_done()) {
    const auto piece = co_await reader.read_body();
    if (!piece) co_return;
    seen->push_back(fmt::format("{}{}", *piece, reader.body_done() ? "." : ""));
  }
}

TEST(Reader, JoinsTheChunksThatAreThere) {
  constexpr std::string_view head = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
  Seen seen;
  send_in_two(std::string(head) + "1\r\na\r\n2;x\r\nbc\r\n1", "\r\nd\r\n3\r\nefg\r\n0\r\n\r\n",
              [&](Stream* stream) { return read_pieces(stream, &seen); });
  EXPECT_EQ(seen, (Seen{"abc", "defg."}));
}

TEST(Reader, TellsTheLastPiece) {
  Seen seen;
  send_in_two("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhe", "lloGET",
              [&](Stream* stream) { return read_pieces(stream, &seen); });
  EXPECT_EQ(seen, (Seen{"he", "llo."}));
}

Task<void> sum_body(Stream* stream, std::size_t* size, std::size_t* largest) {
  RequestReader reader(*stream);
  if (!co_await reader.read_head()) co_return;
  while (!reader.body_done()) {
    const auto piece = co_await reader.read_body();
    if (!piece) co_return;
    *size += piece->size();
    *largest = std::max(*largest, piece->size());
  }
}

Task<void> send_large(Stream* stream, std::size_t size, Framing framing) {
  Writer writer(*stream);
  message::RequestHead head;
  head.method = message::Method::post;
  head.headers.add("host", "x");
  writer.put_head(head, framing);
  const std::string piece(100'000, 'a');
  for (std::size_t sent = 0; sent < size; sent += piece.size()) {
    EXPECT_TRUE(co_await writer.write(piece, sent + piece.size() >= size));
  }
  EXPECT_TRUE(writer.is_done());
}

TEST(Reader, LargeBodiesGoThroughInLargePieces) {
  constexpr std::size_t size = 3'000'000;
  for (const auto& framing : {Framing::of_length(size), Framing::chunked()}) {
    Reactor reactor;
    auto [here, there] = runtime::memory_pair(reactor, 1 << 20);
    std::size_t received = 0;
    std::size_t largest = 0;
    std::vector<Task<void>> tasks;
    tasks.push_back(send_large(here.get(), size, framing));
    tasks.push_back(sum_body(there.get(), &received, &largest));
    reactor.block_on(runtime::all(std::move(tasks)));
    EXPECT_EQ(received, size);
    EXPECT_GT(largest, receive_buffer_bytes);
    EXPECT_LE(largest, bulk_buffer_bytes);
  }
}

TEST(Reader, LargestHeadFitsAndALargerOneIsRefused) {
  const std::string start = "GET / HTTP/1.1\r\nHost: x\r\nX: ";
  const std::string filler(max_head_bytes - start.size() - 4, 'a');
  Seen seen;
  send_in_two(start, filler.substr(0, 50'000), [&](Stream* stream) { return read_requests(stream, &seen); });
  EXPECT_EQ(seen, (Seen{"closed by the peer within a message"}));
  for (const std::string_view extra : {"", "a"}) {
    Reactor reactor;
    auto [here, there] = runtime::memory_pair(reactor, 1 << 20);
    seen.clear();
    runtime::Scope scope;
    scope.spawn(read_requests(there.get(), &seen));
    put(*here, start + filler + std::string(extra) + "\r\n\r\n");
    here->shutdown_write();
    while (reactor.poll()) {
    }
    EXPECT_EQ(seen[0], extra.empty() ? "GET / []" : "the head is too large");
  }
}

Task<IoResult<void>> write_message(Stream* stream, Framing framing, std::vector<std::string> pieces,
                                   bool last, message::Headers trailers) {
  Writer writer(*stream);
  message::ResponseHead head;
  head.headers = {{"a", "b"}, {"Content-Length", "77"}, {"Transfer-Encoding", "gzip"}};
  writer.put_head(head, framing);
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    const bool ends = last && i + 1 == pieces.size();
    if (auto written = co_await writer.write(pieces[i], ends); !written) co_return written;
  }
  if (!last) co_return co_await writer.write({}, true, &trailers);
  co_return IoResult<void>{};
}

std::string written(Framing framing, std::vector<std::string> pieces, bool last,
                    message::Headers trailers = {}) {
  Reactor reactor;
  auto [here, there] = runtime::memory_pair(reactor);
  const auto result =
      reactor.block_on(write_message(here.get(), framing, std::move(pieces), last, std::move(trailers)));
  if (!result) return result.error().message();
  std::string bytes(4096, '\0');
  bytes.resize(there->try_read(bytes).value_or(0));
  return bytes;
}

Task<IoResult<void>> write_piece(Writer* writer, std::string_view piece) {
  co_return co_await writer->write(piece);
}

TEST(Writer, CountsWhatLeftAlsoWhenTheWriteFails) {
  runtime::Reactor reactor;
  auto [here, there] = runtime::memory_pair(reactor, 10);
  Writer writer(*here);
  const std::string body(100, 'a');
  writer.put_head(message::ResponseHead{}, Framing::of_length(body.size()));
  auto writing = write_piece(&writer, body);
  writing.start();
  EXPECT_FALSE(writing.is_done());
  there.reset();
  while (!writing.is_done()) reactor.turn();
  EXPECT_FALSE(writing.take());
  EXPECT_EQ(writer.bytes_sent(), 10U);
}

TEST(Writer, DropsWhatIsQueued) {
  runtime::Reactor reactor;
  auto [here, there] = runtime::memory_pair(reactor);
  Writer writer(*here);
  writer.put_head(message::ResponseHead{}, Framing::chunked());
  writer.drop_queued();
  EXPECT_TRUE(reactor.block_on(write_piece(&writer, {})));
  EXPECT_EQ(writer.bytes_sent(), 0U);
}

TEST(Writer, Framings) {
  const std::string start = "HTTP/1.1 200 OK\r\na: b\r\n";
  const Framing announced{Framing::Kind::none, 0, 9};
  const auto too_long = runtime::IoError{EMSGSIZE}.message();
  EXPECT_EQ(written({}, {""}, true), start + "\r\n");
  EXPECT_EQ(written(announced, {}, false), start + "content-length: 9\r\n\r\n");
  EXPECT_EQ(written(Framing::of_length(5), {"he", "llo"}, true), start + "content-length: 5\r\n\r\nhello");
  EXPECT_EQ(written(Framing::of_length(0), {""}, true), start + "content-length: 0\r\n\r\n");
  EXPECT_EQ(written(Framing::of_length(4), {"hello"}, true), too_long);
  EXPECT_EQ(written(Framing::of_length(6), {"hello"}, true), too_long);
  EXPECT_EQ(written(Framing::of_length(6), {"hello"}, false), too_long);
  EXPECT_EQ(written({}, {"hello"}, true), too_long);
  const auto chunked = start + "transfer-encoding: chunked\r\n\r\n";
  EXPECT_EQ(written(Framing::chunked(), {"hello", "", "world of 16 byte"}, true),
            chunked + "5\r\nhello\r\n10\r\nworld of 16 byte\r\n0\r\n\r\n");
  EXPECT_EQ(written(Framing::chunked(), {"hello", ""}, true), chunked + "5\r\nhello\r\n0\r\n\r\n");
  EXPECT_EQ(written(Framing::chunked(), {}, false, {{"sum", "1"}}), chunked + "0\r\nsum: 1\r\n\r\n");
  EXPECT_EQ(written(Framing::until_close(), {"hello"}, true), start + "\r\nhello");
}

TEST(Serialize, RequestsAreRebuilt) {
  RequestParser parser;
  message::RequestHead head;
  ASSERT_TRUE(
      parser
          .parse(
              "POST http://b:81/x?[y] HTTP/1.7\r\nA:1\r\nHost: ignored\r\nTransfer-Encoding: CHUNKED\r\nA: 2 "
              "\r\n\r\n",
              head)
          .value());
  std::string bytes;
  append_head(bytes, head, parser.framing());
  EXPECT_EQ(bytes,
            "POST /x?[y] HTTP/1.1\r\nhost: b:81\r\nA: 1\r\nA: 2\r\ntransfer-encoding: chunked\r\n\r\n");
  head.clear();
  head.method = message::Method::connect;
  head.headers.add("Host", "b:1");
  bytes.clear();
  append_head(bytes, head, {});
  EXPECT_EQ(bytes, "CONNECT b:1 HTTP/1.1\r\nHost: b:1\r\n\r\n");
}

}  // namespace
}  // namespace weft::http::h1
