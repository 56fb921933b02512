"""systemd's side of weft, played by the test: sockets that are passed, and what is said at NOTIFY_SOCKET."""

import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time
import unittest

import certificates
import mesh
import proxies
import restarts
from proxies import answers, config, reply, until

UNITS = mesh.SOURCE / "deploy"


class Manager:
    """A socket at which a service tells how it is."""

    def __init__(self, path):
        self.path = str(path)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + self.path[1:] if self.path.startswith("@") else self.path)
        self.socket.settimeout(mesh.LIMIT)

    def told(self):
        """The next message, as {name: value}."""
        return dict(line.split("=", 1) for line in self.socket.recv(4096).decode().splitlines())

    def close(self):
        self.socket.close()


class Proxy(proxies.ProxyTest):
    def manager(self, path):
        manager = Manager(path)
        self.addCleanup(manager.close)
        return manager

    def listening(self, address="127.0.0.1"):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((address, 0))
        sock.listen(1)
        self.addCleanup(sock.close)
        return sock

    def start_with(self, manager, file, sockets=(), names="", pid="$$", **options):
        """A proxy that finds `sockets` from descriptor 3 on, as systemd passes them. LISTEN_PID is its own."""
        # The descriptors are above those that they go to, so that none overwrites another.
        high = [os.dup2(sock.fileno(), 100 + n, inheritable=True) for n, sock in enumerate(sockets)]
        moves = " ".join(f"{3 + n}<&{fd} {fd}<&-" for n, fd in enumerate(high))
        script = (f"export LISTEN_PID={pid} LISTEN_FDS={len(sockets)} LISTEN_FDNAMES={names}; "
                  f"exec {moves} && exec \"$@\"")
        try:
            return self.proxy(file, under=["bash", "-c", script, "bash"], pass_fds=high,
                              env={**os.environ, "NOTIFY_SOCKET": manager.path}, **options)
        finally:
            for fd in high:
                os.close(fd)

    def test_it_tells_how_it_is(self):
        for path in (self.file("notify"), f"@weft-test-{os.getpid()}"):
            with self.subTest(path=str(path)[:1]):
                manager = self.manager(path)
                app = self.backend(answers(lambda request: reply()))
                file = config(proxies.free_port(), [app.address])
                proxy = self.start_with(manager, file)
                told = manager.told()
                self.assertEqual((told["READY"], told["STATUS"]), ("1", "serving 1 listener"))
                self.assertEqual(told["MAINPID"], str(proxy.pid))
                begin = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
                proxy.process.send_signal(signal.SIGHUP)
                told = manager.told()
                self.assertEqual(told["RELOADING"], "1")
                self.assertTrue(begin <= int(told["MONOTONIC_USEC"]) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000)
                self.assertEqual(manager.told()["READY"], "1")
                proxy.write("listeners: [")
                self.assertEqual(manager.told()["RELOADING"], "1")
                told = manager.told()
                self.assertEqual(told["READY"], "1", "it serves what was in force")
                self.assertEqual(told["STATUS"], f"not reloaded, what was in force stays: {proxy.file} is not valid")
                proxy.process.send_signal(signal.SIGTERM)
                self.assertEqual(manager.told()["STOPPING"], "1")
                self.assertEqual(proxy.stop(), 0)

    def test_one_that_takes_over_is_the_main_process(self):
        manager = self.manager(self.file("notify"))
        app = self.backend(answers(lambda request: reply()))
        first = self.start_with(manager, config(proxies.free_port(), [app.address]))
        self.assertEqual(manager.told()["MAINPID"], str(first.pid))
        second = self.start_with(manager, None, before=first)
        told = manager.told()
        self.assertEqual((told["READY"], told["MAINPID"]), ("1", str(second.pid)))
        self.assertEqual(first.process.wait(mesh.LIMIT), 0)
        second.process.send_signal(signal.SIGTERM)
        self.assertEqual(manager.told(), {"STOPPING": "1", "STATUS": "draining"}, "the first has said nothing more")

    def test_nobody_reads_what_it_tells(self):
        gone = self.manager(self.file("notify"))
        gone.close()
        app = self.backend(answers(lambda request: reply()))
        proxy = self.start_with(gone, config(proxies.free_port(), [app.address]))
        self.assertEqual(proxy.stop(), 0)

    def test_a_listener_takes_the_socket_of_its_address(self):
        manager = self.manager(self.file("notify"))
        app = self.backend(answers(lambda request: reply()))
        web, spare = self.listening(), self.listening()
        port, spare_port = web.getsockname()[1], spare.getsockname()[1]
        inodes = [f"socket:[{os.fstat(sock.fileno()).st_ino}]" for sock in (web, spare)]
        # It came before the proxy, and waits in the socket.
        early = socket.create_connection(("127.0.0.1", port))
        proxy = self.start_with(manager, config(port, [app.address]), [web, spare], "web:spare")
        web.close()
        spare.close()
        with proxies.Peer(early) as peer:
            self.assertEqual(peer.ask().status, 200)
        self.assertIn(f"the service manager passed 127.0.0.1:{spare_port} (spare), which no listener of the file has",
                      proxy.stderr())
        # They are the very sockets that were passed, and no program that is started finds them.
        for fd, inode in zip((3, 4), inodes):
            self.assertEqual(os.readlink(f"/proc/{proxy.pid}/fd/{fd}"), inode)
            flags = re.search(r"^flags:\t(\d+)", pathlib.Path(f"/proc/{proxy.pid}/fdinfo/{fd}").read_text(), re.MULTILINE)
            self.assertTrue(int(flags[1], 8) & os.O_CLOEXEC, fd)
        # Its listener goes and comes back: the socket was kept.
        file = config(spare_port, [app.address])
        proxy.write(file)
        until(lambda: f"127.0.0.1:{spare_port}" in proxy.page("/listeners").body.decode(), "the other listener is open")
        with proxies.Peer(socket.create_connection(("127.0.0.1", spare_port))) as peer:
            self.assertEqual(peer.ask().status, 200)
        proxy.write(config(port, [app.address]))
        until(lambda: f"127.0.0.1:{port}" in proxy.page("/listeners").body.decode(), "the first is open again")
        with proxies.Peer(socket.create_connection(("127.0.0.1", port))) as peer:
            self.assertEqual(peer.ask().status, 200)
        self.assertEqual(proxy.stop(), 0)

    @unittest.skipIf(proxies.IS_SANITIZED, "the sanitizers take descriptors to look at memory, and report what they cannot see")
    def test_too_few_descriptors_for_what_was_passed(self):
        manager = self.manager(self.file("notify"))
        app = self.backend(answers(lambda request: reply()))
        passed = [self.listening() for _ in range(7)]
        file = config(passed[0].getsockname()[1], [app.address])
        proxy = self.start_with(manager, file, passed)
        proxies.leave_descriptors(proxy.pid, 1)
        for sock in passed[1:]:
            file["listeners"].append({"address": f"127.0.0.1:{sock.getsockname()[1]}", "cluster": "app"})
        proxy.write(file)
        until(lambda: "raise the limit on descriptors" in proxy.stderr(), "it is told")
        proxies.leave_descriptors(proxy.pid, None)
        proxy.process.send_signal(signal.SIGHUP)
        until(lambda: "reloaded" in proxy.stderr(), "it is loaded")
        for sock in passed:
            with proxies.Peer(socket.create_connection(sock.getsockname())) as peer:
                self.assertEqual(peer.ask().status, 200)

    def test_a_unix_socket(self):
        manager = self.manager(self.file("notify"))
        app = self.backend(answers(lambda request: reply()))
        path = self.file("web.sock")
        sock = socket.socket(socket.AF_UNIX)
        sock.bind(str(path))
        sock.listen(8)
        file = config(1, [app.address])
        file["listeners"][0]["address"] = f"unix:{path}"
        proxy = self.start_with(manager, file, [sock], "web")
        sock.close()
        client = socket.socket(socket.AF_UNIX)
        client.connect(str(path))
        with proxies.Peer(client) as peer:
            self.assertEqual(peer.ask().status, 200)
        self.assertEqual(proxy.stop(), 0)
        self.assertTrue(path.exists(), "it is the service manager's")

    def test_what_is_for_another_process_is_not_taken(self):
        manager = self.manager(self.file("notify"))
        app = self.backend(answers(lambda request: reply()))
        web = self.listening()
        port = proxies.free_port()
        proxy = self.start_with(manager, config(port, [app.address]), [web], "web", pid="1")
        self.assertNotIn("the service manager passed", proxy.stderr())
        self.assertEqual(proxy.stop(), 0)

    def test_what_is_no_listening_socket_is_passed_over(self):
        manager = self.manager(self.file("notify"))
        app = self.backend(answers(lambda request: reply()))
        datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        datagrams.bind(("127.0.0.1", 0))
        web = self.listening()
        proxy = self.start_with(manager, config(web.getsockname()[1], [app.address]), [datagrams, web], "'odd\x1b[2J:web'")
        self.assertIn(r"descriptor 3 (odd\u001b[2J)", proxy.stderr())
        with proxies.Peer(socket.create_connection(web.getsockname())) as peer:
            self.assertEqual(peer.ask().status, 200)
        datagrams.close()
        self.assertEqual(proxy.stop(), 0)


class Supervisor(mesh.MeshTest):
    def test_the_mesh_tells_how_it_is(self):
        manager = Manager(self.mesh.folder / "notify")
        self.addCleanup(manager.close)
        # Sockets were passed to who started it: the number is not the supervisor's.
        passed = {"LISTEN_PID": "1", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "web", "WATCHDOG_USEC": "1", "WATCHDOG_PID": "1"}
        environment = {**self.mesh.environment, "NOTIFY_SOCKET": manager.path, **passed}
        runs = self.mesh.popen("weft", "supervise", env=environment)
        self.assertEqual(manager.told(), {"READY": "1", "STATUS": f"supervises {self.mesh.home}"})
        mesh.until(lambda: self.mesh.run("control-plane", "status").code == 0, "it runs")
        self.assertIn("keeper          the service manager\n", self.mesh.ok("control-plane", "status"))
        # In the service's own process: an upgrade is a reload.
        self.mesh.ok("weft", "upgrade")
        self.assertIn("MONOTONIC_USEC", manager.told())
        self.assertEqual(manager.told()["READY"], "1")
        mesh.until(lambda: self.mesh.processes("weft", "proxy"), "it has a proxy")
        self.assertEqual(self.of_manager(self.mesh.proxy()), [])
        self.assertEqual(self.mesh.stop().code, 0)
        self.assertEqual(set(self.last(manager)), {"STOPPING"})
        runs.communicate(timeout=mesh.LIMIT)
        self.assertEqual(runs.returncode, 0)

    def test_a_mesh_in_the_background_is_in_the_way_of_one_of_a_unit(self):
        self.mesh.start()
        result = self.mesh.weft("supervise")
        self.assertEqual(result.code, 1, result)
        self.assertIn(f"stop it with `control-plane stop --home {self.mesh.home}`", result.err)

    def test_it_is_not_ready_without_a_control_plane(self):
        """Nor after a reload."""
        manager = Manager(self.mesh.folder / "notify")
        self.addCleanup(manager.close)
        runs = self.mesh.popen("weft", "supervise", env={**self.mesh.environment, "NOTIFY_SOCKET": manager.path})
        self.assertEqual(manager.told()["READY"], "1")
        mesh.until(lambda: self.mesh.run("control-plane", "status").code == 0, "it runs")
        database, aside = self.mesh.home / "weft.db", self.mesh.folder / "weft.db"
        database.rename(aside)
        database.mkdir()
        os.kill(self.mesh.control_plane(), signal.SIGKILL)
        mesh.until(lambda: self.mesh.status()["controlPlane"]["restarts"] > 1, "none can start")
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as peer:
            peer.settimeout(mesh.LIMIT)
            peer.connect(str(self.mesh.home / "run" / "supervisor.sock"))
            for request in ({"op": "upgrade", "program": str(mesh.BUILD / "bin" / "weft")}, {"op": "status"}):
                peer.send(json.dumps({"id": 1, **request}).encode())
                self.assertIn("ok", json.loads(peer.recv(1 << 20)))
        self.assertEqual(manager.told()["RELOADING"], "1")
        manager.socket.setblocking(False)
        with self.assertRaises(BlockingIOError):
            manager.told()
        manager.socket.settimeout(mesh.LIMIT)
        database.rmdir()
        aside.rename(database)
        self.assertEqual(manager.told()["READY"], "1")
        self.assertEqual(self.mesh.stop().code, 0)
        runs.communicate(timeout=mesh.LIMIT)
        self.assertEqual(runs.returncode, 0)

    def test_a_mesh_in_the_background_speaks_for_no_service(self):
        manager = Manager(self.mesh.folder / "notify")
        self.addCleanup(manager.close)
        self.mesh.environment.update(NOTIFY_SOCKET=manager.path, LISTEN_PID="1", LISTEN_FDS="1", LISTEN_FDNAMES="web")
        self.mesh.start()
        self.assertEqual(self.of_manager(self.mesh.supervisor()), [])
        self.assertEqual(self.mesh.stop().code, 0)
        manager.socket.setblocking(False)
        self.assertRaises(BlockingIOError, manager.told)

    def of_manager(self, pid):
        """The variables of a service manager that a process was started with."""
        names = [entry.split("=")[0] for entry in pathlib.Path(f"/proc/{pid}/environ").read_text().split("\0")]
        self.assertIn("WEFT_HOME", names)
        return [name for name in names if re.match("NOTIFY_|LISTEN_|WATCHDOG_", name)]

    def last(self, manager):
        """What it tells after the control planes have come."""
        while "READY" in (told := manager.told()):
            pass
        return told


def settings(unit, name):
    """What a unit's file says under that name."""
    text = (UNITS / unit).read_text().replace("\\\n", "")
    return re.findall(rf"^{name}=(.*)$", text, re.MULTILINE)


@unittest.skipUnless(os.getuid() == 0, "only root may make namespaces as systemd does, and become another user")
class UnitOfAProxy(proxies.ProxyTest):
    """The command of the unit in what systemd gives it: a user and a /tmp of its own, a folder in /run, and little else."""

    USER = "61234"  # in the place of that which weft-proxy.sysusers makes

    def setUp(self):
        super().setUp()
        (folder,) = settings("weft-proxy.service", "RuntimeDirectory")
        script = (f"mount -t tmpfs tmpfs /run && install -d -m 700 -o {self.USER} -g {self.USER} /run/{folder} && echo made && "
                  "exec cat")
        self.machine = subprocess.Popen(["unshare", "--mount", "bash", "-c", script], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.addCleanup(self.machine.communicate)
        self.assertEqual(self.machine.stdout.readline(), "made\n")
        self.inside = ["nsenter", f"--target={self.machine.pid}", "--mount"]

    def run_inside(self, *command, **options):
        return subprocess.run([*self.inside, *command], capture_output=True, text=True, timeout=mesh.LIMIT, **options)

    def command(self):
        (command,) = settings("weft-proxy.service", "ExecStart")
        words = [{"/usr/bin/weft": mesh.BUILD / "bin" / "weft", "/etc/weft/proxy.yaml": "/run/proxy.yaml"}.get(word, word)
                 for word in command.split()]
        script = (f"mount -t tmpfs tmpfs /tmp && exec setpriv --reuid={self.USER} --regid={self.USER} --clear-groups env -i "
                  "RUNTIME_DIRECTORY=/run/weft-proxy \"$@\"")
        return ["unshare", "--mount", "bash", "-c", script, "bash", *words]

    def start_unit(self):
        process = subprocess.Popen([*self.inside, *self.command()], stdout=subprocess.PIPE, text=True)

        def end():
            process.terminate()
            process.communicate()
        self.addCleanup(end)
        self.assertTrue(process.stdout.readline().startswith("listening on"))
        return process

    def test_two_generations_are_found_from_outside(self):
        port, echo = proxies.free_port(), self.backend(restarts.echo)
        file = json.dumps(config(port, [echo.address], "tcp"))
        self.assertEqual(self.run_inside("tee", "/run/proxy.yaml", input=file).returncode, 0)
        first = self.start_unit()
        with proxies.Peer(socket.create_connection(("127.0.0.1", port))) as client:
            client.send(b"begun")
            self.assertEqual(client.receive(5), b"begun")
            second = self.start_unit()
            done = self.run_inside(mesh.BUILD / "bin" / "weft", "proxy", "status", "--restart-socket=/run/weft-proxy/restart.sock",
                                   "-o", "json")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual([one["pid"] for one in json.loads(done.stdout)["generations"]], [second.pid, first.pid])
            client.send(b"goes on")
            self.assertEqual(client.receive(7), b"goes on")
        self.assertEqual(first.wait(mesh.LIMIT), 0)


    def test_a_key_as_openssl_leaves_it(self):
        """It is root's alone; what is said gives it to the unit's user."""
        folder = self.file("certificates")
        folder.mkdir()
        own = certificates.certificate(folder, certificates.authority(folder), "app.example")
        file = config(proxies.free_port(), ["127.0.0.1:1"])
        file["listeners"][0]["tls"] = {"certificate": "web.crt", "key": "web.key"}
        for name, text in (("proxy.yaml", json.dumps(file)), ("web.crt", own.certificate.read_text()), ("web.key", own.key.read_text())):
            self.run_inside("tee", f"/run/{name}", input=text, check=True)
        self.run_inside("chmod", "600", "/run/web.key", check=True)
        refused = self.run_inside(*self.command())
        self.assertEqual(refused.returncode, 3)
        self.assertIn("cannot read /run/web.key: Permission denied", refused.stderr)
        self.assertIn(f"let this user (uid {self.USER}) read it by its group: `chgrp {self.USER}`, `chmod g+r`", refused.stderr)
        self.run_inside("chgrp", self.USER, "/run/web.key", check=True)
        self.run_inside("chmod", "g+r", "/run/web.key", check=True)
        self.start_unit()


class Units(unittest.TestCase):
    def test_the_user_of_the_proxy_is_made(self):
        (user,) = settings("weft-proxy.service", "User")
        self.assertRegex((UNITS / "weft-proxy.sysusers").read_text(), rf"(?m)^u {user} - ")

    def test_what_goes_with_a_unit_is_its_own(self):
        """In /run/weft are the sockets of all that root starts."""
        for unit in UNITS.iterdir():
            self.assertNotIn("weft", " ".join(settings(unit.name, "RuntimeDirectory")).split(), unit.name)

    @unittest.skipUnless(shutil.which("systemd-analyze"), "there is no systemd-analyze")
    def test_they_are_valid(self):
        folder = pathlib.Path(mesh.tempfile.mkdtemp(prefix="weft-test-"))
        self.addCleanup(shutil.rmtree, folder)
        for unit in [*UNITS.glob("*.service"), *UNITS.glob("*.socket")]:
            # Where the program is is for whoever installs it.
            text = unit.read_text().replace("/usr/bin/weft", str(mesh.BUILD / "bin" / "weft"))
            (folder / unit.name).write_text(text)
        for unit in sorted(folder.iterdir()):
            checked = subprocess.run(["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True,
                                     env={**os.environ, "SYSTEMD_UNIT_PATH": f"{folder}:"}, timeout=mesh.LIMIT)
            about = [line for line in checked.stderr.splitlines() if re.search(r"weft", line)]
            self.assertEqual((checked.returncode, about), (0, []), checked.stderr)
