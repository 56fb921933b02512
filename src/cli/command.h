// What the commands share: the flags that mean the same everywhere, and how a command says what it does.
// CLI11 is behind this, seen by command.cpp alone: it takes seconds to compile.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/failure.h"
#include "cli/jsonpath.h"
#include "cli/time_limit.h"

namespace CLI {
class App;
}

namespace weft::cli {

/// The name that the binary was called by.
enum class Program : std::uint8_t { weft, control_plane, service };

/// How data is shown.
enum class Format : std::uint8_t { table, wide, json, yaml, name, jsonpath };

/// What the command line said; one for each run of the program.
struct Invocation {
  Program program = Program::weft;
  /// --home, empty: $WEFT_HOME or the default.
  std::string home;
  /// -n, $WEFT_NAMESPACE or "default".
  std::string ns;
  bool all_namespaces = false;
  Format format = Format::table;
  /// Of Format::jsonpath.
  std::optional<JsonPath> path;
  bool no_headers = false;
  /// Whether -n was given: it must then agree with what a file says.
  bool ns_given = false;
  /// --timeout as given, or the command's default; empty for a command without.
  std::string timeout;
  bool timeout_given = false;
  /// That time limit, from when the command's body began.
  std::optional<TimeLimit> limit;
  /// What the parsed command does.
  std::function<Result<void>()> action;
};

/// How an option is used.
struct Use {
  bool required = false;
  /// What stands for the value in --help. An empty one is refused then.
  std::string value;
  /// The only values there are; empty: any.
  std::vector<std::string> choices = {};
};

/// --timeout of a command that only looks: it too may have to start the mesh, which takes so long on a slow
/// machine (session.cpp).
inline constexpr const char* look_limit = "20s";

/// One command; a handle, valid as long as its CommandLine. Values given to it must live as long.
class Command {
 public:
  explicit Command(CLI::App& app) : app_(&app) {}

  /// A subcommand. `examples` are lines for its --help as one would type them, without the prompt.
  Command add(const std::string& name, const std::string& description, const std::string& examples);
  std::string name() const;
  void needs_subcommand();
  /// With a subcommand that one runs, without one the command itself does.
  void may_have_subcommand();
  void hide();

  /// `flags` is "-l,--long", or a NAME for what stands without a flag.
  void option(const std::string& flags, std::string& value, const std::string& help, const Use& use = {});
  /// May be repeated; without a flag it takes all words.
  void option(const std::string& flags, std::vector<std::string>& values, const std::string& help,
              const Use& use = {});
  void option(const std::string& flags, int& value, const std::string& help, int least, int most,
              const Use& use = {});
  void flag(const std::string& flags, bool& value, const std::string& help);
  /// One that may have a value: "--flag{this}" without one is "this".
  void flag(const std::string& flags, std::string& value, const std::string& help,
            std::vector<std::string> choices);

  // Flags that mean the same in every command.
  void home(Invocation& invocation);
  void ns(Invocation& invocation);
  /// -A beside -n.
  void all_namespaces(Invocation& invocation);
  /// -o with all formats.
  void output(Invocation& invocation);
  /// -l.
  void selector(std::string& value);
  /// --no-headers.
  void no_headers(Invocation& invocation);
  /// --timeout with its default ("60s"): sets the invocation's limit.
  void timeout(Invocation& invocation, const std::string& fallback = look_limit);

  /// The command's body; runs after parsing.
  void run(Invocation& invocation, std::function<Result<void>()> body);

 private:
  CLI::App* app_;
};

/// What may stand at the end of a command line that is being typed.
struct Expected {
  /// The words that there are: commands, flags, choices of a value.
  std::vector<std::string> words;
  /// What the value there is called in --help ("KIND", "FILE"); empty: none is known.
  std::string value;
  /// The command, with what it was given: words without a flag, and the values of flags by their long name.
  std::string path;
  std::vector<std::string> given;
  std::map<std::string, std::string> values;
};

/// The tree of all commands of one program.
class CommandLine {
 public:
  CommandLine(const std::string& program, const std::string& description, const std::string& footer);
  ~CommandLine();
  CommandLine(const CommandLine&) = delete;
  CommandLine& operator=(const CommandLine&) = delete;

  Command root();
  /// -V and --version.
  void version(const std::string& text);
  /// Sets the values and the Invocation's action; false after --help, which it has shown. Flags of a command
  /// may stand before it.
  Result<bool> parse(int argc, char** argv);
  /// The --help of the command that the words name.
  Result<std::string> help(const std::vector<std::string>& words) const;
  /// What may come in place of the last of these words, which is being typed; for completion.
  Expected expect(std::vector<std::string> words) const;

 private:
  std::unique_ptr<CLI::App> app_;
};

/// A duration such as 90s or 1m30s; a number without unit means seconds. `flag` is whose value it is.
Result<std::chrono::nanoseconds> parse_timeout(const std::string& text, std::string_view flag);

}  // namespace weft::cli
