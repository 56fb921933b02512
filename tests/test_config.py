"""Secrets at rest and in use: closed to others, nowhere but where they must be, and gone with who used them."""

import json
import os
import pathlib
import signal
import stat
import unittest

import mesh

VALUE = "very-s3cret-value"

WEB = """\
apiVersion: v1
kind: Secret
metadata: {name: db}
stringData: {password: %s}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      volumes:
      - {name: key, secret: {secretName: db}}
      - {name: scratch, emptyDir: {}}
      containers:
      - name: web
        image: /bin/sh
        args: [-c, 'echo key $VOLUME_KEY; echo scratch $VOLUME_SCRATCH; touch $VOLUME_SCRATCH/mine; exec sleep 1000']
        env: [{name: PASSWORD, valueFrom: {secretKeyRef: {name: db, key: password}}}]
        volumeMounts: [{name: key}, {name: scratch}]
      %s
"""


def files_below(folder):
    return [path for path in pathlib.Path(folder).rglob("*") if path.is_file() and not path.is_symlink()]


class Secrets(mesh.MeshTest):
    def folders(self):
        """Of the volumes of the one instance that runs, as it has told."""
        def told():
            lines = self.mesh.weft("logs", "deployment/web").out.split("\n")
            found = dict(line.split(" ", 1) for line in lines if line.startswith(("key ", "scratch ")))
            return found if len(found) == 2 else None
        return mesh.until(told, "the instance has told its folders")

    def apply(self, value=VALUE, pod=""):
        self.mesh.apply(WEB % (value, pod), "--wait")

    def test_come_after_their_namespace_and_before_who_reads_them(self):
        team = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}}]
        for kind in ("ConfigMap", "Secret"):
            team += [{"apiVersion": "v1", "kind": kind, "metadata": {"name": f"c{number}", "namespace": "team"}}
                     for number in range(20)]
        # In whatever order they stand in the file.
        self.mesh.apply("".join(f"---\n{json.dumps(one)}\n" for one in reversed(team)))
        self.assertEqual(len(self.mesh.json("get", "secrets,configmaps", "-n", "team")["items"]), 40)

    def test_are_closed_at_rest_and_nowhere_else(self):
        before = os.umask(0)  # what is closed must not depend on it
        try:
            self.apply()
        finally:
            os.umask(before)
        folders = self.folders()
        home = pathlib.Path(self.mesh.environment["WEFT_HOME"])
        run = (home / "run").resolve()
        for folder in (home, run, *map(pathlib.Path, folders.values())):
            self.assertEqual(stat.S_IMODE(folder.stat().st_mode) & 0o077, 0, folder)
        holders = set()
        for path in files_below(home) + files_below(run):
            if path.name == "mine":
                continue  # the program's own, in a folder that is closed
            self.assertEqual(stat.S_IMODE(path.stat().st_mode) & 0o077, 0, path)
            encoded = "dmVyeS1zM2NyZXQtdmFsdWU"
            text = path.read_bytes()
            if VALUE.encode() in text or encoded.encode() in text:
                holders.add(path.name)
        self.assertLessEqual(holders, {"weft.db", "weft.db-wal", "password"}, "no log, no state of the supervisor")
        for words in (("get", "secrets", "-A", "-o", "json"), ("get", "secret", "db", "-o", "yaml"), ("describe", "secret", "db"),
                      ("get", "pods", "-o", "json"), ("get", "events", "-o", "json"), ("describe", "deployment", "web"),
                      ("apply", "-f", self.mesh.write("again.yaml", WEB % ("another-s3cret", "")), "-o", "json"),
                      ("get", "secret", "db", "-w", "-o", "json", "--timeout", "1s")):
            with self.mesh.popen("weft", *map(str, words), text=False) as process:
                out = process.stdout.readline() if "-w" in words else process.stdout.read()
                process.kill()
            self.assertNotIn(b"s3cret", out, words)
            self.assertNotIn(b"czNjcmV0", out, words)

    def test_follow_changes_and_go_with_their_instance(self):
        self.apply()
        folders = self.folders()
        password = pathlib.Path(folders["key"], "password")
        self.assertEqual(password.read_text(), VALUE)
        pid = self.mesh.control_plane()
        os.kill(pid, signal.SIGKILL)
        self.apply("another")
        mesh.until(lambda: password.read_text() == "another", "the file follows")
        self.assertTrue(pathlib.Path(folders["scratch"], "mine").exists())
        self.mesh.ok("weft", "delete", "deployment", "web")
        for folder in folders.values():
            self.assertFalse(pathlib.Path(folder).parent.exists(), folder)

    def test_nothing_is_left_of_a_killed_supervisor(self):
        self.apply()
        before = self.folders()
        name = self.mesh.pods("web")[0]["metadata"]["name"]
        os.kill(self.mesh.supervisor(), signal.SIGKILL)
        mesh.until(lambda: [pod for pod in self.mesh.json("get", "pods")["items"]
                            if pod["metadata"]["name"] != name and pod["status"]["phase"] == "Running"],
                   "another instance runs")
        for folder in before.values():
            self.assertFalse(pathlib.Path(folder).exists(), folder)
        self.mesh.stop()
        home = pathlib.Path(self.mesh.environment["WEFT_HOME"])
        self.assertFalse((home / "volumes").exists())

    @unittest.skipIf(os.geteuid() != 0, "only root may run programs as another user")
    def test_another_user_reads_his_own(self):
        self.apply(pod="securityContext: {runAsUser: nobody}")
        folders = self.folders()
        password = pathlib.Path(folders["key"], "password")
        self.assertEqual(password.stat().st_uid, 65534)
        self.assertEqual(stat.S_IMODE(password.stat().st_mode), 0o600)
        mesh.until(lambda: pathlib.Path(folders["scratch"], "mine").exists(), "it writes into its folder")
        pid = self.mesh.instance_pid(self.mesh.pods("web")[0]["metadata"]["name"])
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
        self.assertIn("Uid:\t65534\t65534\t65534\t65534", status)
        self.assertEqual(self.mesh.ok("weft", "exec", "deployment/web", "--", "id", "-un"), "nobody\n")
        self.mesh.ok("weft", "delete", "deployment", "web")
        self.assertFalse(pathlib.Path(folders["key"]).parent.exists())
        # Who is there no such user waits, and says so.
        self.mesh.apply(WEB % (VALUE, "securityContext: {runAsUser: no-such-user}"))
        pods = mesh.until(lambda: [pod for pod in self.mesh.json("get", "pods")["items"]
                                   if "no user no-such-user" in json.dumps(pod["status"])], "it waits")
        self.assertIn("CreateContainerConfigError", json.dumps(pods[0]["status"]))


if __name__ == "__main__":
    unittest.main()
