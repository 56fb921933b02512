#include "provider/process/oom.h"

#include <algorithm>

#include "runtime/log.h"
#include "runtime/process.h"

namespace weft::provider::process {
namespace {

/// How much less the kernel shall want to kill the supervisor, and control plane and proxy, than an instance.
constexpr int supervisor_protection = 900;
constexpr int own_protection = 600;
/// Without the privilege to lower them, the others' are raised by so much.
constexpr int own_exposure = 100;
constexpr int instance_exposure = 200;
/// At -1000 it would never be killed, also if it alone had taken all memory.
constexpr int least_score = -999;
constexpr int most_score = 1000;

int moved(int found, int by) { return std::clamp(found + by, least_score, most_score); }

}  // namespace

int protected_oom_score(int found) { return moved(found, -supervisor_protection); }

OomScores protect_from_oom(int found) {
  const auto lowered = runtime::set_oom_score_adj(protected_oom_score(found));
  if (lowered) return {.instance = found, .own = moved(found, -own_protection), .found = found};
  runtime::log::info("supervisor", "its oom_score_adj cannot be lowered ({}): that of all others is raised",
                     lowered.error().message());
  return {.instance = moved(found, instance_exposure), .own = moved(found, own_exposure), .found = found};
}

}  // namespace weft::provider::process
