// Commands on CLI11.
#include "cli/command.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <limits>
#include <map>

#include "base/clock.h"
#include "base/nearest.h"

namespace weft::cli {

namespace {

std::string indented(const std::string& examples) {
  std::string text = "Example:\n  ";
  for (const char c : examples) {
    text += c;
    if (c == '\n') text += "  ";
  }
  return text;
}

/// An empty value is most likely a variable of a script that is not set: it must not stand for the default.
CLI::Validator is_not_empty() {
  const auto check = [](const std::string& text) {
    return text.empty() ? std::string("it is empty: give it a value, or leave the flag out") : std::string();
  };
  return {check, ""};
}

void apply(CLI::Option& option, const Use& use) {
  option.required(use.required);
  if (!use.value.empty()) option.type_name(use.value)->check(is_not_empty());
  if (!use.choices.empty()) option.check(CLI::IsMember(use.choices));
}

/// The command line up to the deepest command that was named: "control-plane create service".
std::string path_of(const CLI::App& app) {
  const auto named = app.get_subcommands();
  return named.empty() ? app.get_name() : app.get_name() + " " + path_of(*named.front());
}

/// Later than any command goes on, and early enough for arithmetic in nanoseconds.
constexpr auto longest_limit = std::chrono::years(1);

Result<void> run_limited(Invocation& invocation, const std::function<Result<void>()>& body) {
  if (!invocation.timeout.empty()) {
    const auto total = parse_timeout(invocation.timeout, "--timeout");
    if (!total) return std::unexpected(total.error());
    invocation.limit = {*total, base::system_clock().now() + std::min<base::Duration>(*total, longest_limit)};
  }
  return body();
}

std::vector<const CLI::App*> subcommands_of(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

/// The flags that commands share and that may stand before them, as kubectl's do: they go with the command.
/// Whether it has them, it says itself.
constexpr std::string_view flags_with_value[] = {"-n", "--namespace", "--home",
                                                 "-o", "--output",    "--timeout"};
constexpr std::string_view plain_flags[] = {"-A", "--all-namespaces"};

/// How many words from here on are such a flag, with its value; 0 if it is none.
std::size_t flag_words(std::string_view word) {
  const auto equals = word.find('=');
  const bool is_short = !word.starts_with("--");
  const auto name = word.substr(0, is_short ? 2 : equals);
  if (std::ranges::find(plain_flags, word) != std::end(plain_flags)) return 1;
  if (std::ranges::find(flags_with_value, name) == std::end(flags_with_value)) return 0;
  return word.size() > name.size() ? 1 : 2;  // -nprod and --home=x have it in them
}

/// What the words name, from the root.
struct Named {
  const CLI::App* app;
  std::string path;
  /// The word after it that names none of its subcommands, if it has any.
  std::string unknown;
};

/// Follows `words` down the tree; with `ordered`, flags that stand before a command are put behind it.
Named follow(const CLI::App& root, const std::vector<std::string>& words,
             std::vector<std::string>* ordered = nullptr) {
  Named named{&root, root.get_name(), {}};
  std::vector<std::string> flags;
  std::size_t at = 0;
  const auto end = [&] { return words.begin() + static_cast<std::ptrdiff_t>(std::min(at, words.size())); };
  for (; at < words.size(); ++at) {
    const auto begin = end();
    if (const auto count = flag_words(words[at]); count > 0) {
      at += count - 1;
      flags.insert(flags.end(), begin, begin + std::min<std::ptrdiff_t>(count, words.end() - begin));
      continue;
    }
    const auto below = subcommands_of(*named.app);
    if (below.empty() || words[at].starts_with('-')) break;
    const auto next =
        std::ranges::find(below, words[at], [](const CLI::App* app) { return app->get_name(); });
    if (next == below.end()) {
      named.unknown = words[at];
      break;
    }
    named.path += " " + words[at];
    named.app = *next;
    if (ordered != nullptr) ordered->push_back(words[at]);
  }
  if (ordered == nullptr) return named;
  ordered->insert(ordered->end(), flags.begin(), flags.end());
  ordered->insert(ordered->end(), end(), words.end());
  return named;
}

/// The way to a command of that very name below others: "control-plane stop" of `stop`; empty if there is
/// none.
std::string place_of(const CLI::App& app, const std::string& word) {
  for (const auto* below : subcommands_of(app)) {
    if (below->get_group().empty()) continue;
    if (below->get_name() == word) return word;
    if (const auto place = place_of(*below, word); !place.empty()) return below->get_name() + " " + place;
  }
  return {};
}

/// "there is no command `weft gett`", with what may be meant.
std::unexpected<Failure> refuse_unknown(const Named& named) {
  std::vector<std::string_view> names;
  const auto below = subcommands_of(*named.app);
  for (const auto* app : below) {
    if (!app->get_group().empty()) names.push_back(app->get_name());
  }
  auto nearest = place_of(*named.app, named.unknown);
  if (nearest.empty()) nearest = std::string(base::nearest(named.unknown, names));
  if (nearest.empty() && names.size() == 1) nearest = fmt::format("{} {}", names.front(), named.unknown);
  return failure(Exit::usage, fmt::format("there is no command `{} {}`", named.path, named.unknown), {},
                 nearest.empty() ? fmt::format("see `{} --help`", named.path)
                                 : fmt::format("did you mean `{} {}`?", named.path, nearest));
}

}  // namespace

Command Command::add(const std::string& name, const std::string& description, const std::string& examples) {
  CLI::App& command = *app_->add_subcommand(name, description);
  command.footer(indented(examples));
  command.set_help_flag("-h,--help", "Show this help");
  return Command(command);
}

std::string Command::name() const { return app_->get_name(); }
void Command::needs_subcommand() { app_->require_subcommand(1); }
void Command::may_have_subcommand() { app_->require_subcommand(0, 1); }
void Command::hide() { app_->group(""); }

void Command::option(const std::string& flags, std::string& value, const std::string& help, const Use& use) {
  apply(*app_->add_option(flags, value, help), use);
}

void Command::option(const std::string& flags, std::vector<std::string>& values, const std::string& help,
                     const Use& use) {
  auto& option = *app_->add_option(flags, values, help);
  if (flags.starts_with('-')) option.allow_extra_args(false);
  apply(option, use);
}

void Command::option(const std::string& flags, int& value, const std::string& help, int least, int most,
                     const Use& use) {
  const auto check = [least, most](const std::string& text) {
    int number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    const bool is_number = error == std::errc{} && end == text.data() + text.size();
    if (is_number && number >= least && number <= most) return std::string();
    const bool has_end = most < std::numeric_limits<int>::max();
    return fmt::format(
        "`{}` is no whole number {}: write one in digits", text,
        has_end ? fmt::format("from {} to {}", least, most) : fmt::format("of at least {}", least));
  };
  const auto range = CLI::Range(least, most).get_description();  // for --help
  apply(*app_->add_option(flags, value, help)->check(CLI::Validator(check, range)), use);
}

void Command::flag(const std::string& flags, bool& value, const std::string& help) {
  app_->add_flag(flags, value, help);
}

void Command::flag(const std::string& flags, std::string& value, const std::string& help,
                   std::vector<std::string> choices) {
  app_->add_flag(flags, value, help)->check(CLI::IsMember(std::move(choices)));
}

void Command::home(Invocation& invocation) {
  option("--home", invocation.home, "State folder of the mesh [$WEFT_HOME]", {.value = "DIR"});
}

void Command::ns(Invocation& invocation) {
  const auto take = [&invocation](const std::string& ns) {
    if (ns.empty()) return;
    invocation.ns = ns;
    invocation.ns_given = true;
  };
  app_->add_option_function<std::string>("-n,--namespace", take, "Namespace [$WEFT_NAMESPACE, default]")
      ->type_name("NAMESPACE")
      ->check([](const std::string& ns) {
        return ns.contains('/') ? fmt::format("\"{}\" can be no namespace: it has a /", ns) : std::string();
      });
}

void Command::all_namespaces(Invocation& invocation) {
  app_->add_flag("-A,--all-namespaces", invocation.all_namespaces, "Of all namespaces");
}

void Command::output(Invocation& invocation) {
  static const std::map<std::string, Format> formats = {{"table", Format::table},
                                                        {"wide", Format::wide},
                                                        {"json", Format::json},
                                                        {"yaml", Format::yaml},
                                                        {"name", Format::name}};
  static constexpr std::string_view jsonpath = "jsonpath=";
  const auto take = [&invocation](const std::string& text) {
    if (text.starts_with(jsonpath)) {
      auto path = JsonPath::parse(std::string_view(text).substr(jsonpath.size()));
      if (!path) throw CLI::ValidationError("-o jsonpath", path.error());
      invocation.format = Format::jsonpath;
      invocation.path = std::move(*path);
      return;
    }
    const auto found = formats.find(text);
    if (found == formats.end())
      throw CLI::ValidationError("-o " + text,
                                 "it is none of table, wide, json, yaml, name and jsonpath=TEMPLATE");
    invocation.format = found->second;
  };
  app_->add_option_function<std::string>("-o,--output", take,
                                         "table, wide, json, yaml, name or jsonpath=TEMPLATE")
      ->type_name("FORMAT");
}

void Command::selector(std::string& value) {
  app_->add_option("-l,--selector", value,
                   "Those whose labels match, such as app=web, 'tier in (a,b)' or '!old'")
      ->type_name("LABELS");
}

void Command::no_headers(Invocation& invocation) {
  app_->add_flag("--no-headers", invocation.no_headers, "No header above a table");
}

void Command::timeout(Invocation& invocation, const std::string& fallback) {
  const auto take = [&invocation](const std::string& text) {
    invocation.timeout = text;
    invocation.timeout_given = true;
  };
  app_->add_option_function<std::string>(
          "--timeout", take, "How long the command may take, such as 90s or 2m [" + fallback + "]")
      ->type_name("DURATION");
  app_->parse_complete_callback([&invocation, fallback] {
    // Of a command within a command, its own comes first.
    if (invocation.timeout.empty()) invocation.timeout = fallback;
  });
}

void Command::run(Invocation& invocation, std::function<Result<void>()> body) {
  // The callbacks of subcommands run before that of their parent.
  app_->callback([&invocation, body = std::move(body)] {
    if (!invocation.action) invocation.action = [&invocation, body] { return run_limited(invocation, body); };
  });
}

CommandLine::CommandLine(const std::string& program, const std::string& description,
                         const std::string& footer)
    : app_(std::make_unique<CLI::App>(description, program)) {
  app_->set_help_flag("-h,--help", "Show this help");
  app_->footer(footer);
}

CommandLine::~CommandLine() = default;

Command CommandLine::root() { return Command(*app_); }

void CommandLine::version(const std::string& text) {
  app_->set_version_flag("-V,--version", text, "Print the version");
}

Result<bool> CommandLine::parse(int argc, char** argv) {
  std::vector<std::string> words;
  const auto named = follow(*app_, {argv + 1, argv + argc}, &words);
  try {
    std::ranges::reverse(words);  // as CLI11 takes them
    app_->parse(std::move(words));
  } catch (const CLI::Success& help) {
    app_->exit(help);
    return false;
  } catch (const CLI::ParseError& error) {
    if (!named.unknown.empty()) return refuse_unknown(named);
    return failure(Exit::usage, error.what(), {}, "see `" + path_of(*app_) + " --help`");
  }
  return true;
}

Result<std::string> CommandLine::help(const std::vector<std::string>& words) const {
  const auto named = follow(*app_, words);
  if (!named.unknown.empty()) return refuse_unknown(named);
  // Not App::help(), which explains the command that was parsed: this one.
  return named.app->get_formatter()->make_help(named.app, named.path, CLI::AppFormatMode::Normal);
}

namespace {

/// The choices in what CLI11 calls the type of a value: "TEXT:{bash,zsh,fish}".
std::vector<std::string> choices_of(const CLI::Option& option) {
  const auto type = option.get_type_name();
  const auto open = type.find('{');
  const auto close = type.find('}');
  if (open == std::string::npos || close == std::string::npos) return {};
  return CLI::detail::split(type.substr(open + 1, close - open - 1), ',');
}

void expect_value(const CLI::Option& option, Expected& expected) {
  expected.words = choices_of(option);
  const auto type = option.get_type_name();
  expected.value = option.nonpositional() ? type.substr(0, type.find(':')) : option.get_single_name();
}

/// The option without a flag that the word after `given` others belongs to.
const CLI::Option* positional(const CLI::App& app, std::size_t given) {
  for (const auto* option : app.get_options([](const CLI::Option* one) { return one->get_positional(); })) {
    const auto most = static_cast<std::size_t>(option->get_items_expected_max());
    if (given < most) return option;
    given -= most;
  }
  return nullptr;
}

}  // namespace

Expected CommandLine::expect(std::vector<std::string> words) const {
  Expected expected;
  const std::string typed = words.empty() ? "" : std::move(words.back());
  if (!words.empty()) words.pop_back();
  std::vector<std::string> ordered;
  const auto named = follow(*app_, words, &ordered);
  expected.path = named.path;
  const auto depth = static_cast<std::ptrdiff_t>(std::ranges::count(named.path, ' '));
  const CLI::Option* open = nullptr;  // whose value comes next
  for (auto word = ordered.begin() + depth; word != ordered.end(); ++word) {
    if (open != nullptr) {
      if (!open->get_lnames().empty()) expected.values[open->get_lnames().front()] = *word;
      open = nullptr;
      continue;
    }
    if (*word == "--") return expected;  // what follows is not for this program
    if (!word->starts_with('-')) {
      expected.given.push_back(*word);
      continue;
    }
    const auto equals = std::min(word->find('='), word->size());
    const auto* option = named.app->get_option_no_throw(word->substr(0, equals));
    if (option == nullptr && flag_words(*word) == 2) {
      // Before a command that is not known yet.
      if (++word != ordered.end()) continue;
      const auto flag = ordered.back().substr(ordered.back().find_first_not_of('-'));
      expected.value = flag.starts_with('n')   ? "NAMESPACE"
                       : flag.starts_with("o") ? "FORMAT"
                       : flag.starts_with("h") ? "DIR"
                                               : "DURATION";
      return expected;
    }
    if (option == nullptr) continue;
    if (option->get_items_expected_max() > 0 && equals == word->size()) {
      open = option;
    } else if (!option->get_lnames().empty() && equals < word->size()) {
      expected.values[option->get_lnames().front()] = word->substr(equals + 1);
    }
  }
  if (open != nullptr) {
    expect_value(*open, expected);
  } else if (const auto equals = typed.find('='); typed.starts_with("--") && equals != std::string::npos) {
    if (const auto* option = named.app->get_option_no_throw(typed.substr(0, equals)))
      expect_value(*option, expected);
  } else if (typed.starts_with('-')) {
    for (const auto* option : named.app->get_options()) {
      for (const auto& name : option->get_snames()) expected.words.push_back("-" + name);
      for (const auto& name : option->get_lnames()) expected.words.push_back("--" + name);
    }
  } else if (const auto below = subcommands_of(*named.app); !below.empty() && expected.given.empty()) {
    expected.value = "SUBCOMMAND";
    for (const auto* command : below) {
      if (!command->get_group().empty()) expected.words.push_back(command->get_name());
    }
  } else if (const auto* option = positional(*named.app, expected.given.size())) {
    expect_value(*option, expected);
  }
  return expected;
}

Result<std::chrono::nanoseconds> parse_timeout(const std::string& text, std::string_view flag) {
  auto duration = base::parse_duration(text);
  if (!duration) duration = base::parse_duration(text + "s");
  if (!duration || *duration < base::Duration::zero()) {
    return failure(Exit::usage, fmt::format("{}={} is not a duration", flag, text), {},
                   "write a number with a unit: 90s, 2m");
  }
  return *duration;
}

}  // namespace weft::cli
