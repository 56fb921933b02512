"""The command line itself: help, formats, exit codes, files that are wrong."""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import unittest

import mesh
import resources

EXAMPLE = re.compile(r"Example:\n  \S+")


class Help(mesh.MeshTest):
    def subcommands(self, words):
        return self.mesh.subcommands(*(words[1:] if words[0] == "weft" else words))

    def check(self, words):
        shown = self.mesh.run(*words, "--help")
        self.assertEqual(shown.code, 0, shown)
        self.assertRegex(shown.out, EXAMPLE, f"{words} has no example")
        for name in self.subcommands(words):
            self.check([*words, name])

    def test_every_command_has_help_with_an_example(self):
        for program in ("weft", "control-plane", "service"):
            self.check([program])
        self.assertEqual(mesh.descendants(), {}, "help has started something")

    def test_completion_scripts_are_valid(self):
        for shell in ("bash", "zsh", "fish"):
            script = self.mesh.ok("weft", "completion", shell)
            if shutil.which(shell):
                subprocess.run([shell, "-n"], input=script, text=True, check=True)
        self.assertIn("--selector", self.mesh.ok("weft", "__complete", "--", "get", "--"))

    def test_wrong_command_lines_say_what_to_do(self):
        for words in (["weft"], ["weft", "frobnicate"], ["weft", "get"], ["weft", "get", "srvices"],
                      ["weft", "apply"], ["control-plane", "create", "service", "x"],
                      ["weft", "wait", "pods", "--for", "nonsense"], ["weft", "apply", "-f", "/does/not/exist"]):
            result = self.mesh.run(*words)
            self.assertEqual(result.code, 2, (words, result))
            self.assertIn("error:", result.err)
            self.assertIn("  do: ", result.err)
        self.assertIn("did you mean services?", self.mesh.run("weft", "get", "srvices").err)
        self.assertEqual(mesh.descendants(), {})

    def test_what_names_nothing_is_refused(self):
        """As of a variable that is not set."""
        for words in ("upgrade --binary", "proxy --config", "proxy --config x --admin", "proxy --config x --access-log",
                      "proxy --config x --restart-socket", "proxy status --config", "proxy status --restart-socket",
                      "apply -f", "validate -f", "down -f", "up -f", "create secret generic x --from-file", "get services --home",
                      "create configmap x --from-env-file", "port-forward web 1:80 --address", "service create x --image",
                      "proxy --config x --access-log-max-size", "proxy --config x --drain-timeout"):
            result = self.mesh.weft(*words.split(), "")
            self.assertEqual(result.code, 2, (words, result))
            self.assertIn("it is empty: give it a value", result.err, words)

    def test_no_colour_without_a_terminal(self):
        self.assertNotIn("\x1b", self.mesh.ok("weft", "get", "services", "-A") + self.mesh.run("weft", "nothing").err)

    def test_version(self):
        for words in ("weft version", "weft --version", "weft -V", "control-plane --version"):
            self.assertRegex(self.mesh.ok(*words.split()), r"^weft \d+\.\d+\.\d+\n$")

    def test_help_of_a_command(self):
        self.assertEqual(self.mesh.ok("weft", "help", "control-plane", "start"),
                         self.mesh.ok("weft", "control-plane", "start", "--help"))
        self.assertIn("Subcommands:", self.mesh.ok("weft", "help"))
        self.assertIn("did you mean `weft apply`?", self.mesh.weft("help", "aply").err)


class SystemService(mesh.MeshTest):
    def test_what_is_not_its_own_goes_to_the_systems_service(self):
        folder = self.mesh.folder / "system"
        folder.mkdir()
        other = folder / "service"
        other.write_text('#!/bin/sh\necho "system: $*"\nexit 5\n')
        other.chmod(0o755)
        environment = dict(self.mesh.environment)
        environment["PATH"] = f"{mesh.BUILD / 'bin'}:{folder}:{os.environ['PATH']}"
        for words in (["nginx", "restart"], ["--status-all"]):
            result = self.mesh.run("service", *words, env=environment)
            self.assertEqual((result.code, result.out), (5, f"system: {' '.join(words)}\n"))
        self.assertIn("weft", self.mesh.run("service", "--help", env=environment).out)

    def test_without_one_it_says_so(self):
        command = [str(mesh.BUILD / "bin" / "service"), "nginx", "restart"]
        systems = pathlib.Path("/usr/sbin/service")
        if systems.exists():
            # Hidden in a mount namespace of the command's own.
            hide = ["unshare", "-m", "sh", "-c", f'mount --bind /dev/null {systems} && exec "$@"', "sh"]
            if self.mesh.run(*hide, "true").code != 0:
                self.skipTest(f"this system has a {systems}, which cannot be hidden here")
            command = hide + ["env", "PATH=/nothing", *command]
        result = self.mesh.run(*command, env={**self.mesh.environment, "PATH": "/usr/bin:/bin"})
        self.assertEqual(result.code, 127, result)
        self.assertIn("no other `service`", result.err)


class Formats(mesh.MeshTest):
    def setUp(self):
        super().setUp()
        self.mesh.apply(resources.text(resources.pair("db"), resources.pair("web", [resources.needs("db")])), "--wait")

    def test_json_is_for_jq(self):
        listed = json.loads(self.mesh.ok("weft", "get", "services", "-o", "json"))
        self.assertEqual([item["metadata"]["name"] for item in listed["items"]], ["db", "web"])
        if shutil.which("jq"):
            text = self.mesh.ok("weft", "get", "services", "-o", "json")
            names = subprocess.run(["jq", "-r", ".items[].metadata.name"], input=text, text=True, check=True,
                                   capture_output=True).stdout
            self.assertEqual(names, "db\nweb\n")

    def test_yaml_can_be_applied_again(self):
        text = self.mesh.ok("weft", "get", "service", "web", "-o", "yaml")
        self.mesh.apply(text)
        self.assertEqual(self.mesh.apply(text), "service/web unchanged\n")

    def test_tables_and_names(self):
        table = self.mesh.ok("weft", "get", "services").splitlines()
        self.assertEqual(table[0].split(), ["NAME", "READY", "STATUS", "URL", "AGE"])
        self.assertEqual(table[1].split()[:3], ["db", "1/1", "Ready"])
        self.assertIn("app=web", self.mesh.ok("weft", "get", "services", "-o", "wide"))
        self.assertEqual(self.mesh.ok("weft", "get", "services,deployments", "-o", "name").split(),
                         ["service/db", "service/web", "deployment/db", "deployment/web"])
        self.assertEqual(self.mesh.ok("weft", "get", "svc", "-l", "app=nothing", "-o", "name"), "")

    def test_exit_codes(self):
        self.assertEqual(self.mesh.weft("get", "service", "nothing").code, 4)
        self.assertEqual(self.mesh.weft("delete", "service", "nothing").code, 4)
        self.assertEqual(self.mesh.weft("wait", "service/nothing", "--timeout=50ms").code, 5)
        self.assertEqual(self.mesh.weft("wait", "services").code, 0)
        missing = self.mesh.run("control-plane", "start", "service", "wbe")
        self.assertEqual(missing.code, 4, missing)
        self.assertIn("did you mean web?", missing.err)

    def test_a_word_that_is_no_command_is_named(self):
        for command, word, meant in (("weft gett svc", "gett", "weft get"),
                                     ("weft list", "list", "weft service list"),
                                     ("control-plane delete web", "web", "control-plane delete service web")):
            result = self.mesh.run(*command.split())
            self.assertEqual(result.code, 2, result)
            self.assertIn(word, result.err)
            self.assertIn(f"`{meant}`", result.err)

    def test_several_kinds_of_one_name(self):
        self.mesh.ok("weft", "wait", "deployments,services", "web")
        self.mesh.ok("weft", "delete", "services,deployments", "web")
        self.assertEqual(self.mesh.ok("weft", "get", "services,deployments", "-o", "name").split(),
                         ["service/db", "deployment/db"])

    def test_the_mesh_has_one_proxy(self):
        second = self.mesh.run("weft", "proxy")
        self.assertEqual(second.code, 1, second)
        self.assertIn(str(self.mesh.proxy()), second.err)

    def test_nobody_takes_the_place_of_a_proxy_that_is_started_again(self):
        for _ in range(4):  # the pause before each further start is longer
            pid = self.mesh.proxy()
            os.kill(pid, signal.SIGKILL)
            mesh.until(lambda pid=pid: self.mesh.processes("weft", "proxy") not in ([], [pid]), "it is started again")
        os.kill(self.mesh.proxy(), signal.SIGKILL)
        second = self.mesh.run("weft", "proxy", limit=5)
        self.assertEqual(second.code, 1, second)
        mesh.until(lambda: self.mesh.processes("weft", "proxy"), "it is there again")

    def test_the_admin_interface_is_not_for_other_machines(self):
        config = self.mesh.write("proxy.yaml", "version: 1\n")
        result = self.mesh.weft("proxy", "--config", config, "--admin", "0.0.0.0:1")
        self.assertEqual(result.code, 2, result)
        self.assertIn("other machines", result.err)

    def test_diff(self):
        changed = resources.text(resources.pair("db", replicas=2))
        result = self.mesh.weft("diff", "-f", "-", stdin=changed)
        self.assertEqual(result.code, 1, result)
        self.assertIn("\n-  replicas: 1\n+  replicas: 2\n", result.out)
        self.assertEqual(self.mesh.weft("diff", "-f", "-", stdin=resources.text(resources.pair("db"))).code, 0)

    def test_diff_and_apply_say_the_same(self):
        def both(text):
            path = self.mesh.write("db.yaml", text)
            told = self.mesh.weft("diff", "-f", path)
            return told.code, told.out, self.mesh.ok("weft", "apply", "-f", path)
        service = resources.service("db")
        self.assertEqual(both(resources.text([service])), (0, "", "service/db unchanged\n"))
        # What stands in another line is written, for `describe` names it, but is no change.
        self.assertEqual(both("# a comment\n" + resources.text([service])), (0, "", "service/db unchanged\n"))
        stored = self.mesh.json("get", "service", "db")["metadata"]["annotations"]["weft.dev/source"]
        self.assertEqual(stored, f"{self.mesh.folder}/db.yaml:2")
        service["metadata"]["annotations"] = {"note": "new"}
        code, out, applied = both(resources.text([service]))
        self.assertEqual((code, applied), (1, "service/db configured\n"))
        self.assertIn("+  annotations:\n+    note: new\n", out)

    def test_create_says_what_keeps_it_from_working(self):
        taken = self.mesh.run("service", "create", "web", "--image=example-web-service")
        self.assertEqual(taken.code, 1, taken)
        self.assertIn("deployment/web exists already", taken.err)
        self.assertIn("control-plane delete service web", taken.err)
        created = self.mesh.run("service", "create", "other", "--image=example-web-servic")
        self.assertEqual(created.code, 0, created)
        self.assertIn('did you mean "example-web-service"?', created.err)
        started = self.mesh.run("control-plane", "start", "service", "other")
        self.assertEqual(started.code, 1, started)
        self.assertIn("  do: put the image there, or correct", started.err)


class Files(mesh.MeshTest):
    def refused(self, text, *expected, name="bad.yaml"):
        path = self.mesh.folder / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        for verb in ("validate", "apply"):
            result = self.mesh.run("weft", verb, "-f", name)
            self.assertEqual(result.code, 3, result)
            for words in expected:
                self.assertIn(words, result.err)
        self.assertEqual(mesh.descendants(), {}, "an invalid file has started something")

    def test_the_original_deployment_is_explained(self):
        self.refused(resources.ORIGINAL_DEPLOYMENT, """\
deployment.yaml:17:11: error: `image:` is indented deeper than `name:` in line 16, which already has the value \
`simple-web-service` [yaml/bad-indent]
   17 |           image: example-web-service
      |           ^
      = Line up `image:` with `name:` in line 16, column 9: remove 2 spaces (and move what belongs to `image:` with it).
""", name="deployment.yaml")

    def test_the_original_service_loads_and_waits(self):
        self.mesh.write("service.yaml", resources.ORIGINAL_SERVICE)
        result = self.mesh.weft("validate", "-f", "service.yaml")
        self.assertEqual(result.code, 0, result)
        self.assertIn("service.yaml:13:13: warning: Service `simple-web-service` depends on the Deployment "
                      "`simple-web-service-deployment`, which does not exist", result.err)
        self.mesh.ok("weft", "apply", "-f", "service.yaml")
        self.mesh.until_condition("service", "simple-web-service", "DependenciesReady", "Unknown", "DependencyMissing")

    def test_the_original_files_together(self):
        self.mesh.write("service.yaml", resources.ORIGINAL_SERVICE)
        self.mesh.write("deployment.yaml", (mesh.EXAMPLES / "original" / "deployment.yaml").read_text())
        result = self.mesh.weft("validate", "-f", "service.yaml", "-f", "deployment.yaml")
        self.assertEqual((result.code, result.out), (0, "2 resources are valid, 0 errors, 2 warnings\n"))
        self.assertEqual(result.err, """\
service.yaml:11:17: warning: targetPort 8080 is no containerPort of Deployment `simple-web-service` \
(containerPort 80): the Service will have no endpoints there [model/target-port-mismatch]
   11 |     targetPort: 8080
      |                 ^
      = Write `targetPort: 80`, or `containerPort: 8080` in Deployment `simple-web-service`.
service.yaml:13:13: warning: Service `simple-web-service` depends on the Deployment \
`simple-web-service-deployment`, which does not exist: it will wait for it [model/missing-dependency]
   13 |     - name: simple-web-service-deployment
      |             ^
      = Did you mean `simple-web-service`?
""")

    def test_each_class_of_error(self):
        service = "apiVersion: v1\nkind: Service\nmetadata:\n  name: web\nspec:\n  ports:\n  - port: 80\n"
        self.refused(service.replace("  name", "\tname"), "bad.yaml:4:1", "tab")
        self.refused(service.replace("  - port", " - port"), "bad.yaml:")
        self.refused(service + "  ports: []\n", "bad.yaml:8:3", "ports")
        self.refused("a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
            f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(8)), "alias")
        self.refused("[" * 10_000, "bad.yaml:1:")
        self.refused(b"\x00\x01\x02\xff\xfe", "bad.yaml")
        self.refused(service.replace("80", "eighty"), "bad.yaml:7:11", "port")
        self.refused(service.replace("kind: Service", "kind: Servce"), "bad.yaml:2:", "Service")
        self.refused(service.replace("  ports", "  prots"), "bad.yaml:6:3", "ports")
        self.refused("", "bad.yaml")

    def test_a_file_beyond_the_limit(self):
        self.refused(b"# " + b"x" * (17 << 20), "16 MiB")

    def test_one_bad_document_of_many(self):
        bad = resources.text(resources.pair("one"), resources.pair("two")) + "\n---\nkind: Service\nmetadata: {}\n"
        self.refused(bad, "bad.yaml")
        good = self.mesh.weft("get", "services", "-o", "name")
        self.assertEqual(good.out, "")

    def test_folders_and_standard_input(self):
        folder = self.mesh.folder / "resources"
        folder.mkdir()
        (folder / "b.yaml").write_text(resources.text(resources.service("b")))
        (folder / "a.json").write_text(json.dumps(resources.service("a")))
        (folder / "notes.txt").write_text("not: [yaml")
        self.assertEqual(self.mesh.ok("weft", "apply", "-f", folder, "-o", "name").split(), ["service/a", "service/b"])
        self.mesh.apply(resources.text(resources.service("c")))
        self.assertEqual(self.mesh.ok("weft", "get", "services", "-o", "name").split(),
                         ["service/a", "service/b", "service/c"])
        source = self.mesh.json("get", "service", "a")["metadata"]["annotations"]["weft.dev/source"]
        self.assertEqual(source, f"{folder}/a.json:1")
        (folder / "c.yaml").write_text(resources.text(resources.service("a")))
        twice = self.mesh.weft("validate", "-f", folder)
        self.assertEqual(twice.code, 3, twice)
        self.assertIn("service/a is also in", twice.err)


class Privacy(mesh.MeshTest):
    def test_a_state_folder_that_others_can_enter_is_said_and_what_is_in_it_is_closed(self):
        self.mesh.home.mkdir()
        self.mesh.home.chmod(0o755)
        (self.mesh.home / "weft.db").touch(0o644)
        started = self.mesh.run("control-plane", "start", umask=0)
        self.assertEqual(started.code, 0, started)
        self.assertIn("is open to other users (mode 755): run chmod 700 on it", started.err)
        run = self.mesh.home / "run"
        found = [*self.mesh.home.glob("*.db*"), *self.mesh.home.glob("*.lock"), *run.glob("*.sock")]
        self.assertGreater(len(found), 5)
        for path in found:
            self.assertEqual(path.stat().st_mode & 0o777, 0o600, path)

    def test_a_state_folder_that_others_can_write_in_is_one_error(self):
        self.mesh.home.mkdir()
        self.mesh.home.chmod(0o770)
        refused = self.mesh.weft("get", "services")
        self.assertEqual(refused.code, 1, refused)
        self.assertEqual(refused.err, f"error: the folder {self.mesh.home} is open to other users: run chmod 700 on it\n")
        self.assertEqual(list(self.mesh.home.iterdir()), [], "nothing is put where others could have put it")


if __name__ == "__main__":
    unittest.main()
