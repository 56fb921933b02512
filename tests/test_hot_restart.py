"""Hot restart: a proxy that is started again takes over from the one that runs, and nobody notices."""

import array
import contextlib
import fcntl
import json
import os
import pathlib
import signal
import socket
import subprocess
import threading
import time
import unittest

import http2
import mesh
import proxies
from proxies import answers, config, reply, until


def echo(peer):
    while peer.more():
        peer.send(peer.buffer)
        peer.buffer = b""


def gate(came, go):
    """Serves requests, each of which is answered when `go` is set."""
    def respond(request):
        came.release()
        return reply(b"late") if go.wait(proxies.LIMIT) else None
    return answers(respond)


class Load:
    """Clients of each kind, which count what goes well and keep what does not. A request on a connection that has not said
    that it ends is one that must be answered."""

    def __init__(self, http, opaque):
        self.http, self.opaque, self.is_over = http, opaque, threading.Event()
        self.good, self.bad, self.lock = 0, [], threading.Lock()
        self.threads = [proxies.beside(lambda work=work: self.run(work))
                        for work in (self.kept, self.kept, self.fresh, self.h2, self.tunnel)
                        if work != self.h2 or http2.h2]

    def run(self, work):
        while not self.is_over.is_set():
            try:
                work()
            except Exception as error:
                self.bad.append(f"{work.__name__}: {error!r}")
                return

    def count(self, is_good, what):
        with self.lock:
            self.good += is_good
        if not is_good:
            self.bad.append(repr(what))

    def connect(self, port):
        return proxies.Peer(socket.create_connection(("127.0.0.1", port), proxies.LIMIT))

    def kept(self):
        with self.connect(self.http) as client:
            while not self.is_over.is_set():
                response = client.ask()
                self.count((response.status, response.body) == (200, b"ok"), response.start)
                if response.get("connection") == "close":
                    return

    def fresh(self):
        with self.connect(self.http) as client:
            response = client.ask(fields="Connection: close\r\n")
            self.count((response.status, response.body) == (200, b"ok"), response.start)

    def h2(self):
        with self.connect(self.http) as peer:
            client = http2.Connection(peer)
            while not client.goaway and not self.is_over.is_set():
                stream = client.ask()
                self.count((stream.status, bytes(stream.body)) == (200, b"ok"), stream)

    def tunnel(self):
        with self.connect(self.opaque) as client:
            for _ in range(20):
                client.send(b"12345")
                if client.receive(5) != b"12345":
                    self.bad.append("other bytes came back")

    def end(self):
        self.is_over.set()
        for thread in self.threads:
            thread.join(proxies.LIMIT)
        return self.bad


class HotRestart(proxies.ProxyTest):
    def config(self, *more):
        """HTTP at self.port, bytes at self.opaque; `more` are ports of HTTP too."""
        file = config(self.port, [self.app.address])
        file["listeners"].append({"address": f"127.0.0.1:{self.opaque}", "protocol": "tcp", "cluster": "echo"})
        file["clusters"].append({"name": "echo", "protocol": "tcp", "endpoints": [self.echo.address]})
        for port in more:
            file["listeners"].append({"address": f"127.0.0.1:{port}", "cluster": "app"})
        return file

    def begin(self, serve=None, **options):
        self.app, self.echo = self.backend(serve or answers(lambda request: reply())), self.backend(echo)
        self.port, self.opaque = proxies.free_port(), proxies.free_port()
        self.weft = self.proxy(self.config(), **options)

    def restart(self, file=None, **options):
        """Another one in the place of self.weft; the one before."""
        before = self.weft
        self.weft = self.proxy(file, before=before, **options)
        return before

    def status(self):
        done = subprocess.run([mesh.BUILD / "bin" / "weft", "proxy", "status", f"--config={self.weft.file}", "-o", "json"],
                              capture_output=True, text=True, timeout=proxies.LIMIT)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def generations(self):
        return [(one["generation"], one["pid"]) for one in self.status()["generations"]]

    def ends(self, proxy, code=0):
        self.assertEqual(proxy.process.wait(proxies.LIMIT), code, proxy.stderr())

    def killed(self, proxy):
        proxy.process.kill()
        proxy.process.wait()
        proxy.process.stdout.close()
        self.proxies.remove(proxy)

    def fails(self, file=None):
        """One more that must not start; what it says."""
        if file is not None:
            self.weft.write(file)
        other = proxies.Proxy(None, before=self.weft)
        self.assertEqual(other.process.wait(proxies.LIMIT), 1 if file is None else other.process.returncode)
        self.assertNotEqual(other.process.returncode, 0)
        other.process.stdout.close()
        return other.stderr()

    def test_nobody_notices(self):
        self.begin(workers=2)
        load = Load(self.port, self.opaque)
        for workers in (1, 3, 2):
            at = load.good
            until(lambda: load.good > at + 100 or load.bad, "load", limit=proxies.LIMIT)
            before = self.restart(workers=workers)
            self.ends(before)
        at = load.good
        until(lambda: load.good > at + 100 or load.bad, "load goes on", limit=proxies.LIMIT)
        self.assertEqual(load.end(), [])
        self.assertEqual(self.weft.metric("istio_requests_total", response_code="200"), load.good)
        self.assertEqual(self.weft.metric("weft_retries_total"), 0)
        self.assertEqual([number for number, _ in self.generations()], [4])

    def test_who_rests_may_ask_once_more(self):
        self.begin()
        client = self.connect()
        self.assertIsNone(client.ask().get("connection"))
        silent = self.connect()
        until(lambda: self.weft.metric("weft_downstream_connections_active") == 2, "both are there")
        before = self.restart()
        response = client.ask()
        self.assertEqual((response.body, response.get("connection")), (b"ok", "close"))
        self.assertTrue(client.is_at_end())
        self.assertTrue(silent.is_at_end())
        self.ends(before)

    def test_what_is_under_way_is_finished(self):
        came, go = threading.Semaphore(0), threading.Event()
        self.addCleanup(go.set)
        self.begin(gate(came, go))
        client, tunnel = self.connect(), self.connect(self.opaque)
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        self.assertTrue(came.acquire(timeout=proxies.LIMIT))
        tunnel.send(b"begun")
        self.assertEqual(tunnel.receive(5), b"begun")
        before = self.restart()
        old = self.status()["generations"][1]
        self.assertEqual((old["pid"], old["connections"], old["streams"]), (before.pid, 2, 1))
        self.assertIn("cutAt", old)
        go.set()
        response = client.response()
        self.assertEqual((response.body, response.get("connection")), (b"late", "close"))
        tunnel.send(b"goes on")
        self.assertEqual(tunnel.receive(7), b"goes on")
        tunnel.end()
        self.assertEqual(tunnel.rest(), b"")
        self.ends(before)
        self.assertEqual(self.weft.metric("istio_requests_total"), 1)
        self.assertEqual(self.weft.metric("istio_tcp_received_bytes_total"), 12)
        self.assertEqual(self.weft.metric("istio_tcp_connections_closed_total"), 1)

    @unittest.skipUnless(http2.h2, http2.NEEDS)
    def test_a_stream_of_http2_is_finished(self):
        came, go = threading.Semaphore(0), threading.Event()
        self.addCleanup(go.set)
        self.begin(gate(came, go))
        client = http2.Connection(self.connect())
        stream = client.open()
        client.flush()
        self.assertTrue(came.acquire(timeout=proxies.LIMIT))
        before = self.restart()
        client.until(lambda: client.goaway, "it is told")
        go.set()
        self.assertEqual(bytes(client.whole(stream).body), b"late")
        self.ends(before)

    def test_counters_never_fall(self):
        self.begin(workers=2)
        seen, falls, is_over = {}, [], threading.Event()

        def watch():
            while not is_over.is_set():
                with contextlib.suppress(OSError, proxies.Cut):  # a scrape may fall into the change
                    for key, value in self.weft.metrics().items():
                        if key[0].endswith(("_total", "_count", "_bucket")):
                            if value < seen.get(key, 0):
                                falls.append((key, seen[key], value))
                            seen[key] = value
        watcher = proxies.beside(watch)
        load = Load(self.port, self.opaque)
        for _ in range(3):
            at = load.good
            until(lambda: load.good > at + 50 or load.bad, "load", limit=proxies.LIMIT)
            self.restart()
        self.assertEqual(load.end(), [])
        is_over.set()
        watcher.join()
        self.assertEqual((falls, watcher.error), ([], None))
        until(lambda: len(self.generations()) == 1, "the older ones have ended", limit=proxies.LIMIT)
        self.assertEqual(self.weft.metric("istio_requests_total"), load.good)
        self.assertEqual(self.weft.metric("istio_tcp_connections_opened_total"),
                         self.weft.metric("istio_tcp_connections_closed_total"))

    def test_a_kill_of_an_old_one_loses_no_count(self):
        self.begin()
        for _ in range(5):
            self.connect().ask()
        tunnel = self.connect(self.opaque)
        tunnel.send(b"begun")
        tunnel.receive(5)
        before = self.restart()
        self.assertEqual(self.weft.metric("istio_requests_total"), 5)
        self.killed(before)
        until(lambda: len(self.generations()) == 1, "it is gone")
        self.assertEqual(self.weft.metric("istio_requests_total"), 5)
        self.assertEqual(self.weft.metric("istio_tcp_received_bytes_total"), 5)

    def test_another_configuration(self):
        """One listener more and one less; a Unix socket's file stays."""
        path = self.file("web.sock")
        other, third = proxies.free_port(), proxies.free_port()
        self.begin()
        first = self.config(other)
        first["listeners"].append({"address": f"unix:{path}", "cluster": "app"})
        before = self.restart(first)
        self.ends(before)
        second = self.config(third)
        second["listeners"].append({"address": f"unix:{path}", "cluster": "app"})
        before = self.restart(second)
        for port in (self.port, third):
            self.assertEqual(self.connect(port).ask().body, b"ok")
        self.ends(before)
        with socket.socket() as probe:
            self.assertNotEqual(probe.connect_ex(("127.0.0.1", other)), 0)
        self.assertEqual(self.curl("--unix-socket", path, "http://a/"), b"ok")

    def test_one_that_fails(self):
        self.begin()
        good = self.config()
        kept = self.connect()
        self.assertEqual(kept.ask().body, b"ok")
        with socket.create_server(("127.0.0.1", 0)) as taken:
            bad = self.config()
            bad["listeners"].append({"address": f"127.0.0.1:{taken.getsockname()[1]}", "cluster": "app"})
            for file in ("version: 1\nlisteners: [", bad):
                self.assertIn("error", self.fails(file))
                self.assertIsNone(kept.ask().get("connection"))
                self.assertEqual(self.connect().ask().body, b"ok")
        self.weft.write(good)
        self.assertEqual([number for number, _ in self.generations()], [1])
        self.ends(self.restart())

    # What a successor says, by hand.

    def successor(self, *ops):
        """One that has connected, and says so much."""
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        sock.settimeout(proxies.LIMIT)
        sock.connect(self.status()["socket"])
        for op in ops:
            sock.send(op if isinstance(op, bytes) else json.dumps({"op": op}).encode())
        return sock

    @staticmethod
    def answer(sock):
        """The next message, and the descriptors that came with it."""
        size = array.array("i").itemsize
        data, beside, _, _ = sock.recvmsg(1 << 20, socket.CMSG_SPACE(64 * size))
        fds = array.array("i")
        for _, _, part in beside:
            fds.frombytes(part[:len(part) - len(part) % size])
        return json.loads(data) if data else None, list(fds)

    def test_one_that_is_killed_before_it_takes_over(self):
        self.begin()
        kept = self.connect()
        for step, ops in (("connected", ()), ("asked", ("take",)), ("nonsense", (b"[",)), ("nothing", (b"{}",)), ("out of turn", ("relieve",))):
            with self.subTest(step):
                with self.successor(*ops):
                    pass
                self.assertIsNone(kept.ask().get("connection"))
                self.assertEqual(self.connect().ask().body, b"ok")
        with self.subTest("has taken"):
            with self.successor("take") as sock:
                message, fds = self.answer(sock)
                self.assertEqual(message["generation"]["pid"], self.weft.pid)
                self.assertEqual(len(fds), 4)  # control, admin, two listeners
                listener = fds[message["sockets"].index(["listener", f"127.0.0.1:{self.port}"])]
                with socket.socket(fileno=os.dup(listener)) as taken:
                    self.assertEqual(taken.getsockname()[1], self.port)
            for fd in fds:
                os.close(fd)
            self.assertIsNone(kept.ask().get("connection"))
            self.assertEqual(self.connect().ask().body, b"ok")
        # Nothing of them is left that would be in the way.
        until(lambda: not self.weft.stderr().count("another process"), "it goes on")
        before = self.restart()
        self.assertEqual(kept.ask().get("connection"), "close")
        self.ends(before)

    def test_one_that_is_killed_right_after(self):
        """What it leaves is what a killed proxy leaves: the next one starts."""
        self.begin()
        with self.successor("take") as sock:
            _, fds = self.answer(sock)
            sock.send(json.dumps({"op": "relieve"}).encode())
        for fd in fds:
            os.close(fd)
        self.ends(self.weft)
        self.restart()
        self.assertEqual(self.connect().ask().body, b"ok")
        self.assertEqual([number for number, _ in self.generations()], [1])

    def test_a_reload_waits_for_a_successor(self):
        self.begin()
        other = proxies.free_port()
        with self.successor("take") as sock:
            _, fds = self.answer(sock)
            self.weft.write(self.config(other))
            self.weft.process.send_signal(signal.SIGHUP)
            # What a successor binds now must not be bound here meanwhile.
            self.assertEqual(self.connect().ask().body, b"ok")
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", other))
        for fd in fds:
            os.close(fd)
        until(lambda: "reloaded" in self.weft.stderr(), "it reloads then")
        self.assertEqual(self.connect(other).ask().body, b"ok")

    # A predecessor, by hand.

    @contextlib.contextmanager
    def predecessor(self, path, serve):
        """In place of a proxy."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
            listener.bind(path)
            listener.listen()

            def run():
                with listener.accept()[0] as sock:
                    sock.settimeout(proxies.LIMIT)
                    serve(sock)
                listener.close()
            thread = proxies.beside(run)
            yield
            thread.join(proxies.LIMIT)
            self.assertIsNone(thread.error)

    def test_a_predecessor_that_dies_at_each_step(self):
        self.begin()
        path = self.status()["socket"]
        self.assertEqual(self.weft.stop(), 0)
        own = {"number": 7, "pid": os.getpid(), "version": "0", "startedNs": 0, "connections": 0, "streams": 0}

        def gives(sock):
            sock.recv(100)
            with socket.create_server(("127.0.0.1", self.port)) as listening:
                listening.setblocking(False)
                message = {"generation": own, "more": False, "sockets": [["listener", f"127.0.0.1:{self.port}"]]}
                socket.send_fds(sock, [json.dumps(message).encode()], [listening.fileno()])

        def gives_and_waits(sock):
            gives(sock)
            sock.recv(100)
        for serve in (lambda sock: None, lambda sock: sock.recv(100), lambda sock: sock.send(b"nonsense"), gives,
                      gives_and_waits):
            with self.predecessor(path, serve):
                self.weft = self.proxy(None, before=self.weft)
                self.assertEqual(self.connect().ask().body, b"ok")
            self.assertEqual(self.weft.stop(), 0)

    def test_a_fourth_generation(self):
        self.begin()
        tunnels, lives = [], [self.weft]
        for number in range(1, 5):
            tunnels.append(self.connect(self.opaque))
            tunnels[-1].send(b"begun")
            self.assertEqual(tunnels[-1].receive(5), b"begun")
            if number < 4:
                self.restart()
                lives.append(self.weft)
        self.assertTrue(tunnels[0].is_at_end())
        self.ends(lives[0])
        for tunnel in tunnels[1:]:
            tunnel.send(b"on")
            self.assertEqual(tunnel.receive(2), b"on")
        self.assertEqual([(one["generation"], one["pid"], one["streams"]) for one in self.status()["generations"]],
                         [(4, lives[3].pid, 1), (3, lives[2].pid, 1), (2, lives[1].pid, 1)])
        self.assertEqual(self.weft.metric("istio_tcp_connections_opened_total"), 4)
        # The newest is told to end, and tells the others.
        self.weft.process.send_signal(signal.SIGTERM)
        for tunnel in tunnels[1:]:
            tunnel.end()
        for life in lives[1:]:
            self.ends(life)

    def test_the_time_of_old_connections(self):
        self.begin(flags=["--old-connections-timeout=300ms"])
        tunnel = self.connect(self.opaque)
        tunnel.send(b"begun")
        tunnel.receive(5)
        start = time.monotonic()
        before = self.restart()
        self.assertTrue(tunnel.is_at_end())
        self.assertGreater(time.monotonic() - start, 0.2)
        self.ends(before)

    def test_a_signal_ends_an_old_one(self):
        self.begin(flags=["--drain-timeout=100ms"])
        tunnel = self.connect(self.opaque)
        tunnel.send(b"begun")
        tunnel.receive(5)
        before = self.restart()
        before.process.send_signal(signal.SIGTERM)
        self.assertTrue(tunnel.is_at_end())
        self.ends(before)
        self.assertEqual(self.weft.metric("istio_tcp_connections_closed_total"), 1)

    def test_two_at_once(self):
        self.begin()
        path = self.status()["socket"]
        lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        self.addCleanup(lambda: [os.close(lock), os.path.exists(f"{path}.lock") and os.unlink(f"{path}.lock")])
        os.write(lock, f"{os.getpid()}\n".encode())
        fcntl.flock(lock, fcntl.LOCK_EX)
        said = self.fails()
        self.assertIn("is being started by another process", said)
        self.assertIn(str(os.getpid()), said)
        fcntl.flock(lock, fcntl.LOCK_UN)
        others = [proxies.Proxy(None, before=self.weft) for _ in range(3)]
        self.proxies += others
        ended = [one for one in others if one.process.stdout.readline() == b""]
        for one in ended:
            self.ends(one, 1)
            self.proxies.remove(one)
            one.process.stdout.close()
        self.assertLess(len(ended), 3)
        self.assertEqual(self.connect().ask().body, b"ok")

    def test_after_a_kill(self):
        """What a killed one leaves is in nobody's way."""
        self.begin()
        path = pathlib.Path(self.status()["socket"])
        self.killed(self.weft)
        self.assertTrue(path.exists())
        self.weft = self.proxy(None, before=self.weft)
        self.assertEqual(self.generations(), [(1, self.weft.pid)])
        self.assertEqual(self.weft.stop(), 0)
        self.assertFalse(path.exists())
        self.assertFalse(pathlib.Path(f"{path}.lock").exists())

    def test_nobody_else_may_ask(self):
        self.begin()
        path = pathlib.Path(self.status()["socket"])
        self.assertEqual(path.stat().st_mode & 0o777, 0o600)
        self.assertEqual(path.parent.stat().st_mode & 0o777, 0o700)
        if os.getuid() != 0:
            return
        # One who got to the socket all the same: root may connect, and is then nobody.
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            with contextlib.suppress(OSError):
                fd = os.open(path.parent, os.O_PATH)
                os.fchdir(fd)
                sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                os.chmod(path, 0o666)
                os.setresuid(65534, 65534, 65534)
                sock.connect(path.name)
                sock.send(b'{"op":"take"}')
                os.write(writer, b"closed" if not sock.recv(100) else b"answered")
            os._exit(0)
        os.waitpid(child, 0)
        os.close(writer)
        with open(reader, "rb") as told:
            self.assertNotIn(b"answered", told.read())
        self.assertEqual(self.connect().ask().body, b"ok")

    def test_a_file_that_does_not_stay(self):
        """Two that read their configuration from a pipe are two proxies."""
        self.begin()
        ports = [proxies.free_port(), proxies.free_port()]
        running = []
        for port in ports:
            process = subprocess.Popen([mesh.BUILD / "bin" / "weft", "proxy", "--config=/dev/stdin", "--workers=1"],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            self.addCleanup(process.communicate)
            self.addCleanup(process.terminate)
            process.stdin.write(json.dumps(config(port, [self.app.address])).encode())
            process.stdin.close()
            process.stdin = None
            self.assertTrue(process.stdout.readline().startswith(b"listening on"))
            running.append(process)
        for port in ports:
            self.assertEqual(self.connect(port).ask().body, b"ok")
        self.assertEqual([process.poll() for process in running], [None, None])

    def test_without_a_proxy(self):
        self.begin()
        self.weft.stop()
        done = subprocess.run([mesh.BUILD / "bin" / "weft", "proxy", "status", f"--config={self.weft.file}"],
                              capture_output=True, text=True, timeout=proxies.LIMIT)
        self.assertEqual((done.returncode, "no proxy answers" in done.stderr), (6, True), done.stderr)


if __name__ == "__main__":
    unittest.main()
