#include "http/h2/arrivals.h"

#include <algorithm>
#include <cstring>

#include "runtime/block.h"

namespace weft::http::h2 {
namespace {

constexpr std::uint32_t block_bytes = runtime::small_block_bytes;

}  // namespace

void Arrivals::append(std::string_view bytes) {
  size_ += bytes.size();
  while (!bytes.empty()) {
    if (blocks_.empty() || end_ == block_bytes) {
      if (blocks_.empty()) begin_ = 0;
      blocks_.push_back(runtime::take_block(block_bytes));
      end_ = 0;
    }
    const auto size = static_cast<std::uint32_t>(std::min<std::size_t>(bytes.size(), block_bytes - end_));
    std::memcpy(blocks_.back() + end_, bytes.data(), size);
    end_ += size;
    bytes.remove_prefix(size);
  }
}

std::string_view Arrivals::take() {
  // What was taken before is done with: its block, if nothing in it waits.
  if (!blocks_.empty() && (size_ == 0 || begin_ == block_bytes)) drop_front();
  if (size_ == 0) return {};
  const auto end = blocks_.size() == 1 ? end_ : block_bytes;
  const std::string_view piece(blocks_.front() + begin_, end - begin_);
  begin_ = end;
  size_ -= piece.size();
  return piece;
}

void Arrivals::drop_front() {
  runtime::give_block(blocks_.front(), block_bytes);
  blocks_.erase(blocks_.begin());
  begin_ = 0;
}

void Arrivals::clear() {
  while (!blocks_.empty()) drop_front();
  size_ = 0;
}

}  // namespace weft::http::h2
