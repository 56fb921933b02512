"""What the tests of hot restart share: a proxy that is started again and again, and load of every kind meanwhile."""

import json
import socket
import subprocess
import threading

import http2
import mesh
import proxies
import tls
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


def serve_grpc(peer):
    server = http2.Connection(peer, is_client=False)
    while (stream := server.next()) is not None:
        server.whole(stream)
        server.reply(stream, bytes(stream.body), fields=[("content-type", "application/grpc")],
                     trailers=[("grpc-status", "0")])


class Load:
    """Clients of each kind for which there is a port, which count what goes well and keep what does not. A request on a
    connection that has not said that it ends is one that must be answered."""

    PORTS = {"kept": "http", "posts": "http", "fresh": "http", "tls": "tls", "h2": "http", "h2_fresh": "http", "grpc": "grpc",
             "opaque": "opaque"}

    def __init__(self, context=None, **ports):
        """`context` is of clients of TLS, whose server is called tls.NAME."""
        self.ports, self.context, self.is_over, self.bad = ports, context, threading.Event(), []
        self.counts = {kind: 0 for kind, port in self.PORTS.items()
                       if port in ports and (http2.h2 or kind not in ("h2", "h2_fresh", "grpc"))}
        self.threads = [proxies.beside(lambda kind=kind: self.run(kind)) for kind in self.counts]

    @property
    def good(self):
        return sum(self.counts.values())

    @property
    def requests(self):
        return self.good - self.counts["opaque"]

    def run(self, kind):
        while not self.is_over.is_set() and not self.bad:
            try:
                getattr(self, kind)()
            except Exception as error:
                self.bad.append(f"{kind}: {error!r}")

    def count(self, kind, is_good, what):
        if is_good:
            self.counts[kind] += 1
        else:
            self.bad.append(f"{kind}: {what!r}")

    def connect(self, name):
        peer = proxies.Peer(socket.create_connection(("127.0.0.1", self.ports[name]), proxies.LIMIT))
        if name == "tls":
            peer.sock = self.context.wrap_socket(peer.sock, server_hostname=tls.NAME)
        return peer

    def kept(self, kind="kept", **request):
        with self.connect(self.PORTS[kind]) as client:
            while not self.is_over.is_set():
                response = client.ask(**request)
                self.count(kind, (response.status, response.body) == (200, b"ok"), response.start)
                if response.get("connection") == "close":
                    return

    def posts(self):
        self.kept("posts", method="POST", body=bytes(20_000))

    def tls(self):
        self.kept("tls")

    def fresh(self):
        with self.connect("http") as client:
            response = client.ask(fields="Connection: close\r\n")
            self.count("fresh", (response.status, response.body) == (200, b"ok"), response.start)

    def h2(self):
        with self.connect("http") as peer:
            client = http2.Connection(peer)
            while not client.goaway and not self.is_over.is_set():
                stream = client.ask()
                self.count("h2", (stream.status, bytes(stream.body)) == (200, b"ok"), stream)

    def h2_fresh(self):
        with self.connect("http") as peer:
            stream = http2.Connection(peer).ask()
            self.count("h2_fresh", (stream.status, bytes(stream.body)) == (200, b"ok"), stream)

    def grpc(self):
        fields, message = [("content-type", "application/grpc"), ("te", "trailers")], b"\0\0\0\0\2hi"
        with self.connect("grpc") as peer:
            client = http2.Connection(peer)
            while not client.goaway and not self.is_over.is_set():
                stream = client.ask(message, method="POST", path="/test.Echo/Say", fields=fields)
                self.count("grpc", (bytes(stream.body), ("grpc-status", "0") in stream.trailers) == (message, True), stream)

    def opaque(self):
        with self.connect("opaque") as client:
            for _ in range(20):
                client.send(b"12345")
                back = client.receive(5)
                self.count("opaque", back == b"12345", back)

    def end(self):
        self.is_over.set()
        for thread in self.threads:
            thread.join(proxies.LIMIT)
        return self.bad


class RestartTest(tls.TlsTest):
    def config(self, *more):
        """HTTP at self.port, bytes at self.opaque, gRPC at self.grpc, HTTP over TLS at self.secret; `more` are ports of HTTP too."""
        file = config(self.port, [self.app.address])
        file["listeners"] += [{"address": f"127.0.0.1:{self.opaque}", "protocol": "tcp", "cluster": "echo"},
                              {"address": f"127.0.0.1:{self.grpc}", "cluster": "grpc"},
                              {"address": f"127.0.0.1:{self.secret}", "cluster": "app", "tls": self.at_listener()}]
        file["clusters"] += [{"name": "echo", "protocol": "tcp", "endpoints": [self.echo.address]},
                             {"name": "grpc", "protocol": "http2", "endpoints": [self.caller.address]}]
        for port in more:
            file["listeners"].append({"address": f"127.0.0.1:{port}", "cluster": "app"})
        return file

    def begin(self, serve=None, **options):
        self.app, self.echo = self.backend(serve or answers(lambda request: reply())), self.backend(echo)
        self.caller = self.backend(serve_grpc)
        self.port, self.opaque, self.grpc, self.secret = (proxies.free_port() for _ in range(4))
        self.weft = self.proxy(self.config(), **options)

    def load(self):
        return Load(self.context(), http=self.port, opaque=self.opaque, grpc=self.grpc, tls=self.secret)

    def goes_on(self, load, least=100):
        """Waits until that many more exchanges went well, or one did not."""
        at = load.good
        until(lambda: load.good > at + least or load.bad, "load goes on", limit=proxies.LIMIT)

    def restart(self, file=None, **options):
        """Another one in the place of self.weft; the one before."""
        before = self.weft
        self.weft = self.proxy(file, before=before, **options)
        return before

    def status(self, *which):
        done = subprocess.run([mesh.BUILD / "bin" / "weft", "proxy", "status", *(which or [f"--config={self.weft.file}"]),
                               "-o", "json"], capture_output=True, text=True, timeout=proxies.LIMIT)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def generations(self, *which):
        return [(one["generation"], one["pid"]) for one in self.status(*which)["generations"]]

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
