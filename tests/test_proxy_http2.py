"""Clients that speak HTTP/2 to `weft proxy --config`: what passes and what is refused, flow control, and how connections end."""

import hashlib
import signal
import threading
import time
import unittest

import http2
import proxies
from http2 import CANCEL, INTERNAL_ERROR, NO_ERROR, PROTOCOL_ERROR, WINDOW, head, pattern
from proxies import answers, beside, reply, stalled, until

# What RFC 9113, 6.9.2 gives a stream and a connection at first.
FIRST_WINDOW = 65_535
# What a proxy may grow while many wait for one that reads nothing.
MOST_GROWTH_KIB = proxies.ASAN_KEEPS_KIB + 24 * 1024
# What is on its way between a sender and one that reads nothing: windows and the kernel's buffers on both sides.
MOST_UNDERWAY = 24 << 20


class Gate:
    """A backend's answers wait for it; `arrived` counts those that do."""

    def __init__(self):
        self.arrived, self.event = 0, threading.Event()

    def wait(self):
        self.arrived += 1
        if not self.event.wait(proxies.LIMIT):
            raise AssertionError("nobody opens the gate")

    def open(self):
        self.event.set()


@unittest.skipIf(http2.h2 is None, http2.NEEDS)
class ToHttp1(http2.Http2Test):
    """A client speaks HTTP/2, the service HTTP/1.1."""

    def start_recording(self, response=reply()):
        self.seen = []

        def respond(request):
            self.seen.append(request)
            return response
        return self.start(answers(respond))

    def test_a_request_and_its_response(self):
        self.start_recording(reply(b"hello", "201 Created", "Server: app\r\nX-One: 1\r\nConnection: keep-alive, x-hop\r\n"
                                                            "X-Hop: 1\r\nKeep-Alive: timeout=5\r\n"))
        client = self.client()
        response = client.ask(path="/a?b=c", fields=[("x-mine", "yes"), ("te", "trailers")])
        self.assertEqual((response.status, bytes(response.body)), (201, b"hello"))
        self.assertEqual(response.get("x-one"), "1")
        self.assertEqual(response.get("content-length"), "5")
        self.assertFalse(response.names() & {"connection", "keep-alive", "transfer-encoding", "x-hop"})
        self.assertTrue(all(name == name.lower() for name in response.names()))
        request, = self.seen
        self.assertEqual((request.method, request.target, request.version), ("GET", "/a?b=c", "HTTP/1.1"))
        self.assertEqual(request.all("host"), ["shop.example"])
        self.assertEqual(request.get("x-mine"), "yes")
        self.assertIsNotNone(request.get("x-request-id"))
        self.assertFalse({name for name in request.names() if name.startswith(":")} | request.names() & {"te"})
        self.assertIsNone(request.get("transfer-encoding"))

    def test_bodies_with_and_without_a_length(self):
        self.start_recording()
        client = self.client()
        client.ask(b"hello", method="POST", fields=[("content-length", "5")])
        client.ask(b"hello", method="POST")
        client.whole(client.open(method="POST", fields=[("content-length", "0")]))
        with_length, without, empty = self.seen
        self.assertEqual((with_length.get("content-length"), with_length.body), ("5", b"hello"))
        self.assertEqual((without.get("transfer-encoding"), without.body), ("chunked", b"hello"))
        self.assertEqual((empty.get("content-length"), empty.get("transfer-encoding")), ("0", None))

    def test_trailers_both_ways(self):
        self.start_recording(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
                             b"2\r\nok\r\n0\r\nX-Sum: 7\r\n\r\n")
        client = self.client()
        stream = client.open(method="POST", end=False, fields=[("te", "trailers")])
        client.send(stream, b"hello")
        client.heads(stream, [("x-check", "5")], end=True)
        client.whole(stream)
        self.assertEqual((bytes(stream.body), stream.trailers), (b"ok", [("x-sum", "7")]))
        self.assertEqual((self.seen[0].body, self.seen[0].trailers), (b"hello", [("x-check", "5")]))

    def test_interim_responses(self):
        self.start_recording(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </b>\r\n\r\n"
                             + reply())
        response = self.client().ask()
        self.assertEqual([dict(fields) for fields in response.interim],
                         [{":status": "103", "link": "</a>"}, {":status": "103", "link": "</b>"}])
        self.assertEqual(response.status, 200)

    def test_expect_100_continue(self):
        def serve(peer):
            request = peer.request_head()
            self.assertEqual(request.get("expect"), "100-continue")
            peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            peer.body_of(request, False)
            peer.send(reply(request.body))
        self.start(serve)
        client = self.client()
        stream = client.open(method="POST", end=False, fields=[("expect", "100-continue"), ("content-length", "5")])
        client.until(lambda: stream.interim, "100")
        self.assertEqual(dict(stream.interim[0])[":status"], "100")
        client.send(stream, b"hello", end=True)
        self.assertEqual(bytes(client.whole(stream).body), b"hello")

    def test_responses_without_a_body(self):
        def respond(request):
            status = request.target[1:]
            return f"HTTP/1.1 {status} x\r\n{'Content-Length: 7' if status in ('200', '304') else 'X: 1'}\r\n\r\n".encode()
        self.start(answers(respond))
        client = self.client()
        for method, status in (("HEAD", 200), ("GET", 204), ("GET", 304)):
            with self.subTest(f"{method} {status}"):
                response = client.ask(method=method, path=f"/{status}")
                self.assertEqual((response.status, bytes(response.body), response.reset), (status, b"", None))
                if status != 204:
                    self.assertEqual(response.get("content-length"), "7")

    def test_a_response_that_ends_with_the_connection(self):
        def serve(peer):
            peer.request()
            peer.send(b"HTTP/1.1 200 OK\r\n\r\nhello")
        self.start(serve)
        self.assertEqual(bytes(self.client().ask().body), b"hello")

    def test_cookies_are_joined(self):
        self.start_recording()
        self.client().ask(fields=[("cookie", "a=1"), ("x", "y"), ("cookie", "b=2"), ("cookie", "c=3; d=4")])
        self.assertEqual(self.seen[0].all("cookie"), ["a=1; b=2; c=3; d=4"])

    def test_host_and_authority(self):
        """RFC 9113, 8.3.1."""
        self.start_recording()
        client = self.client()
        both = client.ask(fields=[("host", "shop.example")])
        self.assertEqual((both.status, self.seen[-1].all("host")), (200, ["shop.example"]))
        alone = client.whole(client.open([(":method", "GET"), (":scheme", "http"), (":path", "/"), ("host", "b.example")]))
        self.assertEqual((alone.status, self.seen[-1].all("host")), (200, ["b.example"]))
        for name, fields in (("another host", head(fields=[("host", "other.example")])),
                             ("two hosts", head(fields=[("host", "shop.example"), ("host", "other.example")])),
                             ("neither", [(":method", "GET"), (":scheme", "http"), (":path", "/")]),
                             ("empty", head(authority="")),
                             ("userinfo", head(authority="me@shop.example")),
                             ("no host", head(authority="shop_example/x"))):
            with self.subTest(name):
                self.expect_refused(fields)

    def expect_refused(self, fields, body=None, status=None):
        """A reset, or an answer of the proxy's own, on a connection that goes on; nothing of it comes upstream."""
        before = len(self.seen)
        client = self.client()
        stream = client.open(fields, end=body is None)
        if body is not None:
            client.send(stream, body, end=True)
        client.whole(stream)
        if status is None:
            self.assertEqual((stream.reset, stream.fields), (PROTOCOL_ERROR, None))
        else:
            self.assertEqual(stream.status, status)
        self.assertEqual(client.ask(path="/after").status, 200)
        self.assertEqual([request.target for request in self.seen[before:]], ["/after"])

    def test_what_is_malformed_is_refused(self):
        """RFC 9113, 8.2 and 8.3."""
        self.start_recording()
        pseudo = head()
        for name, fields in (
                ("connection", head(fields=[("connection", "x-a")])), ("keep-alive", head(fields=[("keep-alive", "1")])),
                ("proxy-connection", head(fields=[("proxy-connection", "close")])),
                ("transfer-encoding", head(fields=[("transfer-encoding", "chunked")])),
                ("upgrade", head(fields=[("upgrade", "websocket")])), ("te", head(fields=[("te", "gzip")])),
                ("te list", head(fields=[("te", "trailers, gzip")])),
                ("upper case", head(fields=[("X-Upper", "1")])), ("space in a name", head(fields=[("x y", "1")])),
                ("colon in a name", head(fields=[("x:y", "1")])), ("empty name", head(fields=[("", "1")])),
                ("line in a value", head(fields=[("x", "a\r\nb: c")])), ("lf in a value", head(fields=[("x", "a\nb")])),
                ("zero in a value", head(fields=[("x", "a\0b")])),
                ("space before a value", head(fields=[("x", " a")])), ("space behind a value", head(fields=[("x", "a ")])),
                ("pseudo behind", [("x", "1"), *pseudo]), ("pseudo twice", [*pseudo, (":path", "/b")]),
                ("unknown pseudo", [(":shop", "1"), *pseudo]), ("of a response", [(":status", "200"), *pseudo]),
                ("no method", pseudo[1:]), ("no scheme", pseudo[:1] + pseudo[2:]), ("no path", pseudo[:2] + pseudo[3:]),
                ("empty path", head(path="")), ("path without slash", head(path="a")), ("line in a path", head(path="/\r\nX: 1")),
                ("space in a path", head(path="/a b")), ("fragment", head(path="/a#b")), ("empty method", head(method="")),
                ("space in a method", head(method="GET /x HTTP/1.1\r\nX:")), ("scheme", head(scheme="ht tp")),
                ("length twice", head(fields=[("content-length", "1"), ("content-length", "2")])),
                ("length no number", head(fields=[("content-length", "0x0")])),
                ("length signed", head(fields=[("content-length", "+0")]))):
            with self.subTest(name):
                self.expect_refused(fields)

    def test_methods_that_are_not_allowed(self):
        self.start_recording()
        self.expect_refused([(":method", "CONNECT"), (":authority", "shop.example:80")], status=405)
        self.expect_refused(head(method="TRACE"), status=405)

    def test_a_body_must_have_its_length(self):
        """RFC 9113, 8.1.1: nothing upstream may take a part for the whole, nor find more behind it."""
        whole, cut = [], []

        def serve(peer):
            while (request := peer.request_head()) is not None:
                try:
                    peer.body_of(request, False)
                except (proxies.Cut, ConnectionError):
                    cut.append(request)
                    raise
                whole.append((request.target, request.body))
                peer.send(reply())
        self.start(serve)
        for name, length, body in (("less", 6, b"hello"), ("more", 4, b"hello"), ("none", 1, b""), ("not none", 0, b"x")):
            with self.subTest(name):
                client = self.client()
                stream = client.open(method="POST", path="/" + name.replace(" ", "-"), end=False,
                                     fields=[("content-length", str(length))])
                client.send(stream, body, end=True)
                client.whole(stream)
                self.assertTrue(stream.reset is not None or stream.status == 400, stream)
                self.assertEqual(client.ask(path="/after").status, 200)
        # With a length of 0 its head was all of it, and went on before the byte too many came.
        self.assertLessEqual(set(whole), {("/after", b""), ("/not-none", b"")})

    def test_slow_and_fast_streams_do_not_wait_for_each_other(self):
        gate = Gate()

        def respond(request):
            if request.target == "/slow":
                gate.wait()
            return reply(request.target.encode())
        self.start(answers(respond))
        client = self.client()
        slow = [client.open(path="/slow") for _ in range(10)]
        for i in range(50):
            self.assertEqual(bytes(client.ask(path=f"/{i}").body), f"/{i}".encode())
        self.assertFalse(any(stream.is_over for stream in slow))
        gate.open()
        for stream in slow:
            self.assertEqual(bytes(client.whole(stream).body), b"/slow")

    def test_a_client_resets_its_request(self):
        """The service sees its connection end; others go on."""
        came, gone = threading.Event(), threading.Event()

        def serve(peer):
            while (request := peer.request()) is not None:
                if request.target != "/wait":
                    peer.send(reply())
                    continue
                came.set()
                if peer.is_at_end():
                    gone.set()
                    return
        self.start(serve)
        client = self.client()
        stream = client.open(path="/wait")
        self.assertTrue(came.wait(proxies.LIMIT), "the request arrived")
        client.reset(stream, CANCEL)
        self.assertTrue(gone.wait(proxies.LIMIT))
        self.assertEqual(client.ask().status, 200)
        until(lambda: self.weft.metric("istio_requests_total", response_flags="DC") == 1, "it is counted")

    def test_a_service_dies_within_its_response(self):
        def serve(peer):
            if (request := peer.request()) is not None:
                peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello" if request.target == "/length" else
                          b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        self.start(serve)
        client = self.client()
        for path in ("/length", "/chunked"):
            with self.subTest(path):
                stream = client.ask(path=path)
                self.assertEqual((stream.status, bytes(stream.body), stream.has_ended), (200, b"hello", False))
                self.assertEqual(stream.reset, INTERNAL_ERROR)

    def test_http1_is_still_spoken_and_never_upgraded(self):
        self.start_recording()
        peer = self.connect()
        response = peer.ask(fields="Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n")
        self.assertEqual((response.status, response.version), (200, "HTTP/1.1"))
        self.assertFalse(self.seen[0].names() & {"upgrade", "http2-settings"})

    def test_a_preface_in_pieces_and_what_is_none(self):
        self.start_recording()
        peer = self.connect()
        for byte in http2.PREFACE[:-1]:
            peer.send(bytes([byte]))
        client = http2.Connection(peer)
        client.peer.sock.setblocking(True)
        self.assertEqual(self.seen, [])
        peer.close()
        for text in (http2.PREFACE[:-1] + b"X", b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", b"PRI /x HTTP/2.0\r\n\r\n"):
            with self.subTest(text):
                peer = self.connect()
                peer.send(text)
                answer = peer.rest()
                self.assertRegex(answer, rb"^HTTP/1\.1 [45]\d\d ")
        self.assertEqual(self.seen, [])


@unittest.skipIf(http2.h2 is None, http2.NEEDS)
class Windows(http2.Http2Test):
    """Flow control (RFC 9113, 5.2 and 6.9)."""

    SIZES = (0, 1, FIRST_WINDOW - 1, FIRST_WINDOW, FIRST_WINDOW + 1, 2 * FIRST_WINDOW, 300_000)

    def expect_body(self, stream, size):
        self.assertEqual((stream.status, len(stream.body), stream.reset), (200, size, None))
        self.assertEqual(hashlib.sha256(stream.body).digest(), hashlib.sha256(pattern(size)).digest())

    def test_bodies_at_the_windows_edges(self):
        self.start(answers(lambda request: reply(pattern(int(request.target[1:])))))
        for size in self.SIZES:
            with self.subTest(size):
                client = self.client()
                self.expect_body(client.ask(path=f"/{size}"), size)

    def test_requests_at_the_windows_edges(self):
        self.start(answers(lambda request: reply(hashlib.sha256(request.body).hexdigest().encode())))
        client = self.client()
        for size in self.SIZES[1:]:
            with self.subTest(size):
                response = client.ask(pattern(size), method="POST")
                self.assertEqual(response.body.decode(), hashlib.sha256(pattern(size)).hexdigest())

    def test_tiny_windows(self):
        self.start(answers(lambda request: reply(pattern(2000))))
        for window in (1, 7, 100):
            with self.subTest(window):
                client = self.client(settings={WINDOW: window})
                self.expect_body(client.ask(), 2000)

    def test_a_window_of_nothing_that_opens(self):
        self.start(answers(lambda request: reply(pattern(5000))))
        client = self.client(settings={WINDOW: 0})
        stream = client.open()
        client.head_of(stream)
        client.ping()
        self.assertEqual(bytes(stream.body), b"")
        client.h2.update_settings({WINDOW: 3000})
        client.flush()
        client.until(lambda: len(stream.body) >= 3000, "what the settings allow")
        self.expect_body(client.whole(stream), 5000)

    def test_a_window_that_shrinks_below_nothing(self):
        """RFC 9113, 6.9.2."""
        self.start(answers(lambda request: reply(pattern(100_000))))
        client = self.client(takes=False)
        stream = client.open()
        client.until(lambda: len(stream.body) == FIRST_WINDOW, "the first window is used")
        client.h2.update_settings({WINDOW: 1000})
        client.flush()
        client.h2.increment_flow_control_window(200_000)
        client.h2.increment_flow_control_window(FIRST_WINDOW - 1000, stream.number)
        client.flush()
        client.ping()
        self.assertEqual(len(stream.body), FIRST_WINDOW)
        client.h2.increment_flow_control_window(200_000, stream.number)
        client.flush()
        self.expect_body(client.whole(stream), 100_000)

    def test_a_slow_service_holds_the_client_back(self):
        """The connection's window is given back only as bytes are taken; another stream is served meanwhile."""
        gate, taken = Gate(), []

        def serve(peer):
            while (request := peer.request_head()) is not None:
                if request.target == "/slow":
                    gate.wait()
                taken.append(len(peer.body_of(request, False).body))
                peer.send(reply())
        self.start(serve)
        size, sent = 64 << 20, [0]
        client = self.client()
        stream = client.open(method="POST", path="/slow", end=False)
        until(lambda: gate.arrived, "the service has the head")

        def send():
            for start in range(0, size, 1 << 16):
                client.send(stream, bytes(1 << 16), end=start + (1 << 16) == size)
                sent[0] = start
        with proxies.Rss(self.weft.pid) as rss:
            thread = beside(send)
            self.assertLess(stalled(lambda: sent[0]), MOST_UNDERWAY)
            self.assertEqual(self.client().ask(path="/other").status, 200)
            gate.open()
            thread.join(proxies.LIMIT)
        self.assertIsNone(thread.error)
        self.assertEqual(client.whole(stream).status, 200)
        self.assertEqual(max(taken), size)
        self.assertLess(rss.growth_kib, MOST_GROWTH_KIB)

    def test_a_slow_client_holds_the_service_back(self):
        """One stream of a connection is not read; another of the same is."""
        sent = [0]

        def serve(peer):
            while (request := peer.request()) is not None:
                if request.target != "/large":
                    peer.send(reply())
                    continue
                peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                while True:
                    peer.send(b"10000\r\n", bytes(1 << 16), b"\r\n")
                    sent[0] += 1 << 16
        self.start(serve)
        client = self.client(takes=False)
        large = client.open(path="/large")
        client.until(lambda: len(large.body) == FIRST_WINDOW, "the window is used")
        self.assertLess(stalled(lambda: sent[0]), MOST_UNDERWAY)
        client.h2.increment_flow_control_window(FIRST_WINDOW)
        self.assertEqual(client.ask().status, 200)
        client.reset(large, CANCEL)

    def test_a_thousand_streams_of_one_who_reads_nothing(self):
        """Neither windows nor the socket are read: what waits is bounded, and others are served."""
        for upstream in ("http1", "http2"):
            with self.subTest(upstream):
                self.read_nothing(upstream)

    def read_nothing(self, upstream):
        body = pattern(256 << 10)
        if upstream == "http1":
            self.start(answers(lambda request: reply(b"ok" if request.target == "/ok" else body)))
        else:
            self.start(http2.answers(lambda server, stream: server.reply(stream, b"ok" if stream.path == "/ok" else body)),
                       "http2")
        with proxies.Rss(self.weft.pid) as rss:
            clients = [self.connect(receive_buffer=4096) for _ in range(10)]
            for peer in clients:
                encoder = http2.hpack.Encoder()
                peer.send(http2.PREFACE, http2.settings_frame({WINDOW: (1 << 31) - 1}), http2.window_update(1 << 30),
                          *(http2.frame(http2.HEADERS, http2.END_HEADERS | http2.END_STREAM, 2 * i + 1,
                                        encoder.encode(head(path="/large"))) for i in range(100)))
            until(lambda: self.weft.metric("weft_requests_active") >= 500, "the requests are under way")
            self.assertEqual(self.client().ask(path="/ok").status, 200)
            self.assertEqual(self.connect().ask("/ok").status, 200)
            stalled(lambda: proxies.rss_kib(self.weft.pid))
        self.assertLess(rss.growth_kib, 4 * MOST_GROWTH_KIB)


@unittest.skipIf(http2.h2 is None, http2.NEEDS)
class Ends(http2.Http2Test):
    """GOAWAY, drain and departures."""

    def start_gated(self):
        gate = Gate()

        def respond(request):
            if request.target == "/wait":
                gate.wait()
            return reply(request.target.encode())
        self.start(answers(respond), flags=["--drain-timeout=20s"])
        return gate

    def test_a_client_says_goaway(self):
        """What is under way is answered; then the connection ends."""
        gate = self.start_gated()
        client = self.client()
        stream = client.open(path="/wait")
        until(lambda: gate.arrived, "the request arrived")
        client.raw(http2.goaway(0))
        client.ping()
        gate.open()
        self.assertEqual(bytes(client.whole(stream).body), b"/wait")
        client.until_end()

    def test_a_drain(self):
        """GOAWAY comes at once, what was sent before it is answered, and then the connection ends."""
        gate = self.start_gated()
        client, resting = self.client(), self.client()
        resting.ask()
        streams = [client.open(path="/wait") for _ in range(3)]
        until(lambda: gate.arrived == 3, "the requests arrived")
        self.weft.process.send_signal(signal.SIGTERM)
        for one in (client, resting):
            one.until(lambda one=one: one.goaway, "GOAWAY")
            self.assertEqual(one.goaway.error_code, NO_ERROR)
        resting.until_end()
        gate.open()
        for stream in streams:
            self.assertEqual(bytes(client.whole(stream).body), b"/wait")
        self.assertGreaterEqual(client.goaway.last_stream_id, streams[-1].number)
        client.until_end()
        self.assertEqual(self.weft.stop(), 0)

    def test_a_client_departs(self):
        """All its requests are given up."""
        gone = []

        def serve(peer):
            peer.request()
            if peer.is_at_end():
                gone.append(peer)
        self.start(serve)
        for how in ("close", "reset"):
            with self.subTest(how):
                gone.clear()
                client = self.client()
                for _ in range(20):
                    client.open()
                until(lambda: len(self.app.open) == 20, "the requests arrived")
                getattr(client.peer, how)()
                until(lambda: len(gone) == 20, "all were given up")
        until(self.weft.rests, "nothing is left")

    def test_a_connection_at_rest_is_closed(self):
        self.app = self.backend(answers(lambda request: reply()))
        self.port = proxies.free_port()
        config = proxies.config(self.port, [self.app.address])
        config["listeners"][0]["idleTimeout"] = "1s"
        self.weft = self.proxy(config)
        client = self.client()
        client.ask()
        start = time.monotonic()
        client.until_end()
        self.assertGreater(time.monotonic() - start, 0.5)
        self.assertEqual(client.goaway.error_code, NO_ERROR)


if __name__ == "__main__":
    unittest.main()
