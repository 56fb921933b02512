// The older generations of a proxy, as the newest knows them: what they have counted, what is under way
// there, and how many may stand side by side.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "proxy/handover.h"
#include "runtime/combine.h"
#include "runtime/reactor.h"
#include "runtime/scope.h"
#include "runtime/task.h"
#include "telemetry/samples.h"

namespace weft::proxy {

/// Generations side by side, the newest included; with one more the oldest is cut. Each has the memory of a
/// whole proxy; three let two changes follow each other soon.
inline constexpr std::size_t max_generations = 3;

class Generations {
 public:
  explicit Generations(runtime::Reactor& reactor) : reactor_(reactor) {}
  Generations(const Generations&) = delete;
  Generations& operator=(const Generations&) = delete;

  /// Takes over what the predecessor gave, and ends the oldest where there are too many.
  void adopt(Relieved relieved);
  /// What all older generations have counted up to now: never less than what it was before. One that does not
  /// answer is counted as it was.
  runtime::Task<telemetry::Samples> counted();
  /// Each with what is under way there, the newest first.
  runtime::Task<std::vector<Generation>> status();
  /// Their access log, which is this process's too, has been moved away.
  void reopen_access_logs();
  /// What is left there is to end within `limit`.
  void end_all(base::Duration limit);
  /// Gives all up, for a successor: nobody listens to them here any more.
  Relieved give_up();
  std::size_t count() const { return links_.size(); }

 private:
  struct Link {
    Older older;
    std::uint64_t asked = 0;
    std::uint64_t told = 0;
    bool has_ended = false;
  };
  using Links = std::vector<std::shared_ptr<Link>>;

  /// Takes what it tells until it has ended.
  runtime::Task<void> listen(std::shared_ptr<Link> link);
  void end(const std::shared_ptr<Link>& link, base::Duration limit);
  static runtime::Task<void> tell(std::shared_ptr<Link> link, base::Json json);
  /// Asks all, and waits for their answers.
  runtime::Task<void> ask_all();
  runtime::Task<void> all_told(Links links);

  runtime::Reactor& reactor_;
  /// The newest first.
  Links links_;
  /// Of generations that have ended.
  telemetry::Samples ended_;
  /// One of them has told something, or has ended.
  runtime::Event heard_;
  runtime::Scope scope_;
};

}  // namespace weft::proxy
