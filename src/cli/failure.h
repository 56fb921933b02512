// How a command ends: its exit code, and what it says on stderr when it failed.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <utility>

#include "base/diagnostic.h"
#include "cli/terminal.h"

namespace weft::cli {

/// The exit codes of every command, as docs/cli.md lists them.
enum class Exit : std::uint8_t {
  ok = 0,
  /// It was tried and did not work; the message says why.
  failed = 1,
  /// The command line makes no sense.
  usage = 2,
  /// The resources given are not valid; nothing was changed.
  invalid = 3,
  /// A named resource does not exist.
  not_found = 4,
  /// The time limit passed first.
  timeout = 5,
  /// No control plane can be reached.
  unavailable = 6,
  /// Ended by Ctrl-C.
  interrupted = 130,
};

/// What went wrong, where, and what to do about it; `diagnostics` are printed first.
struct Failure {
  Exit exit = Exit::failed;
  std::string what;
  std::string where;
  std::string mend;
  base::Diagnostics diagnostics;
};

template <class T>
using Result = std::expected<T, Failure>;

inline std::unexpected<Failure> failure(Exit exit, std::string what, std::string where = {},
                                        std::string mend = {}) {
  return std::unexpected(Failure{exit, std::move(what), std::move(where), std::move(mend), {}});
}

/// "error: what", "  where: ...", "  do: ..." with colours if `colour`. Of what has several lines, those
/// after the first are indented, so that none looks like a line of weft's own.
Shown render(const Failure& failure, bool colour);
/// `text` with its lines after the first indented so.
std::string continued(std::string_view text);

}  // namespace weft::cli
