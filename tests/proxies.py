"""What the proxy's tests share: a `weft proxy --config` process, backends written in the test, and peers that speak raw
bytes, so that a test says exactly what goes over the wire."""

import contextlib
import itertools
import json
import os
import pathlib
import re
import resource
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import mesh
from mesh import free_port

# The longest that a peer waits for bytes; far above what any test needs.
LIMIT = 30.0
IS_SANITIZED = mesh.IS_SANITIZED
# ASan holds so much of what was freed back, to find uses of it: there a bound on memory says little.
ASAN_KEEPS_KIB = 256 * 1024 if IS_SANITIZED else 0
# The packages of tests/requirements.txt, which `./dev test` puts into this venv.
sys.path += [str(path) for path in (mesh.SOURCE / "build" / "venv").glob("lib/python3*/site-packages")]
until = mesh.until


class Cut(Exception):
    """The connection ended within a message."""


class Head:
    def __init__(self, raw):
        lines = raw.decode("latin-1").split("\r\n")
        self.start = lines[0]
        self.fields = []
        for line in lines[1:]:
            if line:
                name, _, value = line.partition(":")
                self.fields.append((name.lower(), value.strip()))

    def get(self, name):
        return next((value for key, value in self.fields if key == name), None)

    def all(self, name):
        return [value for key, value in self.fields if key == name]

    def names(self):
        return {name for name, _ in self.fields}


class Request(Head):
    def __init__(self, raw):
        super().__init__(raw)
        self.method, self.target, self.version = self.start.split(" ")
        self.body, self.trailers = b"", []


class Response(Head):
    def __init__(self, raw):
        super().__init__(raw)
        self.version, status, self.reason = (self.start + " ").split(" ", 2)
        self.status = int(status)
        self.body, self.trailers, self.interim = b"", [], []


class Peer:
    """One end of a connection."""

    def __init__(self, sock):
        self.sock, self.buffer = sock, b""
        self.sock.settimeout(LIMIT)
        if sock.family != socket.AF_UNIX:
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, *parts):
        self.sock.sendall(b"".join(parts))

    def more(self):
        """Waits for bytes; false at the peer's end."""
        piece = self.sock.recv(1 << 18)
        self.buffer += piece
        return bool(piece)

    def receive(self, size):
        pieces, missing = [self.buffer[:size]], size - len(self.buffer)
        self.buffer = self.buffer[size:]
        while missing > 0:
            piece = self.sock.recv(min(missing, 1 << 20))
            if not piece:
                raise Cut(f"{missing} bytes are missing")
            pieces.append(piece)
            missing -= len(piece)
        return b"".join(pieces)

    def receive_until(self, mark):
        while mark not in self.buffer:
            if not self.more():
                raise Cut(f"no {mark!r} in {self.buffer!r}")
        at = self.buffer.index(mark) + len(mark)
        taken, self.buffer = self.buffer[:at], self.buffer[at:]
        return taken

    def rest(self):
        """Everything until the peer's end; a reset is an error."""
        while self.more():
            pass
        taken, self.buffer = self.buffer, b""
        return taken

    def is_at_end(self):
        """Waits for the peer's end, whether clean or a reset; false if bytes come."""
        try:
            return not self.buffer and not self.more()
        except ConnectionError:
            return True

    def chunked(self):
        """(body, trailers) of a chunked body."""
        body = []
        while True:
            size = int(self.receive_until(b"\r\n").split(b";")[0], 16)
            if size == 0:
                break
            body.append(self.receive(size))
            if self.receive(2) != b"\r\n":
                raise AssertionError("a chunk is longer than its size")
        trailers = []
        while (line := self.receive_until(b"\r\n")) != b"\r\n":
            name, _, value = line.decode("latin-1").partition(":")
            trailers.append((name.lower(), value.strip()))
        return b"".join(body), trailers

    def body_of(self, head, ends_by_close):
        if head.get("transfer-encoding"):
            head.body, head.trailers = self.chunked()
        elif head.get("content-length") is not None:
            head.body = self.receive(int(head.get("content-length")))
        elif ends_by_close:
            head.body = self.rest()
        return head

    def request_head(self):
        """The next request's head; None if the client is gone instead."""
        try:
            return Request(self.receive_until(b"\r\n\r\n"))
        except (Cut, ConnectionError):
            if self.buffer:
                raise
            return None

    def request(self):
        """The next request with its body; None if the client is gone instead."""
        head = self.request_head()
        return self.body_of(head, False) if head else None

    def response_head(self):
        interim = []
        while True:
            head = Response(self.receive_until(b"\r\n\r\n"))
            if head.status >= 200 or head.status == 101:
                head.interim = interim
                return head
            interim.append(head)

    def response(self, method="GET"):
        """The next final response with its body; the interim ones before it are in `interim`."""
        head = self.response_head()
        if method == "HEAD" or head.status in (101, 204, 304):
            return head
        return self.body_of(head, True)

    def ask(self, target="/", method="GET", fields="", body=b"", version="HTTP/1.1"):
        """Sends one request and waits for its response."""
        length = f"Content-Length: {len(body)}\r\n" if body or method == "POST" else ""
        self.send(f"{method} {target} {version}\r\nHost: shop.example\r\n{length}{fields}\r\n".encode(), body)
        return self.response(method)

    def end(self):
        """Half-closes: nothing more is sent."""
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self):
        with contextlib.suppress(OSError):
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def close(self):
        self.sock.close()


class Backend:
    """A server whose connections `serve` (of the test) takes, each on a thread of its own."""

    def __init__(self, serve, receive_buffer=None):
        self.serve, self.accepted, self.open, self.faults = serve, 0, set(), []
        self.listener = socket.socket()
        if receive_buffer:
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(1024)
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            peer = Peer(connection)
            self.accepted += 1
            self.open.add(peer)
            threading.Thread(target=self.run_one, args=(peer,), daemon=True).start()

    def run_one(self, peer):
        try:
            self.serve(peer)
        except (Cut, OSError):
            pass  # the proxy has gone away; a test that minds sees it in what the client gets
        except Exception as error:
            self.faults.append(error)
        finally:
            self.open.discard(peer)
            peer.close()

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for peer in list(self.open):
            with contextlib.suppress(OSError):
                peer.sock.shutdown(socket.SHUT_RDWR)


def reply(body=b"ok", status="200 OK", fields=""):
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{fields}\r\n".encode() + body


def answers(respond):
    """What serves HTTP: `respond(request)` gives the response's bytes, None to close the connection."""
    def serve(peer):
        while (request := peer.request()) is not None:
            answer = respond(request)
            if answer is None:
                return
            peer.send(answer)
    return serve


def rss_kib(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1])


class Rss(mesh.Beside):
    """Samples a process's memory beside the test; `growth_kib` is the most above the first sample."""

    def __init__(self, pid):
        super().__init__()
        self.pid, self.first, self.most = pid, rss_kib(pid), 0

    def run(self):
        while not self.over.wait(0.01):
            self.most = max(self.most, rss_kib(self.pid))

    @property
    def growth_kib(self):
        return max(self.most, rss_kib(self.pid)) - self.first


def samples(text):
    """{(name, {label, value}): number} of Prometheus's text format, every line of which must be well formed."""
    found = {}
    for line in text.splitlines():
        if re.fullmatch(r"# (HELP|TYPE) [a-z_]+ .+", line):
            continue
        parsed = re.fullmatch(r'([a-z_]+)(?:\{((?:[a-z_]+="(?:[^"\\]|\\.)*",?)*)\})? (\S+)', line)
        if not parsed:
            raise AssertionError(f"not a sample: {line!r}")
        labels = frozenset(re.findall(r'([a-z_]+)="((?:[^"\\]|\\.)*)"', parsed[2] or ""))
        key = (parsed[1], labels)
        if key in found:
            raise AssertionError(f"twice: {line!r}")
        found[key] = float(parsed[3])
    return found


def cpu_seconds(pid):
    """By its CPU clock (clock_getcpuclockid(3)): on a machine that does nothing else so long is the wait, and what else a machine
    does is not the proxy's."""
    return time.clock_gettime((~pid << 3) | 2)


class Proxy:
    """One `weft proxy --config` process. `config` is the file's content, as data or as text. It takes the place of
    `before`, whose file it has; without `config` as it is. `process` are options of its Popen."""

    def __init__(self, config, workers=1, flags=(), descriptors=None, admin=None, under=(), before=None, **process):
        self.folder = before.folder if before else pathlib.Path(tempfile.mkdtemp(prefix="weft-proxy-"))
        self.file = self.folder / "proxy.yaml"
        self.errors = self.folder / f"stderr.{len(list(self.folder.glob('stderr.*')))}"
        self.admin = admin or (before.admin if before else f"unix:{self.folder / 'admin.sock'}")
        if config is not None:
            self.write(config)
        command = [*under, mesh.BUILD / "bin" / "weft", "proxy", f"--config={self.file}", f"--workers={workers}",
                   f"--admin={self.admin}", *flags]

        def limit():
            if descriptors:
                resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))
        with open(self.errors, "wb") as errors:
            self.process = subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL,
                                            stdout=subprocess.PIPE, stderr=errors, preexec_fn=limit, **process)
        self.pid = self.process.pid

    def write(self, config):
        """Replaces the file as an editor does: by renaming another over it."""
        text = config if isinstance(config, str) else json.dumps(config, indent=1)
        fresh = self.folder / "fresh.yaml"
        fresh.write_text(text)
        fresh.rename(self.file)

    def wait(self):
        """Until it listens."""
        if not self.process.stdout.readline().startswith(b"listening on"):
            self.process.wait(LIMIT)
            raise AssertionError(f"the proxy did not start: {self.stderr()}")
        until(self.has_admin, "the admin interface answers")
        return self

    def has_admin(self):
        with contextlib.suppress(FileNotFoundError, ConnectionRefusedError):
            return self.page("/ready").status == 200

    def stderr(self):
        return self.errors.read_text(errors="replace")

    def page(self, path, method="GET"):
        """One page of the admin interface."""
        kind, _, rest = self.admin.partition(":")
        with socket.socket(socket.AF_UNIX if kind == "unix" else socket.AF_INET) as sock:
            sock.connect(rest if kind == "unix" else (kind, int(rest)))
            peer = Peer(sock)
            peer.send(f"{method} {path} HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n".encode())
            return peer.response(method)

    def metrics(self):
        return samples(self.page("/stats/prometheus").body.decode())

    def metric(self, name, **labels):
        """The sum of all samples of that name that have these labels."""
        wanted = set(labels.items())
        return sum(value for (key, has), value in self.metrics().items() if key == name and wanted <= has)

    def rests(self):
        """Whether no connection of a client and no request is left."""
        metrics = self.metrics()
        return not any(metrics[name, frozenset()] for name in ("weft_downstream_connections_active",
                                                               "weft_requests_active"))

    def stop(self):
        """Ends it as an operator does; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        return self.process.returncode

    def remove(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class ProxyTest(unittest.TestCase):
    """A test whose backends and proxies end with it; the proxies must end well."""

    maxDiff = 2000

    def setUp(self):
        self.proxies, self.backends, self.peers = [], [], []
        self.addCleanup(lambda: [proxy.remove() for proxy in self.proxies])  # also if a setUp fails

    def tearDown(self):
        for peer in self.peers:
            peer.close()
        for backend in self.backends:
            backend.close()
        trouble = [fault for backend in self.backends for fault in backend.faults]
        for proxy in self.proxies:
            code = proxy.stop()
            if code != 0:
                trouble.append(f"the proxy ended with {code}: {proxy.stderr()[-4000:]}")
        self.assertEqual(trouble, [])

    def ends(self):
        ends = Ends()
        self.addCleanup(ends.close)
        return ends

    def file(self, name):
        """A path in a folder of the test's own."""
        folder = tempfile.mkdtemp(prefix="weft-test-")
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        return pathlib.Path(folder, name)

    def backend(self, serve, **options):
        self.backends.append(Backend(serve, **options))
        return self.backends[-1]

    def proxy(self, config, **options):
        self.proxies.append(Proxy(config, **options))
        return self.proxies[-1].wait()

    def start(self, serve, protocol="http", idle_timeout=None, **options):
        """A proxy with one listener, `self.port`, in front of one backend, `self.app`. `idle_timeout` is that of opaque
        connections, or of those that rest in the pool."""
        self.app = self.backend(serve)
        self.port = free_port()
        settings = config(self.port, [self.app.address], protocol)
        if idle_timeout:
            settings["listeners" if protocol == "tcp" else "clusters"][0]["idleTimeout"] = idle_timeout
        self.weft = self.proxy(settings, **options)
        return self.weft

    def connect(self, port=None, receive_buffer=None):
        sock = socket.socket()
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.settimeout(LIMIT)
        sock.connect(("127.0.0.1", port or self.port))
        peer = Peer(sock)
        self.peers.append(peer)
        return peer

    def curl(self, *arguments, stdin=None):
        """What curl prints; it must succeed."""
        done = subprocess.run(["curl", "--silent", "--show-error", "--max-time", str(LIMIT), *map(str, arguments)],
                              input=stdin, capture_output=True, timeout=2 * LIMIT)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def url(self, path="/"):
        return f"http://127.0.0.1:{self.port}{path}"


def config(port, endpoints, protocol="http", **route):
    """A file with one listener and one cluster."""
    listener = {"name": "web", "address": f"127.0.0.1:{port}", "protocol": protocol}
    if route:
        listener["routes"] = [{"prefix": "/", "cluster": "app", **route}]
    else:
        listener["cluster"] = "app"
    cluster = {"name": "app", "protocol": "tcp" if protocol == "tcp" else "http1", "endpoints": list(endpoints)}
    return {"version": 1, "listeners": [listener], "clusters": [cluster]}


def leave_descriptors(pid, count):
    """To that process, so many more than it has; None: all that it may have."""
    most = resource.prlimit(pid, resource.RLIMIT_NOFILE)[1]
    used = {int(fd) for fd in os.listdir(f"/proc/{pid}/fd")}
    free = (fd for fd in itertools.count() if fd not in used)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (most if count is None else next(itertools.islice(free, count, None)), most))


def beside(work):
    """Runs `work` on a thread; the thread, whose `error` is what it raised."""
    def run():
        try:
            work()
        except Exception as error:
            thread.error = error
    thread = threading.Thread(target=run, daemon=True)
    thread.error = None
    thread.start()
    return thread


def stalled(count, quiet=0.3):
    """Waits until `count()` has not grown for `quiet` seconds: there is no event for "nothing more is taken"."""
    last, since = count(), time.monotonic()
    end = since + LIMIT
    while time.monotonic() - since < quiet:
        if time.monotonic() > end:
            raise AssertionError(f"never stalls: {count()}")
        time.sleep(mesh.POLL)
        if count() != last:
            last, since = count(), time.monotonic()
    return last


def open_files(count):
    """Makes sure that this process may open so many descriptors; false if that is not permitted."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (count, max(hard, count)))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= count


class Ends:
    """bench_ends: a backend of 1 KiB answers, and as many GETs as it can make."""

    def __init__(self):
        self.process = subprocess.Popen([mesh.BUILD / "bin" / "bench_ends"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.backend = f"127.0.0.1:{json.loads(self.process.stdout.readline())['http']}"

    def tell(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def start(self, port, seconds, connections=16):
        self.tell(f"http {port} {connections} {seconds} 1024")
        return self

    def is_over(self):
        return bool(select.select([self.process.stdout], [], [], 0)[0])

    def result(self):
        """(how many were answered, how many failed); the connections are closed."""
        seen = json.loads(self.process.stdout.readline())
        self.tell("close")
        self.process.stdout.readline()
        return seen["exchanges"], seen["errors"]

    def kill(self):
        self.process.kill()

    def close(self):
        self.kill()
        self.process.communicate()
