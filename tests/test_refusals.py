"""The refusal list of docs/proxy.md on the wire: every case of refusal_cases.py goes to a real proxy whose backend records
each byte that reaches it."""

import contextlib
import itertools
import json
import pathlib
import re
import selectors
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import unittest

import mesh
import refusal_cases as cases

LIMIT = 30.0  # far above what any test needs
HEAD_END = b"\r\n\r\n"
FENCE = "/fence/"  # the targets of the requests that show what came before them


class Recorded:
    """One connection to the backend, and all that came by it."""

    def __init__(self, sock):
        self.sock, self.bytes, self.open, self.answered = sock, b"", True, 0


class Backend:
    """Answers a request for /response/NAME with `responses[NAME]`, every other whole request with 200. One thread looks at
    all connections before it answers any, so that whatever was sent before a request is recorded once it is answered."""

    def __init__(self, responses=None):
        self.responses, self.connections = responses or {}, []
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.setblocking(False)
        self.port = self.listener.getsockname()[1]
        self.stop_here, self.stop_there = socket.socketpair()
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.listener, selectors.EVENT_READ)
        self.selector.register(self.stop_there, selectors.EVENT_READ)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while True:
            ready = self.selector.select()
            while ready:
                with self.lock:
                    for key, _ in ready:
                        if key.fileobj is self.stop_there:
                            return
                        self.take(key)
                ready = self.selector.select(0)
            with self.lock:
                for connection in self.connections:
                    if connection.open:
                        self.answer(connection)

    def take(self, key):
        if key.fileobj is self.listener:
            sock, _ = self.listener.accept()
            connection = Recorded(sock)
            self.connections.append(connection)
            self.selector.register(sock, selectors.EVENT_READ, connection)
            return
        piece = b""
        with contextlib.suppress(ConnectionError):
            piece = key.fileobj.recv(1 << 20)
        key.data.bytes += piece
        if not piece:
            key.data.open = False
            self.selector.unregister(key.fileobj)
            key.fileobj.close()

    def answer(self, connection):
        while (end := end_of_request(connection.bytes, connection.answered)) is not None:
            target = connection.bytes[connection.answered:].split(b" ", 2)[1].decode()
            connection.answered = end
            name = target.removeprefix("/response/")
            text = self.responses.get(name, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            with contextlib.suppress(ConnectionError):
                connection.sock.sendall(text)

    def marks(self):
        """How many bytes each connection has brought."""
        with self.lock:
            return [len(connection.bytes) for connection in self.connections]

    def since(self, marks):
        """What each connection brought since those marks, if anything, with the connection."""
        with self.lock:
            added = itertools.zip_longest(self.connections, marks, fillvalue=0)
            return [(one, one.bytes[mark:]) for one, mark in added if len(one.bytes) > mark]

    def close(self):
        self.stop_here.close()
        self.thread.join()
        for sock in [self.listener, self.stop_there, *(connection.sock for connection in self.connections)]:
            sock.close()
        self.selector.close()


def end_of_request(data, start):
    """Where the request that begins at `start` ends; None if it is not whole."""
    head_end = data.find(HEAD_END, start)
    if head_end < 0:
        return None
    head, at = data[start:head_end].lower(), head_end + len(HEAD_END)
    if length := re.search(rb"\r\ncontent-length: (\d+)", head):
        at += int(length[1])
        return at if len(data) >= at else None
    if b"\r\ntransfer-encoding: chunked" not in head:
        return at
    while (line_end := data.find(b"\r\n", at)) >= 0:
        chunk = int(data[at:line_end], 16)
        if chunk == 0:
            end = data.find(HEAD_END, line_end)
            return end + len(HEAD_END) if end >= 0 else None
        at = line_end + 2 + chunk + 2
    return None


class Proxy:
    """`weft proxy --config` with one worker, a listener and one backend, both of that protocol."""

    def __init__(self, backend, protocol):
        self.folder, self.port = pathlib.Path(tempfile.mkdtemp(prefix="weft-refusals-")), mesh.free_port()
        config = {"version": 1,
                  "listeners": [{"name": "secret-listener", "address": f"127.0.0.1:{self.port}",
                                 "protocol": protocol, "cluster": "secret-cluster"}],
                  "clusters": [{"name": "secret-cluster", "endpoints": [f"127.0.0.1:{backend.port}"],
                                "protocol": "auto" if protocol == "auto" else "http1"}]}
        file = self.folder / "proxy.yaml"
        file.write_text(json.dumps(config))
        self.errors = open(self.folder / "stderr", "w+b")
        self.log = self.folder / "access.log"
        self.process = subprocess.Popen([mesh.BUILD / "bin" / "weft", "proxy", f"--config={file}", "--workers=1",
                                         f"--access-log={self.log}", "--access-log-format=json"],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.errors)
        if not self.process.stdout.readline().startswith(b"listening on"):
            raise AssertionError(f"the proxy did not start (exit code {self.stop()}): {self.stderr()}")

    def stderr(self):
        self.errors.seek(0)
        return self.errors.read().decode(errors="replace")

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), LIMIT)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        self.process.stdout.close()
        return code


def rest_of(sock):
    """All that comes until the proxy closes; (bytes, whether that was a clean end and not a reset)."""
    taken = b""
    while True:
        try:
            piece = sock.recv(1 << 20)
        except ConnectionResetError:
            return taken, False
        if not piece:
            return taken, True
        taken += piece


def final_status(answer):
    """The status of the one whole response that these bytes must be."""
    head, _, body = answer.partition(HEAD_END)
    length = re.search(rb"\r\ncontent-length: (\d+)", head.lower())
    if not head.startswith(b"HTTP/1.1 ") or not length or int(length[1]) != len(body):
        raise AssertionError(f"not one response: {answer!r}")
    return int(head.split(b" ")[1])


class RefusalTest(unittest.TestCase):
    responses, protocol = {}, "http"

    @classmethod
    def setUpClass(cls):
        cls.backend = Backend(cls.responses)
        cls.proxy = Proxy(cls.backend, cls.protocol)
        cls.fences = itertools.count()

    @classmethod
    def tearDownClass(cls):
        code = cls.proxy.stop()
        cls.backend.close()
        errors = cls.proxy.stderr()
        cls.proxy.errors.close()
        shutil.rmtree(cls.proxy.folder, ignore_errors=True)
        if code != 0:
            raise AssertionError(f"the proxy ended with {code}: {errors[-4000:]}")

    def ask(self, data, half_close=False):
        """Sends bytes on a connection of their own; what comes until the proxy closes."""
        with self.proxy.connect() as sock:
            with contextlib.suppress(ConnectionError):  # it may have answered and closed before it has all
                sock.sendall(data)
            if half_close:
                sock.shutdown(socket.SHUT_WR)
            return rest_of(sock)

    def fence(self):
        """Sends a request that passes; whatever the proxy sent to the backend before has been recorded then."""
        target = f"{FENCE}{next(self.fences)}"
        answer, _ = self.ask(f"GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
        self.assertEqual(final_status(answer), 200, answer)
        return target.encode()

    def reached(self, marks):
        """What reached the backend since `marks`, as (connection, bytes), without the fence that this sends."""
        target = self.fence()
        brought = self.backend.since(marks)
        fences = [one for one in brought if one[1].startswith(b"GET " + target + b" ")]
        self.assertEqual(len(fences), 1, brought)
        self.assertEqual(fences[0][1].count(HEAD_END), 1, brought)
        return [one for one in brought if one is not fences[0]]

    def expect_no_leak(self, answer):
        text = answer.decode("latin-1")
        self.assertNotRegex(text, r"\d+\.\d+\.\d+\.\d+|:\d{4,}|secret|/tmp|[Ss]erver:|x-weft|smuggled")
        for port in (self.backend.port, self.proxy.port):
            self.assertNotIn(str(port), text)

    def expect_refused(self, case):
        marks = self.backend.marks()
        answer, clean = self.ask(case.bytes)
        self.assertTrue(clean, "a reset instead of the connection's end")
        self.assertEqual(final_status(answer), case.status, answer)
        self.assertIn(b"\r\nconnection: close\r\n", answer)
        self.expect_no_leak(answer)
        self.assertEqual([data for _, data in self.reached(marks)], [], "bytes reached the backend")

    def expect_group_refused(self, name):
        for case in cases.REQUESTS[name]:
            with self.subTest(case.name):
                self.expect_refused(case)


class Refused(RefusalTest):
    """Nothing of them goes upstream."""

    def test_framing(self):
        self.expect_group_refused("framing")

    def test_lines(self):
        self.expect_group_refused("lines")

    def test_hosts(self):
        self.expect_group_refused("hosts")

    def test_request_lines(self):
        self.expect_group_refused("request_lines")

    def test_versions(self):
        self.expect_group_refused("versions")

    def test_limits(self):
        self.expect_group_refused("limits")

    def test_behind_a_good_request(self):
        """Pipelined: the good one is answered, and nothing of the bad one or what follows it is served."""
        good = b"GET /good HTTP/1.1\r\nHost: a\r\n\r\n"
        smuggled = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
        for case in cases.FRAMING + cases.LINES + cases.HOSTS:
            if case.name in ("bare_lf_before", "empty_lines_before"):
                continue  # of the first head only
            with self.subTest(case.name):
                marks = self.backend.marks()
                answer, _ = self.ask(good + case.bytes + smuggled)
                first, refusal = answer.split(b"ok", 1)
                self.assertTrue(first.startswith(b"HTTP/1.1 200 OK\r\n"), answer)
                self.assertEqual(final_status(refusal), case.status, answer)
                served = b"".join(data for _, data in self.backend.since(marks))
                self.assertEqual((served.count(HEAD_END), served[:9]), (1, b"GET /good"))
                self.fence()
                self.assertNotIn(b"smuggled", b"".join(data for _, data in self.backend.since(marks)))


class RefusedWhereAnythingMayCome(RefusalTest):
    """On a listener of auto they are HTTP all the same."""

    protocol = "auto"
    # A method that is not ASCII and one without a target are nobody's.
    EXCEPT = {"method_latin1", "method_alone"}

    def test_all(self):
        for group in cases.REQUESTS.values():
            for case in group:
                if case.name not in self.EXCEPT:
                    with self.subTest(case.name):
                        self.expect_refused(case)


class RefusedWithinABody(RefusalTest):
    """What of such a request reaches the backend is not whole, and its connection is broken off."""

    def expect_broken_off(self, marks, brought):
        for connection, data in brought:
            self.assertIsNone(end_of_request(data, 0), f"the backend took it for whole: {data!r}")
            self.assertNotIn(b"smuggled", data)
            mesh.until(lambda connection=connection: not connection.open, "the backend's connection is closed", LIMIT)

    def test_chunks_at_once(self):
        for case in cases.CHUNKS:
            with self.subTest(case.name):
                marks = self.backend.marks()
                answer, _ = self.ask(case.bytes)
                self.assertEqual(final_status(answer), case.status, answer)
                self.expect_no_leak(answer)
                self.expect_broken_off(marks, self.reached(marks))

    def test_chunks_behind_the_head(self):
        """The same, but the head and a good chunk are at the backend already."""
        for case in cases.CHUNKS:
            with self.subTest(case.name):
                marks = self.backend.marks()
                head, _, body = case.bytes.partition(HEAD_END)
                with self.proxy.connect() as sock:
                    sock.sendall(head + HEAD_END + b"3\r\nabc\r\n")
                    mesh.until(lambda: any(b"\r\nabc\r\n" in data for _, data in self.backend.since(marks)),
                               "the first chunk is at the backend", LIMIT)
                    with contextlib.suppress(ConnectionError):
                        sock.sendall(body)
                    answer, _ = rest_of(sock)
                self.assertEqual(final_status(answer), case.status, answer)
                self.expect_no_leak(answer)
                brought = self.reached(marks)
                self.assertEqual(len(brought), 1, brought)
                self.expect_broken_off(marks, brought)


class Passed(RefusalTest):
    def test_unchanged(self):
        for case in cases.PASSES:
            with self.subTest(case.name):
                marks = self.backend.marks()
                # A second request shows where the first one ended.
                answer, clean = self.ask(case.bytes + b"GET /next HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                self.assertTrue(clean)
                self.assertTrue(answer.startswith(b"HTTP/1.1 200 OK\r\n"), answer)
                is_old = b"HTTP/1.0" in case.bytes
                self.assertEqual(answer.count(b"HTTP/1.1 200 OK\r\n"), 1 if is_old else 2, answer)
                data = b"".join(data for _, data in self.backend.since(marks))
                self.assertIn(case.sees, data)
                self.assertEqual(b"GET /next HTTP/1.1\r\n" in data, not is_old)


class Responses(RefusalTest):
    responses = {case.name: case.bytes for case in cases.RESPONSES + cases.RESPONSE_BODIES}

    def get(self, name):
        """(what the client gets, the backend's connections that brought this request)."""
        marks = self.backend.marks()
        with self.proxy.connect() as sock:
            sock.sendall(f"GET /response/{name} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
            answer, _ = rest_of(sock)
        return answer, [connection for connection, _ in self.backend.since(marks)]

    def expect_closed(self, connections):
        self.assertEqual(len(connections), 1, "asked once, on one connection")
        mesh.until(lambda: not connections[0].open, "the backend's connection is closed", LIMIT)

    def test_heads(self):
        for case in cases.RESPONSES:
            with self.subTest(case.name):
                answer, connections = self.get(case.name)
                self.assertEqual(final_status(answer), 502, answer)
                self.expect_no_leak(answer)
                self.expect_closed(connections)

    def test_reasons(self):
        """The log says what was wrong with a response, not only that something was."""
        named = {case.name for case in cases.RESPONSES}
        for name in named:
            self.get(name)

        def reasons():
            lines = [json.loads(line) for line in self.proxy.log.read_text().splitlines()]
            return {line["path"].removeprefix("/response/"): line["reason"] for line in lines if line["flags"] == "UPE"}
        mesh.until(lambda: named <= reasons().keys(), "all are in the log", LIMIT)
        found = reasons()
        self.assertEqual(found["length_twice"], "Content-Length is repeated")
        self.assertEqual(found["upgrade_not_asked"], "the service changes the protocol unasked")
        self.assertNotIn("the service's answer is not valid HTTP", found.values())
        self.assertGreater(len(set(found.values())), 20)

    def test_bodies(self):
        for case in cases.RESPONSE_BODIES:
            with self.subTest(case.name):
                answer, connections = self.get(case.name)
                if b" 502 " in answer[:15]:
                    self.assertEqual(final_status(answer), 502, answer)
                else:
                    self.assertTrue(answer.startswith(b"HTTP/1.1 200 OK\r\n"), answer)
                    self.assertIsNone(end_of_request(answer, 0), f"the client takes it for whole: {answer!r}")
                self.expect_closed(connections)


if __name__ == "__main__":
    unittest.main()
