// What tells one content of a file from another without reading it.
#pragma once

#include <cstdint>
#include <string>

namespace weft::runtime {

struct FileIdentity {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::int64_t size = 0;
  /// Of its rights too; nobody can set it (st_ctim, inode(7)).
  std::int64_t changed_ns = 0;

  friend bool operator==(const FileIdentity&, const FileIdentity&) = default;
};

/// Of what is at `path`, behind symbolic links; all zero if nothing is.
FileIdentity identity_of(const std::string& path);

}  // namespace weft::runtime
