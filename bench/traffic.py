"""What carrying traffic costs the contenders: in turn within the same rounds, each pinned to one core, both ends of the
traffic on the other."""
import dataclasses
import statistics

import contenders as proxies
import verdict

ROUND_SECONDS = 1.0
WARM_UP_SECONDS = 0.3
EQUALS = ("weft", "weft again")
DIRECT = "direct"


@dataclasses.dataclass(frozen=True)
class Must:
    peers: tuple  # against the best of them
    limit: float


@dataclasses.dataclass(frozen=True)
class Work:
    title: str
    protocol: str   # of the configuration
    backend: str    # of bench_ends
    command: tuple  # to bench_ends: verb, connections, bytes and rate if it has them
    peers: tuple
    musts: tuple
    figure: str     # the Series' list that the musts are about
    at_least: bool = False
    fine: int = 1   # how many times the rounds: the closer the contenders, the more it takes to tell them apart


WORKS = {
    "http1k": Work("HTTP/1.1, 1 KB bodies, 32 connections: CPU per request", "http", "http", ("http", 32, 1024),
                   ("nginx", "haproxy", "envoy"), (Must(("nginx",), 0.9), Must(("envoy",), 0.35)), "cpu_us"),
    "http64k": Work("HTTP/1.1, 64 KB bodies, 32 connections: CPU per request", "http", "http", ("http", 32, 65536),
                    ("haproxy", "nginx"), (Must(("haproxy",), 1.0),), "cpu_us"),
    "tcp1k": Work("opaque TCP, 1 KB there and back, 32 connections: CPU per exchange", "tcp", "echo",
                  ("exchange", 32, 1024), ("nginx", "haproxy"), (Must(("nginx", "haproxy"), 1.0),), "cpu_us",
                  fine=3),
    "bulk": Work("opaque TCP, bulk, 4 connections: GB per CPU second", "tcp", "bulk", ("bulk", 4), ("haproxy splice",),
                 (Must(("haproxy splice",), 1.0),), "gb_per_cpu_second", at_least=True),
    "latency": Work("added p50 at 2,000 requests/s, open loop, 32 connections", "http", "http",
                    ("open", 32, 1024, 2000), ("nginx", "haproxy"), (Must(("nginx", "haproxy"), 1.0),), "added_p50_us"),
}


class Series:
    """What one contender showed, a number for each round."""

    def __init__(self):
        self.cpu_us, self.gb_per_cpu_second, self.rate, self.gb_per_second = [], [], [], []
        self.core, self.p50_us, self.p99_us, self.added_p50_us = [], [], [], []
        self.user_share = 0.0

    def add(self, cpu_seconds, seen):
        self.rate.append(seen["exchanges"] / seen["seconds"])
        self.gb_per_second.append(seen["bytes"] / 1e9 / seen["seconds"])
        self.core.append(cpu_seconds / seen["seconds"])
        self.cpu_us.append(cpu_seconds * 1e6 / max(seen["exchanges"], 1))
        self.gb_per_cpu_second.append(seen["bytes"] / 1e9 / cpu_seconds if cpu_seconds else 0)
        self.p50_us.append(seen["p50_us"])
        self.p99_us.append(seen["p99_us"])


def ask(ends, work, port, seconds):
    verb, connections, *rest = work.command
    return ends.ask(verb, port, connections, seconds, *rest)


def measure(ends, work, contender, series):
    before = contender.cpu_seconds()
    seen = ask(ends, work, contender.port, ROUND_SECONDS)
    series.add(contender.cpu_seconds() - before, seen)
    contender.forget_log()


def in_turn(items, number):
    """Each round begins with another one, every second goes backwards: no place in the order is always one's own."""
    at = number % len(items)
    order = items[at:] + items[:at]
    return order[::-1] if number % 2 else order


def all_rounds(ends, work, running, rounds):
    result = {one.name: Series() for one in running}
    is_latency = work.figure == "added_p50_us"
    for one in running:
        ask(ends, work, one.port, WARM_UP_SECONDS)
    before = {one.name: one.user_and_system() for one in running}
    for number in range(rounds):
        for one in in_turn(running, number):
            measure(ends, work, one, result[one.name])
        if is_latency:
            direct = result.setdefault(DIRECT, Series())
            direct.add(0, ask(ends, work, ends.backends[work.backend], ROUND_SECONDS))
            for one in running:
                result[one.name].added_p50_us.append(result[one.name].p50_us[-1] - direct.p50_us[-1])
    for one in running:
        user, system = (after - start for after, start in zip(one.user_and_system(), before[one.name]))
        result[one.name].user_share = user / max(user + system, 1)
    return result


def row(name, one, to, work):
    middle = statistics.median
    cpu, share = middle(one.cpu_us), one.user_share
    p50, p99 = middle(one.p50_us), middle(one.p99_us)
    figures = getattr(one, work.figure)
    low, high = verdict.interval(verdict.ratios(figures, to))
    ratio = f"{middle(verdict.ratios(figures, to)):.3f} ({low:.3f} to {high:.3f})"
    if work.figure == "gb_per_cpu_second":
        cells = [f"{middle(figures):.2f}", f"{share:.0%}", f"{middle(one.gb_per_second):.2f}",
                 f"{middle(one.core):.0%}"]
    else:
        cells = [f"{cpu:.2f}", f"{cpu * share:.2f}", f"{cpu * (1 - share):.2f}", f"{middle(one.rate):,.0f}",
                 f"{middle(one.core):.0%}", f"{p50:.0f}", f"{p99:.0f}"]
        if work.figure == "added_p50_us":
            cells.append(f"{middle(figures):.1f}")
    return [name, *cells, ratio]


def table(work, result, baseline):
    if work.figure == "gb_per_cpu_second":
        head = ["contender", "GB per CPU second", "user", "GB/s", "of the core"]
    else:
        head = ["contender", "CPU us", "user us", "system us", "per second", "of the core", "p50 us", "p99 us"]
        if work.figure == "added_p50_us":
            head.append("added p50 us")
    lines = [[*head, f"to {baseline}, by round"], ["---"] * (len(head) + 1)]
    to = getattr(result[baseline], work.figure)
    lines += [row(name, one, to, work) for name, one in result.items() if name != DIRECT]
    text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    if DIRECT in result:
        text += f"\n\nStraight to the backend: p50 {statistics.median(result[DIRECT].p50_us):.1f} us."
    return text


def run(machine, ends, folder, work, rounds):
    """(rows of the summary, the table) of one work."""
    running = []
    try:
        for name in (*work.peers, *EQUALS):
            setting = proxies.Setting(machine, folder, name, work.protocol, ends.backends[work.backend])
            running.append(setting.start())
        result = all_rounds(ends, work, running, rounds * work.fine)
    finally:
        for one in running:
            one.stop()
    figures = {name: getattr(one, work.figure) for name, one in result.items()}
    best = max if work.at_least else min
    rows = []
    for must in work.musts:
        peer = best(must.peers, key=lambda name: statistics.median(figures[name]))
        rows.append([work.title, peer,
                     *verdict.compare(*(figures[name] for name in EQUALS), figures[peer], must.limit, work.at_least)])
    return rows, f"## {work.title}\n\n{table(work, result, rows[0][1])}"
