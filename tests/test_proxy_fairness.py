"""Peers that send as fast as they can without end: others on the same worker are served meanwhile."""

import contextlib
import threading
import unittest

import proxies
from proxies import reply, until


class Greedy(proxies.ProxyTest):
    # Chunks that one sendall gives: far more than a worker may handle of one connection in one turn.
    MANY = 200_000

    def flood(self, first, rest, reads):
        """Sends `first`, then `rest` again and again until the test is over; what comes back is read, or not."""
        client = self.connect()

        def send():
            with contextlib.suppress(OSError):
                client.send(first)
                self.pour(client, rest)

        def receive():
            with contextlib.suppress(OSError):
                while client.sock.recv(1 << 20):
                    pass
        threads = [proxies.beside(send)] + ([proxies.beside(receive)] if reads else [])
        self.addCleanup(lambda: [thread.join() for thread in threads])
        self.addCleanup(client.reset)
        self.addCleanup(self.over.set)

    def setUp(self):
        super().setUp()
        self.over, self.poured = threading.Event(), 0

    def pour(self, peer, what):
        while what and not self.over.is_set():
            peer.send(what)
            self.poured += 1

    def assert_others_are_served(self):
        """Twenty, one after the other, while the flood goes on."""
        before = self.poured
        until(lambda: self.poured > before + 5, "the flood has begun")
        for _ in range(20):
            with self.connect() as other:
                self.assertEqual(other.ask().status, 200)

    def serve(self, peer):
        while (head := peer.request_head()) is not None:
            if head.method == "POST":
                while peer.sock.recv(1 << 20):
                    pass
                return
            if head.target == "/chunks":
                peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                self.pour(peer, b"1\r\nx\r\n" * self.MANY)
            peer.send(reply())

    def test_chunks_of_one_byte_from_a_client(self):
        self.start(self.serve, workers=1)
        self.flood(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n" * self.MANY, False)
        self.assert_others_are_served()

    def test_chunks_of_one_byte_from_a_service(self):
        self.start(self.serve, workers=1)
        self.flood(b"GET /chunks HTTP/1.1\r\nHost: a\r\n\r\n", b"", True)
        self.assert_others_are_served()

    def test_requests_that_are_refused(self):
        self.app = self.backend(self.serve)
        self.port = proxies.free_port()
        settings = proxies.config(self.port, [self.app.address])
        settings["listeners"][0].pop("cluster")
        settings["listeners"][0]["routes"] = [{"path": "/", "cluster": "app"}]
        self.proxy(settings, workers=1)
        self.flood(b"", b"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n" * 2_000, True)
        self.assert_others_are_served()

    def test_what_follows_a_refusal(self):
        self.start(self.serve, workers=1)
        self.flood(b"GET / HTTP/9.9\r\n\r\n", b"x" * (1 << 20), True)
        self.assert_others_are_served()

    def test_opaque_bytes(self):
        def serve(peer):
            if peer.receive(1) == b"?":
                return peer.send(b"!")
            while peer.sock.recv(1 << 20):
                pass
        self.start(serve, protocol="tcp", workers=1)
        self.flood(b"x", b"x" * (1 << 20), False)
        until(lambda: self.poured > 5, "the flood has begun")
        for _ in range(20):
            with self.connect() as other:
                other.send(b"?")
                self.assertEqual(other.receive(1), b"!")


if __name__ == "__main__":
    unittest.main()
