// `completion`, `help` and `version`.
#include <fmt/format.h>

#include <cstdlib>

#include "cli/commands.h"
#include "cli/objects.h"
#include "cli/output.h"
#include "cli/session.h"

namespace weft::cli {

namespace {

// Each asks `weft __complete`, which lies beside the command that is completed. Its first line says whether
// the names of files may stand there as well.
constexpr std::string_view bash = R"sh(_weft() {
  local name=${COMP_WORDS[0]##*/} lines
  local weft=${COMP_WORDS[0]%"$name"}weft
  [[ $name != weft ]] || name=
  mapfile -t lines < <("$weft" __complete -- $name "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
  COMPREPLY=("${lines[@]:1}")
  [[ ${lines[0]-files} == files ]] || compopt +o default
  [[ ${COMPREPLY[0]-} != *= ]] || compopt -o nospace
}
complete -o default -F _weft weft control-plane service
)sh";

constexpr std::string_view zsh = R"sh(#compdef weft control-plane service
_weft() {
  local name=${words[1]:t}
  local -a lines
  lines=("${(@f)$("${words[1]%$name}weft" __complete -- ${name:#weft} "${(@)words[2,CURRENT]}" 2>/dev/null)}")
  compadd -- "${(@)lines[2,-1]}"
  [[ ${lines[1]} == words ]] || _files
}
if [[ ${funcstack[1]} == _weft ]]; then _weft; else compdef _weft weft control-plane service; fi
)sh";

constexpr std::string_view fish = R"sh(function __weft_complete
  set -l words (commandline -opc)
  set -l typed (commandline -ct)
  set -l name (string replace -r '.*/' '' -- $words[1])
  set -l weft (string replace -r '[^/]*$' 'weft' -- $words[1])
  test $name = weft; and set -e name
  set -l lines ($weft __complete -- $name $words[2..-1] "$typed" 2>/dev/null)
  test "$lines[1]" = words; or __fish_complete_path "$typed"
  printf '%s\n' $lines[2..-1]
end
for command in weft control-plane service
  complete -c $command -f -a '(__weft_complete)'
end
)sh";

/// A mesh that does not answer within this is not asked: somebody waits at the keyboard.
constexpr auto patience = std::chrono::milliseconds(500);

/// The names of that kind's objects, stored ones if no mesh runs; none is started.
std::vector<std::string> names_of(const model::Kind& kind, const Expected& expected,
                                  const Invocation& about) {
  Invocation invocation = about;
  const auto value = [&expected](const char* name, const std::string& otherwise) {
    const auto found = expected.values.find(name);
    return found == expected.values.end() ? otherwise : found->second;
  };
  invocation.home = value("home", invocation.home);
  const char* user_home = std::getenv("HOME");
  if (invocation.home.starts_with("~/") && user_home != nullptr) invocation.home.replace(0, 1, user_home);
  const auto home = home_of(invocation);
  if (!home) return {};
  const TimeLimit limit{patience, base::system_clock().now() + patience - last_words};
  auto session = has_supervisor(*home) ? std::make_unique<Session>(*home, limit)
                                       : open_session(invocation, Absent::read).value_or(nullptr);
  if (session == nullptr) return {};
  auto objects = session->reactor.block_on(
      session->api.list(rest_path(kind, kind.namespaced ? value("namespace", invocation.ns) : "")));
  std::vector<std::string> names;
  if (objects) {
    for (const auto& object : *objects) names.push_back(name_of(object));
  }
  return names;
}

/// KIND, NAME and KIND/NAME, as they stand in a row.
std::vector<std::string> resources(const std::string& typed, const Expected& expected,
                                   const Invocation& about) {
  const auto slash = typed.find('/');
  if (slash != std::string::npos) {
    const auto prefix = typed.substr(0, slash);
    const auto* kind = model::find_kind(prefix);
    if (kind == nullptr) return {};
    auto names = names_of(*kind, expected, about);
    for (auto& name : names) name = prefix + "/" + name;
    return names;
  }
  if (!expected.given.empty()) {
    const auto* kind = model::find_kind(expected.given.front());
    if (kind == nullptr && expected.value == "KIND") return {};
    return names_of(kind == nullptr ? *model::find_kind("Service") : *kind, expected, about);
  }
  if (expected.value == "NAME") return names_of(*model::find_kind("Service"), expected, about);
  std::vector<std::string> kinds;
  for (const auto& kind : model::kinds()) kinds.emplace_back(kind.plural);
  return kinds;
}

/// The words that may stand in place of the last one, and whether a file may as well.
std::pair<std::vector<std::string>, bool> complete(const CommandLine& line, std::vector<std::string> words,
                                                   const Invocation& about) {
  // bash makes three words of --output=json.
  std::string prefix;
  if (words.size() >= 2 && words.back() == "=") words.emplace_back();
  if (words.size() >= 3 && words[words.size() - 2] == "=") words.erase(words.end() - 2);
  std::string typed = words.empty() ? "" : words.back();
  auto expected = line.expect(std::move(words));
  if (const auto equals = typed.find('='); typed.starts_with("--") && equals != std::string::npos) {
    prefix = typed.substr(0, equals + 1);
    typed.erase(0, equals + 1);
  }
  const auto& value = expected.value;
  auto found = std::move(expected.words);
  if (value == "FORMAT") found = {"table", "wide", "json", "yaml", "name", "jsonpath="};
  if (value == "NAMESPACE") found = names_of(*model::find_kind("Namespace"), expected, about);
  // What is to be made has a name of its own.
  const bool is_new = expected.path.contains(" create");
  if (value == "KIND" || (value == "NAME" && !is_new)) found = resources(typed, expected, about);
  std::erase_if(found, [&typed](const std::string& word) { return !word.starts_with(typed); });
  for (auto& word : found) word.insert(0, prefix);
  const bool may_be_file = value == "FILE" || value == "DIR" || value == "IMAGE" || value == "COMMAND" ||
                           (value.empty() && found.empty());
  return {std::move(found), may_be_file};
}

}  // namespace

void add_completion(Command parent, Invocation& invocation, const CommandLine& line) {
  auto shell = std::make_shared<std::string>();
  auto command = parent.add("completion", "Print a completion script for a shell",
                            "source <(weft completion bash)\nweft completion zsh > ~/.zsh/_weft\n"
                            "weft completion fish > ~/.config/fish/completions/weft.fish");
  command.option("SHELL", *shell, "bash, zsh or fish",
                 {.required = true, .choices = {"bash", "zsh", "fish"}});
  command.run(invocation, [shell]() -> Result<void> {
    print(*shell == "bash" ? bash : *shell == "zsh" ? zsh : fish);
    return {};
  });
  // What the scripts ask.
  auto words = std::make_shared<std::vector<std::string>>();
  auto next =
      parent.add("__complete", "What may come in place of the last word", "weft __complete -- get serv");
  next.hide();
  next.option("WORDS", *words, "The words so far, the last of which may be empty");
  next.run(invocation, [&line, &invocation, words]() -> Result<void> {
    const auto [found, may_be_file] = complete(line, *words, invocation);
    print(fmt::format("{}\n", may_be_file ? "files" : "words"));
    for (const auto& word : found) print(word + "\n");
    return {};
  });
}

void add_help(Command parent, Invocation& invocation, const CommandLine& line) {
  auto words = std::make_shared<std::vector<std::string>>();
  auto command = parent.add("help", "Explain a command", "weft help apply\nweft help control-plane start");
  command.option("COMMAND", *words, "The command");
  command.run(invocation, [&line, words]() -> Result<void> {
    auto text = line.help(*words);
    if (!text) return std::unexpected(std::move(text.error()));
    print(*text);
    return {};
  });
}

void add_version(Command parent, Invocation& invocation) {
  auto command = parent.add("version", "Print the version", "weft version");
  command.run(invocation, []() -> Result<void> {
    print("weft " WEFT_VERSION "\n");
    return {};
  });
}

}  // namespace weft::cli
