"""Peers that make `weft proxy --config` work for nothing: each flood is of a number of frames, which may cost the proxy no more
than as many requests would, in CPU time, and no more memory than many requests do, while others are served."""

import contextlib
import select
import unittest

import http2
import mesh
import proxies
from http2 import (ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PADDED, PING, PRIORITY, SETTINGS, WINDOW, frame,
                   head, reset_frame, settings_frame, window_update)
from proxies import reply, until

FRAMES = 20_000
# What a proxy may grow by one peer: the heads of its streams (8 MiB), which go on to services, and 1,000 connections to those.
MOST_GROWTH_KIB = proxies.ASAN_KEEPS_KIB + 24 * 1024
# A peer that takes no more bytes for so long, or sends none, will not any more.
QUIET = 0.3
# Seconds of the proxy's CPU that another client may wait for its two answers.
MOST_WAIT = 5 if proxies.IS_SANITIZED else 1


class Customers(mesh.Beside):
    """Clients of HTTP/1.1 and HTTP/2 that are served beside a flood; `slowest` is how long the proxy worked at most while one
    waited."""

    def __init__(self, test):
        super().__init__()
        self.test, self.served, self.slowest = test, 0, 0.0
        self.one, self.two = test.connect(), test.client()

    def run(self):
        while not self.over.wait(0.005):
            start = proxies.cpu_seconds(self.test.weft.pid)
            statuses = self.one.ask("/ok").status, self.two.ask(path="/ok").status
            if statuses != (200, 200):
                raise AssertionError(f"not served: {statuses}")
            self.slowest = max(self.slowest, proxies.cpu_seconds(self.test.weft.pid) - start)
            self.served += 1


def pour(peer, pieces, reads):
    """Sends the pieces as the peer takes them, until it ends the connection or takes and says no more: whether it ended it,
    and all that it said. Unless `reads`, what it says is taken only once it takes no more."""
    peer.sock.setblocking(False)
    said, rest = b"", b""
    pieces = iter(pieces)
    try:
        while True:
            rest = rest or next(pieces, b"")
            readable, writable, _ = select.select([peer.sock] if reads else [], [peer.sock] if rest else [], [], QUIET)
            if readable:
                piece = peer.sock.recv(1 << 18)
                said += piece
                if not piece:
                    return True, said
            if writable:
                with contextlib.suppress(BlockingIOError):
                    rest = rest[peer.sock.send(rest):]
            if not readable and not writable:
                if reads:
                    return False, said
                reads = True  # whether it has ended the connection shows only to who reads
    except ConnectionError:
        with contextlib.suppress(OSError):  # what it said before that is here
            while piece := peer.sock.recv(1 << 18):
                said += piece
        return True, said


class FloodTest(http2.Http2Test):
    def expect_bounded(self, send, name, reads=True, frames=FRAMES):
        """`send(peer, reads)` floods the proxy by so many frames."""
        with self.subTest(name):
            client = self.client()
            for _ in range(10):
                client.ask(path="/ok")
            before = proxies.cpu_seconds(self.weft.pid)
            for _ in range(200):
                client.ask(path="/ok")
            request = (proxies.cpu_seconds(self.weft.pid) - before) / 200
            with proxies.Rss(self.weft.pid) as rss, Customers(self) as customers:
                until(lambda: customers.served > 3 or customers.error, "others are served")
                before, served = proxies.cpu_seconds(self.weft.pid), customers.served
                flooder = self.connect()
                result = send(flooder, reads)
                until(lambda: customers.served > served + 3 or customers.error, "others are served still")
                used = proxies.cpu_seconds(self.weft.pid) - before - 2 * request * (customers.served - served)
                flooder.close()
            print(f"{name}: {used / frames / request:.2f} requests of CPU for a frame, {rss.growth_kib} KiB, "
                  f"others waited {customers.slowest * 1000:.0f} ms")
            self.assertLess(used, frames * request)
            self.assertLess(rss.growth_kib, MOST_GROWTH_KIB)
            self.assertLess(customers.slowest, MOST_WAIT)
            return result

    def expect_bounded_always(self, send, name, expect=None):
        """Whether the peer takes the answers or not; `expect` is told what pour() saw."""
        for reads in (True, False):
            result = self.expect_bounded(send, f"{name}, {'taking' if reads else 'not taking'} the answers", reads)
            if expect:
                expect(result)

    def expect_ended(self, result):
        """The proxy has ended the connection. Of frames that are answered nghttp2 ends it at 1,000 answers that have not left
        yet, without a word; the budget of those that are answered one by one is in src/http/h2/budget_test.cpp."""
        has_ended, _ = result
        self.assertTrue(has_ended)

    def expect_calmed(self, result):
        """That, and the last thing that it said is why: GOAWAY with a code for it."""
        self.expect_ended(result)
        _, said = result
        at = said.rfind(b"\x07\0\0\0\0\0")
        self.assertGreater(at, 0, f"no GOAWAY in {said[-200:]!r}")
        self.assertEqual(int.from_bytes(said[at + 10:at + 14], "big"), http2.ENHANCE_YOUR_CALM)


@unittest.skipIf(http2.h2 is None, http2.NEEDS)
class OfClients(FloodTest):
    def setUp(self):
        super().setUp()
        self.asked = 0

        def serve(peer):
            while (request := peer.request()) is not None:
                if request.target == "/ok":
                    peer.send(reply())
                elif request.target == "/large":
                    peer.send(reply(bytes(1 << 20)))
                else:
                    self.asked += 1
                    peer.rest()
                    return
        self.start(serve)

    def flood(self, make, count=FRAMES, before=(), settings=None):
        """Sends `before` and then make(i), in batches."""
        def send(peer, reads):
            peer.send(http2.PREFACE, settings_frame(settings or {}), *before)
            batch = 500
            return pour(peer, (b"".join(map(make, range(at, min(at + batch, count)))) for at in range(0, count, batch)), reads)
        return send

    def block(self, **words):
        """A request's head, whose fields go into no table, so that it stands for itself."""
        encoder = http2.hpack.Encoder()
        encoder.header_table_size = 0
        return encoder.encode(head(**words))

    def test_rapid_reset(self):
        """CVE-2023-44487: requests that are taken back at once. The peer is told to calm down; few reach the service."""
        block = self.block(path="/wait")

        def pair(i):
            return frame(HEADERS, END_HEADERS | END_STREAM, 2 * i + 1, block) + reset_frame(2 * i + 1)
        self.expect_calmed(self.expect_bounded(self.flood(pair), "rapid reset"))
        self.assertLess(self.asked, FRAMES / 10)

    def test_made_to_reset(self):
        """CVE-2025-8671: the same, but for the proxy being the one that must reset the streams."""
        block = self.block(path="/wait")

        def pair(i):
            return frame(HEADERS, END_HEADERS | END_STREAM, 2 * i + 1, block) + window_update(0, 2 * i + 1)
        self.expect_ended(self.expect_bounded(self.flood(pair), "made to reset"))
        self.assertLess(self.asked, FRAMES / 10)

    def test_continuation(self):
        """CVE-2024-27316 and its kin: a head that does not end."""
        field = b"\0\x03x-a\x01b"
        for name, payload in (("of fields", field * 4), ("empty", b"")):
            start = frame(HEADERS, END_STREAM, 1, self.block())
            self.expect_ended(self.expect_bounded(self.flood(lambda i: frame(CONTINUATION, 0, 1, payload), before=[start]),
                                                  f"CONTINUATION {name}"))

    def test_settings(self):
        """CVE-2019-9515."""
        self.expect_bounded_always(self.flood(lambda i: frame(SETTINGS)), "SETTINGS", self.expect_ended)

    def test_settings_that_touch_every_stream(self):
        heads = [frame(HEADERS, END_HEADERS | END_STREAM, 2 * i + 1, self.block(path="/wait")) for i in range(100)]
        self.expect_ended(self.expect_bounded(self.flood(lambda i: settings_frame({WINDOW: 1000 + i % 2}), before=heads),
                                              "SETTINGS of windows"))

    def test_ping(self):
        """CVE-2019-9512."""
        self.expect_bounded_always(self.flood(lambda i: frame(PING, 0, 0, bytes(8))), "PING", self.expect_ended)

    def test_answers_that_nobody_asked_for(self):
        self.expect_calmed(self.expect_bounded(self.flood(lambda i: frame(PING, ACK, 0, bytes(8))), "ACK of PING"))
        self.expect_ended(self.expect_bounded(self.flood(lambda i: frame(SETTINGS, ACK)), "ACK of SETTINGS"))

    def test_empty_data(self):
        """CVE-2019-9518."""
        start = frame(HEADERS, END_HEADERS, 1, self.block(path="/wait", method="POST"))
        for name, data in (("empty DATA", frame(DATA, 0, 1)), ("padding alone", frame(DATA, PADDED, 1, bytes([1]) + bytes(1)))):
            self.expect_calmed(self.expect_bounded(self.flood(lambda i: data, before=[start]), name))

    def test_priority(self):
        """CVE-2019-9513."""
        self.expect_bounded_always(
            self.flood(lambda i: frame(PRIORITY, 0, 2 * i + 1, (2 * i + 3).to_bytes(4, "big") + b"\x10")), "PRIORITY",
            self.expect_calmed)

    def test_unknown_frames(self):
        self.expect_bounded(self.flood(lambda i: frame(0x42, i % 256, i % 3, bytes(30))), "unknown frames")

    def test_heads_that_are_refused(self):
        """CVE-2019-9514: each is answered by a reset, which nobody takes."""
        block = self.block(fields=[("connection", "close")])
        self.expect_bounded_always(self.flood(lambda i: frame(HEADERS, END_HEADERS | END_STREAM, 2 * i + 1, block)), "malformed heads")

    def test_streams_above_the_limit(self):
        block = self.block(path="/wait")
        self.expect_bounded_always(self.flood(lambda i: frame(HEADERS, END_HEADERS, 2 * i + 1, block)), "too many streams")
        self.assertLess(self.asked, FRAMES / 10)

    def test_hpack_bomb(self):
        """A few bytes that stand for many: a field of the table, again and again, on many streams."""
        def send(peer, reads):
            encoder = http2.hpack.Encoder()
            first = encoder.encode(head(path="/wait", fields=[("x-bomb", "b" * 3900)]))
            again = self.block(path="/wait") + b"\xbe" * 16_000
            # As Encoder makes it, the last field is the newest of the table.
            peer.send(http2.PREFACE, settings_frame({}), frame(HEADERS, END_HEADERS, 1, first))
            return pour(peer, (frame(HEADERS, END_HEADERS, 2 * i + 3, again) for i in range(200)), reads)
        self.expect_bounded(send, "HPACK bomb", frames=2000)

    def test_heads_that_fill_memory(self):
        """Many streams, each with as large a head as is allowed."""
        encoder = http2.hpack.Encoder()
        encoder.header_table_size = 0
        block = encoder.encode(head(path="/wait", fields=[(f"x-{i}", "v" * 3000) for i in range(15)]))
        parts = [block[at:at + 16_000] for at in range(0, len(block), 16_000)]

        def make(i):
            kinds = [(HEADERS, 0)] + [(CONTINUATION, 0)] * (len(parts) - 2) + [(CONTINUATION, END_HEADERS)]
            return b"".join(frame(kind, flags, 2 * i + 1, part) for (kind, flags), part in zip(kinds, parts))
        self.expect_bounded(self.flood(make, 1000), "large heads", frames=1000 * 20)

    def test_window_updates(self):
        """CVE-2019-9511 and its kin: of the connection, of a stream, and by a byte at a time."""
        start = frame(HEADERS, END_HEADERS | END_STREAM, 1, self.block(path="/wait"))
        for name, update in (("connection", window_update(1)), ("stream", window_update(1, 1))):
            self.expect_calmed(self.expect_bounded(self.flood(lambda i: update, before=[start]), f"WINDOW_UPDATE of the {name}"))
        large = frame(HEADERS, END_HEADERS | END_STREAM, 1, self.block(path="/large"))
        self.expect_bounded_always(self.flood(lambda i: window_update(1, 1), before=[large], settings={WINDOW: 0}),
                                   "a byte at a time", self.expect_calmed)

    def test_connections_that_say_nothing_more(self):
        """A preface alone, a head that does not go on: they cost their connection, not a request."""
        with proxies.Rss(self.weft.pid) as rss, Customers(self):
            peers = [self.connect() for _ in range(200)]
            for peer in peers:
                peer.send(http2.PREFACE, settings_frame({}), frame(HEADERS, 0, 1, self.block()))
            until(lambda: self.weft.metric("weft_downstream_connections_active") >= 200, "all are there")
        self.assertLess(rss.growth_kib, MOST_GROWTH_KIB)
        self.assertEqual(self.asked, 0)


@unittest.skipIf(http2.h2 is None, http2.NEEDS)
class OfServices(FloodTest):
    """A service may be as hostile: on the connection that its requests share."""

    def start_flooding(self, make, count=FRAMES):
        """Its answer to /flood is make(stream, i), again and again; /ok is answered on another connection."""
        def serve(server):
            while (stream := server.next()) is not None:
                if stream.path == "/ok":
                    server.reply(stream)
                    continue
                self.flooded = pour(server.peer, (b"".join(make(stream.number, i) for i in range(at, at + 500))
                                                  for at in range(0, count, 500)), True)
                return
        self.flooded = None
        # One connection each, so that the others' has no part in it.
        self.start(http2.serves(serve), "http2", cluster={"maxRequestsPerConnection": 1})

    def expect_flood_bounded(self, make, name):
        with self.subTest(name):
            self.start_flooding(make)

            def send(peer, _):
                peer.send(b"GET /flood HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                return peer.rest()
            return self.expect_bounded(send, name)

    def test_control_frames(self):
        for name, make, expect in (("PING", lambda stream, i: frame(PING, 0, 0, bytes(8)), self.expect_ended),
                                   ("SETTINGS", lambda stream, i: frame(SETTINGS), self.expect_ended),
                                   ("ACK", lambda stream, i: frame(PING, ACK, 0, bytes(8)), self.expect_calmed),
                                   ("WINDOW_UPDATE", lambda stream, i: window_update(1), self.expect_calmed)):
            self.assertIn(b" 503 ", self.expect_flood_bounded(make, f"a service's {name}").partition(b"\r\n")[0])
            until(lambda: self.flooded, "the service is sent away")
            expect(self.flooded)

    def test_frames_that_a_client_ignores(self):
        """They cost no more than their bytes, so that the service is not sent away; a PRIORITY is one (RFC 9113, 5.3.2)."""
        for name, make in (("PRIORITY", lambda stream, i: frame(PRIORITY, 0, stream, bytes(4) + b"\x10")),
                           ("unknown frames", lambda stream, i: frame(0x42, i % 256, i % 3, bytes(30)))):
            self.assertIn(b" 503 ", self.expect_flood_bounded(make, f"a service's {name}").partition(b"\r\n")[0])

    def test_interim_responses(self):
        answer = self.expect_flood_bounded(lambda stream, i: frame(HEADERS, END_HEADERS, stream, b"\x48\x03103" if i == 0 else b"\xbe"),
                                           "a service's 103")
        self.assertLess(answer.count(b"HTTP/1.1 103"), 100)
        self.assertIn(b"HTTP/1.1 502 ", answer)

    def test_continuation(self):
        def make(stream, i):
            return frame(CONTINUATION if i else HEADERS, 0, stream, b"\x88" if i == 0 else b"\0\x03x-a\x01b" * 4)
        self.assertRegex(self.expect_flood_bounded(make, "a service's CONTINUATION"), rb"^HTTP/1.1 50[23] ")

    def test_hpack_bomb(self):
        def make(stream, i):
            if i == 0:
                return frame(HEADERS, 0, stream, b"\x88\x40\x03x-a\x7f\xbd\x1d" + b"b" * 3900)
            return frame(CONTINUATION, 0, stream, b"\xbe" * 16_000)
        self.assertRegex(self.expect_flood_bounded(make, "a service's HPACK bomb"), rb"^HTTP/1.1 50[23] ")


if __name__ == "__main__":
    unittest.main()
