#include "http/read_error.h"

namespace weft::http {

std::string ReadError::to_string() const {
  switch (kind) {
    case Kind::closed: return "closed by the peer";
    case Kind::truncated: return "closed by the peer within a message";
    case Kind::io: return io.message();
    case Kind::refused: return std::string(message::describe(refusal));
    case Kind::unprocessed: return "not taken up by the peer";
    case Kind::reset: return "reset by the peer";
  }
  return {};
}

}  // namespace weft::http
