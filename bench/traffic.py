"""What carrying traffic costs the contenders: in turn within the same rounds, each pinned to one core, both ends of the
traffic on the other."""
import contextlib
import dataclasses
import statistics

import contenders as proxies
import verdict

ROUND_SECONDS = 1.0
WARM_UP_SECONDS = 0.3
EQUALS = ("weft", "weft again")
DIRECT = "direct"
# What HTTP/1.1, HTTP/2 and opaque TCP may cost more than in the weft of WEFT_BENCH_BEFORE.
MOST_TO_BEFORE = 1.01


@dataclasses.dataclass(frozen=True)
class Must:
    peers: tuple  # against the best of them
    limit: float


@dataclasses.dataclass(frozen=True)
class Work:
    title: str
    protocol: str   # of the configuration, a word for each proxy of a row
    backend: str    # of bench_ends
    command: tuple  # to bench_ends: verb, connections, bytes and rate if it has them
    peers: tuple
    musts: tuple
    figure: str     # the Series' list that the musts are about
    at_least: bool = False
    fine: int = 1   # how many times the rounds: the closer the contenders, the more it takes to tell them apart
    workers: int = 1
    slices: int = 10  # of a round's second: how fast the machine is wanders within a second


WORKS = {
    "http1k": Work("HTTP/1.1, 1 KB bodies, 32 connections: CPU per request", "http", "http", ("http", 32, 1024),
                   ("nginx", "haproxy", "envoy"), (Must(("nginx",), 0.9), Must(("envoy",), 0.35)), "cpu_us"),
    "http64k": Work("HTTP/1.1, 64 KB bodies, 32 connections: CPU per request", "http", "http", ("http", 32, 65536),
                    ("haproxy", "nginx"), (Must(("haproxy",), 1.0),), "cpu_us"),
    "tcp1k": Work("opaque TCP, 1 KB there and back, 32 connections: CPU per exchange", "tcp", "echo",
                  ("exchange", 32, 1024), ("nginx", "haproxy"), (Must(("nginx", "haproxy"), 1.0),), "cpu_us",
                  fine=3),
    "bulk": Work("opaque TCP, bulk, 4 connections: GB per CPU second", "tcp", "bulk", ("bulk", 4), ("haproxy splice",),
                 (Must(("haproxy splice",), 1.0),), "gb_per_cpu_second", at_least=True, slices=4),
    "http1k-auto": Work("HTTP/1.1 on a port that takes any protocol, 1 KB bodies, 32 connections: CPU per request", "http-auto",
                        "http", ("http", 32, 1024), ("nginx",), (Must(("nginx",), 0.9),), "cpu_us"),
    "tcp1k-auto": Work("opaque TCP on a port that takes any protocol, 1 KB there and back, 32 connections: CPU per exchange",
                       "tcp-auto", "echo", ("exchange", 32, 1024), ("nginx", "haproxy"), (Must(("nginx", "haproxy"), 1.0),),
                       "cpu_us", fine=3),
    "h2": Work("HTTP/2 to HTTP/2, 1 KB bodies, 8 connections x 16 streams: CPU per request", "h2", "h2", ("h2", 8, 16),
               ("nghttpx", "haproxy", "nginx", "envoy"), (Must(("nghttpx", "haproxy"), 0.95),), "cpu_us"),
    "h2-h1": Work("HTTP/2 to HTTP/1.1, 1 KB bodies, 8 connections x 16 streams: CPU per request", "h2-h1", "http",
                  ("h2", 8, 16), ("nghttpx", "haproxy", "nginx", "envoy"), (Must(("nghttpx", "haproxy"), 0.90),), "cpu_us"),
    "grpc": Work("gRPC unary through two hops, added p50 at 2,000/s, open loop, 8 connections", "h2 h2", "grpc",
                 ("unary", 8, 2000), ("haproxy twice", "envoy twice"), (Must(("haproxy twice", "envoy twice"), 1.0),),
                 "added_p50_us"),
    "latency": Work("added p50 at 2,000 requests/s, open loop, 32 connections", "http", "http",
                    ("open", 32, 1024, 2000), ("nginx", "haproxy"), (Must(("nginx", "haproxy"), 1.0),), "added_p50_us"),
    "tls1k": Work("TLS in, plaintext out, HTTP/1.1, 1 KB bodies, 32 connections: CPU per request", "tls", "http",
                  ("tls-http", 32, 1024), ("nginx", "haproxy", "envoy"), (Must(("nginx", "haproxy"), 0.9),), "cpu_us"),
    "mtls": Work("mutual TLS between two proxies, HTTP/1.1, 1 KB bodies, 32 connections: CPU of both per request", "to-tls tls",
                 "http", ("http", 32, 1024), ("haproxy twice", "nginx twice", "envoy twice"), (Must(("haproxy twice",), 0.9),),
                 "cpu_us"),
    "tls-full": Work("TLS, full mutual handshake (P-256) and one request: CPU of the accepting side", "tls", "http",
                     ("handshakes", 32, "full"), ("nginx", "haproxy", "envoy"), (Must(("nginx",), 0.6),), "cpu_us"),
    "tls-resumed": Work("TLS, resumed handshake and one request, two workers: CPU of the accepting side", "tls", "http",
                        ("handshakes", 32, "resumed"), ("nginx", "haproxy", "envoy"), (Must(("nginx",), 0.6),), "cpu_us",
                        workers=2),
    "tls-bulk": Work("opaque TCP over TLS, bulk, 4 connections: GB per CPU second", "tcp-tls", "bulk", ("tls-bulk", 4),
                     ("haproxy", "nginx"), (Must(("haproxy",), 1.0),), "gb_per_cpu_second", at_least=True, slices=4),
}


class Series:
    """What one contender showed, a number for each round."""

    def __init__(self):
        self.cpu_us, self.gb_per_cpu_second, self.rate, self.gb_per_second = [], [], [], []
        self.core, self.p50_us, self.p99_us, self.added_p50_us = [], [], [], []
        self.user_ticks = self.system_ticks = 0

    def add(self, seen, cpu_seconds):
        """`seen` in each slice of a round, and what that cost in all."""
        exchanges, size, seconds = (sum(one[key] for one in seen) for key in ("exchanges", "bytes", "seconds"))
        self.rate.append(exchanges / seconds)
        self.gb_per_second.append(size / 1e9 / seconds)
        self.core.append(cpu_seconds / seconds)
        self.cpu_us.append(cpu_seconds * 1e6 / max(exchanges, 1))
        self.gb_per_cpu_second.append(size / 1e9 / cpu_seconds if cpu_seconds else 0)
        self.p50_us.append(statistics.median(one["p50_us"] for one in seen))
        self.p99_us.append(statistics.median(one["p99_us"] for one in seen))

    @property
    def user_share(self):
        return self.user_ticks / max(self.user_ticks + self.system_ticks, 1)


def ask(ends, work, port, seconds):
    verb, connections, *rest = work.command
    return ends.ask(verb, port, connections, seconds, *rest)


class Round:
    """One contender's part of a round, started for it: how fast a process is differs from start to start, too."""

    def __init__(self, ends, work, setting):
        self.ends, self.work, self.name, self.contender = ends, work, setting.name, setting.start()
        self.seen, self.cpu_seconds = [], 0
        ask(ends, work, self.contender.port, WARM_UP_SECONDS)
        self.ticks = self.contender.user_and_system()

    def measure(self):
        before = self.contender.cpu_seconds()
        self.seen.append(ask(self.ends, self.work, self.contender.port, ROUND_SECONDS / self.work.slices))
        self.cpu_seconds += self.contender.cpu_seconds() - before

    def add_to(self, series):
        series.add(self.seen, self.cpu_seconds)
        user, system = (now - before for now, before in zip(self.contender.user_and_system(), self.ticks))
        series.user_ticks += user
        series.system_ticks += system

    def close(self):
        self.contender.stop()
        self.contender.forget_log()


class DirectRound:
    """The backend's part, asked without a proxy."""
    name = DIRECT

    def __init__(self, ends, work):
        self.ends, self.work, self.seen = ends, work, []

    def measure(self):
        self.seen.append(ask(self.ends, self.work, self.ends.backends[self.work.backend],
                             ROUND_SECONDS / self.work.slices))

    def add_to(self, series):
        series.add(self.seen, 0)


def in_turn(items, number):
    """Each turn begins with another one, every second goes backwards: no place in the order is always one's own."""
    at = number % len(items)
    order = items[at:] + items[:at]
    return order[::-1] if number % 2 else order


def one_round(ends, work, settings, number, result):
    is_latency = work.figure == "added_p50_us"
    with contextlib.ExitStack() as until_end:
        parts = [until_end.enter_context(contextlib.closing(Round(ends, work, one))) for one in settings]
        if is_latency:
            parts.append(DirectRound(ends, work))
        for step in range(work.slices):
            for part in in_turn(parts, number + step):
                part.measure()
        for part in parts:
            part.add_to(result.setdefault(part.name, Series()))
        ends.ask("close")
    if is_latency:
        for one in settings:
            result[one.name].added_p50_us.append(result[one.name].p50_us[-1] - result[DIRECT].p50_us[-1])


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


def musts_of(work):
    """Those of the work, and what it may cost more than in a weft of earlier."""
    if work.figure == "added_p50_us" or work.protocol not in ("http", "tcp", "h2"):
        return work.musts
    return *work.musts, Must(("before",), 1 / MOST_TO_BEFORE if work.at_least else MOST_TO_BEFORE)


def run(machine, ends, folder, work, rounds):
    """(rows of the summary, the table) of one work."""
    musts = musts_of(work)
    peers = (*work.peers, "before") if musts != work.musts and proxies.BEFORE else work.peers
    settings = [proxies.Setting(machine, ends, folder, name, work.protocol, work.backend, workers=work.workers)
                for name in (*peers, *EQUALS)]
    result = {}
    for number in range(rounds * work.fine):
        one_round(ends, work, settings, number, result)
    figures = {name: getattr(one, work.figure) for name, one in result.items()}
    best = max if work.at_least else min
    rows = []
    for must in musts:
        if not figures.keys() & set(must.peers):
            rows.append([work.title, *must.peers, *verdict.not_measured(must.limit, work.at_least)])
            continue
        peer = best(must.peers, key=lambda name: statistics.median(figures[name]))
        rows.append([work.title, peer,
                     *verdict.compare(*(figures[name] for name in EQUALS), figures[peer], must.limit, work.at_least)])
    return rows, f"## {work.title}\n\n{table(work, result, rows[0][1])}"
