// Control sequences of xterm (ctlseqs, "Functions using CSI"), which all terminals of today know.
#include "cli/screen.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "runtime/combine.h"
#include "runtime/socket.h"

namespace weft::cli {

using runtime::Task;

namespace {

// The alternate screen, no cursor, lines that do not wrap: a terminal that draws a character wider than we
// believe cuts it off.
constexpr std::string_view take_screen = "\x1b[?1049h\x1b[?25l\x1b[?7l";
constexpr std::string_view give_back = "\x1b[?7h\x1b[?25h\x1b[?1049l";
// Synchronized output: a terminal that knows it shows what lies between at once; others pass over it.
constexpr std::string_view begin_frame = "\x1b[?2026h\x1b[H";
constexpr std::string_view end_frame = "\x1b[?2026l";
// Before a line's text: behind one that fills the line, the cursor stands on its last character.
constexpr std::string_view erase_line = "\x1b[K";
constexpr std::string_view erase_below = "\x1b[J";

/// Not by print(), which ends the program where nobody reads any more: there may be a mesh to stop first.
void put(std::string_view text) {
  std::fflush(stdout);
  while (!text.empty()) {
    const auto count = ::write(STDOUT_FILENO, text.data(), text.size());
    if (count < 0 && errno != EINTR) return;
    text.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
  }
}

}  // namespace

bool can_draw() {
  const char* term = std::getenv("TERM");
  if (term != nullptr && std::string_view(term) == "dumb") return false;
  if (!is_terminal(STDOUT_FILENO)) return false;
  const pid_t foreground = tcgetpgrp(STDOUT_FILENO);
  return foreground < 0 || foreground == getpgrp();
}

Screen::Screen() { enter(); }

Screen::~Screen() { leave(); }

void Screen::enter() {
  termios now{};
  if (is_terminal(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &now) == 0) {
    before_ = now;
    now.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
    // A read never waits: the descriptor cannot be made non-blocking, for others share it.
    now.c_cc[VMIN] = 0;
    now.c_cc[VTIME] = 0;
    tcsetattr(STDIN_FILENO, TCSANOW, &now);
  }
  put(take_screen);
}

void Screen::leave() {
  put(give_back);
  if (before_) tcsetattr(STDIN_FILENO, TCSANOW, &*before_);
  before_.reset();
}

void Screen::show(Frame frame) {
  frame_ = std::move(frame);
  redraw();
}

void Screen::redraw() {
  if (!frame_) return;
  const auto size = terminal_size(STDOUT_FILENO);
  const std::string text = frame_(size).text();
  std::string out(begin_frame);
  int row = 0;
  for (std::size_t at = 0; row < size.rows && at < text.size(); ++row) {
    const auto end = std::min(text.find('\n', at), text.size());
    out += row > 0 ? "\r\n" : "";
    out += erase_line;
    out += text.substr(at, end - at);
    at = end + 1;
  }
  if (row < size.rows) out += row > 0 ? "\r\n" : "";
  if (row < size.rows) out += erase_below;
  out += end_frame;
  put(out);
}

void Screen::pause() {
  leave();
  std::raise(SIGSTOP);
  enter();
  redraw();
}

runtime::Signals view_signals(runtime::Reactor& reactor) {
  return {reactor, {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGTSTP}};
}

Task<int> until_ended(runtime::Signals& signals, std::optional<Screen>& screen) {
  for (;;) {
    const int signal = co_await signals.next();
    if (signal == SIGWINCH) {
      if (screen) screen->redraw();
    } else if (signal != SIGTSTP) {
      co_return signal;
    } else if (screen) {
      screen->pause();
    } else {
      std::raise(SIGSTOP);
    }
  }
}

Task<void> until_q(runtime::Reactor& reactor) {
  runtime::Event never;
  if (!is_terminal(STDIN_FILENO)) co_await never.wait();
  for (;;) {
    co_await runtime::until_readable(reactor, STDIN_FILENO);
    std::array<char, 64> keys{};
    const auto count = ::read(STDIN_FILENO, keys.data(), keys.size());
    const std::string_view typed(keys.data(), static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
    if (typed.find_first_of("qQ") != std::string_view::npos) co_return;
    pollfd gone{.fd = STDIN_FILENO, .events = 0, .revents = 0};
    if (::poll(&gone, 1, 0) > 0) co_return;
  }
}

}  // namespace weft::cli
