// Which build of weft a file is, or a process runs: by what the linker noted in it.
#pragma once

#include <sys/types.h>

#include <string>

namespace weft::runtime {

struct Build {
  std::string version;  // "0.1.0", shown as base::printable does; empty of what is no weft
  std::string id;       // the first 12 digits of the GNU build id: equal for equal programs

  /// "0.1.0 (build d056119f5592)"; "of an unknown build" if nothing is known.
  std::string to_string() const;
  friend bool operator==(const Build&, const Build&) = default;
};
/// Whether `one` is of a lower version than `other`, number by number: 0.9.1 than 0.10.0. What is not known
/// is lower than what is.
bool is_older(const Build& one, const Build& other);

/// Of an ELF file (elf(5), the notes of its program headers); empty if it cannot be read or has none.
Build build_of(const std::string& path);
/// Of the program that a process runs, also when its file was replaced; of this one: build_of(getpid()).
Build build_of(pid_t pid);

}  // namespace weft::runtime
