"""What people type who come from kubectl and Compose."""

import json
import os
import pathlib
import shutil
import signal
import unittest

import mesh
import resources
import terminals


def labelled(resource, **labels):
    resource["metadata"]["labels"] = labels
    return resource


class Words(mesh.MeshTest):
    def test_flags_before_the_verb(self):
        self.mesh.apply("{apiVersion: v1, kind: Namespace, metadata: {name: prod}}")
        self.mesh.apply(resources.text(resources.service("web", namespace="prod")))
        for words in ("weft -n prod get services -o name", "weft get services -n prod -o name",
                      "weft -o name -nprod get services", "weft --namespace=prod --output=name get services",
                      "weft -n prod control-plane -o name get services", "control-plane -n prod get services -o name",
                      f"weft --home {self.mesh.home} service -n prod list -o name"):
            self.assertEqual(self.mesh.ok(*words.split()), "service/web\n", words)
        unknown = self.mesh.weft("-n", "prod", "gett", "services")
        self.assertIn("did you mean `weft get`?", unknown.err)
        self.assertEqual(self.mesh.weft("-n", "prod", "version").code, 2, "a command says itself what it takes")

    def test_jsonpath_wherever_there_is_an_output(self):
        self.mesh.apply(resources.text(resources.service("a"), resources.service("b")))
        for template, expected in (("{.items[*].metadata.name}", "a b"),
                                   ('{range .items[*]}{.metadata.name}{"\\n"}{end}', "a\nb\n"),
                                   ('{.items[?(@.metadata.name=="b")].spec.ports[0].port}', "80")):
            self.assertEqual(self.mesh.ok("weft", "get", "services", "-o", f"jsonpath={template}"), expected)
        self.assertEqual(self.mesh.ok("weft", "get", "service", "a", "-ojsonpath={.metadata.name}"), "a")
        self.assertEqual(self.mesh.ok("control-plane", "status", "-o", "jsonpath={.running}"), "true")
        wrong = self.mesh.weft("get", "services", "-o", "jsonpath={.items[}")
        self.assertEqual(wrong.code, 2, wrong)
        self.assertIn("(column 9)", wrong.err)
        self.assertIn("jsonpath=TEMPLATE", self.mesh.weft("get", "services", "-o", "csv").err)

    def test_images_that_are_named_too_late(self):
        self.mesh.apply(resources.text(resources.service("a")))
        other = self.mesh.folder / "others"
        other.mkdir()
        (other / "late").symlink_to(self.mesh.images / "exit-at-once")
        text = resources.text(resources.deployment("late", image="late"))
        late = self.mesh.weft("apply", "-f", "-", stdin=text, env={**self.mesh.environment, "WEFT_IMAGES": "others"})
        self.assertIn(f"it finds images in {self.mesh.images}; for others to count, stop it first", late.err)
        self.assertEqual(self.mesh.weft("apply", "-f", "-", stdin=text).err, "")
        created = self.mesh.run("service", "create", "x", "--image=late",
                                env={**self.mesh.environment, "WEFT_IMAGES": str(other)})
        self.assertIn(f'no image "late" in {self.mesh.images}', created.err)

    def test_what_is_named_twice_is_meant_once(self):
        self.mesh.apply(resources.text(resources.pair("a"), resources.service("b")))
        started = self.mesh.ok("weft", "start", "a", "a", "a", "a", "--timeout", "20s")
        self.assertEqual(started.count("service/a is ready"), 1, started)
        shared = resources.service("b")
        shared["spec"]["selector"] = {"app": "a"}
        self.mesh.apply(resources.text(shared))
        self.assertEqual(sorted(self.mesh.ok("service", "delete", "a", "b", "a").split()),
                         sorted("deployment/a deleted service/a deleted service/b deleted".split()))

    def test_no_headers(self):
        self.mesh.apply(resources.text(resources.service("a")))
        line, = self.mesh.ok("weft", "get", "services", "--no-headers").splitlines()
        self.assertEqual(line.split()[0], "a")

    def test_selectors(self):
        self.mesh.apply(resources.text(*(labelled(resources.service(name), tier=tier)
                                         for name, tier in (("a", "x"), ("b", "x"), ("c", "y")))))
        described = self.mesh.ok("weft", "describe", "services", "-l", "tier=y")
        self.assertIn("c", described)
        self.assertNotIn("tier: x", described)
        self.assertEqual(self.mesh.weft("wait", "services", "-l", "tier=z").code, 4)
        self.assertEqual(self.mesh.weft("wait", "services", "-l", "tier=z", "--for", "delete").code, 0)
        for verb in ("get", "describe", "delete", "wait"):
            both = self.mesh.weft(verb, "service", "a", "-l", "tier=x")
            self.assertEqual((both.code, "both names and a selector" in both.err), (2, True), both)
        self.assertEqual(self.mesh.ok("weft", "delete", "services", "-l", "tier=x"),
                         "service/a deleted\nservice/b deleted\n")
        self.assertIn("nothing matches", self.mesh.weft("delete", "services", "-l", "tier=x").err)
        self.assertEqual(self.mesh.ok("weft", "get", "services", "-o", "name"), "service/c\n")

    def test_events_are_in_the_order_of_time(self):
        self.mesh.apply(resources.text(resources.pair("a"), resources.pair("z", [resources.needs("a")])), "--wait")
        self.mesh.ok("control-plane", "restart", "service", "a")
        events = self.mesh.json("get", "events")["items"]
        times = [event["lastTimestamp"] for event in events]
        self.assertEqual(times, sorted(times))
        started = [e["involvedObject"]["name"][0] for e in events if e["reason"] == "Started"]
        self.assertEqual(started, ["a", "z", "a"])


class Files(mesh.MeshTest):
    def test_delete_goes_on_past_what_is_gone(self):
        text = resources.text(*(resources.service(name) for name in "abc"))
        self.mesh.apply(text)
        self.mesh.ok("weft", "delete", "service", "b")
        result = self.mesh.weft("delete", "-f", "-", stdin=text)
        self.assertEqual((result.code, result.out), (4, "service/c deleted\nservice/a deleted\n"), result)
        self.assertIn("b", result.err)
        again = self.mesh.weft("delete", "-f", "-", "--ignore-not-found", stdin=text)
        self.assertEqual((again.code, again.out, again.err), (0, "", ""))

    def test_a_link_in_a_folder_that_leads_nowhere_is_no_file(self):
        folder = self.mesh.folder / "settings"
        folder.mkdir()
        (folder / "gone").symlink_to("nowhere")
        self.mesh.ok("weft", "create", "configmap", "none", f"--from-file={folder}", "--from-literal=a=b")
        (folder / "b").write_text("B")
        self.mesh.ok("weft", "create", "configmap", "one", f"--from-file={folder}")
        self.assertEqual(self.mesh.json("get", "configmap", "one")["data"], {"b": "B"})

    def test_dry_runs_store_nothing(self):
        changed = resources.service("a")
        self.mesh.apply(resources.text(changed, resources.service("b")))
        changed["spec"]["ports"][0]["port"] = 81
        text = resources.text(changed, resources.service("b"), resources.service("c"))
        for flag, suffix in (("--dry-run", "server dry run"), ("--dry-run=server", "server dry run"),
                             ("--dry-run=client", "dry run")):
            self.assertEqual(self.mesh.apply(text, flag), f"service/a configured ({suffix})\n"
                             f"service/b unchanged ({suffix})\nservice/c created ({suffix})\n")
        self.assertEqual(self.mesh.weft("apply", "-f", "-", "--dry-run=perhaps", stdin=text).code, 2)
        self.assertEqual(self.mesh.ok("weft", "get", "services", "-o", "jsonpath={.items[*].spec.ports[0].port}"), "80 80")

    def test_prune_takes_what_left_the_set_and_nothing_else(self):
        prune = ("--prune", "--applyset=shop")
        self.mesh.apply("{apiVersion: v1, kind: Namespace, metadata: {name: other}}")
        self.mesh.apply(resources.text(resources.service("a"), resources.service("b"),
                                       resources.service("c", namespace="other")), *prune)
        self.mesh.ok("service", "create", "made", "--image=example-web-service")
        self.mesh.apply(resources.text(resources.service("alone")))
        only_a = resources.text(resources.service("a"))
        expected = "service/a unchanged{0}\nservice/b pruned{0}\nservice/c pruned{0}\n"
        self.assertEqual(self.mesh.apply(only_a, *prune, "--dry-run"), expected.format(" (server dry run)"))
        self.assertEqual(self.mesh.apply(only_a, *prune), expected.format(""))
        self.assertEqual(self.mesh.ok("weft", "get", "services", "-A", "-o", "name").split(),
                         ["service/a", "service/alone", "service/made"])
        stolen = self.mesh.weft("apply", "-f", "-", "--prune", "--applyset=theirs", stdin=only_a)
        self.assertEqual(stolen.code, 1, stolen)
        self.assertIn("it belongs to the set shop", stolen.err)

    def test_prune_by_labels_keeps_to_the_namespaces_of_the_files(self):
        self.mesh.apply("{apiVersion: v1, kind: Namespace, metadata: {name: other}}")
        a, b = (labelled(resources.service(name), app="shop") for name in "ab")
        self.mesh.apply(resources.text(a, b, labelled(resources.service("c", namespace="other"), app="shop"),
                                       resources.service("d")))
        out = self.mesh.apply(resources.text(a, resources.service("not-selected")), "--prune", "-l", "app=shop")
        self.assertEqual(out, "service/a unchanged\nservice/b pruned\n")
        self.assertEqual(self.mesh.ok("weft", "get", "services", "-A", "-o", "name").split(),
                         ["service/a", "service/d", "service/c"])
        blind = self.mesh.weft("apply", "-f", "-", "--prune", stdin=resources.text(a))
        self.assertEqual(blind.code, 2, blind)

    def test_diff_is_unified(self):
        changed = resources.deployment("web", env={"A": "1", "B": "2", "C": "3"})
        self.mesh.apply(resources.text(changed))
        changed["spec"]["template"]["spec"]["containers"][0]["env"][1]["value"] = "new"
        path = self.mesh.write("web.yaml", resources.text(changed, resources.service("web")))
        result = self.mesh.weft("diff", "-f", path)
        self.assertEqual(result.code, 1, result)
        self.assertIn(f"""\
--- default/deployment/web (stored)
+++ default/deployment/web ({path}:1)
@@ """, result.out)
        hunk = result.out.partition("@@\n")[2].partition("---")[0]
        self.assertEqual(hunk, "         - name: A\n           value: \"1\"\n         - name: B\n"
                         "-          value: \"2\"\n+          value: new\n"
                         "         - name: C\n           value: \"3\"\n         image: example-web-service\n", result.out)
        self.assertIn("--- /dev/null\n+++ default/service/web", result.out)
        self.mesh.ok("weft", "apply", "-f", path)
        self.assertEqual(self.mesh.weft("diff", "-f", path).code, 0)


class Instances(mesh.MeshTest):
    def setUp(self):
        super().setUp()
        self.mesh.apply(resources.text(resources.pair("web", env={"GREETING": "hello"})), "--wait")

    def test_exec_is_where_the_instance_is(self):
        pod = self.mesh.pods("web")[0]["metadata"]["name"]
        for target in (pod, f"pod/{pod}", "web", "svc/web", "deploy/web"):
            self.assertEqual(self.mesh.ok("weft", "exec", target, "--", "sh", "-c", "echo $GREETING"), "hello\n", target)
        pid = self.mesh.instance_pid(pod)
        self.assertEqual(self.mesh.ok("weft", "exec", "web", "--", "pwd").strip(), os.readlink(f"/proc/{pid}/cwd"))
        self.assertEqual(self.mesh.ok("weft", "exec", "web", "--", "cat", "/proc/self/cgroup"),
                         pathlib.Path(f"/proc/{pid}/cgroup").read_text())
        self.assertEqual(self.mesh.ok("weft", "exec", "web", "-i", "--", "cat", stdin="typed"), "typed")
        self.assertEqual(self.mesh.ok("weft", "exec", "web", "--", "cat", stdin="typed"), "")
        self.assertEqual(self.mesh.weft("exec", "web", "--", "sh", "-c", "exit 7").code, 7)
        self.assertEqual(self.mesh.weft("exec", "web", "--", "sh", "-c", "kill -9 $$").code, 137)
        missing = self.mesh.weft("exec", "web", "--", "no-such-program")
        self.assertEqual((missing.code, "no-such-program" in missing.err), (4, True), missing)
        self.assertEqual(self.mesh.weft("exec", "nothing", "--", "true").code, 4)

    @unittest.skipUnless(terminals.HAS_EMULATOR, "needs tests/requirements.txt")
    def test_exec_has_the_terminal(self):
        shell = terminals.Terminal(self.mesh, "weft", "exec", "-it", "web", "--", "sh", "-c",
                                   "trap 'echo interrupted; exit 3' INT; tty; echo ready; while :; do sleep 0.01; done")
        shell.until_shown("ready")
        self.assertTrue(shell.shows("/dev/pts/"), shell.lines())
        shell.type("\x03")
        self.assertEqual(shell.wait(), 3, shell.lines())
        self.assertTrue(shell.shows("interrupted"))

    def test_ps_and_down(self):
        header, line = self.mesh.ok("weft", "ps").splitlines()
        self.assertEqual((header.split()[0], line.split()[1:3]), ("NAME", ["1/1", "Running"]))
        files = self.mesh.write("web.yaml", resources.text(resources.pair("web"), resources.service("never-applied")))
        self.assertEqual(self.mesh.ok("weft", "down", "-f", files), "deployment/web deleted\nservice/web deleted\n")
        self.assertTrue(self.mesh.status()["running"])
        self.assertEqual(self.mesh.ok("weft", "down"), "stopped\n")
        mesh.reap()
        self.assertEqual(mesh.descendants(), {})


@unittest.skipUnless(terminals.HAS_EMULATOR, "needs tests/requirements.txt")
class Completion(mesh.MeshTest):
    SHELLS = {"bash": ["bash", "--norc", "-i"], "zsh": ["zsh", "-f", "-i"], "fish": ["fish", "-N", "-i"]}

    def words(self, *words):
        return self.mesh.ok("weft", "__complete", "--", *words).split("\n")[:-1]

    def test_what_is_known_of_a_word(self):
        self.assertEqual(self.words("get", "servi"), ["words", "services"])
        self.assertEqual(self.words("-n", "x", "ge"), ["words", "get"])
        self.assertEqual(self.words("-o", "js"), ["words", "json", "jsonpath="])
        self.assertEqual(self.words("get", "services", "-o", "js"), ["words", "json", "jsonpath="])
        self.assertEqual(self.words("get", "--output", "=", "js"), ["words", "json", "jsonpath="])
        self.assertEqual(self.words("get", "--output=ya"), ["words", "--output=yaml"])
        self.assertEqual(self.words("get", "--no-h"), ["words", "--no-headers"])
        self.assertEqual(self.words("completion", ""), ["words", "bash", "zsh", "fish"])
        self.assertEqual(self.words("service", "l"), ["words", "list"])
        for file in (["apply", "-f", ""], ["apply", "--filename="], ["--home", ""], ["exec", "web", "--", ""],
                     ["service", "create", "x", "--image", ""]):
            self.assertEqual(self.words(*file), ["files"])
        self.assertEqual(self.words("get", "services", ""), ["words"])
        self.assertEqual(mesh.descendants(), {}, "completion has started something")
        self.assertFalse(self.mesh.home.exists())

    def test_names_are_those_of_the_mesh(self):
        self.mesh.apply("{apiVersion: v1, kind: Namespace, metadata: {name: prod}}")
        self.mesh.apply(resources.text(resources.service("web"), resources.service("db", namespace="prod")))
        self.assertEqual(self.words("get", "services", ""), ["words", "web"])
        self.assertEqual(self.words("get", "services", "-n", "prod", ""), ["words", "db"])
        self.assertEqual(self.words("describe", "svc/"), ["words", "svc/web"])
        self.assertEqual(self.words("logs", ""), ["words", "web"])
        self.assertEqual(self.words("get", "-n", "pr"), ["words", "prod"])
        self.assertEqual(self.words("control-plane", "start", "service", ""), ["words", "web"])
        self.assertEqual(self.words("service", "describe", "w"), ["words", "web"])
        os.kill(self.mesh.control_plane(), signal.SIGSTOP)
        try:
            self.mesh.run("weft", "__complete", "--", "get", "services", "", limit=2)
        finally:
            os.kill(self.mesh.control_plane(), signal.SIGCONT)
        self.mesh.stop()
        self.assertEqual(self.words("get", "services", ""), ["words", "web"])
        self.assertEqual(self.mesh.processes("weft"), [], "it has started something")

    def check_shell(self, shell):
        if not shutil.which(shell):
            self.skipTest(f"there is no {shell}")
        self.mesh.write("some-file.yaml", "")
        terminal = terminals.Terminal(self.mesh, *self.SHELLS[shell], columns=100, rows=40)
        # The prompt is in two pieces, so that what is typed does not look like it.
        start = {"bash": "PS1='rea''dy> '; source <(weft completion bash)",
                 "zsh": "autoload -Uz compinit; compinit -u -d $HOME/zc; source <(weft completion zsh); PS1='rea''dy> '",
                 "fish": "weft completion fish | source; function fish_prompt; echo 'rea''dy> '; end"}[shell]
        terminal.type(start + "\r")
        terminal.until_shown("ready>")
        for typed, completed in (("weft get serv", "weft get services"), ("control-plane sta", "control-plane sta"),
                                 ("service li", "service list"), ("weft apply -f some-f", "weft apply -f some-file.yaml"),
                                 ("weft get pods -o wi", "weft get pods -o wide")):
            terminal.type(typed + "\t")
            terminal.until_shown("> " + completed)
            terminal.type("\x15")
        terminal.type("exit\r")
        terminal.type("exit\r")
        terminal.wait()

    def test_bash(self):
        self.check_shell("bash")

    def test_zsh(self):
        self.check_shell("zsh")

    def test_fish(self):
        self.check_shell("fish")


if __name__ == "__main__":
    unittest.main()
