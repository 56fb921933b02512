// The whole terminal for a view that is drawn again and again, and given back as it was.
#pragma once

#include <termios.h>

#include <functional>
#include <optional>

#include "cli/terminal.h"
#include "runtime/reactor.h"
#include "runtime/signals.h"
#include "runtime/task.h"

namespace weft::cli {

/// Whether standard output is a terminal that this process may draw on: one that can, and whose foreground it
/// has.
bool can_draw();

/// Draws on the alternate screen of standard output's terminal for as long as it lives; what was there before
/// comes back at its end. Keys that are typed meanwhile are not shown.
class Screen {
 public:
  /// What is shown: lines for a terminal of that size. What is too much of them is cut off.
  using Frame = std::function<Shown(TerminalSize)>;

  Screen();
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;
  ~Screen();

  /// Draws `frame` in place of what is there, in one piece, and again whenever the size changes.
  void show(Frame frame);
  void redraw();
  /// Whether keys can be typed; standard input may be something else.
  bool has_keys() const { return before_.has_value(); }
  /// Gives the terminal back as long as this process is stopped (Ctrl-Z).
  void pause();

 private:
  void enter();
  void leave();

  Frame frame_;
  std::optional<termios> before_;
};

/// The signals by which people end what goes on until then, and those that a view must know of.
runtime::Signals view_signals(runtime::Reactor& reactor);

/// Ends with the signal by which the user wants the end: Ctrl-C, SIGTERM and the like. Meanwhile it does what
/// a new size and Ctrl-Z ask for of `screen`, which may come and go.
runtime::Task<int> until_ended(runtime::Signals& signals, std::optional<Screen>& screen);

/// Ends when `q` was typed, or nothing can be typed any more. Only while there is a Screen.
runtime::Task<void> until_q(runtime::Reactor& reactor);

}  // namespace weft::cli
