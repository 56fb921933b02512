#include "http/h1/writer.h"

namespace weft::http::h1 {

void Writer::put_head(const message::RequestHead& head, const Framing& framing, const message::Patch& patch) {
  append_head(queued_, head, framing, patch);
  begin(framing);
}

void Writer::put_head(const message::ResponseHead& head, const Framing& framing,
                      const message::Patch& patch) {
  append_head(queued_, head, framing, patch);
  begin(framing);
}

void Writer::begin(const Framing& framing) {
  framing_ = framing;
  remaining_ = framing.length;
  done_ = framing.is_empty();
}

void Writer::attach(runtime::Stream& stream) {
  stream_ = &stream;
  queued_.clear();
  begin({});
  bytes_sent_ = 0;
}

Writer::Sending Writer::write(std::string_view piece, bool last, const message::Headers* trailers) {
  switch (framing_.kind) {
    case Framing::Kind::none:
      if (!piece.empty()) return refuse();
      break;
    case Framing::Kind::length:
      if (piece.size() > remaining_ || (last && piece.size() < remaining_)) return refuse();
      remaining_ -= piece.size();
      done_ = remaining_ == 0;
      break;
    case Framing::Kind::until_close: done_ = last; break;
    case Framing::Kind::chunked: {
      // An empty chunk would end the body.
      if (!piece.empty()) append_chunk_size(queued_, piece.size());
      const std::string_view chunk_end = piece.empty() ? "" : "\r\n";
      if (!last || done_) return send(piece, chunk_end);
      static const message::Headers none;
      end_ = chunk_end;
      append_last_chunk(end_, trailers != nullptr ? *trailers : none);
      done_ = true;
      return send(piece, end_);
    }
  }
  return send(piece, {});
}

Writer::Sending Writer::send(std::string_view piece, std::string_view tail) {
  // Write does not change what it points to.
  parts_ = {{{queued_.data(), queued_.size()},
             {const_cast<char*>(piece.data()), piece.size()},
             {const_cast<char*>(tail.data()), tail.size()}}};
  part_count_ = !tail.empty() ? 3 : !piece.empty() ? 2 : 1;
  sending_ = queued_.size() + piece.size() + tail.size();
  return {*this, {}};
}

runtime::IoResult<void> Writer::Sending::await_resume() {
  if (refused_.code != 0) return std::unexpected(refused_);
  if (has_waited_ && writer_.deadline_ != nullptr) writer_.deadline_->clear();
  writer_.queued_.clear();
  // The parts were consumed in place: after an error they hold what did not leave.
  for (const auto& part : std::span(writer_.parts_).first(writer_.part_count_))
    writer_.sending_ -= part.iov_len;
  writer_.bytes_sent_ += writer_.sending_;
  return write_.await_resume();
}

}  // namespace weft::http::h1
