#include "http/grpc/framing.h"

namespace weft::http::grpc {

std::string frame(std::string_view message) {
  std::string framed;
  framed.reserve(message.size() + 5);
  framed += '\0';
  for (int shift = 24; shift >= 0; shift -= 8) framed += static_cast<char>((message.size() >> shift) & 0xff);
  framed += message;
  return framed;
}

std::size_t Unframer::length() const {
  std::size_t length = 0;
  for (std::size_t i = 1; i < prefix; ++i)
    length = length << 8 | static_cast<unsigned char>(buffer_[from_ + i]);
  return length;
}

bool Unframer::has_next() const {
  auto size = buffer_.size() - from_;
  return size >= prefix && (length() > max_message_ || size - prefix >= length());
}

Result<std::optional<std::string>> Unframer::next() {
  if (buffer_.size() - from_ < prefix) return std::nullopt;
  if (buffer_[from_] != '\0')
    return fail(Code::unimplemented, "the message is compressed, which was not offered");
  auto size = length();
  if (size > max_message_) {
    return fail(Code::resource_exhausted, "a message of " + std::to_string(size) +
                                              " bytes is larger than the limit of " +
                                              std::to_string(max_message_));
  }
  if (buffer_.size() - from_ - prefix < size) return std::nullopt;
  std::optional<std::string> message(std::in_place, buffer_, from_ + prefix, size);
  from_ += prefix + size;
  if (from_ == buffer_.size()) {
    // An idle stream keeps no memory.
    buffer_ = {};
    from_ = 0;
  } else if (from_ > buffer_.size() / 2) {
    buffer_.erase(0, from_);
    from_ = 0;
  }
  return message;
}

}  // namespace weft::http::grpc
