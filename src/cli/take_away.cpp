#include "cli/take_away.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "base/counted.h"
#include "cli/objects.h"
#include "cli/output.h"

namespace weft::cli {

using base::Json;
using message::Method;
using runtime::Task;

namespace {

enum class Stage : std::uint8_t { workloads, namespaced, global };

Stage stage_of(const Awaited& target) {
  if (has_instances(target.kind->kind)) return Stage::workloads;
  return target.kind->namespaced ? Stage::namespaced : Stage::global;
}

/// False if the control plane cannot be asked: then what is left would fail in the same way.
Task<bool> delete_all(Api& api, std::vector<Awaited> targets, const TakeAway& how, Result<void>& result) {
  for (const auto& target : targets) {
    auto reply = co_await api.call(Method::delete_, rest_path(*target.kind, target.ns, target.name));
    if (reply && reply->status == 404 && how.ignore_missing) continue;
    if (reply && reply->ok()) {
      how.on_deleted(target);
      continue;
    }
    auto failure = reply ? failure_of(*reply) : std::move(reply.error());
    if (result) {
      result = std::unexpected(std::move(failure));
    } else {
      tell(render(failure, wants_colour(STDERR_FILENO)));
    }
    if (!reply) co_return false;
  }
  co_return true;
}

/// Waits until no instance of the deleted workloads is left.
Task<Result<void>> wait_gone(runtime::Reactor& reactor, Api& api, std::vector<Awaited> targets,
                             std::optional<TimeLimit> limit) {
  constexpr auto pause = std::chrono::milliseconds(20);
  for (;;) {
    auto pods = co_await api.list(rest_path(*model::find_kind("Pod"), ""));
    if (!pods) co_return std::unexpected(std::move(pods.error()));
    const auto left = std::ranges::count_if(*pods, [&targets](const Json& pod) {
      return std::ranges::any_of(targets, [&pod](const Awaited& target) {
        return namespace_of(pod) == target.ns &&
               is_instance_of(target.kind->kind, target.name, name_of(pod), labels_of(pod));
      });
    });
    if (left == 0) co_return Result<void>();
    if (limit && reactor.clock().now() >= limit->end) {
      co_return failure(Exit::timeout,
                        fmt::format("{} {} not ended after {}", base::counted(left, "instance"),
                                    left == 1 ? "has" : "have", base::format_duration(limit->total)));
    }
    co_await reactor.sleep(pause);
  }
}

}  // namespace

Task<Result<void>> take_away(runtime::Reactor& reactor, Api& api, std::vector<Awaited> targets,
                             TakeAway how) {
  Result<void> result;
  for (const auto stage : {Stage::workloads, Stage::namespaced, Stage::global}) {
    std::vector<Awaited> now;
    for (const auto& target : targets) {
      if (stage_of(target) == stage && std::ranges::find(now, target) == now.end()) now.push_back(target);
    }
    if (!co_await delete_all(api, now, how, result)) break;
    if (stage != Stage::workloads || now.empty()) continue;
    if (auto gone = co_await wait_gone(reactor, api, std::move(now), how.limit); !gone)
      co_return result ? std::move(gone) : std::move(result);
  }
  co_return result;
}

}  // namespace weft::cli
