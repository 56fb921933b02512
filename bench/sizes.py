"""What the contenders weigh at rest, with connections that rest and with many clusters; and how fast they start."""
import statistics
import subprocess
import time

import contenders as proxies
import verdict

CONNECTIONS = 10_000
STARTS = 3
STARTS_PER_ROUND = 2
MB = 2 ** 20
SETTLE_SECONDS = 3
KINDS = ("nginx", "haproxy", "envoy", "weft")
# What is weighed, in which unit, and the most that weft may.
FIGURES = {"idle": ("RSS idle", "MB", 8), "asked": ("RSS per connection that rests after a request", "KB", 1),
           "silent": ("RSS per connection that has sent nothing", "KB", 1),
           "many": ("RSS added by 1,000 clusters x 10 endpoints", "MB", 8)}


def settled_rss(contender):
    """Bytes, once they no longer change."""
    end, last = time.monotonic() + SETTLE_SECONDS, -1
    while time.monotonic() < end:
        now = contender.rss_bytes()
        if now == last:
            break
        last = now
        time.sleep(0.2)
    return last


def with_connections(ends, setting, how):
    """(RSS before, bytes added by each of the connections)."""
    one = setting.start()
    try:
        before = settled_rss(one)
        ends.ask("rest", one.port, CONNECTIONS, how)
        added = (settled_rss(one) - before) / CONNECTIONS
        ends.ask("close")
    finally:
        one.stop()
    return before, added


def weigh(machine, ends, folder, kind):
    """One number for each of FIGURES, in its unit."""
    def setting(has_many=False):
        return proxies.Setting(machine, folder, kind, "http", ends.backends["http"], has_many)
    idle, asked = with_connections(ends, setting(), "asking")
    _, silent = with_connections(ends, setting(), "silent")
    one = setting(has_many=True).start()
    try:
        many = settled_rss(one) - idle
    finally:
        one.stop()
    return {"idle": idle / MB, "asked": asked / 1024, "silent": silent / 1024, "many": many / MB}


def memory(machine, ends, folder, rounds):
    starts = min(STARTS, rounds)
    seen = {kind: [weigh(machine, ends, folder, kind) for _ in range(starts)] for kind in KINDS}
    middle = {kind: {key: statistics.median(one[key] for one in weighed) for key in FIGURES}
              for kind, weighed in seen.items()}
    rows = []
    for key, (title, unit, most) in FIGURES.items():
        values = [one[key] for one in seen["weft"]]
        apart = max(values) - min(values)
        rows.append([title, "-", f"{middle['weft'][key]:.2f} {unit}", f"{apart:.2f}", f"<= {most} {unit}",
                     verdict.words(middle["weft"][key], apart, most)])
    lines = ["| contender | " + " | ".join(f"{title}, {unit}" for title, unit, _ in FIGURES.values()) + " |",
             "|---" * (len(FIGURES) + 1) + "|"]
    lines += [f"| {kind} | " + " | ".join(f"{figures[key]:.2f}" for key in FIGURES) + " |"
              for kind, figures in middle.items()]
    head = f"## memory\n\nRSS of all processes of each, medians of {starts} starts; {CONNECTIONS:,} connections.\n"
    return rows, "\n".join([head, *lines])


def start_ms(machine, setting):
    command = [proxies.BIN / "bench_start", machine.proxy, setting.port, *setting.command]
    seen, _ = machine.start(machine.rest, command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).communicate()
    if not seen:
        raise SystemExit(f"bench: {setting.name} did not start: {' '.join(map(str, setting.command))}")
    return int(seen) / 1000


def start(machine, ends, folder, rounds):
    names = ("nginx", "haproxy", "weft", "weft again")
    settings = [proxies.Setting(machine, folder, name, "http", ends.backends["http"]) for name in names]
    took = {name: [] for name in names}
    for _ in range(rounds * STARTS_PER_ROUND):
        for setting in settings:
            took[setting.name].append(start_ms(machine, setting))
    title = "start: from fork to the first response"
    row = [title, "nginx", *verdict.compare(took["weft"], took["weft again"], took["nginx"], 1.0)]
    lines = ["| contender | ms |", "|---|---|"]
    lines += [f"| {name} | {statistics.median(values):.2f} |" for name, values in took.items()]
    return [row], "\n".join([f"## {title}\n\nMedians of {rounds * STARTS_PER_ROUND} starts.\n", *lines])
