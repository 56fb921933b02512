"""Hot restarts in which something fails, at each step: who runs goes on, and what is left is in nobody's way."""

import array
import contextlib
import fcntl
import itertools
import json
import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import unittest

import mesh
import proxies
import restarts
from proxies import config, until


class Faults(restarts.RestartTest):
    def test_a_kill_of_an_old_one_loses_no_count(self):
        self.begin()
        for _ in range(5):
            self.connect().ask()
        tunnel = self.connect(self.opaque)
        tunnel.send(b"begun")
        tunnel.receive(5)
        before = self.restart()
        self.assertEqual(self.weft.metric("istio_requests_total"), 5)
        self.killed(before)
        until(lambda: len(self.generations()) == 1, "it is gone")
        self.assertEqual(self.weft.metric("istio_requests_total"), 5)
        self.assertEqual(self.weft.metric("istio_tcp_received_bytes_total"), 5)

    def test_one_that_fails(self):
        self.begin()
        good = self.config()
        kept = self.connect()
        self.assertEqual(kept.ask().body, b"ok")
        with socket.create_server(("127.0.0.1", 0)) as taken:
            bad = self.config()
            bad["listeners"].append({"address": f"127.0.0.1:{taken.getsockname()[1]}", "cluster": "app"})
            for file in ("version: 1\nlisteners: [", bad):
                self.assertIn("error", self.fails(file))
                self.assertIsNone(kept.ask().get("connection"))
                self.assertEqual(self.connect().ask().body, b"ok")
        self.weft.write(good)
        self.assertEqual([number for number, _ in self.generations()], [1])
        self.ends(self.restart())

    def test_one_that_is_told_to_end_while_it_starts(self):
        self.begin()

        def told():
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
            os.kill(os.getpid(), signal.SIGTERM)  # pending until it looks
        done = subprocess.run([mesh.BUILD / "bin" / "weft", "proxy", f"--config={self.weft.file}", "--workers=1"],
                              preexec_fn=told, capture_output=True, text=True, timeout=proxies.LIMIT)
        self.assertEqual((done.returncode, done.stdout), (0, ""), done.stderr)
        self.assertEqual(self.generations(), [(1, self.weft.pid)])
        self.assertEqual(self.connect().ask().body, b"ok")

    @unittest.skipIf(proxies.IS_SANITIZED, "the sanitizers take descriptors to look at memory, and report what they cannot see")
    def test_too_few_descriptors_to_hand_on(self):
        """All is handed over, or nothing: then the one that runs goes on, and both say why."""
        self.begin()
        for _ in range(5):
            self.connect().ask()
        tunnel = self.connect(self.opaque)
        tunnel.send(b"begun")
        tunnel.receive(5)
        others, failed, has_begun = [self.weft], 0, False
        for count in itertools.count(1):
            proxies.leave_descriptors(self.weft.pid, count)
            others.append(proxies.Proxy(None, before=self.weft))
            self.addCleanup(others[-1].process.stdout.close)
            has_begun = others[-1].process.stdout.readline() != b""
            if has_begun:
                break
            self.ends(others[-1], 1)
            self.assertIn("this proxy runs already, but it cannot pass its sockets on: too many open files",
                          others[-1].stderr())
            self.assertIn("prlimit", others[-1].stderr())
            failed += 1
        self.assertGreater(failed, 4, "as many as there are listeners")
        proxies.leave_descriptors(self.weft.pid, None)
        self.proxies.append(others[-1])
        self.assertEqual(others[-1].stderr().count("warning"), 0)
        before, self.weft = self.weft, others[-1]
        self.assertEqual(self.generations(), [(2, self.weft.pid), (1, before.pid)])
        for port in (self.port, self.opaque, self.grpc):
            self.connect(port)
        self.assertEqual(self.weft.metric("istio_requests_total"), 5)
        tunnel.end()
        tunnel.rest()
        self.ends(before)

    def test_a_listener_beside_one_of_all_addresses(self):
        """It is no other process that is in the way."""
        self.begin()
        other = proxies.free_port()
        wide = self.config()
        wide["listeners"][0]["address"] = f"0.0.0.0:{self.port}"
        both = self.config(other)
        both["listeners"].append({"address": f"[::]:{other}", "cluster": "app"})
        for file, words in ((wide, f"the proxy that runs has 127.0.0.1:{self.port}"),
                            (both, f"leave out this listener or 127.0.0.1:{other}")):
            with self.subTest(words):
                said = self.fails(file)
                self.assertIn(words, said)
                self.assertNotIn("another process", said)
                # The one that runs tries to load it too.
                until(lambda words=words: words in self.weft.stderr(), "it is told there")
                self.assertNotIn("another process", self.weft.stderr())
        without = self.config(other)
        del without["listeners"][0]
        self.weft.write(without)
        until(lambda: "reloaded" in self.weft.stderr(), "it is gone")
        wide["listeners"][0]["address"] = f"127.0.0.1:{self.port}"
        self.ends(self.restart(wide))
        self.assertEqual(self.connect().ask().body, b"ok")

    def test_a_place_that_is_no_use(self):
        """It serves, without a hot restart."""
        self.begin()
        places = [(self.weft.admin.removeprefix("unix:"), "cannot connect to"),
                  (f"{tempfile.gettempdir()}/weft-{os.getpid()}.sock", "name a socket in a folder of this user's own")]
        for path, words in places:
            with self.subTest(path):
                file = config(proxies.free_port(), [self.app.address])
                other = self.proxy(file, flags=[f"--restart-socket={path}"])
                self.assertIn("no hot restart: ", other.stderr())
                self.assertIn(words, other.stderr())
                self.assertFalse(os.path.exists(f"{path}.lock"))
        self.assertEqual(self.weft.page("/ready").status, 200)
        for flags, words in ((["--restart-socket=x"], "does nothing without --config"),
                             (["--config=none", f"--restart-socket=/{'x' * 107}"], "is longer than 107 bytes")):
            done = subprocess.run([mesh.BUILD / "bin" / "weft", "proxy", *flags], capture_output=True, text=True,
                                  timeout=proxies.LIMIT)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(words, done.stderr)

    # What a successor says, by hand.

    def successor(self, *ops):
        return self.at(self.status()["socket"], *ops)

    @staticmethod
    def at(path, *ops):
        """One that has connected, and says so much."""
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        sock.settimeout(proxies.LIMIT)
        sock.connect(path)
        for op in ops:
            sock.send(op if isinstance(op, bytes) else json.dumps({"op": op}).encode())
        return sock

    @staticmethod
    def answer(sock):
        """The next message, and the descriptors that came with it."""
        size = array.array("i").itemsize
        data, beside, _, _ = sock.recvmsg(1 << 20, socket.CMSG_SPACE(64 * size))
        fds = array.array("i")
        for _, _, part in beside:
            fds.frombytes(part[:len(part) - len(part) % size])
        return json.loads(data) if data else None, list(fds)

    def test_one_that_is_killed_before_it_takes_over(self):
        self.begin()
        kept = self.connect()
        for step, ops in (("connected", ()), ("asked", ("take",)), ("nonsense", (b"[",)), ("nothing", (b"{}",)), ("out of turn", ("relieve",))):
            with self.subTest(step):
                with self.successor(*ops):
                    pass
                self.assertIsNone(kept.ask().get("connection"))
                self.assertEqual(self.connect().ask().body, b"ok")
        with self.subTest("has taken"):
            with self.successor("take") as sock:
                message, fds = self.answer(sock)
                self.assertEqual(message["generation"]["pid"], self.weft.pid)
                self.assertEqual(len(fds), 6)  # control, admin, four listeners
                listener = fds[message["sockets"].index(["listener", f"127.0.0.1:{self.port}"])]
                with socket.socket(fileno=os.dup(listener)) as taken:
                    self.assertEqual(taken.getsockname()[1], self.port)
            for fd in fds:
                os.close(fd)
            self.assertIsNone(kept.ask().get("connection"))
            self.assertEqual(self.connect().ask().body, b"ok")
        # Nothing of them is left that would be in the way.
        until(lambda: not self.weft.stderr().count("another process"), "it goes on")
        before = self.restart()
        self.assertEqual(kept.ask().get("connection"), "close")
        self.ends(before)

    @unittest.skipIf(proxies.IS_SANITIZED, "the sanitizers take descriptors to look at memory, and report what they cannot see")
    def test_too_few_descriptors_once_it_has_given(self):
        """What was promised with the sockets comes."""
        self.begin()
        self.connect().ask()
        with self.successor("take") as sock:
            _, fds = self.answer(sock)
            proxies.leave_descriptors(self.weft.pid, 0)
            sock.send(json.dumps({"op": "relieve"}).encode())
            message, counted = self.answer(sock)
            self.assertEqual([one["pid"] for one in message["generations"]], [self.weft.pid])
            self.assertIn("istio_requests_total", os.pread(counted[1], 1 << 20, 0).decode())
        for fd in fds + counted:
            os.close(fd)
        self.ends(self.weft)

    def test_one_that_is_killed_before_it_is_answered(self):
        self.begin()
        with self.successor("take") as sock:
            _, fds = self.answer(sock)
            self.weft.process.send_signal(signal.SIGSTOP)
            sock.send(json.dumps({"op": "relieve"}).encode())
        for fd in fds:
            os.close(fd)
        self.weft.process.send_signal(signal.SIGCONT)
        self.assertEqual([number for number, _ in self.generations()], [1])
        self.assertIsNone(self.connect().ask().get("connection"))
        self.assertEqual(self.weft.metric("istio_requests_total"), 1)
        self.ends(self.restart())

    def test_one_that_is_killed_right_after(self):
        """What it leaves is what a killed proxy leaves: the next one starts."""
        self.begin()
        with self.successor("take") as sock:
            _, fds = self.answer(sock)
            sock.send(json.dumps({"op": "relieve"}).encode())
            message, counted = self.answer(sock)
            self.assertEqual(message["generations"][0]["pid"], self.weft.pid)
        for fd in fds + counted:
            os.close(fd)
        self.ends(self.weft)
        self.restart()
        self.assertEqual(self.connect().ask().body, b"ok")
        self.assertEqual([number for number, _ in self.generations()], [1])

    def test_a_reload_waits_for_a_successor(self):
        self.begin()
        other = proxies.free_port()
        with self.successor("take") as sock:
            _, fds = self.answer(sock)
            self.weft.write(self.config(other))
            self.weft.process.send_signal(signal.SIGHUP)
            # What a successor binds now must not be bound here meanwhile.
            self.assertEqual(self.connect().ask().body, b"ok")
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", other))
        for fd in fds:
            os.close(fd)
        until(lambda: "reloaded" in self.weft.stderr(), "it reloads then")
        self.assertEqual(self.connect(other).ask().body, b"ok")

    # A predecessor, by hand.

    @contextlib.contextmanager
    def predecessor(self, path, serve):
        """In place of a proxy."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
            listener.bind(path)
            listener.listen()

            def run():
                with listener.accept()[0] as sock:
                    listener.close()
                    sock.settimeout(proxies.LIMIT)
                    serve(sock)
            thread = proxies.beside(run)
            yield
            thread.join(proxies.LIMIT)
            self.assertIsNone(thread.error)

    def test_a_predecessor_that_dies_at_each_step(self):
        self.begin()
        path = self.status()["socket"]
        self.assertEqual(self.weft.stop(), 0)
        own = {"number": 7, "pid": os.getpid(), "version": "0", "startedNs": 0, "connections": 0, "streams": 0}

        def gives(sock):
            sock.recv(100)
            with socket.create_server(("127.0.0.1", self.port)) as listening:
                listening.setblocking(False)
                message = {"generation": own, "more": False, "sockets": [["listener", f"127.0.0.1:{self.port}"]]}
                socket.send_fds(sock, [json.dumps(message).encode()], [listening.fileno()])

        def gives_and_waits(sock):
            gives(sock)
            sock.recv(100)
        for serve in (lambda sock: None, lambda sock: sock.recv(100), lambda sock: sock.send(b"nonsense"), gives,
                      gives_and_waits):
            with self.predecessor(path, serve):
                self.weft = self.proxy(None, before=self.weft)
                self.assertEqual(self.connect().ask().body, b"ok")
            self.assertEqual([pid for _, pid in self.generations()], [self.weft.pid])
            self.assertEqual(self.weft.stop(), 0)
            self.assertFalse(os.path.exists(path))

    def test_after_a_kill_of_the_newest(self):
        """An older one has its connections still, says so, and is in nobody's way."""
        self.begin()
        tunnel = self.connect(self.opaque)
        tunnel.send(b"begun")
        tunnel.receive(5)
        before = self.restart()
        self.killed(self.weft)
        said = f"without a word: generation 1 (process {before.pid}) goes on"
        until(lambda: said in before.stderr(), "the older one says so")
        self.weft = self.proxy(None, before=self.weft)
        self.assertEqual(self.generations(), [(1, self.weft.pid)])
        self.assertEqual(self.connect().ask().body, b"ok")
        tunnel.send(b"goes on")
        self.assertEqual(tunnel.receive(7), b"goes on")
        tunnel.end()
        self.ends(before)

    def test_after_a_kill_of_the_newest_the_older_one_ends_in_its_time(self):
        self.begin(flags=["--old-connections-timeout=1s"])
        tunnel = self.connect(self.opaque)
        tunnel.send(b"begun")
        tunnel.receive(5)
        before = self.restart()
        self.killed(self.weft)
        self.assertTrue(tunnel.is_at_end())
        self.ends(before)

    def test_an_older_one_that_is_told_to_end_says_nothing(self):
        self.begin()
        tunnel = self.connect(self.opaque)
        tunnel.send(b"begun")
        tunnel.receive(5)
        before = self.restart()
        self.assertEqual(self.weft.stop(), 0)
        tunnel.end()
        self.ends(before)
        self.assertNotIn("without a word", before.stderr())

    def test_one_that_is_stopped(self):
        """It is told apart from one that does not run, and named also if its sockets are those of the one before."""
        self.begin()
        self.ends(self.restart())
        self.weft.process.send_signal(signal.SIGSTOP)
        try:
            done = subprocess.run([mesh.BUILD / "bin" / "weft", "proxy", "status", f"--config={self.weft.file}",
                                   "--timeout=200ms"], capture_output=True, text=True, timeout=proxies.LIMIT)
        finally:
            self.weft.process.send_signal(signal.SIGCONT)
        self.assertEqual(done.returncode, 6, done.stderr)
        self.assertIn(f"the proxy (process {self.weft.pid}) runs, but does not answer within 200ms", done.stderr)
        self.assertIn(f"kill -CONT {self.weft.pid}", done.stderr)
        self.assertNotIn("start it", done.stderr)
        self.assertEqual(self.generations(), [(2, self.weft.pid)])

    def test_many_who_connect_and_are_silent(self):
        """They keep nobody out, and do not stay."""
        self.begin()
        path = self.status()["socket"]
        silent = [self.at(path) for _ in range(40)]
        self.assertEqual(self.generations(), [(1, self.weft.pid)])
        with self.at(path, "take") as sock:
            _, fds = self.answer(sock)
            silent += [self.at(path) for _ in range(40)]
            self.assertEqual(self.generations(), [(1, self.weft.pid)])
            sock.send(json.dumps({"op": "status"}).encode())
            self.assertEqual(self.answer(sock)[0]["generations"][0]["pid"], self.weft.pid, "a successor is let be")
        for fd in fds:
            os.close(fd)
        self.ends(self.restart())
        self.assertEqual(self.connect().ask().body, b"ok")
        silent.append(self.at(path))
        for sock in silent:
            self.assertEqual(sock.recv(100), b"")
            sock.close()

    def test_two_at_once(self):
        self.begin()
        path = self.status()["socket"]
        lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        self.addCleanup(lambda: [os.close(lock), os.path.exists(f"{path}.lock") and os.unlink(f"{path}.lock")])
        os.write(lock, f"{os.getpid()}\n".encode())
        fcntl.flock(lock, fcntl.LOCK_EX)
        said = self.fails()
        self.assertIn("is being started by another process", said)
        self.assertIn(str(os.getpid()), said)
        fcntl.flock(lock, fcntl.LOCK_UN)
        others = [proxies.Proxy(None, before=self.weft) for _ in range(3)]
        self.proxies += others
        ended = [one for one in others if one.process.stdout.readline() == b""]
        for one in ended:
            self.ends(one, 1)
            self.proxies.remove(one)
            one.process.stdout.close()
        self.assertLess(len(ended), 3)
        self.assertEqual(self.connect().ask().body, b"ok")

    def test_after_a_kill(self):
        """What a killed one leaves is in nobody's way."""
        self.begin()
        path = pathlib.Path(self.status()["socket"])
        self.killed(self.weft)
        self.assertTrue(path.exists())
        self.weft = self.proxy(None, before=self.weft)
        self.assertEqual(self.generations(), [(1, self.weft.pid)])
        self.assertEqual(self.weft.stop(), 0)
        self.assertFalse(path.exists())
        self.assertFalse(pathlib.Path(f"{path}.lock").exists())

    def test_nobody_else_may_ask(self):
        self.begin()
        path = pathlib.Path(self.status()["socket"])
        self.assertEqual(path.stat().st_mode & 0o777, 0o600)
        self.assertEqual(path.parent.stat().st_mode & 0o777, 0o700)
        if os.getuid() != 0:
            return
        # One who got to the socket all the same: root may connect, and is then nobody.
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            with contextlib.suppress(OSError):
                fd = os.open(path.parent, os.O_PATH)
                os.fchdir(fd)
                sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                os.chmod(path, 0o666)
                os.setresuid(65534, 65534, 65534)
                sock.connect(path.name)
                sock.send(b'{"op":"take"}')
                os.write(writer, b"closed" if not sock.recv(100) else b"answered")
            os._exit(0)
        os.waitpid(child, 0)
        os.close(writer)
        with open(reader, "rb") as told:
            self.assertNotIn(b"answered", told.read())
        self.assertEqual(self.connect().ask().body, b"ok")


if __name__ == "__main__":
    unittest.main()
