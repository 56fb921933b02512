"""Hot restart: a proxy that is started again takes over from the one that runs, and nobody notices."""

import contextlib
import datetime
import json
import os
import pathlib
import signal
import socket
import subprocess
import threading
import time
import unittest

import http2
import mesh
import proxies
import restarts
from proxies import config, until


class HotRestart(restarts.RestartTest):
    def test_nobody_notices(self):
        self.begin(workers=2)
        load = self.load()
        for workers in (1, 3, 2):
            self.goes_on(load)
            before = self.restart(workers=workers)
            self.ends(before)
        self.goes_on(load)
        self.assertEqual(load.end(), [])
        self.assertEqual(self.weft.metric("istio_requests_total", response_code="200"), load.requests)
        self.assertEqual(self.weft.metric("weft_retries_total"), 0)
        self.assertEqual([number for number, _ in self.generations()], [4])

    def test_who_rests_may_ask_once_more(self):
        self.begin()
        client = self.connect()
        self.assertIsNone(client.ask().get("connection"))
        silent = self.connect()
        until(lambda: self.weft.metric("weft_downstream_connections_active") == 2, "both are there")
        before = self.restart()
        response = client.ask()
        self.assertEqual((response.body, response.get("connection")), (b"ok", "close"))
        self.assertTrue(client.is_at_end())
        self.assertTrue(silent.is_at_end())
        self.ends(before)

    def test_what_is_under_way_is_finished(self):
        came, go = threading.Semaphore(0), threading.Event()
        self.addCleanup(go.set)
        self.begin(restarts.gate(came, go))
        client, tunnel = self.connect(), self.connect(self.opaque)
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        self.assertTrue(came.acquire(timeout=proxies.LIMIT))
        tunnel.send(b"begun")
        self.assertEqual(tunnel.receive(5), b"begun")
        before = self.restart()
        old = self.status()["generations"][1]
        self.assertEqual((old["pid"], old["connections"], old["streams"]), (before.pid, 2, 1))
        self.assertIn("cutAt", old)
        go.set()
        response = client.response()
        self.assertEqual((response.body, response.get("connection")), (b"late", "close"))
        tunnel.send(b"goes on")
        self.assertEqual(tunnel.receive(7), b"goes on")
        tunnel.end()
        self.assertEqual(tunnel.rest(), b"")
        self.ends(before)
        self.assertEqual(self.weft.metric("istio_requests_total"), 1)
        self.assertEqual(self.weft.metric("istio_tcp_received_bytes_total"), 12)
        self.assertEqual(self.weft.metric("istio_tcp_connections_closed_total"), 1)

    @unittest.skipUnless(http2.h2, http2.NEEDS)
    def test_a_stream_of_http2_is_finished(self):
        came, go = threading.Semaphore(0), threading.Event()
        self.addCleanup(go.set)
        self.begin(restarts.gate(came, go))
        client = http2.Connection(self.connect())
        stream = client.open()
        client.flush()
        self.assertTrue(came.acquire(timeout=proxies.LIMIT))
        before = self.restart()
        client.until(lambda: client.goaway, "it is told")
        go.set()
        self.assertEqual(bytes(client.whole(stream).body), b"late")
        self.ends(before)

    def test_counters_never_fall(self):
        self.begin(workers=2)
        seen, falls, is_over = {}, [], threading.Event()

        def watch():
            while not is_over.is_set():
                with contextlib.suppress(OSError, proxies.Cut):  # a scrape may fall into the change
                    for key, value in self.weft.metrics().items():
                        if key[0].endswith(("_total", "_count", "_bucket")):
                            if value < seen.get(key, 0):
                                falls.append((key, seen[key], value))
                            seen[key] = value
        watcher = proxies.beside(watch)
        load = self.load()
        for _ in range(3):
            self.goes_on(load, 50)
            self.ends(self.restart())
        self.assertEqual(load.end(), [])
        is_over.set()
        watcher.join()
        self.assertEqual((falls, watcher.error), ([], None))
        until(lambda: len(self.generations()) == 1, "the older ones have ended", limit=proxies.LIMIT)
        self.assertEqual(self.weft.metric("istio_requests_total"), load.requests)
        self.assertEqual(self.weft.metric("istio_tcp_connections_opened_total"),
                         self.weft.metric("istio_tcp_connections_closed_total"))

    def test_another_configuration(self):
        """One listener more and one less; a Unix socket's file stays."""
        path = self.file("web.sock")
        other, third = proxies.free_port(), proxies.free_port()
        self.begin()
        first = self.config(other)
        first["listeners"].append({"address": f"unix:{path}", "cluster": "app"})
        before = self.restart(first)
        self.ends(before)
        second = self.config(third)
        second["listeners"].append({"address": f"unix:{path}", "cluster": "app"})
        before = self.restart(second)
        for port in (self.port, third):
            self.assertEqual(self.connect(port).ask().body, b"ok")
        self.ends(before)
        with socket.socket() as probe:
            self.assertNotEqual(probe.connect_ex(("127.0.0.1", other)), 0)
        self.assertEqual(self.curl("--unix-socket", path, "http://a/"), b"ok")

    def test_another_admin_interface(self):
        self.begin()
        path = pathlib.Path(self.weft.admin.removeprefix("unix:"))
        self.ends(self.restart(admin=f"unix:{self.file('admin.sock')}"))
        self.assertFalse(path.exists())
        self.assertEqual(self.weft.page("/ready").status, 200)
        port = proxies.free_port()
        self.ends(self.restart(admin=f"127.0.0.1:{port}"))
        self.ends(self.restart())
        self.assertEqual(self.weft.page("/ready").status, 200)

    def test_more_listeners_than_one_message_holds(self):
        self.begin()
        ports = {proxies.free_port() for _ in range(100)} - {self.port, self.opaque, self.grpc, self.secret}
        self.weft.stop()
        self.weft = self.proxy(self.config(*ports), before=self.weft)
        self.ends(self.restart())
        for port in ports:
            self.assertEqual(self.connect(port).ask().body, b"ok")

    def test_the_access_log_that_is_moved_away(self):
        """At SIGHUP to the newest older ones open it anew too."""
        log = self.file("access.log")
        self.begin(flags=[f"--access-log={log}"])
        tunnel = self.connect(self.opaque)
        tunnel.send(b"begun")
        tunnel.receive(5)
        before = self.restart(flags=[f"--access-log={log}"])
        log.rename(log.with_suffix(".old"))
        self.weft.process.send_signal(signal.SIGHUP)

        def has_open(proxy):
            for fd in pathlib.Path(f"/proc/{proxy.pid}/fd").iterdir():
                with contextlib.suppress(FileNotFoundError):  # closed meanwhile
                    if os.readlink(fd) == str(log):
                        return True
            return False
        until(lambda: has_open(self.weft) and has_open(before), "both have opened it")
        self.connect().ask()
        tunnel.end()
        tunnel.rest()
        self.ends(before)
        until(lambda: "cluster=echo" in log.read_text() and "cluster=app" in log.read_text(), "both have written")

    def test_a_fourth_generation(self):
        self.begin()
        tunnels, lives = [], [self.weft]
        for number in range(1, 5):
            tunnels.append(self.connect(self.opaque))
            tunnels[-1].send(b"begun")
            self.assertEqual(tunnels[-1].receive(5), b"begun")
            if number < 4:
                self.restart()
                lives.append(self.weft)
        self.assertTrue(tunnels[0].is_at_end())
        self.ends(lives[0])
        for tunnel in tunnels[1:]:
            tunnel.send(b"on")
            self.assertEqual(tunnel.receive(2), b"on")
        self.assertEqual([(one["generation"], one["pid"], one["streams"]) for one in self.status()["generations"]],
                         [(4, lives[3].pid, 1), (3, lives[2].pid, 1), (2, lives[1].pid, 1)])
        self.assertEqual(self.weft.metric("istio_tcp_connections_opened_total"), 4)
        # The newest is told to end, and tells the others.
        self.weft.process.send_signal(signal.SIGTERM)
        for tunnel in tunnels[1:]:
            tunnel.end()
        for life in lives[1:]:
            self.ends(life)

    def test_the_time_of_old_connections(self):
        self.begin(flags=["--old-connections-timeout=300ms"])
        tunnel = self.connect(self.opaque)
        tunnel.send(b"begun")
        tunnel.receive(5)
        start = time.monotonic()
        before = self.restart()
        self.assertTrue(tunnel.is_at_end())
        self.assertGreater(time.monotonic() - start, 0.2)
        self.ends(before)

    def test_a_signal_ends_an_old_one(self):
        self.begin(flags=["--drain-timeout=100ms"])
        tunnel = self.connect(self.opaque)
        tunnel.send(b"begun")
        tunnel.receive(5)
        before = self.restart()
        before.process.send_signal(signal.SIGTERM)
        self.assertTrue(tunnel.is_at_end())
        self.ends(before)
        self.assertEqual(self.weft.metric("istio_tcp_connections_closed_total"), 1)

    def test_an_old_one_that_is_told_to_end_says_when(self):
        self.begin(flags=["--drain-timeout=60s"])
        tunnel = self.connect(self.opaque)
        tunnel.send(b"begun")
        tunnel.receive(5)
        before = self.restart()

        def left():
            old = self.status()["generations"][1]
            return (datetime.datetime.fromisoformat(old["cutAt"]) - datetime.datetime.now(datetime.timezone.utc)).total_seconds()
        self.assertGreater(left(), 3000)
        before.process.send_signal(signal.SIGTERM)
        until(lambda: left() <= 60, "it says so")
        self.assertGreater(left(), 30)
        before.process.send_signal(signal.SIGTERM)
        self.assertTrue(tunnel.is_at_end())
        self.ends(before)

    def test_a_place_that_cannot_be(self):
        self.begin()
        plain = self.file("plain")
        plain.write_text("mine")
        weft, file = mesh.BUILD / "bin" / "weft", f"--config={self.weft.file}"
        for command in (["proxy", file], ["proxy", "status", file], ["proxy", "status"]):
            for place, words in ((plain, "is no socket"), (plain.parent, "is no socket"), ("", "it is empty")):
                with self.subTest(command, place=place):
                    done = subprocess.run([weft, *command, "--restart-socket", place], capture_output=True, text=True,
                                          timeout=proxies.LIMIT)
                    self.assertEqual(done.returncode, 2, done.stderr)
                    self.assertIn("--restart-socket", done.stderr)
                    self.assertIn(words, done.stderr)
        self.assertEqual((plain.read_text(), list(plain.parent.iterdir())), ("mine", [plain]))

    def test_a_place_of_its_own(self):
        """They meet there, whatever environment they are started with."""
        folder = self.file("sockets")
        folder.mkdir(mode=0o700)
        link = self.file("link")
        link.symlink_to(folder)
        self.begin(flags=[f"--restart-socket={folder}/web"])
        tunnel = self.connect(self.opaque)
        tunnel.send(b"begun")
        tunnel.receive(5)
        before = self.restart(flags=["--restart-socket=link/web"], cwd=link.parent,
                              env={**os.environ, "XDG_RUNTIME_DIR": "/nowhere"})
        self.assertEqual(self.generations(f"--restart-socket={folder}/web"), [(2, self.weft.pid), (1, before.pid)])
        tunnel.end()
        tunnel.rest()
        self.ends(before)
        self.assertEqual(self.weft.stop(), 0)
        self.assertEqual(list(folder.iterdir()), [])

    def test_a_file_that_does_not_stay(self):
        """Two that read their configuration from a pipe are two proxies."""
        self.begin()
        ports = [proxies.free_port(), proxies.free_port()]
        running = []
        for port in ports:
            process = subprocess.Popen([mesh.BUILD / "bin" / "weft", "proxy", "--config=/dev/stdin", "--workers=1"],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            self.addCleanup(process.communicate)
            self.addCleanup(process.terminate)
            process.stdin.write(json.dumps(config(port, [self.app.address])).encode())
            process.stdin.close()
            process.stdin = None
            self.assertTrue(process.stdout.readline().startswith(b"listening on"))
            running.append(process)
        for port in ports:
            self.assertEqual(self.connect(port).ask().body, b"ok")
        self.assertEqual([process.poll() for process in running], [None, None])

    def test_without_a_proxy(self):
        self.begin()
        self.weft.stop()
        done = subprocess.run([mesh.BUILD / "bin" / "weft", "proxy", "status", f"--config={self.weft.file}"],
                              capture_output=True, text=True, timeout=proxies.LIMIT)
        self.assertEqual((done.returncode, "no proxy answers" in done.stderr), (6, True), done.stderr)


if __name__ == "__main__":
    unittest.main()
