// A file descriptor with an owner.
#pragma once

#include <string>
#include <utility>

namespace weft::runtime {

class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) {
      reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  ~Fd() { reset(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }
  void reset();
  /// A second descriptor of the same open file (close-on-exec).
  Fd duplicate() const;

 private:
  int fd_ = -1;
};

/// Opens `path` for reading and writing, made if it is missing, with mode 0600 whatever the umask is and the
/// mode was. Where it cannot be written (a file system that is read-only) it is opened for reading. Not
/// through a link; invalid on failure, and errno says why.
Fd open_private(const std::string& path);

}  // namespace weft::runtime
