#include "cli/log_feed.h"

#include <fmt/format.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "base/printable.h"
#include "base/width.h"
#include "cli/output.h"
#include "runtime/socket.h"

namespace weft::cli {

using provider::process::LogFileReader;
using provider::process::LoggedRun;

namespace {

/// Given out at once, so that a reader who is far behind gets its lines soon and needs little memory.
constexpr std::size_t lines_at_once = 2000;
/// How often the folder is looked at where it cannot be watched (fs.inotify.max_user_instances).
constexpr auto poll_pause = std::chrono::milliseconds(200);

constexpr std::array<Colour, 5> colours{Colour::cyan, Colour::yellow, Colour::magenta, Colour::green,
                                        Colour::blue};

std::string_view name_of(const LogLine& line, const LogStyle& style) {
  const std::string_view id = line.id;
  const auto slash = id.find('/');
  return id.substr(0, slash) == style.ns ? id.substr(slash + 1) : id;
}

/// The same for an instance each time, whatever else is shown.
Colour colour_of(std::string_view name) {
  std::size_t sum = 0;
  for (const char c : name) sum = sum * 31 + static_cast<unsigned char>(c);
  return colours[sum % colours.size()];
}

}  // namespace

void LogFeed::follow(Admits admits) {
  follows_ = true;
  admits_ = std::move(admits);
  watch_ = runtime::Fd(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  constexpr auto events = IN_MODIFY | IN_ATTRIB | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO;
  if (::inotify_add_watch(watch_.get(), folder_.c_str(), events) < 0) watch_.reset();
}

void LogFeed::add(const Log& log, provider::LogOptions options) {
  auto& source = sources_[provider::process::log_name(log.id)];
  has_several_ |= sources_.size() > 1;
  update(source, log);
  open(source, options);
}

void LogFeed::open(Source& source, provider::LogOptions options) {
  options.follow = follows_ && !options.previous;
  options.timestamps = true;
  source.reader = std::make_unique<LogFileReader>(reactor_, source.log, options);
  source.may_have_more = true;
  const int fault = source.reader->fault();
  if ((fault != EMFILE && fault != ENFILE) || std::exchange(has_warned_, true)) return;
  warn(
      fmt::format("not all logs are read, the first that is not is {}: no more files can be open at once "
                  "(ulimit -n)",
                  source.log.id));
}

std::vector<LogLine> LogFeed::take() {
  std::vector<LogLine> lines;
  while (lines.size() < lines_at_once) {
    Source* first = nullptr;
    for (auto& [name, source] : sources_) {
      fill(source);
      if (source.lines.empty()) continue;
      if (first == nullptr || source.lines.front().time < first->lines.front().time) first = &source;
    }
    if (first == nullptr) break;
    lines.push_back(std::move(first->lines.front()));
    first->lines.pop_front();
  }
  return lines;
}

/// Until it has a line, or there is none now.
void LogFeed::fill(Source& source) {
  while (source.lines.empty() && source.reader && source.may_have_more) {
    const auto text = source.reader->read();
    if (text && !text->empty()) {
      source.rest += *text;
    } else {
      source.may_have_more = false;
      // The last line of a log has its end unless its supervisor was killed in the middle of it.
      const bool has_ended = !text || source.reader->has_ended();
      if (has_ended && !source.rest.empty()) source.rest += '\n';
      if (has_ended) end(source);
    }
    split(source);
  }
  if (!source.lines.empty() || !source.end) return;
  source.lines.push_back(std::move(*source.end));
  source.end.reset();
}

void LogFeed::end(Source& source) {
  // Of what comes later the lines that were left out (tail_lines) are no part.
  if (source.last_time.empty() && source.reader->fault() == 0)
    source.last_time = base::format_rfc3339_micro(reactor_.clock().wall());
  source.reader.reset();
}

void LogFeed::split(Source& source) {
  auto& rest = source.rest;
  std::size_t begin = 0;
  while (begin < rest.size()) {
    const auto end = std::min(rest.find('\n', begin), rest.size());
    const auto space = rest.find(' ', begin);
    const auto text = space < end ? space + 1 : begin;
    std::string time = space < end ? rest.substr(begin, space - begin) : std::string();
    if (end - text > most_line_bytes) {
      source.lines.push_back({source.log.id, time, rest.substr(text, most_line_bytes).append(cut_mark)});
      rest.replace(0, text + most_line_bytes, time + ' ');
      begin = 0;
    } else if (end < rest.size()) {
      source.lines.push_back({source.log.id, std::move(time), rest.substr(text, end - text)});
      begin = end + 1;
    } else {
      break;
    }
  }
  rest.erase(0, begin);
  if (!source.lines.empty()) source.last_time = source.lines.back().time;
}

/// What is known of it now.
void LogFeed::update(Source& source, Log log) {
  const auto had_ended = [&source](const LoggedRun& run) {
    return std::ranges::any_of(source.log.runs, [&run](const LoggedRun& known) {
      return known.started == run.started && known.ended;
    });
  };
  if (tells_ends_ && !log.runs.empty()) {
    // Of two that have come at once, the last one is told.
    const auto& run = log.runs.back().ended ? log.runs.back() : log.runs.front();
    if (run.ended && !had_ended(run))
      source.end = LogLine{log.id, base::format_rfc3339_micro(*run.ended),
                           run.exit.empty() ? "weft: ended" : "weft: ended, " + run.exit};
  }
  source.log = std::move(log);
}

/// At a log that is known: it may be written again after its end.
void LogFeed::look_again(Source& source, Log log) {
  update(source, std::move(log));
  if (source.reader || source.log.is_closed) return;
  auto since = base::parse_rfc3339(source.last_time);
  if (since) *since += std::chrono::microseconds(1);
  open(source, {.since = since});
}

bool LogFeed::touch(const std::string& file) {
  const auto name = provider::process::name_of_log(file);
  const bool is_note = file.ends_with(".json");
  const auto known = sources_.find(name);
  if (known != sources_.end()) known->second.may_have_more = true;
  const bool has_left = known != sources_.end() && !known->second.reader;
  if (!is_note && !has_left) return known != sources_.end();
  auto log = provider::process::find_log(folder_, name);
  if (!log) {
    if (has_left) sources_.erase(known);
    return false;
  }
  if (known != sources_.end()) {
    look_again(known->second, std::move(*log));
  } else if (admits_(*log)) {
    add(*log, {});
  }
  return sources_.contains(name);
}

void LogFeed::look_at_all() {
  for (auto& [name, source] : sources_) source.may_have_more = true;
  for (auto& log : provider::process::list_logs(folder_)) {
    const auto known = sources_.find(provider::process::log_name(log.id));
    if (known != sources_.end()) {
      look_again(known->second, std::move(log));
    } else if (!log.is_closed && admits_(log)) {
      add(log, {});
    }
  }
}

runtime::Task<void> LogFeed::changed() {
  bool is_touched = false;
  while (!is_touched) {
    if (!watch_) {
      co_await reactor_.sleep(poll_pause);
      look_at_all();
      co_return;
    }
    alignas(inotify_event) char events[16 * 1024];
    const auto got = ::read(watch_.get(), events, sizeof events);
    if (got <= 0) {
      co_await runtime::until_readable(reactor_, watch_.get());
      continue;
    }
    for (ssize_t at = 0; at < got;) {
      const auto& event = *reinterpret_cast<const inotify_event*>(events + at);
      at += static_cast<ssize_t>(sizeof event + event.len);
      if ((event.mask & IN_Q_OVERFLOW) != 0) {
        look_at_all();
        is_touched = true;
      } else if (event.len > 0 && touch(event.name)) {
        is_touched = true;
      }
    }
  }
}

bool LogFeed::has_running() const {
  return std::ranges::any_of(sources_, [](const auto& entry) {
    const auto& log = entry.second.log;
    return !log.is_closed && !log.runs.empty() && !log.runs.back().ended && entry.second.reader;
  });
}

Shown render(const std::vector<LogLine>& lines, const LogStyle& style) {
  Shown out;
  for (const auto& line : lines) {
    const std::string name = style.names ? std::string(name_of(line, style)) + " | " : "";
    const std::string time = style.times ? line.time + ' ' : "";
    out += paint(name, colour_of(name), style.colour);
    out += paint(time, Colour::dim, style.colour);
    const auto room = style.columns - static_cast<int>(base::columns_of(base::printable(name + time)));
    out += style.columns > 0
               ? base::cut_to(base::printable(line.text), static_cast<std::size_t>(std::max(room, 0)))
               : line.text;
    out += "\n";
  }
  return out;
}

void print(const std::vector<LogLine>& lines, const LogStyle& style) {
  if (is_terminal(STDOUT_FILENO)) return print(render(lines, style));
  std::string out;
  for (const auto& line : lines) {
    if (style.names) (out += name_of(line, style)) += " | ";
    if (style.times) (out += line.time) += ' ';
    (out += line.text) += '\n';
  }
  print_log(out);
}

}  // namespace weft::cli
