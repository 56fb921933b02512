#include "runtime/build.h"

#include <elf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <string_view>
#include <vector>

#include "base/printable.h"
#include "runtime/fd.h"

namespace weft::runtime {
namespace {

/// Far above what any linker writes: the file may be anything.
constexpr std::size_t most_headers = 128;
constexpr std::size_t most_note_bytes = std::size_t{64} * 1024;
/// Digits of the build id that are shown, as git shows of a commit.
constexpr std::size_t id_digits = 12;

template <class T>
bool read_at(const Fd& file, std::uint64_t offset, T* into, std::size_t size) {
  return ::pread(file.get(), into, size, static_cast<off_t>(offset)) == static_cast<ssize_t>(size);
}

std::string hex(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes) text += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  return text;
}

constexpr std::size_t aligned(std::size_t size) { return (size + 3) & ~std::size_t{3}; }

/// Notes follow each other: sizes of name and content, a type, the name, the content, each padded to four
/// bytes.
void read_notes(std::string_view notes, Build& build) {
  Elf64_Nhdr head{};
  while (notes.size() >= sizeof head) {
    std::memcpy(&head, notes.data(), sizeof head);
    notes.remove_prefix(sizeof head);
    const auto name_size = aligned(head.n_namesz);
    if (notes.size() < name_size || notes.size() - name_size < head.n_descsz) return;
    const auto name = notes.substr(0, head.n_namesz);
    const auto content = notes.substr(name_size, head.n_descsz);
    if (name == std::string_view("GNU\0", 4) && head.n_type == NT_GNU_BUILD_ID)
      build.id = hex(content).substr(0, id_digits);
    if (name == std::string_view("weft\0", 5))
      build.version = base::printable(content.substr(0, content.find('\0')));
    notes.remove_prefix(std::min(notes.size(), name_size + aligned(head.n_descsz)));
  }
}

/// Up to what is none.
std::vector<unsigned> numbers_of(std::string_view version) {
  std::vector<unsigned> numbers;
  const char* const end = version.data() + version.size();
  for (const char* at = version.data(); at != end;) {
    unsigned number = 0;
    const auto [behind, error] = std::from_chars(at, end, number);
    if (error != std::errc{}) break;
    numbers.push_back(number);
    at = behind != end && *behind == '.' ? behind + 1 : end;
  }
  return numbers;
}

}  // namespace

bool is_older(const Build& one, const Build& other) {
  return numbers_of(one.version) < numbers_of(other.version);
}

std::string Build::to_string() const {
  if (version.empty() && id.empty()) return "of an unknown build";
  return fmt::format("{} (build {})", version.empty() ? "?" : version, id.empty() ? "?" : id);
}

Build build_of(const std::string& path) {
  Build build;
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  Elf64_Ehdr head{};
  if (!file || !read_at(file, 0, &head, sizeof head) || std::memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 ||
      head.e_ident[EI_CLASS] != ELFCLASS64 || head.e_phentsize != sizeof(Elf64_Phdr) ||
      head.e_phnum > most_headers)
    return build;
  std::vector<Elf64_Phdr> parts(head.e_phnum);
  if (!read_at(file, head.e_phoff, parts.data(), parts.size() * sizeof(Elf64_Phdr))) return build;
  for (const auto& part : parts) {
    if (part.p_type != PT_NOTE || part.p_filesz > most_note_bytes) continue;
    std::string notes(part.p_filesz, '\0');
    if (read_at(file, part.p_offset, notes.data(), notes.size())) read_notes(notes, build);
  }
  return build;
}

Build build_of(pid_t pid) { return build_of(fmt::format("/proc/{}/exe", pid)); }

}  // namespace weft::runtime
