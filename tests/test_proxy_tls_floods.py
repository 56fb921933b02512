"""Clients of `weft proxy --config` that stop in the middle of TLS's handshake, many of them, while others are served."""

import contextlib
import socket
import ssl
import unittest

import mesh
import proxies
import tls
from proxies import answers, open_files, reply, until

CLIENTS = 10_000
# What one that has stopped may cost: the state of a handshake, with OpenSSL's buffers for a message and a record (16 KiB each).
MOST_KIB_EACH = 64
# Seconds of the proxy's CPU that another client may wait for its handshake and its answer.
MOST_WAIT = 5 if proxies.IS_SANITIZED else 1


def client_hello():
    """The first message of Python's client."""
    sent = ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), sent, server_hostname=tls.NAME).do_handshake()
    return sent.read()


class Customers(mesh.Beside):
    """Clients, one after the other, that shake hands and ask once each; `slowest` is how long the proxy worked at most while one
    waited."""

    def __init__(self, test):
        super().__init__()
        self.pid, self.port, self.context = test.weft.pid, test.port, test.context()
        self.served, self.slowest = 0, 0.0

    def run(self):
        while not self.over.wait(0.005):
            start = proxies.cpu_seconds(self.pid)
            with (socket.create_connection(("127.0.0.1", self.port), proxies.LIMIT) as sock,
                  self.context.wrap_socket(sock, server_hostname=tls.NAME) as secure):
                answer = proxies.Peer(secure).ask()
            if answer.body != b"ok":
                raise AssertionError(f"not served: {answer.start}")
            self.slowest = max(self.slowest, proxies.cpu_seconds(self.pid) - start)
            self.served += 1


class MidHandshake(tls.TlsTest):
    @unittest.skipUnless(open_files(CLIENTS + 500), "needs more descriptors than are permitted")
    def test_clients_that_stop_are_not_in_the_way(self):
        self.run_tls(answers(lambda request: reply()), listener_tls=self.at_listener())
        hello = client_hello()
        with proxies.Rss(self.weft.pid) as memory, Customers(self) as customers:
            for number in range(CLIENTS):
                # Nothing, a part of the first message, or all of it, and then silence.
                self.connect().send(hello[:len(hello) * (number % 3) // 2])
            until(lambda: self.weft.metric("weft_downstream_connections_active") >= CLIENTS, "all are there")
            before = customers.served
            until(lambda: customers.error or customers.served > before + 20, "others are served")
        self.assertLess(customers.slowest, MOST_WAIT)
        self.assertLess(memory.growth_kib, proxies.ASAN_KEEPS_KIB + CLIENTS * MOST_KIB_EACH)
        for peer in self.peers:
            peer.reset()
        until(self.weft.rests, "the proxy rests")
