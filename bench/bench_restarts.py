"""Hot restarts under load of every kind: what fails, and how long each takes."""
import statistics
import time

import restarts

RESTARTS = 100


def run(arguments):
    count = int(arguments[0]) if arguments else RESTARTS
    case = restarts.RestartTest()
    case.setUp()
    took = []
    try:
        case.begin(workers=2)
        load = case.load()
        for number in range(count):
            case.goes_on(load, 200)
            start = time.monotonic()
            before = case.restart(workers=1 + number % 3)
            took.append(time.monotonic() - start)
            case.ends(before)
        case.goes_on(load, 200)
        failed = load.end()
        counted = case.weft.metric("istio_requests_total")
    finally:
        case.doCleanups()
    lines = [f"{count} restarts with 1 to 3 workers: until the new one serves {statistics.median(took) * 1000:.0f} ms, at most "
             f"{max(took) * 1000:.0f} ms. {int(counted)} requests in the last one's counters.", "",
             "| clients | exchanges | failed |", "|---|---|---|"]
    lines += [f"| {kind} | {good} | {sum(what.startswith(kind + ':') for what in failed)} |"
              for kind, good in load.counts.items()]
    if counted != load.requests:
        lines.append(f"\n{load.requests} requests were answered, {int(counted)} were counted.")
    return "\n".join(lines + failed)
