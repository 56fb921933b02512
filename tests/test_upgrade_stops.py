"""`weft upgrade` while the mesh stops, and steps of it that fail: nothing stops out of order, and what runs goes on."""

import contextlib
import json
import os
import pathlib
import re
import signal
import socket

import mesh
import resources


class Upgrade(mesh.MeshTest):
    def setUp(self):
        super().setUp()
        self.asked, self.go, self.db_asked = (self.mesh.folder / name for name in ("asked", "go", "db-asked"))

    def ask(self, **request):
        """Of the supervisor: its answer."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as peer:
            peer.settimeout(mesh.LIMIT)
            peer.connect(str(self.mesh.home / "run" / "supervisor.sock"))
            peer.send(json.dumps({"id": 1, **request}).encode())
            return json.loads(peer.recv(1 << 20))

    def status(self):
        return self.ask(op="status")["ok"]

    def start_chain(self):
        """`web`, which takes its time to stop, and `db`, which must not be asked to before it has."""
        def pair(name, script, **options):
            deployment, service = resources.pair(name, grace=60, **options)
            container = deployment["spec"]["template"]["spec"]["containers"][0]
            container["lifecycle"] = {"preStop": {"exec": {"command": ["/bin/sh", "-c", script]}}}
            return [deployment, service]
        self.mesh.apply(resources.text(
            pair("db", f"touch {self.db_asked}"),
            pair("web", f"touch {self.asked}; until [ -e {self.go} ]; do sleep 0.01; done",
                 depends_on=[resources.needs("db")])), "--wait")

    def end_chain(self):
        self.assertFalse(self.db_asked.exists())
        self.go.touch()

    def test_during_a_stop(self):
        self.start_chain()
        stop = self.mesh.popen("control-plane", "stop")
        mesh.until(self.asked.exists, "web is asked to stop")
        pids = self.status()
        upgraded = self.mesh.weft("upgrade")
        self.assertEqual(upgraded.code, 1, upgraded)
        self.assertIn("error: the supervisor was not replaced: the mesh is stopping\n", upgraded.err)
        self.assertEqual(self.ask(op="replace", name="control-plane")["error"],
                         {"kind": "unavailable", "detail": "the mesh is stopping"})
        # Whoever else says that it should leave.
        os.kill(self.mesh.control_plane(), signal.SIGHUP)
        log = self.mesh.home / "logs" / "control-plane.log"
        mesh.until(lambda: "it is stopping, and does not leave" in log.read_text(), "it stays")
        self.assertEqual(self.status(), pids)
        self.end_chain()
        out, err = stop.communicate(timeout=mesh.LIMIT)
        self.assertEqual((stop.returncode, out), (0, "stopped\n"), err)
        self.assertTrue(self.db_asked.exists())
        self.assertNotIn("SIGKILL", err)

    def test_a_stop_while_the_control_plane_is_replaced(self):
        """By SIGTERM to the supervisor. The one that leaves can stop nothing any more: its successor does."""
        self.start_chain()
        before = self.mesh.control_plane()
        os.kill(before, signal.SIGSTOP)
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as peer:
            peer.connect(str(self.mesh.home / "run" / "supervisor.sock"))
            peer.send(b'{"id": 1, "op": "replace", "name": "control-plane"}')

            def is_told():
                status = pathlib.Path(f"/proc/{before}/status").read_text()
                return int(re.search(r"ShdPnd:\s+(\w+)", status)[1], 16) & (1 << (signal.SIGHUP - 1))
            mesh.until(is_told, "it is told to leave")
            supervisor = self.mesh.supervisor()
            os.kill(supervisor, signal.SIGTERM)
            mesh.until(lambda: self.status()["stopping"], "the supervisor stops")
            os.kill(before, signal.SIGCONT)
            mesh.until(self.asked.exists, "web is asked to stop")
            self.end_chain()
        self.wait_for_no_process(mesh.LIMIT)
        self.assertTrue(self.db_asked.exists())

    def test_a_program_that_starts_weft_beside_itself(self):
        """As a script does that ends with no `exec`: weft would be another process than the supervisor was."""
        self.mesh.apply(resources.text(resources.pair("web")), "--wait")
        before = self.status()
        script = self.mesh.write("forks", f'#!/bin/sh\n{mesh.BUILD}/bin/weft "$@"\n')
        script.chmod(0o755)
        result = self.mesh.weft("upgrade", "--binary", script)
        self.assertEqual(result.code, 1, result)
        self.assertIn('a script must end with `exec weft "$@"`', result.err)
        self.assertEqual(self.status(), before)
        # One that asks well, and then does so: its keeper starts the mesh again.
        script.write_text(f"""#!/bin/sh
            case "$*" in *--check*) exec {mesh.BUILD}/bin/weft "$@";; esac
            {mesh.BUILD}/bin/weft "$@"\n""")
        result = self.mesh.weft("upgrade", "--binary", script)
        self.assertEqual(result.code, 1, result)
        self.mesh.ok("weft", "wait", "services")
        after = self.status()
        self.assertEqual((after["restarts"], after["keeper"]["pid"]), (1, before["keeper"]["pid"]))
        self.assertEqual(mesh.get(self.mesh.url("web")).status, 200)

    @contextlib.contextmanager
    def without_a_database(self):
        """No control plane that starts meanwhile can open it; the one that runs has."""
        database, aside = self.mesh.home / "weft.db", self.mesh.folder / "weft.db"
        database.rename(aside)
        database.mkdir()
        yield
        database.rmdir()
        aside.rename(database)

    def test_a_control_plane_that_does_not_come(self):
        files = self.mesh.write("web.yaml", resources.text(resources.pair("web")))
        with open(self.mesh.folder / "said", "w+") as said:
            up = self.mesh.popen("weft", "up", "-f", files, stderr=said)
            mesh.until(lambda: self.mesh.run("weft", "wait", "service/web").code == 0, "web is ready")
            url, instance = self.mesh.url("web"), self.mesh.instance_pid(self.mesh.pods("web")[0]["metadata"]["name"])
            with self.without_a_database():
                result = self.mesh.weft("upgrade")
                self.assertEqual(result.code, 1, result)
                self.assertIn("the control plane was not replaced: the new control-plane does not serve: it ended: "
                              "exit code 1", result.err)
                self.assertIn("the control plane before has ended, and the new one is started again until it comes",
                              result.err)
                self.assertEqual(mesh.get(url).status, 200)
                mesh.until(lambda: "waiting for the control plane" in (self.mesh.folder / "said").read_text(), "it is told")
            self.mesh.ok("weft", "wait", "service/web")
            self.mesh.ok("weft", "upgrade")
            self.assertEqual(self.mesh.instance_pid(self.mesh.pods("web")[0]["metadata"]["name"]), instance)
            self.assertIsNone(up.poll())
            up.send_signal(signal.SIGINT)
            up.communicate(timeout=mesh.LIMIT)
            said.seek(0)
            self.assertEqual(up.returncode, 0, said.read())
