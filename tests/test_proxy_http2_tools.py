"""HTTP/2 through `weft proxy --config` with what others wrote: WebSocket's clients and servers, curl, h2load."""

import asyncio
import shutil
import subprocess
import unittest

import http2
import proxies
from http2 import CONNECT_PROTOCOL, head, pattern
from proxies import answers, reply

try:
    from websockets.asyncio.client import connect as open_websocket
    from websockets.asyncio.server import serve as serve_websocket
except ImportError:
    open_websocket = None


@unittest.skipIf(http2.h2 is None or open_websocket is None, http2.NEEDS)
class WebSocket(http2.Http2Test):
    """RFC 8441: a WebSocket is one stream."""

    def test_over_http2_to_http1(self):
        async def answer(connection):
            async for message in connection:
                await connection.send(message)

        async def run():
            async with serve_websocket(answer, "127.0.0.1", 0) as server:
                host, port = server.sockets[0].getsockname()[:2]
                self.port = proxies.free_port()
                self.weft = self.proxy(proxies.config(self.port, [f"{host}:{port}"]))
                await asyncio.to_thread(self.talk)
        asyncio.run(run())

    def talk(self):
        client = self.client()
        client.ping()
        self.assertEqual(client.h2.remote_settings[CONNECT_PROTOCOL], 1)
        stream = client.open(head(path="/chat", method="CONNECT", fields=[
            (":protocol", "websocket"), ("sec-websocket-version", "13"), ("origin", "http://shop.example")]), end=False)
        self.assertEqual(client.head_of(stream).status, 200)
        self.assertFalse(stream.names() & {"upgrade", "connection"})
        # A masked text frame, the mask of zeros.
        client.send(stream, b"\x81\x85\0\0\0\0hello")
        client.until(lambda: len(stream.body) >= 7, "the echo")
        self.assertEqual(bytes(stream.body), b"\x81\x05hello")
        client.send(stream, b"\x88\x82\0\0\0\0\x03\xe8", end=True)
        client.whole(stream)
        self.assertEqual((bytes(stream.body[7:]), stream.reset), (b"\x88\x02\x03\xe8", None))

    def test_refused_by_the_service(self):
        seen = []

        def respond(request):
            seen.append(request)
            return reply(b"no", "403 Forbidden")
        self.start(answers(respond))
        client = self.client()
        client.ping()
        stream = client.open(head(path="/chat", method="CONNECT", fields=[
            (":protocol", "websocket"), ("sec-websocket-version", "13")]), end=False)
        self.assertEqual((client.whole(stream).status, bytes(stream.body)), (403, b"no"))
        request, = seen
        self.assertEqual((request.method, request.target), ("GET", "/chat"))
        self.assertEqual((request.get("upgrade"), request.get("connection").lower()), ("websocket", "upgrade"))
        self.assertEqual(len(request.get("sec-websocket-key")), 24)
        self.assertEqual(client.ask().status, 403)

    def test_a_protocol_that_is_not_known(self):
        self.start(answers(lambda request: reply()))
        client = self.client()
        client.ping()
        stream = client.open(head(method="CONNECT", fields=[(":protocol", "other")]), end=False)
        client.whole(stream)
        self.assertTrue(stream.reset is not None or stream.status in (400, 501), stream)

    def test_over_http1_to_http2(self):
        def serve(server):
            stream = server.next()
            fields = dict(stream.fields)
            self.assertEqual((fields[":method"], fields[":protocol"], fields[":path"]), ("CONNECT", "websocket", "/chat"))
            self.assertFalse(stream.names() & {"upgrade", "connection"})
            server.heads(stream, [(":status", "200")])
            server.until(lambda: len(stream.body) >= 11, "a masked message")
            mask, text = stream.body[2:6], stream.body[6:11]
            server.send(stream, b"\x81\x05" + bytes(byte ^ mask[i % 4] for i, byte in enumerate(text)))
            server.until(lambda: len(stream.body) >= 19, "the end")
            server.send(stream, b"\x88\x02\x03\xe8", end=True)
            server.until_end()

        async def run():
            async with open_websocket(f"ws://127.0.0.1:{self.port}/chat") as socket:
                await socket.send("hello")
                self.assertEqual(await socket.recv(), "hello")
        self.start(http2.serves(serve, {CONNECT_PROTOCOL: 1}), "http2")
        asyncio.run(run())


@unittest.skipIf(http2.h2 is None, http2.NEEDS)
class Tools(http2.Http2Test):
    """Clients that others wrote."""

    def test_curl(self):
        self.start(answers(lambda request: reply(request.body or request.target.encode())))
        both = ["--http2-prior-knowledge", "--write-out", "%{http_version} %{http_code}"]
        self.assertEqual(self.curl(*both, self.url("/a")), b"/a2 200")
        self.assertEqual(self.curl("--http1.1", "--write-out", "%{http_version} %{http_code}", self.url("/a")), b"/a1.1 200")
        body = pattern(20 << 20)
        self.assertEqual(self.curl("--http2-prior-knowledge", "--data-binary", "@-", self.url(), stdin=body), body)

    def test_h2load(self):
        program = shutil.which("h2load")
        if not program:
            self.skipTest("h2load is not installed")
        for upstream, serve in (("http1", answers(lambda request: reply(bytes(1024)))),
                                ("http2", http2.answers(lambda server, stream: server.reply(stream, bytes(1024))))):
            with self.subTest(upstream):
                self.start(serve, upstream)
                done = subprocess.run([program, "-n", "2000", "-c", "8", "-m", "16", self.url()], capture_output=True,
                                      text=True, timeout=proxies.LIMIT)
                self.assertIn("2000 succeeded, 0 failed, 0 errored", done.stdout)


if __name__ == "__main__":
    unittest.main()
