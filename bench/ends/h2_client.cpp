#include "ends/h2_client.h"

#include "ends/message.h"

namespace weft::bench {
namespace {

const Block& request_of(Call call) {
  constexpr Block::Field authority{":authority", "service.example"};
  static constexpr Block::Field get[] = {{":path", "/1024/some/path?with=query"},
                                         authority,
                                         {"user-agent", "bench/1.0"},
                                         {"accept", "*/*"},
                                         {"accept-encoding", "gzip"}};
  static constexpr Block::Field unary[] = {{":path", "/bench.Echo/Say"},
                                           authority,
                                           {"content-type", "application/grpc"},
                                           {"te", "trailers"},
                                           {"user-agent", "bench/1.0"}};
  static const Block blocks[] = {{"\x82\x86", get}, {"\x83\x86", unary}};  // GET or POST, http
  return blocks[static_cast<std::size_t>(call)];
}

}  // namespace

void H2Client::ask(base::MonoTime since) {
  const auto& block = request_of(call_);
  const bool is_get = call_ == Call::get;
  frames_.put(FrameType::headers, static_cast<std::uint8_t>(ends_headers | (is_get ? ends_stream : 0)),
              next_stream_, block.bytes(next_stream_ == 1, frames_.has_table()));
  if (!is_get) frames_.put(FrameType::data, ends_stream, next_stream_, message);
  calls_.push_back({next_stream_, since, 0, false});
  next_stream_ += 2;
}
bool H2Client::takes(Under& call, const Frame& frame) {
  if (frame.type == FrameType::data) {
    call.bytes += frame.payload.size();
  } else if (!call.has_head) {
    call.has_head = true;
    return is_ok(frame.payload);
  }
  return true;
}

}  // namespace weft::bench
