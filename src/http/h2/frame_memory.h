// nghttp2 keeps 16 KiB for each session, to write frames into: a client's preface when it is made, then what
// it is asked for. Whoever makes a session or asks it copies that out before another is asked, so all
// sessions of a thread write into one buffer.
#pragma once

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdlib>
#include <cstring>

namespace weft::http::h2 {

/// The memory of one nghttp2 session; must outlive it.
class FrameMemory {
 public:
  FrameMemory() = default;
  FrameMemory(const FrameMemory&) = delete;
  FrameMemory& operator=(const FrameMemory&) = delete;
  ~FrameMemory() = default;

  /// Makes the session; 0, or nghttp2's error.
  int make(nghttp2_session*& session, bool is_client, const nghttp2_session_callbacks* callbacks, void* user,
           const nghttp2_option* option) {
    nghttp2_mem memory{this, take, give, take_zeroed, take_again};
    return (is_client ? nghttp2_session_client_new3 : nghttp2_session_server_new3)(&session, callbacks, user,
                                                                                   option, &memory);
  }

 private:
  /// Of the first thing that is as large: the room for the first 16 KiB of a frame. What does not fit into it
  /// goes into further ones.
  static constexpr std::size_t frame_bytes = 16 * 1024;
  using Buffer = std::array<char, frame_bytes + 256>;

  static char* buffer() {
    static thread_local Buffer shared;
    return shared.data();
  }
  static void* take(std::size_t size, void* user) {
    auto& self = *static_cast<FrameMemory*>(user);
    if (self.frame_ == nullptr && size >= frame_bytes && size <= sizeof(Buffer))
      return self.frame_ = buffer();
    return std::malloc(size);
  }
  static void give(void* memory, void* user) {
    if (memory != static_cast<FrameMemory*>(user)->frame_ || memory == nullptr) std::free(memory);
  }
  static void* take_zeroed(std::size_t count, std::size_t size, void*) { return std::calloc(count, size); }
  static void* take_again(void* memory, std::size_t size, void* user) {
    // How nghttp2 asks for a buffer too.
    if (memory == nullptr) return take(size, user);
    if (memory != static_cast<FrameMemory*>(user)->frame_) return std::realloc(memory, size);
    auto* const moved = std::malloc(size);
    if (moved != nullptr) std::memcpy(moved, memory, std::min(size, sizeof(Buffer)));
    return moved;
  }

  char* frame_ = nullptr;
};

}  // namespace weft::http::h2
