// Commands on CLI11.
#include "cli/command.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
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

void apply(CLI::Option& option, const Use& use) {
  option.required(use.required);
  if (!use.value.empty()) option.type_name(use.value);
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

/// The deepest command that the words name, and the word after it that names none of its subcommands.
struct Unknown {
  std::string path;
  const CLI::App* app;
  std::string word;
};

std::optional<Unknown> find_unknown(const CLI::App& root, int argc, char** argv) {
  Unknown at{root.get_name(), &root, {}};
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const auto below = subcommands_of(*at.app);
    if (below.empty() || word.starts_with('-')) return std::nullopt;
    const auto next = std::ranges::find(below, word, [](const CLI::App* app) { return app->get_name(); });
    if (next == below.end()) {
      at.word = word;
      return at;
    }
    at.path += " " + word;
    at.app = *next;
  }
  return std::nullopt;
}

/// "there is no command `weft gett`", with what may be meant.
std::unexpected<Failure> refuse_unknown(const Unknown& unknown) {
  std::vector<std::string_view> names;
  const auto below = subcommands_of(*unknown.app);
  for (const auto* app : below) {
    if (!app->get_group().empty()) names.push_back(app->get_name());
  }
  auto nearest = std::string(base::nearest(unknown.word, names));
  if (nearest.empty() && names.size() == 1) nearest = fmt::format("{} {}", names.front(), unknown.word);
  return failure(Exit::usage, fmt::format("there is no command `{} {}`", unknown.path, unknown.word), {},
                 nearest.empty() ? fmt::format("see `{} --help`", unknown.path)
                                 : fmt::format("did you mean `{} {}`?", unknown.path, nearest));
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
  apply(*app_->add_option(flags, value, help)->check(CLI::Range(least, most)), use);
}

void Command::flag(const std::string& flags, bool& value, const std::string& help) {
  app_->add_flag(flags, value, help);
}

void Command::home(Invocation& invocation) {
  app_->add_option("--home", invocation.home, "State folder of the mesh [$WEFT_HOME]")->type_name("DIR");
}

void Command::ns(Invocation& invocation) {
  const auto take = [&invocation](const std::string& ns) {
    if (ns.empty()) return;
    invocation.ns = ns;
    invocation.ns_given = true;
  };
  app_->add_option_function<std::string>("-n,--namespace", take, "Namespace [$WEFT_NAMESPACE, default]")
      ->type_name("NAMESPACE");
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
  const auto take = [&invocation](const std::string& text) { invocation.format = formats.at(text); };
  app_->add_option_function<std::string>("-o,--output", take, "table, wide, json, yaml or name")
      ->check(CLI::IsMember({"table", "wide", "json", "yaml", "name"}))
      ->type_name("FORMAT");
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

Result<bool> CommandLine::parse(int argc, char** argv) {
  try {
    app_->parse(argc, argv);
  } catch (const CLI::Success& help) {
    app_->exit(help);
    return false;
  } catch (const CLI::ParseError& error) {
    if (const auto unknown = find_unknown(*app_, argc, argv)) return refuse_unknown(*unknown);
    return failure(Exit::usage, error.what(), {}, "see `" + path_of(*app_) + " --help`");
  }
  return true;
}

std::vector<std::string> CommandLine::next_words(const std::vector<std::string>& words) const {
  const CLI::App* at = app_.get();
  for (const auto& word : words) {
    for (const auto* next : subcommands_of(*at)) {
      if (next->get_name() == word) at = next;
    }
  }
  std::vector<std::string> next;
  for (const auto* command : subcommands_of(*at)) {
    if (!command->get_group().empty()) next.push_back(command->get_name());
  }
  for (const auto* option : at->get_options()) {
    for (const auto& name : option->get_lnames()) next.push_back("--" + name);
  }
  return next;
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
