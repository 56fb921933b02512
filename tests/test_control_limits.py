"""What peers that misbehave cost the control plane: its memory, measured, and whether others still get through."""

import json
import os
import select
import signal
import socket
import struct
import threading
import unittest

import resources
from mesh import IS_SANITIZED, LIMIT, MeshTest, get, until

MIB = 1024 * 1024
SERVICES = "/api/v1/namespaces/default/services"
# What a limit may let the control plane keep beside what it has at rest. Largest: the events (64 MiB of objects) and
# the bodies held for slow peers (64 MiB), with the allocator's waste and one text of each under way.
ROOM = 160 * MIB
FLOOD = 64 * MIB


def request(method, path, body=b"", kind="application/json"):
    head = f"{method} {path} HTTP/1.1\r\nHost: weft\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def read_response(connection):
    """(status, body) of a response with a length."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            raise ConnectionError(data)
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
    while len(body) < int(fields.get(b"content-length", 0)):
        body += connection.recv(65536)
    return int(head.split()[1]), body


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def head_block(fields):
    """HPACK, without a table and without Huffman."""
    return b"".join(b"\0" + bytes([len(n)]) + n + bytes([len(v)]) + v for n, v in fields)


def call_head(stream, path=b"/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources",
              kind=b"application/grpc", end=False):
    fields = [(b":method", b"POST"), (b":scheme", b"http"), (b":path", path), (b":authority", b"x"),
              (b"content-type", kind), (b"te", b"trailers")]
    return frame(1, 0x5 if end else 0x4, stream, head_block(fields))


DATA, HEADERS, RST, SETTINGS, PING, WINDOW_UPDATE = 0, 1, 3, 4, 6, 8
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0)


def field(number, payload):
    """A length-delimited protobuf field."""
    size = len(payload)
    varint = b""
    while size > 127:
        varint += bytes([size & 127 | 128])
        size >>= 7
    return bytes([number << 3 | 2]) + varint + bytes([size]) + payload


def message(payload):
    """A gRPC message."""
    return b"\0" + struct.pack(">I", len(payload)) + payload


NODE = field(1, field(1, b"local/weft-system/edge"))
CLUSTERS = field(2, b"type.googleapis.com/envoy.config.cluster.v3.Cluster")


class StreamEnd(Exception):
    pass


class Peer:
    """An HTTP/2 client that keeps to the windows, and drops all else that comes."""

    def __init__(self, connection):
        self.connection, self.left, self.data = connection, {0: 65535}, b""
        connection.settimeout(2)
        connection.sendall(PREFACE)
        self.read()  # the server's SETTINGS, whose windows hold once they are acknowledged
        connection.sendall(frame(SETTINGS, 1, 0))

    def send(self, stream, data):
        self.left.setdefault(stream, 128 * 1024)
        while data:
            size = min(len(data), 16384, self.left[0], self.left[stream])
            if size == 0:
                self.read()
                continue
            self.connection.sendall(frame(DATA, 0, stream, data[:size]))
            data = data[size:]
            self.left[0] -= size
            self.left[stream] -= size

    def read(self):
        piece = self.connection.recv(65536)
        if not piece:
            raise ConnectionError
        self.data += piece
        while len(self.data) >= 9:
            size = int.from_bytes(self.data[:3], "big")
            if len(self.data) < 9 + size:
                return
            kind, stream, payload = self.data[3], int.from_bytes(self.data[5:9], "big"), self.data[9:9 + size]
            self.data = self.data[9 + size:]
            if kind == WINDOW_UPDATE:
                self.left[stream] = self.left.get(stream, 128 * 1024) + int.from_bytes(payload, "big")
            elif kind in (HEADERS, RST) and stream == 1:
                self.ends = getattr(self, "ends", 0) + 1
                if self.ends > 1 or kind == RST:
                    raise StreamEnd


class ControlLimits(MeshTest):
    def setUp(self):
        super().setUp()
        self.mesh.start()
        self.run = os.readlink(self.mesh.home / "run")
        self.pid = self.mesh.control_plane()
        self.connections = []

    def tearDown(self):
        self.close_all()
        super().tearDown()

    def connect(self, name="api.sock"):
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(LIMIT)
        connection.connect(f"{self.run}/{name}")
        self.connections.append(connection)
        return connection

    def close_all(self):
        for connection in self.connections:
            connection.close()
        self.connections.clear()

    def memory(self, what="VmRSS"):
        with open(f"/proc/{self.pid}/status") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith(what + ":"))

    def call(self, method, path, body=None, kind="application/json"):
        connection = self.connect()
        connection.sendall(request(method, path, json.dumps(body).encode() if body is not None else b"", kind))
        status, answer = read_response(connection)
        connection.close()
        self.connections.remove(connection)
        return status, answer

    def metric(self, name):
        status, text = self.call("GET", "/metrics")
        self.assertEqual(status, 200)
        lines = [line.split() for line in text.decode().splitlines() if line.startswith(name)]
        self.assertTrue(lines, f"no metric {name}")
        return sum(int(line[-1]) for line in lines)

    def stays_small(self, what, attack):
        """Runs `attack`; the control plane grew by no more than ROOM meanwhile, and answers."""
        before = self.memory()
        with open(f"/proc/{self.pid}/clear_refs", "w") as file:
            file.write("5")  # VmHWM begins anew (proc_pid_clear_refs(5))
        attack()
        self.assertEqual(self.call("GET", "/readyz")[0], 200, what)
        if not IS_SANITIZED:
            self.assertLess(self.memory("VmHWM") - before, ROOM, what)
        self.assertEqual(self.mesh.control_plane(), self.pid, f"{what}: it was restarted")

    def flood(self, data):
        """Sends to the xDS server and reads nothing, until it takes no more."""
        connection = self.connect("xds.sock")
        connection.sendall(PREFACE)
        connection.settimeout(0.5)
        sent = 0
        try:
            while sent < FLOOD:
                piece = data(sent)
                connection.sendall(piece)
                sent += len(piece)
        except (TimeoutError, ConnectionError):
            pass
        return sent

    def test_floods_of_http2(self):
        streams = iter(range(1, 1 << 30, 2))

        def refused(_):
            return b"".join(call_head(s, kind=b"text/plain", end=True) + frame(RST, 0, s, struct.pack(">I", 8))
                            for s in (next(streams) for _ in range(500)))

        def unknown(_):
            return b"".join(call_head(s, path=b"/none/none") + frame(DATA, 0, s, b"\0" * 5)
                            for s in (next(streams) for _ in range(500)))

        floods = {"replies and resets": refused, "unknown methods": unknown,
                  "pings": lambda _: frame(PING, 0, 0, b"12345678") * 1000,
                  "settings": lambda _: frame(SETTINGS, 0, 0) * 1000,
                  "empty data": lambda at: (call_head(1) if at == 0 else b"") + frame(DATA, 0, 1) * 1000}
        for name, data in floods.items():
            with self.subTest(name):
                streams = iter(range(1, 1 << 30, 2))
                sent = []
                self.stays_small(name, lambda data=data, sent=sent: sent.append(self.flood(data)))
                if name != "empty data":
                    self.assertLess(sent[0], FLOOD, "what reads no answers is not read from")
                self.close_all()

    def test_the_proxy_comes_back_beside_a_client_that_holds_all_connections(self):
        self.mesh.apply(resources.text(resources.pair("web")), "--wait")
        url = self.mesh.url("web")
        self.assertEqual(get(url).status, 200)
        stop = threading.Event()

        def hold():
            poll, held = select.poll(), {}
            while not stop.is_set():
                while len(held) < 200:
                    connection = self.connect("xds.sock")
                    connection.setblocking(False)
                    held[connection.fileno()] = connection
                    poll.register(connection, select.POLLIN)
                for fd, _ in poll.poll(100):
                    try:
                        if held[fd].recv(65536):
                            continue
                    except ConnectionError:
                        pass
                    poll.unregister(fd)
                    connection = held.pop(fd)
                    self.connections.remove(connection)
                    connection.close()
        holder = threading.Thread(target=hold)
        holder.start()
        try:
            until(lambda: self.metric("weft_xds_refused_total") > 500, "it holds all there are, and comes again")
            proxy = self.mesh.proxy()
            os.kill(proxy, signal.SIGKILL)
            until(lambda: self.mesh.processes("weft", "proxy") not in ([], [proxy]), "it is started again")

            def answers():
                try:
                    return get(url, timeout=1).status == 200
                except OSError:
                    return False
            until(answers, "requests are answered again", limit=20)
        finally:
            stop.set()
            holder.join()

    def test_messages_that_do_not_end(self):
        def attack():
            # Each stream keeps within its window of 128 KiB; the connection's is given back as it is used.
            start = b"\0" + struct.pack(">I", 4 * MIB) + b"x" * 16000
            for _ in range(10):
                peer = Peer(self.connect("xds.sock"))
                try:
                    for stream in range(1, 801, 2):
                        peer.connection.sendall(call_head(stream))
                        for _ in range(7):
                            peer.send(stream, start)
                except (TimeoutError, ConnectionError, StreamEnd):
                    pass
        self.stays_small("unfinished messages", attack)

    def test_names_that_nobody_has(self):
        def attack():
            peer = Peer(self.connect("xds.sock"))
            peer.connection.sendall(call_head(1))
            try:
                for i in range(4000):
                    names = b"".join(field(3, b"n%05d-%05d" % (i, j)) for j in range(1000))
                    peer.send(1, message((NODE if i == 0 else b"") + CLUSTERS + names))
            except (TimeoutError, ConnectionError, StreamEnd):
                pass
        self.stays_small("names", attack)
        self.assertGreater(self.metric("weft_xds_refused_total"), 0)

    def test_streams_that_nobody_reads(self):
        for i in range(300):
            self.assertEqual(self.call("POST", SERVICES, self.service(f"s{i}", 10))[0], 201)
        until(lambda: self.metric("weft_xds_asked_bytes") > 0, "the proxy asks")

        def attack():
            connection = self.connect("xds.sock")
            connection.settimeout(1)
            try:
                connection.sendall(PREFACE)
                ask = message(NODE + CLUSTERS + field(3, b"*"))
                for stream in range(1, 4001, 2):
                    connection.sendall(call_head(stream) + frame(DATA, 0, stream, ask))
            except (TimeoutError, ConnectionError):
                pass
            until(lambda: self.metric("weft_xds_refused_total") > 1000, "most are refused")
        self.stays_small("streams", attack)

    def service(self, name, bytes_):
        return {"metadata": {"name": name, "annotations": {"a": "x" * bytes_}},
                "spec": {"selector": {"app": name}, "ports": [{"port": 80}]}}

    def test_readers_that_do_not_read(self):
        for i in range(40):
            self.assertEqual(self.call("POST", SERVICES, self.service(f"s{i}", 250_000))[0], 201)

        def lists():
            for _ in range(200):
                self.connect().sendall(request("GET", SERVICES))
            until(lambda: self.metric("weft_api_connections") >= 200, "the lists are asked for")
        self.stays_small("lists", lists)
        self.close_all()

        def watches():
            for _ in range(200):
                self.connect().sendall(request("GET", SERVICES + "?watch=true"))
            for i in range(40):
                patch = {"metadata": {"annotations": {"b": str(i)}}}
                self.call("PATCH", f"{SERVICES}/s{i}", patch, "application/merge-patch+json")
        self.stays_small("watches", watches)
        self.close_all()

        def objects():
            for _ in range(800):
                self.connect().sendall(request("GET", SERVICES + "/s1"))
            until(lambda: self.metric("weft_api_displaced_total") > 0, "somebody had to go")
        self.stays_small("objects", objects)

    def test_events_of_large_objects(self):
        def attack():
            self.assertEqual(self.call("POST", SERVICES, self.service("web", 10))[0], 201)
            for i in range(500):
                patch = {"metadata": {"annotations": {"a": f"{i:04}" + "x" * 250_000}}}
                status, _ = self.call("PATCH", SERVICES + "/web", patch, "application/merge-patch+json")
                self.assertEqual(status, 200)
            self.assertLessEqual(self.metric("weft_store_history_bytes"), 65 * MIB)
        self.stays_small("events", attack)

    def test_requests_that_do_not_end(self):
        before = self.memory()

        def heads():
            for _ in range(1000):
                self.connect().sendall(b"GET / HTTP/1.1\r\nHost: weft\r\nX: " + b"x" * 60_000)
        self.stays_small("heads", heads)
        self.close_all()
        until(lambda: self.metric("weft_api_connections") <= 2, "the connections are gone")
        if not IS_SANITIZED:
            self.assertLess(self.memory() - before, 32 * MIB, "the memory of the heads is given back")

        def bodies():
            for _ in range(300):
                connection = self.connect()
                connection.settimeout(5)
                try:
                    connection.sendall(f"POST {SERVICES} HTTP/1.1\r\nHost: weft\r\nContent-Length: 3000000\r\n\r\n".encode()
                                       + b"x" * 1_000_000)
                except (TimeoutError, ConnectionError):
                    pass
        self.stays_small("bodies", bodies)

    def test_commands_get_through_beside_two_thousand_watches(self):
        answers = []
        for _ in range(2000):
            connection = self.connect()
            connection.sendall(request("GET", SERVICES + "?watch=true"))
            answers.append(connection)
        status, body = read_response(answers[1000])
        self.assertEqual(status, 429)
        self.assertIn("watches and logs are followed already", json.loads(body)["message"])
        result = self.mesh.weft("get", "services", limit=10)
        self.assertEqual(result.code, 0, result)


if __name__ == "__main__":
    unittest.main()
