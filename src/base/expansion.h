// The strings that a process is started with: $(NAME) expanded as Kubernetes does it, within limits in bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <map>
#include <string>
#include <string_view>

namespace weft::base {

/// The kernel's limit of one argument or one "NAME=value", less its NUL (MAX_ARG_STRLEN, execve(2)).
inline constexpr std::size_t most_string_bytes = std::size_t{128} * 1024 - 1;
/// All strings that a container declares, expanded: they go to the supervisor in one message, which an
/// unprivileged sender may make 416 KiB large (net.core.wmem_max), and quotes count twice there.
inline constexpr std::size_t most_container_bytes = std::size_t{256} * 1024;
/// All strings of one process, with what the image and the supervisor's own environment add: half of what the
/// kernel takes under the usual limit of the stack (a quarter of 8 MiB, execve(2)).
inline constexpr std::size_t most_process_bytes = std::size_t{1024} * 1024;
/// What a name counts as that may be known only at the start: PORT and the addresses of dependencies have at
/// most 22 bytes; what an image or the supervisor's own environment sets may be longer, and is counted again
/// at the start.
inline constexpr std::size_t runtime_value_bytes = 1024;

enum class ExpansionErrorKind : std::uint8_t {
  /// One string is longer than most_string_bytes, as it is written or expanded.
  string_too_long,
  /// All together would be larger than what the Expansion may hold.
  all_too_large,
  /// A string has a NUL in it, at which the kernel would cut it.
  has_nul,
};
/// "is longer than 131071 bytes once it is expanded": follows the name of the string.
std::string to_words(ExpansionErrorKind kind);

/// The text as one that expands to it: with $$ for each $.
std::string literal(std::string_view text);

/// The environment and arguments of one process, one after the other. It never holds more than it may,
/// however much the strings would expand to.
class Expansion {
 public:
  /// `most_bytes` for all strings, each with its NUL and pointer. With `unset`, a name in upper case that is
  /// not set counts as that, for it may be set at the start; else $(NAME) stays as it is.
  explicit Expansion(std::size_t most_bytes, std::string unset = {})
      : left_(most_bytes), unset_(std::move(unset)) {}

  /// Sets a variable to this very value; one of the same name is replaced.
  std::expected<void, ExpansionErrorKind> set(const std::string& name, std::string value);
  /// Sets it to `text` expanded by the variables that are set by now.
  std::expected<void, ExpansionErrorKind> define(const std::string& name, std::string_view text);
  /// `text` expanded, which counts as an argument.
  std::expected<std::string, ExpansionErrorKind> argument(std::string_view text);

  const std::map<std::string, std::string>& variables() const { return variables_; }

 private:
  /// $(NAME) becomes its value, $$ becomes $; what is not set stays.
  /// https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/
  std::expected<std::string, ExpansionErrorKind> expand(std::string_view text) const;
  std::expected<void, ExpansionErrorKind> take(std::size_t bytes);

  std::size_t left_;
  std::string unset_;
  std::map<std::string, std::string> variables_;
};

}  // namespace weft::base
