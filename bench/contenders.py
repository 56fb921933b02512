"""The proxies that are compared: their configurations filled in, their processes, and what these cost."""
import contextlib
import os
import pathlib
import resource
import shutil
import signal
import socket
import subprocess
import time

import many
import tls_texts

HERE = pathlib.Path(__file__).resolve().parent
BIN = pathlib.Path(os.environ.get("WEFT_BENCH_BIN", HERE.parent / "build" / "bin"))
VENV = HERE.parent / "build" / "venv"
START_SECONDS = 30
SUFFIX = {"nginx": "conf", "haproxy": "cfg", "envoy": "yaml", "nghttpx": "conf", "weft": "yaml", "before": "yaml"}
# What a protocol of a work is to its clients and to its backend, where it is not HTTP/1.1 or bytes without TLS.
SIDES = {"h2": ("h2", "h2"), "h2-h1": ("h2", ""), "tls": ("tls", ""), "tcp-tls": ("tls", ""), "to-tls": ("", "tls")}
ENVOY_HTTP2 = """\
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {http2_protocol_options: {}}"""
# How each says that, where its configuration for HTTP/1.1 has the places for it.
FRONT = {"nginx": {"h2": " http2", "tls": " ssl"}, "haproxy": {"h2": " proto h2"},
         "envoy": {"": "HTTP1", "h2": "HTTP2", "tls": "HTTP1"}}
BACK = {"haproxy": {"h2": " proto h2"}, "nghttpx": {"h2": ";;proto=h2"}, "envoy": {"h2": ENVOY_HTTP2},
        "weft": {"": "http1", "h2": "http2", "tls": "http1"}}
# nginx speaks HTTP/2 to a backend as gRPC alone, one request at a time on each connection.
PASS = {"": "proxy_pass http", "h2": "grpc_pass grpc", "tls": "proxy_pass https"}
SET = {"": "proxy_set_header", "h2": "grpc_set_header", "tls": "proxy_set_header"}
# A weft of earlier, which this one is compared with.
BEFORE = os.environ.get("WEFT_BENCH_BEFORE")


def envoy_binary():
    """The program itself, without the script that PyPI's package puts before it."""
    found = sorted(VENV.glob("lib/python*/site-packages/envoy/_bin/envoy"))
    if not found:
        raise SystemExit(f"bench: no Envoy in {VENV}: run ./dev bench proxy, which puts it there")
    return found[0]


def kind_of(name):
    return name.split()[0]


def configured_as(name):
    """The kind whose configuration it has."""
    kind = kind_of(name)
    return "weft" if kind == "before" else kind


def versions():
    weft = subprocess.run([BIN / "weft", "version"], capture_output=True, text=True).stdout.split("\n")[0]
    nginx = subprocess.run(["nginx", "-v"], capture_output=True, text=True).stderr.split("/")[-1].strip()
    haproxy = subprocess.run(["haproxy", "-v"], capture_output=True, text=True).stdout.split()[2]
    nghttpx = subprocess.run(["nghttpx", "--version"], capture_output=True, text=True).stdout.split("/")[-1].strip()
    envoy = subprocess.run([envoy_binary(), "--version"], capture_output=True, text=True).stdout
    return (f"{weft}; nginx {nginx}, HAProxy {haproxy}, nghttpx {nghttpx}, "
            f"Envoy {envoy.split('version:')[1].split('/')[1]}")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Machine:
    """Which cores the contenders and the rest run on."""

    def __init__(self):
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) < 2:
            raise SystemExit("bench: needs two cores, one for the proxy and one for its clients and backends")
        self.proxy, self.rest = cores[:2]
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    def start(self, core, command, **options):
        return subprocess.Popen([str(part) for part in command], text=True,
                                preexec_fn=lambda: os.sched_setaffinity(0, {core}), **options)


def fill(name, protocol, hop, backend, workers, certificates, has_many):
    """The text of peers/NAME-PROTOCOL.*, or that of its kind, or that of its kind for a part of the protocol's name, or for
    HTTP/1.1, with its places filled in."""
    kind = configured_as(name)
    words = (protocol, *reversed(protocol.split("-")), "http")
    stems = (f"{name.replace(' ', '-')}-{protocol}", *(f"{kind}-{word}" for word in words))
    file = next(path for path in (HERE / "peers" / f"{stem}.{SUFFIX[kind]}" for stem in stems) if path.exists())
    front, back = SIDES.get(protocol, ("", ""))
    front_tls, back_tls = tls_texts.BY_KIND[kind](certificates) if "tls" in (front, back) else ("", "")
    values = {"FOLDER": hop.folder, "LISTEN": f"127.0.0.1:{hop.port}", "PORT": hop.port, "BACKEND": f"127.0.0.1:{backend}",
              "BACKEND_PORT": backend, "WORKERS": workers, "CLUSTERS": "", "ROUTES": "", "TARGET": "app", "PASS": PASS[back],
              "SET": SET[back], "FRONT": FRONT.get(kind, {}).get(front, ""), "BACK": BACK.get(kind, {}).get(back, ""),
              "FRONT_TLS": front_tls if front == "tls" else "", "BACK_TLS": back_tls if back == "tls" else ""}
    if has_many:
        values |= many.BY_KIND[kind]()
    text = file.read_text()
    for key, value in values.items():
        text = text.replace(f"@{key}@", str(value))
    return text


def weft_command(program, folder, config, workers):
    return [program, "proxy", "--config", config, "--workers", workers, "--access-log", folder / "access.log"]


def command_of(kind, folder, config, workers):
    return {"nginx": lambda: ["nginx", "-p", folder, "-c", config],
            "haproxy": lambda: ["haproxy", "-db", "-f", config],
            "nghttpx": lambda: ["nghttpx", f"--conf={config}"],
            "envoy": lambda: [envoy_binary(), "-c", config, "--concurrency", workers, "--disable-hot-restart", "--log-level",
                              "error"],
            "weft": lambda: weft_command(BIN / "weft", folder, config, workers),
            "before": lambda: weft_command(BEFORE, folder, config, workers)}[kind]()


class Hop:
    """One proxy's folder, configuration and port."""

    def __init__(self, folder, name, protocol, backend, *how):
        self.folder, self.port = folder, free_port()
        self.folder.mkdir(parents=True)
        self.config = folder / f"config.{SUFFIX[kind_of(name)]}"
        self.config.write_text(fill(name, protocol, self, backend, *how))


class Setting:
    """A contender's folders, configurations, port and command lines; `start` runs it. `protocols` has a word for each hop, the
    clients' first. Each hop is a process, as sidecars are; weft's that are alike are in one, as in a mesh, where none has TLS."""

    def __init__(self, machine, ends, parent, name, protocols, backend, has_many=False, workers=1):
        self.machine, self.name, kind = machine, name, kind_of(name)
        folder = pathlib.Path(parent, name.replace(" ", "-"))
        shutil.rmtree(folder, ignore_errors=True)
        chain, protocols = [], protocols.split()  # the one before the backend first
        for number, protocol in enumerate(reversed(protocols)):
            chain.append(Hop(folder / str(number), name, protocol, chain[-1].port if chain else ends.backends[backend], workers,
                             ends.certificates, has_many))
        last = chain[-1]
        self.folder, self.port, self.ports = last.folder, last.port, [hop.port for hop in chain]
        self.commands = [command_of(kind, hop.folder, hop.config, workers) for hop in chain]
        if kind == "weft" and len(set(protocols)) < len(protocols):
            self.commands = [[BIN / "bench_two_hops", last.config, chain[0].config, last.folder / "access.log"]]
        self.logs = [hop.folder / "access.log" for hop in chain]

    def start(self):
        return Contender(self)


class Contender:
    """A proxy that runs and listens, or two of them."""

    def __init__(self, setting):
        self.name, self.port, self.ports, self.logs = setting.name, setting.port, setting.ports, setting.logs
        self.output = setting.folder / "output"
        self.processes = []
        with open(self.output, "w") as output:
            for command in setting.commands:
                self.processes.append(setting.machine.start(setting.machine.proxy, command, stdout=output, stderr=output))
        self.wait_until_it_listens()

    def wait_until_it_listens(self):
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end and all(one.poll() is None for one in self.processes):
            with contextlib.suppress(OSError):
                for port in self.ports:
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return
            time.sleep(0.01)
        self.stop()
        raise SystemExit(f"bench: {self.name} does not listen on {self.ports}:\n{self.output.read_text()}")

    def stop(self):
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.processes:
            process.wait(timeout=20)

    @property
    def pids(self):
        """All its processes, at this moment: nginx listens before it has its worker."""
        return [pid for process in self.processes for pid in (process.pid, *children(process.pid))]

    def cpu_seconds(self):
        """By its processes' CPU clocks, in the kernel's numbering of clocks (clock_getcpuclockid(3))."""
        return sum(time.clock_gettime((~pid << 3) | 2) for pid in self.pids)

    def user_and_system(self):
        """Ticks of the coarse clock that tells the two apart."""
        fields = [open(f"/proc/{pid}/stat").read().rpartition(")")[2].split() for pid in self.pids]
        return sum(int(one[11]) for one in fields), sum(int(one[12]) for one in fields)

    def rss_bytes(self):
        """Of all its processes, what they share counted in each."""
        def of(pid):
            with open(f"/proc/{pid}/smaps_rollup") as lines:
                return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Rss:"))
        return sum(of(pid) for pid in self.pids)

    def forget_log(self):
        """Empties the access log: it would fill the disk."""
        for log in self.logs:
            with contextlib.suppress(FileNotFoundError):
                os.truncate(log, 0)


def children(pid):
    return [int(child) for child in open(f"/proc/{pid}/task/{pid}/children").read().split()]
