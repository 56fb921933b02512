"""A mesh that is stopped: what is stored is read and deleted, and nothing starts or is made by that."""

import json
import os
import pathlib
import signal

import mesh
import resources

READERS = [
    ["weft", "get", "services"], ["weft", "get", "pods", "-A"], ["weft", "get", "service", "web", "-o", "yaml"],
    ["weft", "describe", "service", "web"], ["weft", "describe", "deployments"], ["service", "list"],
    ["service", "describe", "web"], ["weft", "logs", "web"], ["weft", "wait", "service/web", "--timeout", "30s"],
    ["weft", "wait", "service/none", "--for", "delete"], ["weft", "get", "services", "-w"], ["weft", "top", "--once"],
    ["weft", "diff", "-f", "web.json"], ["weft", "delete", "service", "none"], ["service", "delete", "none"],
    ["weft", "delete", "-f", "web.json", "--ignore-not-found"], ["control-plane", "stop", "service", "web"],
    ["control-plane", "status"], ["control-plane", "logs"], ["control-plane", "stop"],
    ["weft", "apply", "-f", "web.json", "--dry-run"],
    ["weft", "create", "secret", "generic", "db", "--from-literal", "a=b", "--dry-run=server"],
    ["weft", "completion", "bash"]]


class Stopped(mesh.MeshTest):
    def setUp(self):
        super().setUp()
        self.file = self.mesh.folder / "web.json"
        self.file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": [
            resources.deployment("web"), resources.service("web"), resources.job("migrate", "/usr/bin/true")]}))

    def words(self, words):
        return [str(self.file) if word == "web.json" else word for word in words]

    def tree(self):
        return sorted(str(path) for path in self.mesh.folder.rglob("*"))

    def test_reading_makes_nothing_where_no_mesh_ever_was(self):
        before = self.tree()
        for words in READERS:
            with self.subTest(words=words):
                self.mesh.run(*self.words(words))
                self.assertEqual(self.mesh.processes(), [])
                self.assertEqual(self.tree(), before)

    def test_dry_runs_find_the_default_namespace_where_no_mesh_ever_was(self):
        applied = self.mesh.ok("weft", "apply", "-f", str(self.file), "--dry-run")
        self.assertIn("deployment/web created (server dry run)", applied)
        self.assertEqual(self.mesh.ok("weft", "create", "configmap", "web", "--from-literal", "a=b", "--dry-run"),
                         "configmap/web created (dry run)\n")
        self.assertEqual(self.mesh.processes(), [])
        self.assertFalse(self.mesh.home.exists())

    def test_reading_starts_nothing_after_a_stop(self):
        self.mesh.ok("weft", "apply", "-f", str(self.file), "--wait")
        url = self.mesh.url("web")
        self.mesh.ok("control-plane", "stop")
        for words in READERS:
            if "delete" in words or "stop" in words:
                continue
            with self.subTest(words=words):
                self.mesh.run(*self.words(words))
                self.assertEqual(self.mesh.processes(), [])
        listed = self.mesh.run("weft", "get", "services")
        self.assertEqual(listed.code, 0, listed)
        self.assertRegex(listed.out, r"web +0/1 +Stopped +" + url)
        self.assertIn("the mesh is stopped", listed.err)
        self.assertRegex(self.mesh.ok("weft", "get", "deployments"), r"web +0/1 .*Stopped")
        self.assertRegex(self.mesh.ok("weft", "get", "jobs"), r"migrate.*Complete")
        self.assertEqual(self.mesh.json("get", "pods")["items"], [])
        waited = self.mesh.run("weft", "wait", "service/web", "--timeout", "30s", limit=5)
        self.assertEqual(waited.code, 6, waited)
        self.assertIn("service/web is not ready", waited.err)
        self.mesh.ok("weft", "wait", "job/migrate")
        self.mesh.ok("weft", "diff", "-f", str(self.file))
        self.assertEqual(self.mesh.run("weft", "get", "service", "none").code, 4)

    def test_delete_changes_what_is_stored_and_starts_nothing(self):
        self.mesh.ok("weft", "apply", "-f", str(self.file), "--wait")
        self.mesh.ok("control-plane", "stop")
        self.mesh.ok("weft", "delete", "job", "migrate")
        self.mesh.ok("control-plane", "stop", "service", "web")
        self.assertEqual(self.mesh.processes(), [])
        self.assertEqual(self.mesh.json("get", "jobs")["items"], [])
        self.assertEqual(self.mesh.json("get", "deployment", "web")["spec"]["replicas"], 0)
        self.mesh.ok("control-plane", "start", "service", "web")
        self.assertEqual(mesh.get(self.mesh.url("web")).status, 200)
        self.assertEqual(self.mesh.json("get", "jobs")["items"], [])

    def test_what_a_killed_mesh_has_left_is_read(self):
        self.mesh.ok("weft", "apply", "-f", str(self.file), "--wait")
        os.kill(self.mesh.keeper(), signal.SIGSTOP)
        for pid in (self.mesh.supervisor(), self.mesh.keeper()):
            os.kill(pid, signal.SIGKILL)
        mesh.until(lambda: not self.mesh.processes(), "all of it is gone")
        left = {path: path.read_bytes() for path in pathlib.Path(self.mesh.home).glob("weft.db*")}
        self.assertTrue(any(path.name.endswith("-wal") and text for path, text in left.items()), left.keys())
        self.assertRegex(self.mesh.ok("weft", "get", "services"), r"web +0/1 +Stopped")
        self.assertEqual(left, {path: path.read_bytes() for path in pathlib.Path(self.mesh.home).glob("weft.db*")})
        self.assertEqual(self.mesh.processes(), [])
        self.mesh.ok("control-plane", "start", "service", "web")
