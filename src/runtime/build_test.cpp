// What build_of() finds in files of all kinds.
#include "runtime/build.h"

#include <elf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <fstream>

namespace weft::runtime {
namespace {

std::string bytes_of(const auto& value) { return {reinterpret_cast<const char*>(&value), sizeof value}; }

std::string note(std::string name, std::uint32_t type, std::string content) {
  const Elf64_Nhdr head{static_cast<Elf64_Word>(name.size()), static_cast<Elf64_Word>(content.size()), type};
  name.resize((name.size() + 3) / 4 * 4);
  content.resize((content.size() + 3) / 4 * 4);
  return bytes_of(head) + name + content;
}

/// A program of nothing but notes, whose length in its header is `told` (that of the notes, unless given).
std::string program(const std::string& notes, std::optional<std::size_t> told = {},
                    std::uint16_t headers = 1) {
  Elf64_Ehdr head{};
  std::memcpy(head.e_ident, ELFMAG, SELFMAG);
  head.e_ident[EI_CLASS] = ELFCLASS64;
  head.e_phoff = sizeof head;
  head.e_phentsize = sizeof(Elf64_Phdr);
  head.e_phnum = headers;
  Elf64_Phdr part{};
  part.p_type = PT_NOTE;
  part.p_offset = sizeof head + sizeof part;
  part.p_filesz = told.value_or(notes.size());
  return bytes_of(head) + bytes_of(part) + notes;
}

const std::string id = note(std::string("GNU\0", 4), NT_GNU_BUILD_ID, "\x01\x23\x45\x67\x89\xab\xcd\xef");
const std::string version = note(std::string("weft\0", 5), 1, std::string("1.2.3\0", 6));

TEST(Build, IsReadFromTheNotesOfAProgram) {
  struct Case {
    std::string name;
    std::string content;
    Build build;
  };
  const Case cases[] = {
      {"both", program(id + version), {"1.2.3", "0123456789ab"}},
      {"in the other order, beside others",
       program(note("stapsdt", 3, "x") + version + id),
       {"1.2.3", "0123456789ab"}},
      {"of another program", program(id), {"", "0123456789ab"}},
      {"nothing", program({}), {}},
      {"no program", "#!/bin/sh\n", {}},
      {"an empty file", "", {}},
      {"a note that is cut", program(version + id.substr(0, id.size() - 5)), {"1.2.3", ""}},
      {"a note that says it is longer",
       program(version + bytes_of(Elf64_Nhdr{4, 0xffff'ffff, 3}) + "GNU"),
       {"1.2.3", ""}},
      {"notes beyond the end", program(id, id.size() + 1), {}},
      {"notes of a size that no linker makes", program(id, std::size_t{1} << 40), {}},
      {"headers beyond the end", program(id, {}, 100), {}},
      {"more headers than any", program(id, {}, 0xffff), {}},
      {"a version that a terminal would obey",
       program(note(std::string("weft\0", 5), 1, "1\x1b[2J\xff")),
       {"1\\u001b[2J\\xff", ""}},
  };
  char path[] = "/tmp/weft-build-XXXXXX";
  ::close(::mkstemp(path));
  for (const auto& one : cases) {
    std::ofstream(path, std::ios::binary) << one.content;
    EXPECT_EQ(build_of(std::string(path)), one.build) << one.name;
  }
  ::unlink(path);
  EXPECT_EQ(build_of(std::string(path)), Build()) << "no file";
}

TEST(Build, WhichOfTwoIsOlder) {
  struct Case {
    const char* one;
    const char* other;
    bool is_older;
  };
  const Case cases[] = {{"0.1.0", "0.1.0", false},  {"0.1.0", "0.1.1", true},   {"0.9.1", "0.10.0", true},
                        {"1.0.0", "0.10.9", false}, {"0.1", "0.1.1", true},     {"0.1.0-rc1", "0.1.0", false},
                        {"", "0.0.1", true},        {"0.0.1", "", false},       {"", "", false},
                        {"x", "0.1", true},         {"99999999999", "1", true}, {"1.", "1", false}};
  for (const auto& one : cases)
    EXPECT_EQ(is_older({one.one, ""}, {one.other, ""}), one.is_older) << one.one << " and " << one.other;
}

TEST(Build, OfAProcess) {
  EXPECT_THAT(build_of(::getpid()).id, testing::MatchesRegex("[0-9a-f]{12}"));
  EXPECT_EQ(build_of(pid_t{-1}), Build());
  EXPECT_EQ(Build().to_string(), "of an unknown build");
  EXPECT_EQ((Build{"1.2.3", "0123456789ab"}).to_string(), "1.2.3 (build 0123456789ab)");
}

}  // namespace
}  // namespace weft::runtime
