"""`weft proxy --config` against nginx, HAProxy, nghttpx and Envoy: CPU, latency, memory, start.

`./dev bench proxy [WORK] [ROUNDS]` measures one work, or with fewer rounds; only a whole run is kept."""
import contextlib
import sys
import tempfile

import contenders
import sizes
import traffic
from ends import Ends

ROUNDS = 25
SIZES = {"memory": sizes.memory, "memory-h2": sizes.memory_h2, "memory-tls": sizes.memory_tls, "start": sizes.start}
NAMES = (*traffic.WORKS, *SIZES)
METHOD = """\
Each contender has one worker (two where a work says so), pinned to one core; client and backend are one process on the other core, which polls.
In each of {rounds} rounds ({opaque_rounds} of opaque exchanges, where they are close) the contenders are started anew and measured
for {seconds:g} s, in {slices} slices taken in turn ({bulk_slices} for bulk): how fast the machine is wanders within a second, and how
fast a process is differs from start to start. The client's connections stay open from slice to slice (but for bulk).
Numbers are medians over the rounds; ratios are taken within each round and have the 95 % interval of their median. CPU
is the process CPU clock of all of a contender's processes and threads over the requests; user and system time are its
parts by the kernel's ticks. Where "of the core" is well below 100 % in a closed loop, something else ran on the machine.
`weft again` is a second weft with the same configuration: the noise is the farther end of the interval of the ratio of
these two, and a must is held, or not held, only by more than that (RSS: by more than the spread of the starts). "weft"
in the first table is the mean of both.

All have the same on: a request id, x-forwarded-for and -proto, an access log line for each request or opaque connection
(weft, nginx, nghttpx and Envoy to a file, HAProxy to a ring in memory), but for nghttpx's request id. Of two hops
HAProxy's and Envoy's are two processes on one core, weft's one, as in a mesh; with TLS between them all are two. TLS is
1.3 with X25519, AES-128-GCM and P-256 certificates on both sides, signed by the authority itself; tickets as each has them by
default. A handshake is that of a connection that is answered once, without a body, and closed. `before` is the weft that
WEFT_BENCH_BEFORE names; without one it is not measured. The peers' configurations are in bench/peers. {versions}."""


def progress(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def measure(name, machine, ends, folder, rounds):
    if name in SIZES:
        return SIZES[name](machine, ends, folder, rounds)
    return traffic.run(machine, ends, folder, traffic.WORKS[name], rounds)


def run(arguments):
    chosen = [word for word in arguments if not word.isdigit()]
    rounds = next((int(word) for word in arguments if word.isdigit()), ROUNDS)
    unknown = [word for word in chosen if word not in NAMES]
    if unknown or rounds < 1:
        raise SystemExit(f"bench: usage: ./dev bench proxy [{'|'.join(NAMES)}] [ROUNDS]")
    machine = contenders.Machine()
    rows, parts = [], []
    with tempfile.TemporaryDirectory(prefix="weft-bench-") as folder, contextlib.closing(Ends(machine, folder)) as ends:
        for name in chosen or NAMES:
            progress(name)
            more, part = measure(name, machine, ends, folder, rounds)
            rows += more
            parts.append(part)
            for row in more:
                progress("  " + ", ".join(row))
    lines = [["work", "against", "weft", "noise", "must", "verdict"], ["---"] * 6, *rows]
    summary = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    method = METHOD.format(rounds=rounds, seconds=traffic.ROUND_SECONDS, slices=traffic.Work.slices,
                           opaque_rounds=rounds * traffic.WORKS["tcp1k"].fine,
                           bulk_slices=traffic.WORKS["bulk"].slices, versions=contenders.versions())
    return "\n\n".join([summary, method, *parts])
