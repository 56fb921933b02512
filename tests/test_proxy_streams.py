"""Long and large things through `weft proxy --config`: WebSocket with a real client and server, opaque TCP, bodies that
are larger than memory should be."""

import asyncio
import contextlib
import hashlib
import threading
import unittest

import proxies
from proxies import answers, beside, reply, until

try:
    import websockets
    from websockets.asyncio.client import connect as open_websocket
    from websockets.asyncio.server import serve as serve_websocket
except ImportError:
    websockets = None

LARGE = 200 << 20
PIECE = bytes(range(256)) * 256
# What a proxy may grow while it carries LARGE: buffers, and whatever the allocator keeps.
MOST_GROWTH_KIB = proxies.ASAN_KEEPS_KIB + 4 * 1024


async def answer_websocket(connection):
    """Sends everything back; a text "close CODE REASON" closes."""
    with contextlib.suppress(websockets.ConnectionClosed):
        async for message in connection:
            if isinstance(message, str) and message.startswith("close "):
                _, code, reason = message.split(" ", 2)
                await connection.close(int(code), reason)
                return
            await connection.send(message)


@unittest.skipIf(websockets is None, "needs the package of tests/requirements.txt, which `./dev test` installs")
class WebSocket(proxies.ProxyTest):
    def run_with(self, work):
        """Runs `work(url)` in front of a real server; the listener's address leads to it."""
        async def run():
            async with serve_websocket(answer_websocket, "127.0.0.1", 0, max_size=4 << 20) as server:
                host, port = server.sockets[0].getsockname()[:2]
                self.port = proxies.free_port()
                self.weft = self.proxy(proxies.config(self.port, [f"{host}:{port}"]))
                async with asyncio.timeout(proxies.LIMIT):
                    await work(f"ws://127.0.0.1:{self.port}/chat?room=1")
        asyncio.run(run())

    def test_messages(self):
        async def work(url):
            async with open_websocket(url, max_size=4 << 20) as socket:
                for message in ("hello", "", "gr\u00fc\u00df dich", b"\x00\xff", b"", "x" * (1 << 20), PIECE * 16):
                    await socket.send(message)
                    self.assertEqual(await socket.recv(), message)
        self.run_with(work)

    def test_ping(self):
        async def work(url):
            async with open_websocket(url) as socket:
                for _ in range(10):
                    await (await socket.ping(b"are you there"))
        self.run_with(work)

    def test_close_codes(self):
        async def work(url):
            for code, reason in ((1000, "done"), (1001, "going away"), (4321, "of the application")):
                async with open_websocket(url) as socket:
                    await socket.send(f"close {code} {reason}")
                    with self.assertRaises(websockets.ConnectionClosed) as closed:
                        await socket.recv()
                    self.assertEqual((closed.exception.rcvd.code, closed.exception.rcvd.reason), (code, reason))
            socket = await open_websocket(url)
            await socket.close(3000, "of the client")
            self.assertEqual(socket.close_code, 3000)
        self.run_with(work)

    def test_concurrent(self):
        async def talk(url, name):
            async with open_websocket(url) as socket:
                for i in range(20):
                    message = f"{name} {i} " + "x" * (name * 100)
                    await socket.send(message)
                    self.assertEqual(await socket.recv(), message)

        async def work(url):
            await asyncio.gather(*(talk(url, name) for name in range(50)))
        self.run_with(work)
        until(self.weft.rests, "the tunnels have ended")
        self.assertEqual(self.weft.metric("istio_requests_total", response_code="101"), 50)


class Opaque(proxies.ProxyTest):
    """Bytes that the proxy does not look into."""

    def test_echo(self):
        def serve(peer):
            while peer.more():
                peer.send(peer.buffer)
                peer.buffer = b""
        self.start(serve, "tcp")
        client = self.connect()
        for size in (1, 100, 10_000, 1 << 20):
            data = (PIECE * 16)[:size]
            thread = beside(lambda: client.send(data))
            self.assertEqual(client.receive(size), data)
            thread.join()

    def test_the_client_ends_its_side_first(self):
        def serve(peer):
            question = peer.rest()  # only the end of the question is the time to answer
            peer.send(b"answer to ", question)
        self.start(serve, "tcp")
        client = self.connect()
        client.send(b"question")
        client.end()
        self.assertEqual(client.rest(), b"answer to question")

    def test_the_server_ends_its_side_first(self):
        got, has_come = [], threading.Event()

        def serve(peer):
            peer.send(b"that is all")
            peer.end()
            got.append(peer.rest())
            has_come.set()
        self.start(serve, "tcp")
        client = self.connect()
        self.assertEqual(client.rest(), b"that is all")
        client.send(b"but I ")
        client.send(b"have more")
        client.end()
        self.assertTrue(has_come.wait(proxies.LIMIT))
        self.assertEqual(got, [b"but I have more"])
        until(self.weft.rests, "the connection has ended")
        self.assertEqual(self.weft.metric("istio_tcp_received_bytes_total"), 15)
        self.assertEqual(self.weft.metric("istio_tcp_sent_bytes_total"), 11)
        self.assertEqual(self.weft.metric("istio_tcp_connections_opened_total"), 1)
        self.assertEqual(self.weft.metric("istio_tcp_connections_closed_total"), 1)

    def test_a_reset_reaches_the_other_side(self):
        ended = threading.Event()

        def serve(peer):
            peer.send(b"hello")
            with self.assertRaises(ConnectionResetError):
                peer.rest()
            ended.set()
        self.start(serve, "tcp")
        client = self.connect()
        self.assertEqual(client.receive(5), b"hello")
        client.reset()
        self.assertTrue(ended.wait(proxies.LIMIT))
        until(self.weft.rests, "the connection has ended")

    def test_one_that_is_cut_is_no_whole_one(self):
        """What is under way when the proxy ends is a reset at both sides, and says so in the log."""
        ended = threading.Event()

        def serve(peer):
            peer.send(b"a part of it")
            with self.assertRaises(ConnectionResetError):
                peer.rest()
            ended.set()
        self.start(serve, "tcp", flags=["--drain-timeout=100ms", "--access-log=-"])
        client = self.connect()
        self.assertEqual(client.receive(12), b"a part of it")
        self.weft.process.terminate()
        with self.assertRaises(ConnectionResetError):
            client.rest()
        self.assertTrue(ended.wait(proxies.LIMIT))
        self.assertEqual(self.weft.process.wait(proxies.LIMIT), 0)
        self.assertIn("cut while it was under way", self.weft.errors.read_text())

    def test_no_backend(self):
        self.start(lambda peer: None, "tcp")
        self.app.close()
        self.assertTrue(self.connect().is_at_end())

    def test_one_at_rest_is_closed_in_time(self):
        def serve(peer):
            peer.send(b"hello")
            self.assertTrue(peer.is_at_end())
        self.start(serve, "tcp", idle_timeout="300ms")
        both, ended_half = self.connect(), self.connect()
        ended_half.end()
        for client in (both, ended_half):
            self.assertEqual(client.receive(5), b"hello")
        for client in (both, ended_half):
            self.assertTrue(client.is_at_end())
        until(self.weft.rests, "the connections have ended")

    def test_large_with_a_slow_taker(self):
        sent = Counter()
        self.start(lambda peer: send_large(peer, sent), "tcp")
        self.weft.metrics()
        client = self.connect(receive_buffer=64 << 10)
        with proxies.Rss(self.weft.pid) as rss:
            read_large_slowly(self, client, sent)
        self.assertLess(rss.growth_kib, MOST_GROWTH_KIB)


class Counter:
    def __init__(self):
        self.bytes = 0

    def __call__(self):
        return self.bytes


def send_large(peer, sent):
    """LARGE bytes, counted as they are taken."""
    while sent.bytes < LARGE:
        peer.send(PIECE)
        sent.bytes += len(PIECE)


def read_large_slowly(test, peer, sent):
    """Reads what send_large sends, with pauses until nothing more is taken: then most of it must wait at the sender."""
    whole = hashlib.sha256()
    for _ in range(3):
        taken = proxies.stalled(sent)
        test.assertLess(taken, LARGE - (64 << 20), "the proxy does not hold the sender back")
        whole.update(peer.receive(16 << 20))
    whole.update(peer.receive(LARGE - 3 * (16 << 20)))
    test.assertEqual(whole.digest(), hashlib.sha256(PIECE * (LARGE // len(PIECE))).digest())


class LargeBodies(proxies.ProxyTest):
    def test_download_with_a_slow_reader(self):
        sent = Counter()

        def serve(peer):
            peer.request()
            peer.send(f"HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\n\r\n".encode())
            send_large(peer, sent)
        self.start(serve)
        self.weft.metrics()
        client = self.connect(receive_buffer=64 << 10)
        with proxies.Rss(self.weft.pid) as rss:
            client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            self.assertEqual(client.response_head().status, 200)
            read_large_slowly(self, client, sent)
        self.assertLess(rss.growth_kib, MOST_GROWTH_KIB)

    def test_upload_with_a_slow_taker(self):
        sent = Counter()

        def serve(peer):
            peer.request_head()
            read_large_slowly(self, peer, sent)
            peer.send(reply(b"thanks"))
        self.start(lambda peer: None)
        self.weft.metrics()
        self.app.serve = serve
        client = self.connect()
        with proxies.Rss(self.weft.pid) as rss:
            client.send(f"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: {LARGE}\r\n\r\n".encode())
            send_large(client, sent)
            self.assertEqual(client.response().body, b"thanks")
        self.assertLess(rss.growth_kib, MOST_GROWTH_KIB)

    def test_chunks_both_ways(self):
        chunk = b"10000\r\n" + PIECE + b"\r\n"
        count = (64 << 20) // len(PIECE)

        def serve(peer):
            head = peer.request_head()
            body = peer.body_of(head, False).body
            peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            for at in range(0, len(body), len(PIECE)):
                peer.send(b"10000\r\n", body[at:at + len(PIECE)], b"\r\n")
            peer.send(b"0\r\n\r\n")
        self.start(serve)
        self.weft.metrics()
        client = self.connect()
        with proxies.Rss(self.weft.pid) as rss:
            client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
            for _ in range(count):
                client.send(chunk)
            client.send(b"0\r\n\r\n")
            self.assertEqual(client.response().body, PIECE * count)
        self.assertLess(rss.growth_kib, MOST_GROWTH_KIB)

    def test_both_bodies_at_once(self):
        """A backend that answers each piece as it comes, long before the request is whole."""
        def serve(peer):
            peer.request_head()
            peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            while True:
                size = peer.receive_until(b"\r\n")
                data = peer.receive(int(size, 16) + 2)
                peer.send(size, data)
                if size == b"0\r\n":
                    return
        self.start(serve)
        client = self.connect()
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        self.assertEqual(client.response_head().status, 200)
        for i in range(50):
            word = f"{i:04}".encode()
            client.send(b"4\r\n", word, b"\r\n")
            self.assertEqual(client.receive_until(b"\r\n"), b"4\r\n")
            self.assertEqual(client.receive(6), word + b"\r\n")
        client.send(b"0\r\n\r\n")
        self.assertEqual(client.chunked(), (b"", []))

    def test_many_small_responses_of_one_connection_take_no_memory(self):
        self.start(answers(lambda request: reply(b"x" * 1000)))
        client = self.connect()
        client.ask()
        with proxies.Rss(self.weft.pid) as rss:
            for _ in range(2000):
                client.ask()
        self.assertLess(rss.growth_kib, proxies.ASAN_KEEPS_KIB + 1024)


if __name__ == "__main__":
    unittest.main()
