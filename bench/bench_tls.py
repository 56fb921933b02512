"""What each of the measures of src/tls brings: a handshake in memory with all of them, without each, and without any.

`./dev bench tls [ROUNDS]`; only a whole run is kept."""
import json
import statistics
import subprocess
import tempfile

import contenders
import tls_texts
import verdict

ROUNDS = 25
COSTS = ("full server", "full client", "resumed server", "resumed client")
METHOD = """\
TLS 1.3 with certificates on both sides (P-256, signed by the authority itself), over a socket pair in one process, each side
in turn on one core: CPU of each side for a connection, from its start to its end, one byte and a session included. Medians of {rounds}
rounds of 100; the ratios are to all measures, within each round, with the 95 % interval of their median. `all measures again`
is the noise. The last columns are the heap that a connection keeps which rests after a full handshake. {openssl}."""


def cells(one, base):
    for name in COSTS:
        low, high = verdict.interval(verdict.ratios(one[name], base[name]))
        ratio = statistics.median(verdict.ratios(one[name], base[name]))
        yield f"{statistics.median(one[name]):.1f}"
        yield f"{ratio:.3f} ({low:.3f} to {high:.3f})"
    for side in ("server", "client"):
        yield f"{one[f'bytes {side}'][0] / 1024:.1f}"


def run(arguments):
    if len(arguments) > 1 or not all(word.isdigit() and int(word) > 0 for word in arguments):
        raise SystemExit("bench: usage: ./dev bench tls [ROUNDS]")
    rounds = int(arguments[0]) if arguments else ROUNDS
    machine = contenders.Machine()
    with tempfile.TemporaryDirectory(prefix="weft-bench-") as folder:
        command = [contenders.BIN / "bench_tls_handshake", tls_texts.make(folder), rounds]
        process = machine.start(machine.proxy, command, stdout=subprocess.PIPE)
        seen, _ = process.communicate()
    if process.returncode:
        raise SystemExit("bench: bench_tls_handshake failed")
    seen = json.loads(seen)
    base = next(iter(seen.values()))
    head = ["", *(word for name in COSTS for word in (f"{name}, us", "ratio")), "server, KB", "client, KB"]
    lines = [head, ["---"] * len(head), *([name, *cells(one, base)] for name, one in seen.items())]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    openssl = subprocess.run(["openssl", "version"], capture_output=True, text=True).stdout.split(" (")[0].strip()
    return f"{METHOD.format(rounds=rounds, openssl=openssl)}\n\n{table}"
