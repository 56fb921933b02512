// The reconcilers' time limits and bounds, with the reason for each.
#pragma once

#include <chrono>
#include <cstddef>

namespace weft::control::reconcile {

using namespace std::chrono_literals;

/// Between the end of an instance and its restart: doubled each time, from half a second, for on one machine
/// nothing but the instance itself is loaded by it (Kubernetes: 10 s to 5 min).
constexpr auto restart_backoff_first = 500ms;
constexpr auto restart_backoff_most = 60s;
/// An instance that ran for so long starts the doubling anew.
constexpr auto restart_backoff_reset = 60s;

/// Readiness and startup probes until the first success: each pause is a tenth longer than the one before, so
/// that readiness is seen at most a tenth of the start time late and a slow start costs few probes.
constexpr auto first_probe_pause = 20ms;
constexpr double probe_pause_growth = 1.1;
/// Where an instance listens is looked for when a probe is refused, for that costs the supervisor some
/// milliseconds: not in its first moments and not again before so long, or a quarter of its age, has passed.
constexpr auto port_look_pause = 50ms;
constexpr int port_look_share = 4;
/// An instance that is not ready for so long says why: before that it is still starting.
constexpr auto not_ready_shown_after = 1s;

/// An instance with neither a port nor a probe shows that it is well by nothing but that it runs: for so
/// long, in which a program that lacks a variable, a file or its database has ended.
constexpr auto unprobed_ready_after = 1s;

/// A Job stays at least so long after its end, whatever its ttlSecondsAfterFinished: who waits for the end
/// looks every 0.2 s (cli/readiness.cpp), and must see it.
constexpr auto finished_job_stays = 2s;

/// How long an instance that is taken out waits for the proxies to acknowledge that; a proxy that is stuck
/// must not keep it alive.
constexpr auto drain_limit = 2s;
/// Parts of an instance's grace. At most a half of it may go to the requests that are under way when it is
/// taken out, so that preStop and SIGTERM have theirs; and of that a fifth to tunnels and event streams, most
/// of which rest and none of which ends by itself.
constexpr int drain_share = 2;
constexpr int stream_share = 10;
/// What SIGTERM is given where all else has used the grace up (Kubernetes: the same).
constexpr auto least_grace = 2s;
/// A postStart that takes longer has failed (Kubernetes has no limit): it hangs.
constexpr auto post_start_limit = 1h;

/// How long one question whether the edge is acknowledged lasts before it is asked anew, and the pauses
/// between two when no proxy is connected.
constexpr auto settle_limit = 5s;
constexpr auto settle_pause_first = 20ms;
constexpr auto settle_pause_most = 1s;

/// A pass that took t is not repeated before another 4 t are over: rebuilding the graph or compiling for a
/// mesh in which everything changes takes at most a fifth of the processor.
constexpr int pass_rest_factor = 4;

/// Of the text of a template's labels, which go along with each instance so that its log is found by them.
/// Beside the names of its dependencies there is room for that (label_bytes in provider/process/protocol.h);
/// the log of one with more is found by its workload alone.
constexpr std::size_t carried_label_bytes = 8 * 1024;

/// Instances whose volumes are made anew beside each other once a ConfigMap has changed: each is a turn of
/// the disk, and what else there is to do comes between.
constexpr std::size_t refreshes_at_once = 4;

/// Objects whose status is being written at once: enough to share the store's group commits.
constexpr std::size_t status_writers = 64;
/// The pause before a failed write or reservation is tried again, doubled up to the most.
constexpr auto retry_first = 50ms;
constexpr auto retry_most = 10s;

/// An address of an ExternalService is asked in these pauses: the first, doubled up to the most while
/// something is wrong, as Kubernetes' readiness probes while nothing is. So many failures in a row
/// (Kubernetes' default) make it unready, and a probe may take as long as a connection over a slow network.
constexpr auto external_pause_first = 100ms;
constexpr auto external_pause_most = 5s;
constexpr auto external_pause_well = 10s;
constexpr int external_failures = 3;
constexpr int external_probe_seconds = 3;
/// Its name is looked up again when its TTL is over, but for these bounds.
constexpr auto external_ttl_least = 1s;
constexpr auto external_ttl_most = 1h;

/// So many Events are kept, the newest.
constexpr std::size_t events_kept = 1000;

}  // namespace weft::control::reconcile
