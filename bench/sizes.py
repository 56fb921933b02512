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
H2_KINDS = ("nginx", "haproxy", "nghttpx", "envoy", "weft")
H2_FIGURES = {"stream": ("RSS per HTTP/2 stream whose response does not come", "KB", 1.5),
              "connection": ("RSS per HTTP/2 connection that rests after a request", "KB", 12)}
H2_CONNECTIONS = 2_000
TLS_KINDS = ("nginx", "haproxy", "envoy", "weft")
TLS_FIGURES = {"asked": ("RSS per TLS connection with a client certificate that rests after a request", "KB", 26),
               "silent": ("RSS per TLS connection with a client certificate that has sent nothing", "KB", 26)}
TLS_CONNECTIONS = 4_000
# Connections of streams, and how many each has before and in the end: at most 100, the least limit among the contenders.
H2_CROWDED, H2_FEW, H2_STREAMS = 100, 10, 100


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


def with_connections(ends, setting, how, verb="rest", count=CONNECTIONS):
    """(RSS before, bytes added by each of the connections)."""
    one = setting.start()
    try:
        before = settled_rss(one)
        ends.ask(verb, one.port, count, how)
        added = (settled_rss(one) - before) / count
        ends.ask("close")
    finally:
        one.stop()
    return before, added


def weigh(machine, ends, folder, kind):
    """One number for each of FIGURES, in its unit."""
    def setting(has_many=False):
        return proxies.Setting(machine, ends, folder, kind, "http", "http", has_many)
    idle, asked = with_connections(ends, setting(), "asking")
    _, silent = with_connections(ends, setting(), "silent")
    one = setting(has_many=True).start()
    try:
        many = settled_rss(one) - idle
    finally:
        one.stop()
    return {"idle": idle / MB, "asked": asked / 1024, "silent": silent / 1024, "many": many / MB}


def weigh_tls(machine, ends, folder, kind):
    """One number for each of TLS_FIGURES, in its unit."""
    setting = proxies.Setting(machine, ends, folder, kind, "tls", "http")
    def added(how):
        return with_connections(ends, setting, how, "tls-rest", TLS_CONNECTIONS)[1] / 1024
    return {"asked": added("asking"), "silent": added("silent")}


def weigh_h2(machine, ends, folder, kind):
    """One number for each of H2_FIGURES, in its unit. Each stream is one to the backend too, which counts with it."""
    def started(backend):
        return proxies.Setting(machine, ends, folder, kind, "h2", backend).start()
    one = started("h2")
    try:
        ends.ask("h2rest", one.port, 1, 0)  # the way to the backend is open
        before = settled_rss(one)
        ends.ask("h2rest", one.port, 1 + H2_CONNECTIONS, 0)
        connection = (settled_rss(one) - before) / H2_CONNECTIONS
        ends.ask("close")
    finally:
        one.stop()
    one = started("mute")
    try:
        ends.ask("h2rest", one.port, H2_CROWDED, H2_FEW)
        before = settled_rss(one)
        for _ in range(H2_FEW, H2_STREAMS, H2_FEW):  # in steps, for no proxy lets all of them wait for connections at once
            ends.ask("h2rest", one.port, H2_CROWDED, H2_FEW)
        stream = (settled_rss(one) - before) / (H2_CROWDED * (H2_STREAMS - H2_FEW))
        ends.ask("close")
    finally:
        one.stop()
    return {"stream": stream / 1024, "connection": connection / 1024}


def memory(machine, ends, folder, rounds):
    return weighed(machine, ends, folder, rounds, "memory", FIGURES, KINDS, weigh,
                   f"{CONNECTIONS:,} connections")


def memory_h2(machine, ends, folder, rounds):
    return weighed(machine, ends, folder, rounds, "memory-h2", H2_FIGURES, H2_KINDS, weigh_h2,
                   f"{H2_CONNECTIONS:,} connections; {H2_CROWDED} x {H2_STREAMS} streams")


def memory_tls(machine, ends, folder, rounds):
    return weighed(machine, ends, folder, rounds, "memory-tls", TLS_FIGURES, TLS_KINDS, weigh_tls,
                   f"{TLS_CONNECTIONS:,} connections")


def weighed(machine, ends, folder, rounds, name, figures, kinds, weigh_one, of_what):
    """(rows of the summary, the table)."""
    starts = min(STARTS, rounds)
    seen = {kind: [weigh_one(machine, ends, folder, kind) for _ in range(starts)] for kind in kinds}
    middle = {kind: {key: statistics.median(one[key] for one in each) for key in figures}
              for kind, each in seen.items()}
    rows = []
    for key, (title, unit, most) in figures.items():
        values = [one[key] for one in seen["weft"]]
        apart = max(values) - min(values)
        rows.append([title, "-", f"{middle['weft'][key]:.2f} {unit}", f"{apart:.2f}", f"<= {most} {unit}",
                     verdict.words(middle["weft"][key], apart, most)])
    lines = ["| contender | " + " | ".join(f"{title}, {unit}" for title, unit, _ in figures.values()) + " |",
             "|---" * (len(figures) + 1) + "|"]
    lines += [f"| {kind} | " + " | ".join(f"{one[key]:.2f}" for key in figures) + " |" for kind, one in middle.items()]
    head = f"## {name}\n\nRSS of all processes of each, medians of {starts} starts; {of_what}.\n"
    return rows, "\n".join([head, *lines])


def start_ms(machine, setting):
    command = [proxies.BIN / "bench_start", machine.proxy, setting.port, *setting.commands[0]]
    seen, _ = machine.start(machine.rest, command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).communicate()
    if not seen:
        raise SystemExit(f"bench: {setting.name} did not start: {' '.join(map(str, setting.commands[0]))}")
    return int(seen) / 1000


def start(machine, ends, folder, rounds):
    names = ("nginx", "haproxy", "weft", "weft again")
    settings = [proxies.Setting(machine, ends, folder, name, "http", "http") for name in names]
    took = {name: [] for name in names}
    for _ in range(rounds * STARTS_PER_ROUND):
        for setting in settings:
            took[setting.name].append(start_ms(machine, setting))
    title = "start: from fork to the first response"
    row = [title, "nginx", *verdict.compare(took["weft"], took["weft again"], took["nginx"], 1.0)]
    lines = ["| contender | ms |", "|---|---|"]
    lines += [f"| {name} | {statistics.median(values):.2f} |" for name, values in took.items()]
    return [row], "\n".join([f"## {title}\n\nMedians of {rounds * STARTS_PER_ROUND} starts.\n", *lines])
