// What weft makes of bytes: reads cases from stdin, each an octet "Q" (requests), "O" (what a client opens a
// connection with) or the method's first letter that responses answer ("G", "H"), a length of 4 octets (big
// endian) and the bytes, sends them through the reader that the proxy uses, in pieces of STEP bytes
// (argument, default all at once), and prints a JSON line for each case.
#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <iostream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "http/h1/reader.h"
#include "proxy/opening/protocol.h"
#include "runtime/scope.h"

namespace {

using namespace weft;
using http::h1::ReadError;
using nlohmann::json;

/// Bytes as JSON's text: each octet one character (Latin-1).
std::string latin1(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) {
      text += c;
    } else {
      text += static_cast<char>(0xc0 | (byte >> 6));
      text += static_cast<char>(0x80 | (byte & 0x3f));
    }
  }
  return text;
}

json fields(const message::Headers& headers) {
  json list = json::array();
  for (const auto field : headers) list.push_back({latin1(field.name), latin1(field.value)});
  return list;
}

/// How it ended: "closed" (nothing is left), "more" (the last message is not complete), "refused".
json ending(const ReadError& error) {
  switch (error.kind) {
    case ReadError::Kind::closed: return {{"end", "closed"}};
    case ReadError::Kind::truncated: return {{"end", "more"}};
    case ReadError::Kind::io: return {{"end", "io"}};
    case ReadError::Kind::refused: return {{"end", "refused"}, {"why", to_string(error.refusal)}};
    case ReadError::Kind::unprocessed:
    case ReadError::Kind::reset: break;  // of HTTP/2 alone
  }
  return {};
}

/// Reads the body of the message whose head is in `message`; false if that was the last that could be read.
runtime::Task<bool> read_body(http::h1::Reader* reader, json* message, json* result) {
  std::string body;
  while (true) {
    const auto piece = co_await reader->read_body();
    if (!piece) {
      result->update(ending(piece.error()));
      break;
    }
    if (piece->empty()) break;
    body.append(*piece);
  }
  const bool complete = reader->body_done();
  message->update({{"body", latin1(body)}, {"complete", complete}});
  (*message)["trailers"] = complete ? fields(reader->trailers()) : json::array();
  (*result)["messages"].push_back(std::move(*message));
  co_return complete;
}

runtime::Task<void> read_requests(runtime::Stream* stream, json* result) {
  http::h1::RequestReader reader(*stream);
  while (true) {
    const auto read = co_await reader.read_head();
    if (!read) {
      result->update(ending(read.error()));
      co_return;
    }
    const auto& head = reader.head();
    const bool is_connect = head.method == message::Method::connect;
    // What follows CONNECT or an upgrade is for the other protocol, what follows "close" for nobody.
    const bool is_last = is_connect || !http::h1::keeps_alive(head.version, head.headers) ||
                         (head.headers.has(message::FieldId::upgrade) &&
                          head.headers.has_token(message::FieldId::connection, "upgrade"));
    json message{{"method", latin1(head.method_text())},
                 {"target", latin1(is_connect ? head.authority() : std::string_view(head.target))},
                 {"host", latin1(head.authority())},
                 {"headers", fields(head.headers)},
                 {"last", is_last}};
    const bool complete = co_await read_body(&reader, &message, result);
    if (!complete) co_return;
  }
}

runtime::Task<void> read_responses(runtime::Stream* stream, message::Method method, json* result) {
  http::h1::ResponseReader reader(*stream);
  while (true) {
    const auto read = co_await reader.read_head(method);
    if (!read) {
      result->update(ending(read.error()));
      co_return;
    }
    const auto& head = reader.head();
    const bool until_close = reader.framing().kind == http::h1::Framing::Kind::until_close;
    json message{
        {"status", head.status},
        {"reason", latin1(head.reason)},
        {"headers", fields(head.headers)},
        {"last", until_close || head.status == 101 || !http::h1::keeps_alive(head.version, head.headers)}};
    const bool complete = co_await read_body(&reader, &message, result);
    if (!complete) co_return;
    if (until_close) {
      (*result)["end"] = "closed";
      co_return;
    }
  }
}

json run(char kind, std::string_view bytes, std::size_t step) {
  using proxy::opening::Protocol;
  if (kind == 'O') return {{"is_bytes", proxy::opening::of_client(bytes, true) == Protocol::other}};
  json result{{"messages", json::array()}};
  runtime::Reactor reactor;
  auto [here, there] = runtime::memory_pair(reactor);
  runtime::Scope scope;
  if (kind == 'Q') {
    scope.spawn(read_requests(there.get(), &result));
  } else {
    scope.spawn(
        read_responses(there.get(), kind == 'H' ? message::Method::head : message::Method::get, &result));
  }
  const auto settle = [&] {
    while (reactor.poll()) {
    }
  };
  settle();
  while (!bytes.empty() && scope.size() > 0) {
    iovec part{const_cast<char*>(bytes.data()), std::min(step, bytes.size())};
    const auto taken = here->try_write({&part, 1});
    if (!taken) break;
    bytes.remove_prefix(*taken);
    settle();
  }
  here->shutdown_write();
  settle();
  return result;
}

bool read_exactly(std::string& into, std::size_t size) {
  into.resize(size);
  std::cin.read(into.data(), static_cast<std::streamsize>(size));
  return static_cast<std::size_t>(std::cin.gcount()) == size;
}

}  // namespace

int main(int count, char** arguments) {
  std::size_t step = 65536;
  if (count > 1) {
    const std::string_view text(arguments[1]);
    std::from_chars(text.data(), text.data() + text.size(), step);
  }
  std::ios::sync_with_stdio(false);
  std::string head;
  std::string bytes;
  while (read_exactly(head, 5)) {
    std::uint32_t size = 0;
    for (std::size_t i = 1; i < 5; ++i) size = size << 8 | static_cast<unsigned char>(head[i]);
    if (!read_exactly(bytes, size)) return 1;
    std::cout << run(head[0], bytes, std::max<std::size_t>(step, 1)) << '\n';
  }
  return 0;
}
