"""Many clients, slow clients, and more of them than descriptors."""

import contextlib
import selectors
import socket
import threading
import time
import unittest

import proxies
from proxies import answers, reply, until


class SlowClients(proxies.ProxyTest):
    COUNT = 200
    # The head limit is 10 s, and looked at so often; the rest is for a busy machine.
    LIMIT = 40.0

    def drip(self, clients):
        """Sends each client's next byte every second until the proxy has closed all; {kind: how long each lasted}."""
        head = b"GET / HTTP/1.1\r\nHost: shop.example\r\nX-Slow: 1\r\nX-More: 2\r\n" + b"X-Padding: 3\r\n" * 100
        lasted, start, next_byte = {}, time.monotonic(), 0
        selector = selectors.DefaultSelector()
        for client, kind in clients.items():
            client.sock.setblocking(False)
            selector.register(client.sock, selectors.EVENT_READ, (client, kind))
        while selector.get_map():
            now = time.monotonic() - start
            self.assertLess(now, self.LIMIT, f"{len(selector.get_map())} slow clients are still there")
            if now >= next_byte:
                for key in list(selector.get_map().values()):
                    with contextlib.suppress(OSError):
                        if key.data[1] != "silent" or next_byte == 0:
                            key.fileobj.send(head[next_byte:next_byte + 1])
                next_byte += 1
            for key, _ in selector.select(0.1):
                lasted.setdefault(key.data[1], []).append(time.monotonic() - start)
                selector.unregister(key.fileobj)
        return lasted

    def test_a_byte_a_second(self):
        """They are closed in time, and others are served meanwhile as if they were not there."""
        self.start(answers(lambda request: reply()))
        clients = {self.connect(): "dripping" for _ in range(self.COUNT)}
        clients.update({self.connect(): "silent" for _ in range(20)})
        served, stop = [], threading.Event()

        def serve_others():
            while not stop.is_set():
                before = time.monotonic()
                with proxies.Peer(socket.create_connection(("127.0.0.1", self.port))) as other:
                    assert other.ask().body == b"ok"
                served.append(time.monotonic() - before)
                stop.wait(0.05)
        others = proxies.beside(serve_others)
        lasted = self.drip(clients)
        stop.set()
        others.join()
        self.assertIsNone(others.error)
        self.assertEqual({kind: len(times) for kind, times in lasted.items()},
                         {"dripping": self.COUNT, "silent": 20})
        for times in lasted.values():
            self.assertGreater(min(times), 9)
        self.assertLess(sorted(served)[len(served) // 2], 0.1)
        self.assertEqual(self.weft.metric("istio_requests_total", response_code="200"), len(served))
        until(self.weft.rests, "the slow ones are gone")


class ManyClients(proxies.ProxyTest):
    COUNT = 10_000

    def test_idle_connections(self):
        if not proxies.open_files(self.COUNT + 200):
            self.skipTest(f"not permitted to open {self.COUNT} sockets")
        self.start(answers(lambda request: reply()), workers=2)
        client = self.connect()
        client.ask()
        before = proxies.rss_kib(self.weft.pid)
        idle = []
        self.addCleanup(lambda: [sock.close() for sock in idle])
        for _ in range(self.COUNT):
            sock = socket.socket()
            sock.connect(("127.0.0.1", self.port))
            idle.append(sock)
        active = "weft_downstream_connections_active"
        until(lambda: self.weft.metric(active) == self.COUNT + 1, "all are accepted")
        grown = proxies.rss_kib(self.weft.pid) - before
        print(f"{grown / self.COUNT:.2f} KiB of memory for each idle connection")
        if not proxies.IS_SANITIZED:
            self.assertLess(grown / self.COUNT, 4)
        times = []
        for _ in range(200):
            start = time.monotonic()
            self.assertEqual(self.connect().ask().body if len(times) % 2 else client.ask().body, b"ok")
            times.append(time.monotonic() - start)
        self.assertLess(sorted(times)[len(times) // 2], 0.05)
        for i, sock in enumerate(idle):  # half of them politely
            if i % 2:
                proxies.Peer(sock).reset()
            sock.close()
        for peer in self.peers:
            peer.close()
        until(self.weft.rests, "all are cleaned up")

    def test_few_long_connections_are_spread_evenly(self):
        self.start(answers(lambda request: reply()), workers=2)
        for _ in range(3):
            clients = [self.connect() for _ in range(8)]
            for client in clients:
                client.ask()
            by_worker = [self.weft.metric("weft_worker_connections", worker=worker) for worker in ("0", "1")]
            self.assertEqual(by_worker, [4, 4])
            for client in clients:
                client.close()
            until(self.weft.rests, "they are gone")

    def test_few_long_opaque_connections_are_spread_evenly(self):
        self.start(lambda peer: peer.send(peer.receive(1)) or peer.rest(), "tcp", workers=2)
        for client in [self.connect() for _ in range(8)]:
            client.send(b"x")
            self.assertEqual(client.receive(1), b"x")
        by_worker = [self.weft.metric("weft_worker_connections", worker=worker) for worker in ("0", "1")]
        self.assertEqual(by_worker, [4, 4])


@unittest.skipIf(proxies.IS_SANITIZED, "sanitizers keep freed memory")
class Memory(proxies.ProxyTest):
    """What a burst has taken goes back to the system."""

    COUNT, SIZE = 500, 60_000

    def resident(self):
        status = proxies.pathlib.Path(f"/proc/{self.weft.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) * 1024

    def test_of_unfinished_heads(self):
        self.start(answers(lambda request: reply()), workers=1)
        before = self.resident()
        clients = [self.connect() for _ in range(self.COUNT)]
        for client in clients:
            client.send(b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * self.SIZE)
        taken = self.COUNT * self.SIZE
        until(lambda: self.resident() > before + taken, "the heads are held")
        for client in clients:
            client.close()
        until(lambda: self.resident() < before + taken / 2, "their memory is given back")


class Descriptors(proxies.ProxyTest):
    """More connections than descriptors."""

    LIMIT = 64

    def backoffs(self):
        return self.weft.metric("weft_accept_backoffs_total")

    def open_descriptors(self):
        return len(list(proxies.pathlib.Path(f"/proc/{self.weft.pid}/fd").iterdir()))

    def test_who_waits_is_served_once_others_go(self):
        self.start(answers(lambda request: reply()), descriptors=self.LIMIT)
        holders = [self.connect() for _ in range(self.LIMIT)]
        until(lambda: self.weft.metric("weft_accept_backoffs_total") > 0, "accepting waits")
        waiting = [self.connect() for _ in range(10)]
        for client in waiting:
            client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        for holder in holders:
            holder.close()
        for client in waiting:
            response = client.response()
            self.assertEqual((response.status, response.body), (200, b"ok"))
        self.assertGreater(self.backoffs(), 0)

    def test_no_request_is_lost(self):
        """Connections of clients leave room for those to the backend, and the ones that rest there give way."""
        self.start(answers(lambda request: reply()), descriptors=self.LIMIT, idle_timeout="1h")
        clients = [self.connect() for _ in range(3 * self.LIMIT)]
        for client in clients:
            client.send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        statuses = []
        for client in clients:
            statuses.append(client.response().status)
            client.close()
        self.assertEqual({status: statuses.count(status) for status in set(statuses)}, {200: len(clients)})
        self.assertGreater(self.backoffs(), 0)

    def test_it_says_so_while_it_lasts(self):
        """The metrics can be read when they are needed most."""
        self.start(answers(lambda request: reply()), descriptors=self.LIMIT)
        for _ in range(2 * self.LIMIT):
            self.connect()
        until(lambda: self.weft.metric("weft_accept_backoffs_total") > 0, "accepting waits")
        self.assertGreater(self.backoffs(), 0)

    def test_listeners_that_leave_none_are_refused(self):
        settings = proxies.config(proxies.free_port(), ["127.0.0.1:1"])
        settings["listeners"] = [dict(settings["listeners"][0], name=f"l{number}", address=f"127.0.0.1:{proxies.free_port()}")
                                 for number in range(30)]
        weft = proxies.Proxy(settings, descriptors=self.LIMIT)
        self.addCleanup(weft.remove)
        self.assertEqual(weft.process.wait(proxies.LIMIT), 1)
        self.assertIn("30 listeners leave no descriptor for connections: raise how many the process may have", weft.stderr())

    def test_it_waits_without_work(self):
        self.start(answers(lambda request: reply()), descriptors=self.LIMIT)
        for _ in range(2 * self.LIMIT):
            self.connect()
        until(lambda: self.weft.metric("weft_accept_backoffs_total") > 0, "accepting waits")

        def cpu():
            fields = proxies.pathlib.Path(f"/proc/{self.weft.pid}/stat").read_text().rpartition(")")[2].split()
            return (int(fields[11]) + int(fields[12])) / 100
        before, start = cpu(), time.monotonic()
        until(lambda: time.monotonic() - start > 1, "a second has passed")
        self.assertLess(cpu() - before, 0.3)


if __name__ == "__main__":
    unittest.main()
