// A server's HTTP/2 connection, whatever its client sends: what is accepted must be the same message to
// whoever reads it as HTTP/1, and streams must end well however they and their owners go.
#include <array>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "http/h1/parse.h"
#include "http/h1/serialize.h"
#include "http/h2/connection.h"
#include "runtime/combine.h"
#include "runtime/scope.h"

namespace {

using namespace weft;
using runtime::Task;

void require(bool ok) {
  if (!ok) std::abort();
}

void require_same_by_http1(const message::RequestHead& head, const message::Content& content) {
  std::string text;
  const bool is_connect = head.method == message::Method::connect;
  const auto framing =
      http::h1::Framing::of(is_connect ? message::Content{} : content, http::h1::Framing::Kind::chunked);
  http::h1::append_head(text, head, framing);
  http::h1::RequestParser parser;
  message::RequestHead again;
  const auto parsed = parser.parse(text, again);
  if (!parsed) {
    // Writing it may add a field and the lines' ends beyond a limit, and nothing else.
    require(message::status_of(parsed.error()) == 431);
    return;
  }
  require(*parsed == text.size() && parser.framing() == framing);
  require(again.method_text() == head.method_text() && again.target == head.target);
  require(again.authority() == head.authority());
}

struct Server {
  explicit Server(http::h2::Connection connection) : connection(std::move(connection)) {}
  http::h2::Connection connection;
  /// Streams that outlive it.
  std::vector<http::h2::ServerStream>* kept = nullptr;
  runtime::Scope scope;
};

/// What is done with a request, by the first letter of its path.
Task<void> answer(http::h2::ServerStream stream, std::vector<http::h2::ServerStream>* kept) {
  require_same_by_http1(stream.head(), stream.content());
  const char what = stream.head().target.size() > 1 ? stream.head().target[1] : '/';
  if (what == 'd') co_return;
  if (what == 'r') co_return stream.reset(http::h2::ResetCode::refused_stream);
  if (what == 'k') co_return kept->push_back(std::move(stream));
  message::ResponseHead head;
  if (what == 'i') {
    head.status = 103;
    stream.put_head(head, {});
    head.status = 200;
  }
  stream.put_head(head, message::Content::unknown());
  const message::Headers trailers{{"x-sum", "1"}};
  std::uint64_t size = 0;
  while (true) {
    const auto piece = co_await stream.read_body();
    if (!piece) co_return;
    size += piece->size();
    const bool last = stream.body_done();
    if (last && stream.content().kind == message::Content::Kind::length)
      require(size == stream.content().length);
    if (!co_await stream.write(*piece, last, &trailers) || last) co_return;
  }
}

Task<void> serve(Server* server) {
  while (auto stream = co_await server->connection.accept())
    server->scope.spawn(answer(std::move(*stream), server->kept));
}

void settle(runtime::Reactor& reactor) {
  while (reactor.poll()) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  runtime::Reactor reactor;
  auto [client, transport] = runtime::memory_pair(reactor);
  std::vector<http::h2::ServerStream> kept;
  {
    Server server(http::h2::Connection::server(reactor, std::move(transport), {.stream_window = 1000}));
    server.kept = &kept;
    runtime::Scope scope;
    scope.spawn(serve(&server));
    // A split at one place stands for all: it comes from the input itself.
    const auto cut = size > 0 ? data[size - 1] % size : 0;
    for (const auto part : {bytes.substr(0, cut), bytes.substr(cut)}) {
      const iovec vector{const_cast<char*>(part.data()), part.size()};
      (void)client->try_write({&vector, 1});
      settle(reactor);
      std::array<char, 65536> answers{};
      while (const auto read = client->try_read(answers)) {
        if (*read == 0) break;
        settle(reactor);
      }
    }
  }
  settle(reactor);
  return 0;
}
