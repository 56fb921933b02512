"""Peers that break, stall or answer at the wrong time: the client never takes a part for the whole, and the proxy goes
on as before."""

import contextlib
import threading
import time
import unittest

import proxies
from proxies import answers, beside, reply, until

BODY = b"The quick brown fox jumps over the lazy dog."
LENGTH = b"HTTP/1.1 200 OK\r\nX-Kind: length\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" \
          b"10;n=v\r\n%s\r\n1C\r\n%s\r\n0\r\nX-Sum: 1\r\n\r\n" % (BODY[:16], BODY[16:])
RESPONSES = {"length": LENGTH, "chunked": CHUNKED}


def cut_at(peer, data, size, how):
    """Sends so many bytes of `data` and ends the connection."""
    peer.send(data[:size])
    if how == "reset":
        peer.reset()


class CutResponses(proxies.ProxyTest):
    """A backend whose response ends after each of its bytes, by a FIN or by a reset."""

    def setUp(self):
        super().setUp()
        self.posts = 0

    def serve(self, peer):
        """Answers /KIND/HOW/SIZE by that part of a response; /KIND/HOW/SIZE/kept only on a connection that has served
        another request before."""
        has_served = False
        while (request := peer.request()) is not None:
            kind, how, size, *kept = (request.target[1:] or "length/end/-1").split("/")
            self.posts += request.method == "POST"
            if int(size) >= 0 and (has_served or not kept):
                cut_at(peer, RESPONSES[kind], int(size), how)
                return
            peer.send(RESPONSES[kind])
            has_served = True

    def targets(self, *rest):
        for kind, response in RESPONSES.items():
            for how in ("end", "reset"):
                for size in range(len(response) + 1):
                    yield "/".join(["", kind, how, str(size), *rest]), response, size

    def outcome(self, client):
        """What the client makes of the answer: a status that is not 200, "cut", or the body of a whole response."""
        try:
            response = client.response()
        except (proxies.Cut, ConnectionError):
            return "cut"
        if response.status != 200:
            self.assertIn(response.status, (502, 503))
            return response.status
        return response.body

    def check(self, got, response, size, target):
        """A whole response only if the backend sent it whole, an error only if the client has seen none of it."""
        head = response.index(b"\r\n\r\n") + 4
        if size == len(response):
            self.assertEqual(got, BODY, target)
        elif size < head:
            self.assertIn(got, (502, 503), target)
        else:
            self.assertIn(got, ("cut", 502, 503), target)

    def send(self, client, target, method="GET", version="HTTP/1.1"):
        length = "Content-Length: 0\r\n" if method == "POST" else ""
        client.send(f"{method} {target} {version}\r\nHost: a\r\n{length}\r\n".encode())

    def after(self):
        """It answers as before, and nothing of what was cut is left."""
        self.assertEqual(self.connect().ask().body, BODY)
        for peer in self.peers:
            peer.close()
        until(self.weft.rests, "nothing is left")

    def test_at_each_byte(self):
        self.start(self.serve)
        for target, response, size in self.targets():
            with self.connect() as client:
                self.send(client, target)
                self.check(self.outcome(client), response, size, target)
        self.after()

    def test_at_each_byte_of_a_post(self):
        self.start(self.serve)
        sent = 0
        for target, response, size in self.targets():
            with self.connect() as client:
                self.send(client, target, "POST")
                self.check(self.outcome(client), response, size, target)
            sent += 1
        # One that meets a connection that ends just then has not come.
        self.assertLessEqual(self.posts, sent, "a POST was sent again")
        self.after()

    def test_at_each_byte_to_http10(self):
        """Who takes the connection's end for the body's must see a reset."""
        self.start(self.serve)
        for target, response, size in self.targets():
            with self.connect() as client:
                self.send(client, target, version="HTTP/1.0")
                self.check(self.outcome(client), response, size, target)
        self.after()

    def test_at_each_byte_with_another_endpoint(self):
        """A GET is sent once more, to the endpoint that works, unless the other has read all of it and ended without
        a byte; a body that has begun is never begun again."""
        self.port = proxies.free_port()
        bad = self.backend(self.serve)
        good = self.backend(answers(lambda request: RESPONSES[request.target.split("/")[1]]))
        file = proxies.config(self.port, [bad.address, good.address])
        file["clusters"][0]["loadBalancing"] = "round_robin"
        self.weft = self.proxy(file)
        for target, response, size in self.targets():
            head = response.index(b"\r\n\r\n") + 4
            for _ in range(2):  # round robin: one of the two goes to the bad one
                with self.connect() as client:
                    self.send(client, target)
                    got = self.outcome(client)
                    if "/end/0" in target:
                        self.assertIn(got, (BODY, 503), target)
                        continue
                    self.assertIn(got, (BODY,) if size < head else (BODY, "cut", 502, 503), target)
        self.assertGreater(self.weft.metric("weft_retries_total"), 50)

    def test_at_each_byte_of_a_kept_connection(self):
        """The one endpoint is asked again by a new connection, since the kept one may have ended at rest; unless it
        has surely read the request, and has had no others of late."""
        self.start(self.serve)
        for target, response, size in self.targets("kept"):
            head = response.index(b"\r\n\r\n") + 4
            with self.connect() as client:
                self.assertEqual(client.ask().body, BODY, target)
                self.send(client, target)
                got = self.outcome(client)
                if "/end/0" in target:
                    self.assertIn(got, (BODY, 503), target)
                    continue
                is_whole = size < head or size == len(response)
                self.assertIn(got, (BODY,) if is_whole else ("cut", 502, 503), target)
        self.after()


class EarlyAnswers(proxies.ProxyTest):
    """An upstream that answers before the request is finished."""

    SIZE = 64 << 20

    def upload(self, status, then):
        """Sends a large body to a backend that answers after a part of it; the response, and how much was sent."""
        def serve(peer):
            peer.request_head()
            peer.receive(100_000)
            peer.send(reply(b"enough", status))
            then(peer)
        self.start(serve)
        client = self.connect()
        client.send(f"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: {self.SIZE}\r\n\r\n".encode())

        def send():
            for _ in range(self.SIZE >> 16):
                client.send(bytes(1 << 16))
        sender = beside(send)
        response = client.response()
        sender.join(proxies.LIMIT)
        self.assertFalse(sender.is_alive(), "the client is left with a body that nobody takes")
        return response

    def check(self, status, then):
        response = self.upload(status, then)
        self.assertEqual((response.status, response.body), (int(status[:3]), b"enough"))
        self.app.serve = answers(lambda request: reply(b"next"))
        self.assertEqual(self.connect().ask().body, b"next")
        for peer in self.peers:
            peer.close()
        until(self.weft.rests, "nothing is left")

    def test_and_closes(self):
        self.check("200 OK", lambda peer: peer.end())

    def test_and_takes_the_rest(self):
        self.check("200 OK", lambda peer: peer.rest())

    def test_and_takes_no_more(self):
        ended = threading.Event()
        self.addCleanup(ended.set)
        self.check("200 OK", lambda peer: ended.wait(proxies.LIMIT))

    def test_too_large_and_closes(self):
        self.check("413 Content Too Large", lambda peer: peer.end())

    def test_too_large_and_takes_the_rest(self):
        self.check("413 Content Too Large", lambda peer: peer.rest())

    def test_too_large_and_takes_no_more(self):
        ended = threading.Event()
        self.addCleanup(ended.set)
        self.check("413 Content Too Large", lambda peer: ended.wait(proxies.LIMIT))

    def test_an_error_tells_that_the_connection_ends(self):
        ended = threading.Event()
        self.addCleanup(ended.set)
        response = self.upload("413 Content Too Large", lambda peer: ended.wait(proxies.LIMIT))
        self.assertEqual(response.get("connection"), "close")


class HalfOpen(proxies.ProxyTest):
    """Clients that end, or vanish, in the middle."""

    def start_waiting(self):
        """A backend that answers nothing, and notes when a request comes and when its connection ends."""
        self.came, self.ended = threading.Semaphore(0), threading.Semaphore(0)

        def serve(peer):
            if peer.request_head() is None:
                return
            self.came.release()
            with contextlib.suppress(ConnectionError):
                peer.rest()
            self.ended.release()
        log = self.file("access.log")
        self.start(serve, flags=[f"--access-log={log}"])
        return log

    def check_cancelled(self, log):
        self.assertTrue(self.ended.acquire(timeout=proxies.LIMIT), "the backend goes on working for nobody")
        until(self.weft.rests, "nothing is left")
        until(lambda: " flags=DC " in log.read_text(), "the log says that the client went away")
        self.app.serve = answers(lambda request: reply())
        self.assertEqual(self.connect().ask().body, b"ok")

    def test_half_closed_while_it_waits(self):
        log = self.start_waiting()
        client = self.connect()
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
        self.assertTrue(self.came.acquire(timeout=proxies.LIMIT))
        client.end()
        self.check_cancelled(log)

    def test_reset_while_it_waits(self):
        log = self.start_waiting()
        client = self.connect()
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        self.assertTrue(self.came.acquire(timeout=proxies.LIMIT))
        client.reset()
        self.check_cancelled(log)

    def test_within_its_body(self):
        for vanish in (proxies.Peer.end, proxies.Peer.reset):
            log = self.start_waiting()
            client = self.connect()
            client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nbegin")
            self.assertTrue(self.came.acquire(timeout=proxies.LIMIT))
            vanish(client)
            self.check_cancelled(log)

    def test_within_its_head(self):
        self.start(answers(lambda request: reply()))
        for vanish in (proxies.Peer.end, proxies.Peer.reset):
            client = self.connect()
            client.send(b"GET / HTTP/1.1\r\nHo")
            until(lambda: self.weft.metric("weft_downstream_connections_active") == 1, "it is accepted")
            vanish(client)
            until(self.weft.rests, "it is gone")
        self.assertEqual(self.app.accepted, 0)

    def test_reset_within_the_response(self):
        ended = threading.Event()

        def serve(peer):
            peer.request()
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
            try:
                while True:
                    peer.send(bytes(1 << 16))
            except OSError:
                ended.set()
        self.start(serve)
        client = self.connect()
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        client.receive(1 << 20)
        client.reset()
        self.assertTrue(ended.wait(proxies.LIMIT), "the backend sends for nobody")
        until(self.weft.rests, "nothing is left")

    def test_ends_between_requests(self):
        self.start(answers(lambda request: reply()))
        for vanish in (proxies.Peer.end, proxies.Peer.reset, proxies.Peer.close):
            client = self.connect()
            client.ask()
            vanish(client)
            until(self.weft.rests, "it is gone")

    def test_a_backend_that_closes_at_rest(self):
        """Kept connections that ended meanwhile cost no request, not even a POST."""
        self.start(answers(lambda request: reply()))
        client = self.connect()
        for _ in range(50):
            self.assertEqual(client.ask("/", "POST", body=b"x").status, 200)
            for peer in list(self.app.open):
                peer.end()
            until(lambda: not self.app.open, "the proxy has closed its side")


class SlowUpstreams(proxies.ProxyTest):
    def start_limited(self, serve, timeout, **route):
        self.app = self.backend(serve)
        self.port = proxies.free_port()
        self.weft = self.proxy(proxies.config(self.port, [self.app.address], timeout=timeout, **route))

    def test_no_answer(self):
        self.start_limited(lambda peer: peer.rest(), "200ms")
        before = time.monotonic()
        client = self.connect()
        self.assertEqual(client.ask().status, 504)
        self.assertGreater(time.monotonic() - before, 0.19)
        self.assertEqual(client.ask().status, 504, "the client's connection stays")
        self.assertEqual(self.weft.metric("istio_requests_total", response_code="504", response_flags="UT"), 2)

    def test_a_stall_within_the_body(self):
        for fields, begun in (("Content-Length: 100", b"begun"), ("Transfer-Encoding: chunked", b"5\r\nbegun\r\n")):
            def serve(peer):
                peer.request()
                peer.send(f"HTTP/1.1 200 OK\r\n{fields}\r\n\r\n".encode(), begun)
                peer.rest()
            self.start_limited(serve, "5s", idleTimeout="200ms")
            with self.assertRaises((proxies.Cut, ConnectionError)):
                self.connect().ask()

    def test_a_byte_at_a_time(self):
        def serve(peer):
            while peer.request() is not None:
                for byte in CHUNKED:
                    peer.send(bytes([byte]))
        self.start_limited(serve, "20s")
        client = self.connect()
        for _ in range(5):
            self.assertEqual(client.ask().body, BODY)

    def test_nobody_listens(self):
        self.start_limited(lambda peer: None, "5s")
        self.app.close()
        for _ in range(3):
            self.assertEqual(self.connect().ask(method="POST", body=b"x").status, 503)
        self.assertEqual(self.weft.metric("istio_requests_total", response_flags="UF"), 3)


if __name__ == "__main__":
    unittest.main()
