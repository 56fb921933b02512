"""Changes while requests run: a drain, a backend that dies, another config file."""

import json
import re
import signal
import socket
import threading
import time
import unittest

import proxies
from proxies import answers, config, reply, until


def gate(came, go, body=b"late"):
    """Serves requests, each of which is answered when `go` is set."""
    def respond(request):
        came.release()
        return reply(body) if go.wait(proxies.LIMIT) else None
    return answers(respond)


class Drain(proxies.ProxyTest):
    def start_gated(self, **options):
        self.came, self.go = threading.Semaphore(0), threading.Event()
        self.addCleanup(self.go.set)
        self.start(gate(self.came, self.go), **options)

    def ask(self):
        """A client whose request has come to the backend."""
        client = self.connect()
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        self.assertTrue(self.came.acquire(timeout=proxies.LIMIT))
        return client

    def refuses(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) != 0

    def exit_code(self):
        return self.weft.process.wait(proxies.LIMIT)

    def test_what_runs_is_finished(self):
        self.start_gated(workers=2)
        idle = self.connect()
        until(lambda: self.weft.metric("weft_downstream_connections_active") == 1, "the idle one is accepted")
        busy = [self.ask() for _ in range(8)]
        self.weft.process.send_signal(signal.SIGTERM)
        until(self.refuses, "it accepts no more")
        self.assertTrue(idle.is_at_end())
        self.assertEqual(self.weft.page("/ready").status, 503)
        self.go.set()
        for client in busy:
            response = client.response()
            self.assertEqual((response.status, response.body), (200, b"late"))
            self.assertEqual(response.get("connection"), "close")
            self.assertTrue(client.is_at_end())
            client.close()
        self.assertEqual(self.exit_code(), 0)

    def test_an_upload_is_finished(self):
        self.start(answers(lambda request: reply(str(len(request.body)).encode())))
        client = self.connect()
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nbegin")
        until(lambda: self.weft.metric("weft_requests_active") == 1, "it is under way")
        self.weft.process.send_signal(signal.SIGTERM)
        until(self.refuses, "it accepts no more")
        client.send(bytes(1_000_000 - 5))
        self.assertEqual(client.response().body, b"1000000")
        client.close()
        self.assertEqual(self.exit_code(), 0)

    def test_the_deadline(self):
        self.start_gated()
        client = self.ask()
        start = time.monotonic()
        self.weft.process.send_signal(signal.SIGTERM)
        self.assertTrue(client.is_at_end(), "the client was told something")
        self.assertEqual(self.exit_code(), 0)
        self.assertGreater(time.monotonic() - start, 3.5)

    def test_a_second_signal_cuts(self):
        self.start_gated()
        client = self.ask()
        start = time.monotonic()
        self.weft.process.send_signal(signal.SIGTERM)
        until(self.refuses, "it drains")
        self.weft.process.send_signal(signal.SIGTERM)
        self.assertTrue(client.is_at_end())
        self.assertEqual(self.exit_code(), 0)
        self.assertLess(time.monotonic() - start, 3.5)

    def test_an_opaque_connection_is_finished(self):
        self.start(lambda peer: peer.send(peer.rest()), "tcp")
        client = self.connect()
        client.send(b"begun ")
        until(lambda: self.weft.metric("weft_downstream_connections_active") == 1, "it is there")
        self.weft.process.send_signal(signal.SIGTERM)
        until(self.refuses, "it accepts no more")
        client.send(b"and done")
        client.end()
        self.assertEqual(client.rest(), b"begun and done")
        self.assertEqual(self.exit_code(), 0)

    def test_under_load(self):
        """Each request that was accepted is answered: clients see connections end only between requests."""
        self.start(answers(lambda request: reply()), workers=2)
        failures, served = [], []

        def ask_until_refused():
            while True:
                try:
                    client = proxies.Peer(socket.create_connection(("127.0.0.1", self.port)))
                except OSError:
                    return
                with client:
                    while True:
                        try:
                            response = client.ask()
                        except (proxies.Cut, OSError):
                            break  # the race of RFC 9112, 9.6: nothing of an answer may have come
                        served.append(response.status)
                        if response.status != 200:
                            failures.append(response.status)
                        if response.get("connection") == "close":
                            break
                    if client.buffer:
                        failures.append(client.buffer)
        threads = [proxies.beside(ask_until_refused) for _ in range(8)]
        until(lambda: len(served) > 500, "load")
        self.weft.process.send_signal(signal.SIGTERM)
        self.assertEqual(self.exit_code(), 0)
        for thread in threads:
            thread.join()
        self.assertEqual((failures, [thread.error for thread in threads if thread.error]), ([], []))


class DyingBackend(proxies.ProxyTest):
    def test_a_kill_fails_no_get(self):
        for policy in ("least_request", "round_robin"):
            with self.subTest(policy):
                victim, other = self.ends(), self.ends()
                self.port = proxies.free_port()
                file = config(self.port, [victim.backend, other.backend])
                file["clusters"][0]["loadBalancing"] = policy
                weft = self.proxy(file, workers=2)
                load = self.ends().start(self.port, 3)
                count = lambda: weft.metric("istio_requests_total")
                until(lambda: count() > 1000, "load")
                victim.kill()
                at_kill = count()
                until(lambda: count() > at_kill + 1000, "load goes on")
                answered, failed = load.result()
                self.assertEqual(failed, 0)
                self.assertEqual(weft.metric("istio_requests_total", response_code="200"), answered)


class Reload(proxies.ProxyTest):
    def start_named(self, *names, **options):
        """Backends that answer with their names; a proxy with one listener that leads to the first."""
        self.apps = {name: self.backend(self.named(name)) for name in names}
        self.port = proxies.free_port()
        self.weft = self.proxy(self.leading_to(names[0]), **options)

    @staticmethod
    def named(name):
        return answers(lambda request: reply(name.encode()))

    def leading_to(self, name):
        return config(self.port, [self.apps[name].address])

    def reloads(self):
        return self.weft.stderr().count(f"reloaded {self.weft.file}")

    def reload(self, file):
        """Replaces the file and waits for the proxy to say that it has taken it."""
        before = self.reloads()
        self.weft.write(file)
        until(lambda: self.reloads() > before, f"it reloads: {self.weft.stderr()[-2000:]}", limit=10)

    def hang_up(self):
        self.weft.process.send_signal(signal.SIGHUP)

    def test_at_a_signal(self):
        self.start_named("one", "two")
        self.assertEqual(self.connect().ask().body, b"one")
        # In place, as a shell's redirection writes: the signal says when it is whole.
        self.weft.file.write_text(json.dumps(self.leading_to("two")))
        self.hang_up()
        until(self.reloads, f"it reloads: {self.weft.stderr()[-2000:]}", limit=10)
        self.assertEqual(self.connect().ask().body, b"two")

    def test_at_a_change_of_the_file(self):
        self.start_named("one", "two")
        kept = self.connect()
        for name in ("two", "one", "two"):
            self.reload(self.leading_to(name))
            self.assertEqual(self.connect().ask().body, name.encode())
            self.assertEqual(kept.ask().body, name.encode(), "a connection lives through a reload")

    def test_a_bad_file_is_refused(self):
        self.start_named("one", "two")
        good = self.leading_to("one")
        for bad, what in (("version: 1\nlisteners:\n- {address: \"127.0.0.1:1\", protokol: http, cluster: app}\n",
                           "protokol"), ("version: 1\nlisteners: [", ""), ("", "")):
            before = len(self.weft.stderr())
            self.weft.write(bad)
            self.hang_up()
            said = lambda: re.search(rf"{re.escape(str(self.weft.file))}:\d+:\d+", self.weft.stderr()[before:])
            until(said, f"it says where: {self.weft.stderr()[before:]}", limit=10)
            self.assertIn(what, self.weft.stderr()[before:])
            self.assertEqual(self.connect().ask().body, b"one")
        self.assertEqual(self.reloads(), 0)
        self.reload(good)
        self.assertEqual(self.connect().ask().body, b"one")

    def test_a_file_that_is_gone(self):
        self.start_named("one", "two")
        self.weft.file.unlink()
        self.hang_up()
        until(lambda: str(self.weft.file) in self.weft.stderr(), "it says so", limit=10)
        self.assertEqual(self.connect().ask().body, b"one")
        self.reload(self.leading_to("two"))
        self.assertEqual(self.connect().ask().body, b"two")

    def test_an_address_that_is_taken(self):
        """A file that cannot take force leaves the old one whole."""
        self.start_named("one", "two")
        with socket.create_server(("127.0.0.1", proxies.free_port())) as taken:
            file = self.leading_to("two")
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            file["listeners"].append({"name": "taken", "address": address, "cluster": "app"})
            self.weft.write(file)
            self.hang_up()
            until(lambda: address in self.weft.stderr(), "it says so", limit=10)
            self.assertEqual(self.connect().ask().body, b"one")
        self.hang_up()
        until(self.reloads, "it reloads", limit=10)
        self.assertEqual(self.connect().ask().body, b"two")

    def test_listeners_come_and_go(self):
        self.start_named("one", "two")
        other = proxies.free_port()
        file = self.leading_to("one")
        file["listeners"].append({"name": "other", "address": f"127.0.0.1:{other}", "cluster": "second"})
        file["clusters"].append({"name": "second", "endpoints": [self.apps["two"].address]})
        for _ in range(3):
            self.reload(file)
            kept = self.connect(other)
            self.assertEqual(kept.ask().body, b"two")
            self.assertEqual(self.connect().ask().body, b"one")
            self.reload(self.leading_to("one"))
            self.assertTrue(kept.is_at_end(), "a connection at rest outlives its listener")
            with socket.socket() as probe:
                self.assertNotEqual(probe.connect_ex(("127.0.0.1", other)), 0)

    def test_what_runs_survives(self):
        """A response, an upload and a tunnel that begin before a swap end after it, over what they began with."""
        self.start_named("one", "two")
        came, go = threading.Semaphore(0), threading.Event()
        self.addCleanup(go.set)
        self.apps["one"].serve = gate(came, go)
        echo = self.backend(lambda peer: peer.send(peer.rest()))
        file, opaque = self.leading_to("one"), proxies.free_port()
        file["listeners"].append({"address": f"127.0.0.1:{opaque}", "protocol": "tcp", "cluster": "echo"})
        file["clusters"].append({"name": "echo", "protocol": "tcp", "endpoints": [echo.address]})
        self.reload(file)
        response, upload, tunnel = self.connect(), self.connect(), self.connect(opaque)
        response.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        upload.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nbegin")
        tunnel.send(b"begin")
        self.assertTrue(came.acquire(timeout=proxies.LIMIT))
        until(lambda: self.weft.metric("weft_requests_active") == 2 and len(echo.open) == 1, "all are under way")
        for name in ("two", "two"):  # the second has neither the endpoint nor the listener that they use
            self.reload(self.leading_to(name))
        go.set()
        self.assertEqual(response.response().body, b"late")
        upload.send(bytes(1_000_000 - 5))
        self.assertEqual(upload.response().body, b"late")
        tunnel.send(b" end")
        tunnel.end()
        self.assertEqual(tunnel.rest(), b"begin end")
        self.assertEqual(self.connect().ask().body, b"two")

    def test_every_10_ms_under_load(self):
        """No request fails, and pools and memory stay as they are."""
        self.start_named("one", workers=2)
        address = self.ends().backend
        self.reload(config(self.port, [address]))
        extra = proxies.free_port()
        files = [config(self.port, [address]) for _ in range(2)]
        files[1]["listeners"].append({"name": "extra", "address": f"127.0.0.1:{extra}", "cluster": "app"})
        files[1]["clusters"][0]["loadBalancing"] = "round_robin"
        answered, number, before = 0, 0, self.reloads()
        for _ in range(30):
            load = self.ends().start(self.port, 1)
            while not load.is_over():
                self.weft.write(files[number % 2])
                self.hang_up()
                number += 1
                time.sleep(0.01)
            more, failed = load.result()
            self.assertEqual(failed, 0)
            answered += more
            if self.reloads() - before > 100:
                break
        self.assertGreater(self.reloads() - before, 100)
        self.assertGreater(answered, 1000)
        self.assertEqual(self.weft.metric("istio_requests_total", response_code="200"), answered)


if __name__ == "__main__":
    unittest.main()
