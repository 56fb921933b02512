#include "store/image.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "runtime/error.h"
#include "runtime/fd.h"
#include "store/database.h"

namespace weft::store {
namespace {

constexpr std::size_t log_header = 32;
constexpr std::size_t frame_header = 24;

std::uint32_t number_at(std::string_view bytes, std::size_t at, bool big_endian = true) {
  std::uint32_t number = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    const auto byte = static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[at + i]));
    number |= byte << 8 * (big_endian ? 3 - i : i);
  }
  return number;
}

/// Over all of the log up to here.
struct Checksum {
  bool big_endian;
  std::uint32_t first = 0;
  std::uint32_t second = 0;

  void add(std::string_view bytes) {
    for (std::size_t at = 0; at + 8 <= bytes.size(); at += 8) {
      first += number_at(bytes, at, big_endian) + second;
      second += number_at(bytes, at + 4, big_endian) + first;
    }
  }
  bool is_at(std::string_view bytes, std::size_t at) const {
    return number_at(bytes, at) == first && number_at(bytes, at + 4) == second;
  }
};

/// Of the database, and of its log. Whoever has the store open keeps all of it in memory, at several times
/// its size; the log is cut at 4 MiB when it has been carried over. What is larger is none of this program's.
constexpr std::size_t most_file_bytes = std::size_t{256} << 20;

/// All of a file; empty if there is none. Never waits, as at a FIFO that nobody writes.
Result<std::string> bytes_of(const std::string& path) {
  const runtime::Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!file && errno == ENOENT) return std::string();
  struct stat found{};
  if (file && ::fstat(file.get(), &found) == 0) {
    if (!S_ISREG(found.st_mode))
      return base::fail(StoreErrorKind::io, fmt::format("{} is no regular file", path));
    if (static_cast<std::uint64_t>(found.st_size) > most_file_bytes)
      return base::fail(StoreErrorKind::io,
                        fmt::format("{} has {} bytes; a store that is not open is read up to {}", path,
                                    found.st_size, most_file_bytes));
  }
  std::string bytes;
  std::string chunk(std::size_t{1} << 20, '\0');
  auto got = file ? ::read(file.get(), chunk.data(), chunk.size()) : -1;
  for (; got > 0; got = ::read(file.get(), chunk.data(), chunk.size()))
    bytes.append(chunk, 0, static_cast<std::size_t>(got));
  if (got == 0) return bytes;
  return base::fail(StoreErrorKind::io,
                    fmt::format("cannot read {}: {}", path, runtime::IoError{errno}.message()));
}

}  // namespace

void lay_over(std::string& pages, std::string_view log) {
  constexpr std::uint32_t magic = 0x377f0682;  // the last bit: checksums are of big-endian numbers
  if (log.size() < log_header || (number_at(log, 0) & ~1U) != magic) return;
  Checksum sum{(number_at(log, 0) & 1) != 0};
  sum.add(log.substr(0, frame_header));
  const std::size_t page = number_at(log, 8);
  if (!sum.is_at(log, frame_header) || page < 512 || page > 65536) return;
  std::vector<std::pair<std::size_t, std::string_view>> frames;  // of the transaction that is read
  for (std::size_t at = log_header; at + frame_header + page <= log.size(); at += frame_header + page) {
    const auto frame = log.substr(at, frame_header + page);
    const auto content = frame.substr(frame_header);
    sum.add(frame.substr(0, 8));
    sum.add(content);
    if (frame.substr(8, 8) != log.substr(16, 8) || !sum.is_at(frame, 16) || number_at(frame, 0) == 0) return;
    frames.emplace_back((number_at(frame, 0) - 1) * page, content);
    const std::size_t size = number_at(frame, 4) * page;
    if (size == 0) continue;  // its last one says how large the database is then
    if (size > pages.size() + log.size()) return;
    pages.resize(size);
    for (const auto& [begin, text] : frames) {
      if (begin < size) pages.replace(begin, page, text);
    }
    frames.clear();
  }
}

Result<std::vector<Object>> stored_objects(const std::string& path) {
  auto pages = bytes_of(path);
  if (!pages) return std::unexpected(std::move(pages.error()));
  const auto log = bytes_of(path + "-wal");
  if (!log) return std::unexpected(log.error());
  lay_over(*pages, *log);
  if (pages->empty()) return std::vector<Object>();
  auto database = Database::open_image(path, std::move(*pages));
  if (!database) return std::unexpected(std::move(database.error()));
  return (*database)->load();
}

}  // namespace weft::store
