// The resources that -f names: files, folders, standard input.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "cli/command.h"
#include "model/load.h"

namespace weft::cli {

/// All of a file, or of standard input for "-", but not more than one byte beyond what yaml::parse takes: it
/// then says that the text is too large. What has nothing to read for a while, as a FIFO without a writer or
/// a terminal, is said on stderr; waiting for it ends with the invocation's limit.
Result<std::string> read_text(const std::string& path, const Invocation& invocation);

/// What lies in a folder, in the order of names.
Result<std::vector<std::filesystem::directory_entry>> entries_of(const std::string& folder);

/// Whether there must be something where the paths in resources lead: not for what is deleted.
enum class Paths : std::uint8_t { must_exist, may_be_missing };

/// Reads every FILE, every *.yaml, *.yml and *.json of every DIR (sorted), or standard input for "-". The
/// diagnostics hold all that is wrong, also the same resource in two files, and a namespace other than the
/// one given with -n. Fails only if something cannot be read.
Result<model::Loaded> load_files(const std::vector<std::string>& paths, const Invocation& invocation,
                                 Paths inner = Paths::must_exist);

/// The same; fails if anything is invalid, prints warnings to stderr. `consequence` ends the message:
/// "nothing was applied".
Result<std::vector<model::Object>> load_valid(const std::vector<std::string>& paths,
                                              const Invocation& invocation, const std::string& consequence,
                                              Paths inner = Paths::must_exist);

/// "2 errors, 1 warning", with those that are not shown.
std::string count_words(const base::Diagnostics& diagnostics);

}  // namespace weft::cli
