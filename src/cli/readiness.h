// When a resource has become what its spec asks for, what it waits for until then, and when it never will.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/json.h"
#include "cli/api.h"
#include "model/kinds.h"

namespace weft::cli {

struct Progress {
  bool done = false;
  /// It will not get better without the user, such as an image that does not exist.
  bool stuck = false;
  /// It ends and is started again, or has no address: stuck if that goes on.
  bool crashes = false;
  /// A Service that waits for its workloads, which tell why themselves.
  bool secondhand = false;
  /// Of what is stuck, the condition's reason ("ImageNotFound").
  std::string reason;
  /// What may help, beside a look at all about it; empty if nothing is known.
  std::string mend;
  /// One line: "1 of 3 ready", "DependencyNotReady: waiting for Service default/db to be ready".
  std::string text;
};

/// Of a Deployment, Job or Service as it is now; anything else is done. A Service whose workloads are not
/// started is done unless it `must_serve`.
Progress progress_of(const base::Json& object, bool must_serve = false);

/// One resource to wait for.
struct Awaited {
  const model::Kind* kind = nullptr;
  std::string ns;
  std::string name;
  bool must_serve = false;

  bool operator==(const Awaited&) const = default;
  std::string to_string() const { return std::string(kind->singular) + "/" + name; }
};

/// Called whenever a resource's progress text has changed.
using OnProgress = std::function<void(const Awaited&, const Progress&)>;

/// What is waited for: how far an object (null: it does not exist) is on the way to it, and its word.
struct Goal {
  std::function<Progress(const Awaited&, const base::Json&)> look;
  std::string word;
};
/// All of it is as its spec asks for.
Goal readiness();

/// Waits until all are done; the objects as they then are, in order. Fails with the first that is stuck, or
/// at the limit's end with what is missing: what is final ends every wait.
runtime::Task<Result<std::vector<base::Json>>> wait_done(runtime::Reactor& reactor, Api& api,
                                                         std::vector<Awaited> awaited, TimeLimit limit,
                                                         OnProgress on_progress, Goal goal = readiness());

/// The objects as they are now, in order; null where one does not exist. Many of one kind cost one request.
runtime::Task<Result<std::vector<base::Json>>> fetch_all(Api& api, std::vector<Awaited> awaited);

/// The last log lines of an instance of that resource that fails, with its name and state in front; empty if
/// there is none.
runtime::Task<std::string> failing_log(Api& api, Awaited awaited);

/// Prints progress lines to stderr, "  deployment/web: 1 of 3 ready".
void print_progress(const Awaited& awaited, const Progress& progress);

}  // namespace weft::cli
