#include "http/h1/writer.h"

#include <array>

namespace weft::http::h1 {

void Writer::put_head(const message::RequestHead& head, const Framing& framing) {
  append_head(queued_, head, framing);
  begin(framing);
}

void Writer::put_head(const message::ResponseHead& head, const Framing& framing) {
  append_head(queued_, head, framing);
  begin(framing);
}

void Writer::begin(const Framing& framing) {
  framing_ = framing;
  remaining_ = framing.length;
  done_ = framing.is_empty();
}

runtime::Task<runtime::IoResult<void>> Writer::write(std::string_view piece, bool last) {
  switch (framing_.kind) {
    case Framing::Kind::none:
      if (!piece.empty()) co_return runtime::io_error(EMSGSIZE);
      break;
    case Framing::Kind::length:
      if (piece.size() > remaining_ || (last && piece.size() < remaining_))
        co_return runtime::io_error(EMSGSIZE);
      remaining_ -= piece.size();
      done_ = remaining_ == 0;
      break;
    case Framing::Kind::until_close: done_ = last; break;
    case Framing::Kind::chunked:
      if (last) {
        if (piece.empty()) co_return co_await finish();
        done_ = true;
      }
      if (piece.empty()) break;  // an empty chunk would end the body
      append_chunk_size(queued_, piece.size());
      co_return co_await send(piece, last ? "\r\n0\r\n\r\n" : "\r\n");
  }
  co_return co_await send(piece, {});
}

runtime::Task<runtime::IoResult<void>> Writer::finish(const message::Headers* trailers) {
  if (framing_.kind == Framing::Kind::length && remaining_ > 0) co_return runtime::io_error(EMSGSIZE);
  if (framing_.kind == Framing::Kind::chunked && !done_) {
    static const message::Headers none;
    append_last_chunk(queued_, trailers != nullptr ? *trailers : none);
  }
  done_ = true;
  co_return co_await send({}, {});
}

runtime::Task<runtime::IoResult<void>> Writer::send(std::string_view piece, std::string_view tail) {
  // Write does not change what it points to.
  std::array<iovec, 3> parts{{{queued_.data(), queued_.size()},
                              {const_cast<char*>(piece.data()), piece.size()},
                              {const_cast<char*>(tail.data()), tail.size()}}};
  const auto size = queued_.size() + piece.size() + tail.size();
  const auto result = co_await runtime::write(stream_, parts);
  queued_.clear();
  // The parts were consumed in place: after an error they hold what did not leave.
  bytes_sent_ += size;
  for (const auto& part : parts) bytes_sent_ -= part.iov_len;
  co_return result;
}

}  // namespace weft::http::h1
