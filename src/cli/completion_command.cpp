// `completion` and `version`.
#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/output.h"

namespace weft::cli {

namespace {

constexpr std::string_view bash = R"sh(_weft() {
  local words=("${COMP_WORDS[@]:1:COMP_CWORD-1}")
  COMPREPLY=($(compgen -W "$("${COMP_WORDS[0]}" __complete -- "${words[@]}" 2>/dev/null)" -- "${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _weft weft control-plane
)sh";

constexpr std::string_view zsh = R"sh(#compdef weft control-plane
_weft() {
  local -a next
  next=(${(f)"$(${words[1]} __complete -- ${words[2,CURRENT-1]} 2>/dev/null)"})
  compadd -a next
  _files
}
compdef _weft weft control-plane
)sh";

constexpr std::string_view fish = R"sh(function __weft_complete
  set -l words (commandline -opc)
  $words[1] __complete -- $words[2..-1] 2>/dev/null
end
complete -c weft -a '(__weft_complete)'
complete -c control-plane -a '(__weft_complete)'
)sh";

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
  // What the scripts ask: the words that may come next, one a line.
  auto words = std::make_shared<std::vector<std::string>>();
  auto next = parent.add("__complete", "What may come next", "weft __complete -- control-plane create");
  next.hide();
  next.option("WORDS", *words, "The words so far");
  next.run(invocation, [&line, words]() -> Result<void> {
    print(fmt::format("{}\n", fmt::join(line.next_words(*words), "\n")));
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
