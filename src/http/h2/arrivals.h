// What has arrived of a stream's body and waits to be read, in blocks from the thread's free lists: a stream
// at rest holds none, and bytes do not move once they are here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace weft::http::h2 {

class Arrivals {
 public:
  Arrivals() = default;
  Arrivals(const Arrivals&) = delete;
  Arrivals& operator=(const Arrivals&) = delete;
  ~Arrivals() { clear(); }

  bool empty() const { return size_ == 0; }
  std::size_t size() const { return size_; }
  void append(std::string_view bytes);
  /// The next piece, at most a block of it; empty if nothing waits. The view is valid until the next take(),
  /// also while more is appended.
  std::string_view take();
  /// Forgets all and gives the memory back.
  void clear();

 private:
  void drop_front();

  std::vector<char*> blocks_;
  std::uint32_t begin_ = 0;  // of what waits in the first block
  std::uint32_t end_ = 0;    // of what waits in the last one
  std::size_t size_ = 0;
};

}  // namespace weft::http::h2
