// The error of the operating system as a value.
#pragma once

#include <cerrno>
#include <expected>
#include <string>

namespace weft::runtime {

/// An errno from a system call; 0 is never an error.
struct IoError {
  int code = 0;

  friend bool operator==(IoError, IoError) = default;
  /// Nothing there now, ask again when it is ready.
  bool would_block() const { return code == EAGAIN; }
  /// The words of strerror, "connection refused".
  std::string message() const;
};

template <class T>
using IoResult = std::expected<T, IoError>;

/// The errno of the call that has just failed.
inline std::unexpected<IoError> last_error() { return std::unexpected(IoError{errno}); }
inline std::unexpected<IoError> io_error(int code) { return std::unexpected(IoError{code}); }

}  // namespace weft::runtime
