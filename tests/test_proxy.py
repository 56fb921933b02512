"""Everyday HTTP through `weft proxy --config`: what browsers, curl and servers do on the wire."""

import hashlib
import os
import threading
import unittest

import proxies
from proxies import answers, reply


class Curl(proxies.ProxyTest):
    def start_hashing(self):
        """A backend that answers with the hash of what it got, and asks for it first if it may."""
        def serve(peer):
            while (head := peer.request_head()) is not None:
                if head.get("expect"):
                    peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
                request = peer.body_of(head, False)
                peer.send(reply(hashlib.sha256(request.body).hexdigest().encode()))
        self.start(serve)

    def upload(self, path, *arguments):
        """curl's PUT of 8 MiB; (its status and counters, the response's body, the data)."""
        data = os.urandom(8 << 20)
        written = self.weft.folder / "out"
        printed = self.curl("--upload-file", "-", "--header", "Content-Length: 8388608", "--header",
                            "Transfer-Encoding:", "--output", written, "--write-out",
                            "%{http_code} %{size_upload}", *arguments, self.url(f"/{path}"), stdin=data)
        return printed.split(), written.read_bytes(), data

    def test_keep_alive(self):
        self.start(answers(lambda request: reply(request.target.encode())))
        printed = self.curl(self.url("/1"), self.url("/2"), self.url("/3"), "--write-out", " %{num_connects}\n")
        self.assertEqual(printed, b"/1 1\n/2 0\n/3 0\n")
        self.assertEqual(self.app.accepted, 1)

    def test_without_keep_alive(self):
        self.start(answers(lambda request: reply(request.target.encode())))
        close = ("--header", "Connection: close")
        printed = self.curl(*close, self.url("/1"), self.url("/2"), "--write-out", " %{num_connects}\n")
        self.assertEqual(printed, b"/1 1\n/2 1\n")
        self.assertEqual(self.app.accepted, 1, "the backend's connection stays")

    def test_http10(self):
        self.start(answers(lambda request: reply(request.target.encode())))
        self.assertEqual(self.curl("--http1.0", self.url("/1"), self.url("/2")), b"/1/2")

    def test_chunked_upload(self):
        self.start_hashing()
        data = os.urandom(3 << 20)
        body = self.curl("--upload-file", "-", "--header", "Expect:", self.url(), stdin=data)
        self.assertEqual(body.decode(), hashlib.sha256(data).hexdigest())

    def test_expect_is_answered_by_the_backend(self):
        self.start_hashing()
        # Far above the test's limit: without the backend's 100 the body would not come.
        printed, body, data = self.upload("", "--header", "Expect: 100-continue", "--expect100-timeout", "600")
        self.assertEqual(printed, [b"200", b"8388608"])
        self.assertEqual(body.decode(), hashlib.sha256(data).hexdigest())

    def test_expect_is_refused_by_the_backend(self):
        def serve(peer):
            status = peer.request_head().target[1:]
            peer.send(reply(b"no", f"{status} Refused"))
            peer.rest()
        self.start(serve)
        for status in (b"413", b"417"):
            printed, body, _ = self.upload(status.decode(), "--header", "Expect: 100-continue",
                                           "--expect100-timeout", "600")
            self.assertEqual((printed, body), ([status, b"0"], b"no"))


class Messages(proxies.ProxyTest):
    """One message after the other, byte by byte as RFC 9110 and 9112 say."""

    def seen(self, sent):
        """What the backend gets of these bytes."""
        got = []

        def respond(request):
            got.append(request)
            return reply()
        self.start(answers(respond))
        client = self.connect()
        client.send(sent)
        self.assertEqual(client.response().status, 200)
        return got[0]

    def answered(self, *parts):
        """A connection to a proxy whose backend answers everything with these bytes, and stays open."""
        self.start(answers(lambda request: b"".join(parts)))
        return self.connect()

    def test_pipelining(self):
        self.start(answers(lambda request: reply(f"{request.method} {request.target} ".encode() + request.body)))
        client = self.connect()
        count = 300
        client.send(*(f"POST /{i} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(str(i))}\r\n\r\n{i}".encode() if i % 3 else
                      f"GET /{i} HTTP/1.1\r\nHost: a\r\n\r\n".encode() for i in range(count)))
        for i in range(count):
            self.assertEqual(client.response().body, f"POST /{i} {i}".encode() if i % 3 else f"GET /{i} ".encode())

    def test_interim_responses(self):
        hints = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"
        client = self.answered(hints, hints, reply(b"page"))
        for _ in range(2):
            response = client.ask()
            self.assertEqual((response.status, response.body), (200, b"page"))
            self.assertEqual([head.status for head in response.interim], [103, 103])
            self.assertEqual(response.interim[0].get("link"), "</style.css>; rel=preload")
        old = self.connect().ask(version="HTTP/1.0")
        self.assertEqual((old.status, old.body, old.interim), (200, b"page", []))

    def test_an_interim_response_comes_before_the_final_one_is_there(self):
        has_come = threading.Event()

        def serve(peer):
            peer.request()
            peer.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
            if has_come.wait(proxies.LIMIT):
                peer.send(reply(b"page"))
        self.start(serve)
        client = self.connect()
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        self.assertIn(b"103", client.receive_until(b"\r\n\r\n"))
        has_come.set()
        self.assertEqual(client.response().body, b"page")

    def test_head(self):
        client = self.answered(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(3):
            response = client.ask(method="HEAD")
            self.assertEqual((response.status, response.get("content-length")), (200, "1000"))
        self.assertEqual(self.app.accepted, 1)

    def test_head_of_chunked(self):
        client = self.answered(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(3):
            self.assertEqual(client.ask(method="HEAD").status, 200)
        self.assertEqual(self.app.accepted, 1)

    def test_no_content_and_not_modified_have_no_body(self):
        def respond(request):
            status = request.target[1:]
            length = b"" if status == "204" else b"Content-Length: 1000\r\n"
            return f"HTTP/1.1 {status} -\r\nETag: \"a\"\r\n".encode() + length + b"\r\n"
        self.start(answers(respond))
        client = self.connect()
        for status in (204, 304, 304, 204, 304):
            response = client.ask(f"/{status}")
            self.assertEqual((response.status, response.get("etag")), (status, '"a"'))
            self.assertEqual(response.get("content-length"), "1000" if status == 304 else None)
        self.assertEqual(self.app.accepted, 1)

    def test_chunked_request_with_extensions_and_trailers(self):
        got = self.seen(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
                        b"5;name=value;other=\"quoted;\\\"\"\r\nhello\r\n6;x\r\n world\r\n0;last\r\nX-Sum: 42\r\n\r\n")
        self.assertEqual(got.body, b"hello world")
        self.assertEqual(got.trailers, [("x-sum", "42")])

    def test_chunked_response_with_extensions_and_trailers(self):
        client = self.answered(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n",
                               b"5;name=value\r\nhello\r\n6\r\n world\r\n0;last\r\nX-Sum: 42\r\n\r\n")
        for _ in range(2):
            response = client.ask(fields="TE: trailers\r\n")
            self.assertEqual((response.body, response.trailers), (b"hello world", [("x-sum", "42")]))
        self.assertEqual(self.app.accepted, 1)
        old = self.connect().ask(version="HTTP/1.0")
        self.assertEqual((old.body, old.trailers), (b"hello world", []))

    def test_body_until_close(self):
        def serve(peer):
            peer.request()
            peer.send(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 100_000)
        self.start(serve)
        new = self.connect()
        for _ in range(3):  # its end is said by chunks, so that the connection stays
            self.assertEqual(new.ask().body, b"x" * 100_000)
        old = self.connect().ask(version="HTTP/1.0")
        self.assertEqual((old.body, old.get("transfer-encoding")), (b"x" * 100_000, None))

    def test_http10_client(self):
        self.start(answers(lambda request: reply(f"{request.version} {request.get('host')}".encode())))
        client = self.connect()
        client.send(b"GET / HTTP/1.0\r\n\r\n")
        response = client.response()
        self.assertEqual(response.body, b"HTTP/1.1 localhost")
        self.assertTrue(client.is_at_end())
        kept = self.connect()
        for _ in range(3):
            response = kept.ask(version="HTTP/1.0", fields="Connection: keep-alive\r\n")
            self.assertEqual((response.body, response.get("connection")), (b"HTTP/1.1 shop.example", "keep-alive"))

    def test_absolute_form(self):
        got = self.seen(b"GET http://Shop.example:8080/path?q=1 HTTP/1.1\r\nHost: other.example\r\n\r\n")
        self.assertEqual((got.target, got.all("host")), ("/path?q=1", ["Shop.example:8080"]))

    def test_absolute_form_without_a_path(self):
        got = self.seen(b"GET http://shop.example?q=1 HTTP/1.1\r\nHost: shop.example\r\n\r\n")
        self.assertEqual((got.target, got.all("host")), ("/?q=1", ["shop.example"]))

    def test_options_of_the_server(self):
        got = self.seen(b"OPTIONS * HTTP/1.1\r\nHost: shop.example\r\n\r\n")
        self.assertEqual(got.start, "OPTIONS * HTTP/1.1")

    def test_options_of_the_server_in_absolute_form(self):
        # RFC 9112, 3.2.4: the last proxy makes "*" of an empty path.
        got = self.seen(b"OPTIONS http://shop.example HTTP/1.1\r\nHost: shop.example\r\n\r\n")
        self.assertEqual((got.start, got.get("host")), ("OPTIONS * HTTP/1.1", "shop.example"))

    def test_connect_is_refused(self):
        self.start(answers(lambda request: reply()))
        client = self.connect()
        client.send(b"CONNECT shop.example:443 HTTP/1.1\r\nHost: shop.example:443\r\n\r\n")
        self.assertEqual(client.response().status, 405)
        client.send(b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
        self.assertTrue(client.is_at_end())
        self.assertEqual(self.app.accepted, 0)

    def test_fields_of_the_connection_go(self):
        got = self.seen(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, X-Private\r\nX-Private: 1\r\n"
                        b"connection: x-Second\r\nX-Second: 2\r\nKeep-Alive: timeout=5\r\nTE: trailers\r\n"
                        b"Proxy-Connection: keep-alive\r\nX-Public: 3\r\n\r\n")
        self.assertEqual(got.get("x-public"), "3")
        self.assertEqual(got.names() & {"connection", "x-private", "x-second", "keep-alive", "te", "proxy-connection"},
                         set())

    def test_fields_of_the_backends_connection_go(self):
        client = self.answered(reply(b"ok", fields="Connection: keep-alive, X-Private\r\nX-Private: 1\r\n"
                                                   "Keep-Alive: timeout=5\r\nX-Public: 3\r\n"))
        response = client.ask()
        self.assertEqual(response.get("x-public"), "3")
        self.assertEqual(response.names() & {"connection", "x-private", "keep-alive"}, set())

    def test_fields_pass_unchanged(self):
        got = self.seen(b"GET /a%2fb/../c?q=[{|}] HTTP/1.1\r\nHost: a\r\nCookie: a=1\r\nCookie: b=2\r\n"
                        b"X-Latin: caf\xe9\r\nX-Empty:\r\nx-MIXED:  spaces inside  \r\n\r\n")
        self.assertEqual(got.target, "/a%2fb/../c?q=[{|}]")
        self.assertEqual(got.all("cookie"), ["a=1", "b=2"])
        self.assertEqual((got.get("x-latin"), got.get("x-empty"), got.get("x-mixed")), ("caf\xe9", "", "spaces inside"))

    def test_forwarded_for_is_one_list(self):
        """The address that the proxy saw is its last member, on however many lines a client began it."""
        for sent in ("1.2.3.4", "1.2.3.4\r\nX-Forwarded-For: 5.6.7.8, 9.9.9.9\r\nx-forwarded-for:"):
            request = self.seen(f"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: {sent}\r\n\r\n".encode())
            members = ", ".join(line.partition(":")[2].strip() for line in f"x: {sent}".split("\r\n")).rstrip(", ")
            self.assertEqual(request.all("x-forwarded-for"), [f"{members}, 127.0.0.1"])

    def test_h2c_is_never_forwarded(self):
        h2c = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: %s\r\n" \
              b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n"
        for protocols in (b"h2c", b"H2C", b"x, H2C/1", b"h2c,websocket", b"x\r\nUpgrade: h2c-14"):
            with self.subTest(protocols):
                got = self.seen(h2c % protocols)
                self.assertEqual(got.names() & {"connection", "upgrade", "http2-settings"}, set())

    def test_a_switch_that_nobody_asked_for(self):
        client = self.answered(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")
        self.assertEqual(client.ask().status, 502)


if __name__ == "__main__":
    unittest.main()
