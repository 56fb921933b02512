// How a proxy answers the one that is started in its place (handover.h), and what it does as an older
// generation from then on.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "proxy/generations.h"
#include "proxy/handover.h"
#include "proxy/proxy.h"
#include "runtime/combine.h"
#include "runtime/fd.h"
#include "runtime/reactor.h"
#include "runtime/scope.h"
#include "runtime/task.h"

namespace weft::proxy {

/// One at a time: a change of the configuration, or a successor that takes what is open.
class Exclusive {
 public:
  class Held {
   public:
    explicit Held(Exclusive& of) : of_(&of) {}
    Held(Held&& other) noexcept : of_(std::exchange(other.of_, nullptr)) {}
    Held& operator=(Held&&) = delete;
    ~Held();

   private:
    Exclusive* of_;
  };

  /// Ends when it is the caller's turn, which lasts as long as what it gives.
  runtime::Task<Held> take();

 private:
  bool is_taken_ = false;
  runtime::Event given_;
};

class Control {
 public:
  struct Options {
    /// Of this process.
    Generation own;
    /// How long connections may stay once a successor accepts.
    base::Duration old_limit{};
    /// Runs when one does: what only the newest has is to end.
    std::function<void()> on_superseded;
  };

  /// `listening`: the socket of messages that it is asked by.
  Control(runtime::Reactor& reactor, Proxy& proxy, Generations& generations, runtime::Fd listening,
          Options options);
  Control(const Control&) = delete;
  Control& operator=(const Control&) = delete;
  ~Control();

  /// Answers until it is destroyed, or a successor has taken over.
  void start();
  /// Nobody is answered any more: this process ends.
  void stop();
  /// A socket that a successor gets besides the listeners: that of the admin interface.
  void set_admin(ListeningSocket admin) { admin_ = std::move(admin); }

  /// Once superseded: carries what is under way to its end, at the longest for Options::old_limit, or as the
  /// newest says.
  runtime::Task<void> drain_as_old();
  /// Once superseded: what is under way is cut after `limit`, which the newest is told when it asks.
  void end_within(base::Duration limit);
  /// Tells the newest what was counted to the end. For an older one, when it ends.
  runtime::Task<void> tell_final();

  /// The change that holds it is not in a successor's way, nor that in the change's.
  Exclusive& exclusive() { return exclusive_; }

 private:
  /// One that has connected.
  struct Peer {
    /// It is a successor, until it has taken over or has gone.
    std::optional<Exclusive::Held> held;
    /// For what it will be told was counted: a file for each.
    std::vector<runtime::Fd> count_files;
    /// Set when it must make room for another one.
    runtime::Event dismissed;
  };

  runtime::Task<void> accept();
  void make_room();
  runtime::Task<void> serve(runtime::Fd fd);
  runtime::Task<void> answer(std::unique_ptr<runtime::MessageSocket> socket, std::shared_ptr<Peer> peer);
  runtime::Task<std::optional<JsonMessage>> next_word(runtime::MessageSocket& socket, bool is_successor);
  /// Makes the files for hand_over() too: a successor that gets its sockets gets all that comes later.
  runtime::Task<bool> give_sockets(runtime::MessageSocket& socket, Peer& peer);
  runtime::Task<void> hand_over(std::unique_ptr<runtime::MessageSocket> socket,
                                std::vector<runtime::Fd> count_files);
  runtime::Task<bool> tell_status(runtime::MessageSocket& socket);
  /// As an older one: does what the newest asks.
  runtime::Task<void> obey();
  runtime::Task<void> obey_until_told_to_end();
  runtime::Task<bool> tell();
  /// With what is under way now.
  Generation own_now(const telemetry::Samples& samples) const;

  runtime::Reactor& reactor_;
  Proxy& proxy_;
  Generations& generations_;
  Options options_;
  /// Closed at the end: whoever connects shall find that nobody is there.
  std::optional<runtime::Acceptor> acceptor_;
  std::optional<ListeningSocket> admin_;
  Exclusive exclusive_;
  /// To the successor, once there is one.
  std::unique_ptr<runtime::MessageSocket> link_;
  std::optional<base::Duration> end_limit_;
  runtime::Event told_to_end_;
  /// The oldest first.
  std::list<std::shared_ptr<Peer>> connected_;
  runtime::Scope peers_;
  runtime::Scope accepting_;
};

}  // namespace weft::proxy
