#include "runtime/file_identity.h"

#include <sys/stat.h>

namespace weft::runtime {

FileIdentity identity_of(const std::string& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) return {};
  return {status.st_dev, status.st_ino, status.st_size,
          status.st_ctim.tv_sec * 1'000'000'000 + status.st_ctim.tv_nsec};
}

}  // namespace weft::runtime
