#include "runtime/signals.h"

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "runtime/socket.h"

namespace weft::runtime {

Signals::Signals(Reactor& reactor, std::initializer_list<int> signals) : reactor_(reactor) {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : signals) sigaddset(&set, signal);
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  // An error in their place tells what cannot be written.
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGXFSZ, SIG_IGN);
  fd_ = Fd(::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
}

Task<int> Signals::next() {
  signalfd_siginfo info{};
  while (::read(fd_.get(), &info, sizeof info) != static_cast<ssize_t>(sizeof info)) {
    co_await until_readable(reactor_, fd_.get());
  }
  co_return static_cast<int>(info.ssi_signo);
}

}  // namespace weft::runtime
