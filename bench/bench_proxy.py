"""HTTP/1.1 CPU per request of `weft proxy --config` against nginx: one worker each, pinned to one core, client and backend
on the other, in turn within the same rounds."""
import contextlib
import json
import os
import pathlib
import signal
import socket
import statistics
import subprocess
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
BIN = pathlib.Path(os.environ.get("WEFT_BENCH_BIN", HERE.parent / "build" / "bin"))
BODY_BYTES = 1024
CONNECTIONS = 32
ROUNDS = 15
ROUND_SECONDS = 1.0


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port, seconds=10):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        time.sleep(0.01)
    raise SystemExit(f"bench: nothing listens on port {port}")


class Machine:
    """Which cores the contenders and the rest run on."""

    def __init__(self):
        cores = sorted(os.sched_getaffinity(0))
        self.proxy = cores[0]
        self.rest = cores[1] if len(cores) > 1 else cores[0]

    def start(self, core, *command):
        return subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                preexec_fn=lambda: os.sched_setaffinity(0, {core}), text=True)


def children(pid):
    return [int(child) for child in open(f"/proc/{pid}/task/{pid}/children").read().split()]


class Contender:
    def __init__(self, name, process, port, pid=None):
        self.name, self.process, self.port = name, process, port
        self.pid = pid or process.pid
        self.us_per_request, self.throughput, self.p50 = [], [], []

    def cpu_seconds(self):
        # The process's CPU clock, by the kernel's numbering of clocks (clock_getcpuclockid).
        return time.clock_gettime((~self.pid << 3) | 2)

    def ticks(self):
        fields = open(f"/proc/{self.pid}/stat").read().rsplit(")", 1)[1].split()
        return int(fields[11]), int(fields[12])

    def rss_mb(self):
        for line in open(f"/proc/{self.pid}/smaps_rollup"):
            if line.startswith("Rss:"):
                return int(line.split()[1]) / 1024
        return 0.0

    def measure(self, machine):
        before = self.cpu_seconds()
        result = load(machine, self.port, ROUND_SECONDS)
        self.us_per_request.append((self.cpu_seconds() - before) * 1e6 / result["responses"])
        self.throughput.append(result["responses"] / ROUND_SECONDS)
        self.p50.append(result["p50_us"])


def load(machine, port, seconds):
    process = machine.start(machine.rest, BIN / "bench_load", f"127.0.0.1:{port}", CONNECTIONS, seconds)
    output, _ = process.communicate()
    result = json.loads(output)
    if result["errors"]:
        raise SystemExit(f"bench: {result['errors']} requests failed at port {port}")
    return result


def start_weft(machine, folder, backend, name):
    port = free_port()
    config = pathlib.Path(folder, f"{name}.yaml")
    config.write_text(f"""version: 1
listeners:
- {{address: "127.0.0.1:{port}", protocol: http, cluster: app}}
clusters:
- {{name: app, protocol: http1, endpoints: ["127.0.0.1:{backend}"]}}
""")
    process = machine.start(machine.proxy, BIN / "weft", "proxy", "--config", config, "--workers", 1)
    wait_for(port)
    return Contender(name, process, port)


def start_nginx(machine, folder, backend):
    port = free_port()
    text = (HERE / "peers" / "nginx.conf").read_text()
    for key, value in {"FOLDER": folder, "LISTEN": f"127.0.0.1:{port}", "BACKEND": f"127.0.0.1:{backend}"}.items():
        text = text.replace(key, value)
    config = pathlib.Path(folder, "nginx.conf")
    config.write_text(text)
    process = machine.start(machine.proxy, "nginx", "-p", folder, "-c", config)
    wait_for(port)
    return Contender("nginx", process, port, children(process.pid)[0])


def table(contenders, idle):
    baseline = contenders[0]
    lines = ["| contender | CPU us/request | user share | requests/s | p50 us | to nginx, by round | RSS idle, then after, MB |",
             "|---|---|---|---|---|---|---|"]
    for one in contenders:
        ratios = [a / b for a, b in zip(one.us_per_request, baseline.us_per_request)]
        user, system = one.ticks()
        lines.append(f"| {one.name} | {statistics.median(one.us_per_request):.2f} | {user / max(user + system, 1):.0%} "
                     f"| {statistics.median(one.throughput):,.0f} | {statistics.median(one.p50):.0f} "
                     f"| {statistics.median(ratios):.3f} | {idle[one.name]:.1f}, {one.rss_mb():.1f} |")
    return "\n".join(lines)


def run(arguments):
    rounds = int(arguments[0]) if arguments else ROUNDS
    machine = Machine()
    with tempfile.TemporaryDirectory(prefix="weft-bench-") as folder, contextlib.ExitStack() as stack:
        def stop(process):
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=10)

        backend = free_port()
        process = machine.start(machine.rest, BIN / "bench_backend", f"127.0.0.1:{backend}", BODY_BYTES)
        stack.callback(stop, process)
        wait_for(backend)
        contenders = [start_nginx(machine, folder, backend), start_weft(machine, folder, backend, "weft"),
                      start_weft(machine, folder, backend, "weft again")]
        for one in contenders:
            stack.callback(stop, one.process)
        idle = {one.name: one.rss_mb() for one in contenders}
        for one in contenders:
            load(machine, one.port, ROUND_SECONDS)
        for _ in range(rounds):
            for one in contenders:
                one.measure(machine)
        version = subprocess.run(["nginx", "-v"], capture_output=True, text=True).stderr.strip()
        return (f"HTTP/1.1, {BODY_BYTES}-byte bodies, {CONNECTIONS} keep-alive connections; medians of {rounds} interleaved "
                f"rounds of {ROUND_SECONDS:g} s; {version}. The distance of the two equal contenders is the noise.\n\n"
                + table(contenders, idle))
