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

HERE = pathlib.Path(__file__).resolve().parent
BIN = pathlib.Path(os.environ.get("WEFT_BENCH_BIN", HERE.parent / "build" / "bin"))
VENV = HERE.parent / "build" / "venv"
START_SECONDS = 30
SUFFIX = {"nginx": "conf", "haproxy": "cfg", "envoy": "yaml", "weft": "yaml"}


def envoy_binary():
    """The program itself, without the script that PyPI's package puts before it."""
    found = sorted(VENV.glob("lib/python*/site-packages/envoy/_bin/envoy"))
    if not found:
        raise SystemExit(f"bench: no Envoy in {VENV}: run ./dev bench proxy, which puts it there")
    return found[0]


def versions():
    weft = subprocess.run([BIN / "weft", "version"], capture_output=True, text=True).stdout.split("\n")[0]
    nginx = subprocess.run(["nginx", "-v"], capture_output=True, text=True).stderr.split("/")[-1].strip()
    haproxy = subprocess.run(["haproxy", "-v"], capture_output=True, text=True).stdout.split()[2]
    envoy = subprocess.run([envoy_binary(), "--version"], capture_output=True, text=True).stdout
    return f"{weft}; nginx {nginx}, HAProxy {haproxy}, Envoy {envoy.split('version:')[1].split('/')[1]}"


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


def fill(name, protocol, folder, port, backend, has_many=False):
    """The text of peers/NAME-PROTOCOL.*, or that of its kind, with its places filled in."""
    kind = name.split()[0]
    own, shared = (HERE / "peers" / f"{stem.replace(' ', '-')}-{protocol}.{SUFFIX[kind]}" for stem in (name, kind))
    values = {"FOLDER": folder, "LISTEN": f"127.0.0.1:{port}", "PORT": port, "BACKEND": f"127.0.0.1:{backend}",
              "BACKEND_PORT": backend, "CLUSTERS": "", "ROUTES": "", "TARGET": "app"}
    if has_many:
        values |= many.BY_KIND[kind]()
    text = (own if own.exists() else shared).read_text()
    for key, value in values.items():
        text = text.replace(f"@{key}@", str(value))
    return text


def command_of(kind, folder, config):
    return {"nginx": ["nginx", "-p", folder, "-c", config],
            "haproxy": ["haproxy", "-db", "-f", config],
            "envoy": [envoy_binary(), "-c", config, "--concurrency", 1, "--disable-hot-restart", "--log-level",
                      "error"],
            "weft": [BIN / "weft", "proxy", "--config", config, "--workers", 1, "--access-log", folder / "access.log"],
            }[kind]


class Setting:
    """A contender's folder, configuration, port and command line; `start` runs it."""

    def __init__(self, machine, parent, name, protocol, backend, has_many=False):
        self.machine, self.name = machine, name
        kind = name.split()[0]
        self.folder = pathlib.Path(parent, name.replace(" ", "-"))
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        self.port = free_port()
        config = self.folder / f"config.{SUFFIX[kind]}"
        config.write_text(fill(name, protocol, self.folder, self.port, backend, has_many))
        self.command = command_of(kind, self.folder, config)

    def start(self):
        return Contender(self)


class Contender:
    """A proxy that runs and listens."""

    def __init__(self, setting):
        self.name, self.port, self.folder = setting.name, setting.port, setting.folder
        with open(self.folder / "output", "w") as output:
            self.process = setting.machine.start(setting.machine.proxy, setting.command, stdout=output, stderr=output)
        self.wait_until_it_listens()

    def wait_until_it_listens(self):
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end and self.process.poll() is None:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            time.sleep(0.01)
        self.stop()
        raise SystemExit(f"bench: {self.name} does not listen on {self.port}:\n{(self.folder / 'output').read_text()}")

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout=20)

    @property
    def pids(self):
        """All its processes, at this moment: nginx listens before it has its worker."""
        return [self.process.pid, *children(self.process.pid)]

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
        with contextlib.suppress(FileNotFoundError):
            os.truncate(self.folder / "access.log", 0)


def children(pid):
    return [int(child) for child in open(f"/proc/{pid}/task/{pid}/children").read().split()]
