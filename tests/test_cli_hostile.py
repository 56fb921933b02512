"""The command line against what others wrote, and against what does not answer."""

import contextlib
import http.client
import json
import os
import pathlib
import pty
import re
import select
import signal
import socket
import time
import unittest

import mesh
import resources

# A title, a cleared screen, a colour, the same by C1, a faked line, a turned direction, what is not seen.
ESCAPES = "\x1b]0;OWNED\x07\x1b[2J\x1b[31m\u009b2J\rOWNED\nOWNED\u202e\u200b\U000e0041"
OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufffd"
                    "\U000e0000-\U000e0fff]")
# What one look at a terminal may take; far above what any command here needs.
LOOK = 20


def rest(home, method, path, body, kind="application/json"):
    """One request to the control plane; its status."""
    connection = http.client.HTTPConnection("weft", timeout=10)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(str(home / "run" / "api.sock"))
    try:
        connection.request(method, path, json.dumps(body), {"content-type": kind})
        return connection.getresponse().status
    finally:
        connection.close()


class Terminal(mesh.MeshTest):
    def on_terminal(self, *command):
        """What the command wrote to its terminal, with plain line ends."""
        ours, theirs = pty.openpty()
        try:
            environment = dict(self.mesh.environment, TERM="xterm", NO_COLOR="1")
            child = self.mesh.popen(*command, stdin=theirs, stdout=theirs, stderr=theirs, text=False, env=environment)
            os.close(theirs)
            written, end = b"", time.monotonic() + LOOK
            while time.monotonic() < end:
                if not select.select([ours], [], [], 0.1)[0]:
                    continue
                try:
                    piece = os.read(ours, 65536)
                except OSError:  # the last process has closed it
                    break
                written += piece
            child.kill()
            child.wait()
            self.assertLess(time.monotonic(), end, f"{command} does not end: {written!r}")
            return written.replace(b"\r\n", b"\n").decode(errors="replace")
        finally:
            os.close(ours)

    def leaves(self, *words):
        """The paths of all commands below these words that have none below them."""
        below = self.mesh.subcommands(*words)
        return [leaf for name in below for leaf in self.leaves(*words, name)] or [words]

    def hostile_resources(self):
        image = self.mesh.images / "evil"
        image.write_text("#!/bin/sh\nprintf '\\033]0;OWNED\\007\\033[2J\\302\\2332J last words\\r\\n'\nexit 3\n")
        image.chmod(0o755)
        evil = resources.deployment("evil", image="evil", env={"E": ESCAPES})
        evil["metadata"]["annotations"] = {"weft.dev/source": ESCAPES, "note": ESCAPES,
                                          "kubernetes.io/change-cause": ESCAPES}
        missing = resources.deployment("missing", image="no" + ESCAPES)
        service = resources.service("evil")
        deployments = "/apis/apps/v1/namespaces/default/deployments"
        services = "/api/v1/namespaces/default/services"
        self.assertEqual(rest(self.mesh.home, "POST", deployments, evil), 201)
        self.assertEqual(rest(self.mesh.home, "POST", deployments, missing), 201)
        self.assertEqual(rest(self.mesh.home, "POST", services, service), 201)
        self.mesh.until_condition("deployment", "evil", "Available", "False", "CrashLoopBackOff")

    def test_no_command_passes_escapes_on(self):
        self.mesh.apply(resources.text(resources.pair("web")), "--wait")
        self.hostile_resources()
        bad = self.mesh.write("bad.yaml", 'apiVersion: v1\nkind: "X\\e[2J\\x9b"\n---\napiVersion: v1\nkind: Service\n'
                              'metadata: {name: "a\\e]0;OWNED\\a\\n", "b\\e[2J\\u202e": 1}\n'
                              "spec: {ports: [{port: '\u009b\u202e'}]}\n")
        good = self.mesh.write("good.yaml", json.dumps(resources.deployment("evil", env={"E": ESCAPES, "F": ESCAPES})))
        named = ["service", ESCAPES]
        short = ["--timeout", "200ms"]
        lines = {
            "up": [["-f", bad], ["-f", ESCAPES]],
            "apply": [["-f", bad], ["-f", good, *short], ["-f", ESCAPES]],
            "get": [["services"], ["deployments", "-o", "wide"], ["pods", "-o", "wide"], ["events"],
                    ["deployments", "-o", "yaml"], ["services", "-o", "json"], ["services", "-o", "name"], named,
                    ["services", "-l", ESCAPES], ["services", "-n", ESCAPES], [ESCAPES]],
            "create secret generic": [[ESCAPES], ["x", "--from-literal", ESCAPES], ["x", "--from-file", ESCAPES],
                                      ["x", "--from-env-file", bad], ["x", "--from-literal", "a=" + ESCAPES, "-o", "json"]],
            "create configmap": [["x", "--from-literal", "a=" + ESCAPES, "-o", "yaml"], ["x", "--type", ESCAPES]],
            "ps": [["-o", "wide"], ["-o", "jsonpath={.items[*].metadata}"], ["-o", ESCAPES]],
            "exec": [[ESCAPES, "--", "true"], ["pod/" + ESCAPES, "--", "true"], ["deploy/evil", "--", ESCAPES]],
            "down": [["-f", bad]],
            "port-forward": [["pod/" + ESCAPES, "80"], ["service/missing", ESCAPES]],
            "help": [[ESCAPES]],
            "describe": [["deployments"], ["services"], ["pods"], named],
            "wait": [["deployment", "evil", "missing", *short], [*named, *short], ["pods", "--for", ESCAPES]],
            "logs": [["deployment/evil"], [ESCAPES]],
            "top": [["--once", "--interval", "10ms"], ["--once", "--interval", ESCAPES]],
            "validate": [["-f", bad], ["-f", bad, "-o", "json"], ["-f", bad, "-o", "yaml"], ["-f", good]],
            "diff": [["-f", good], ["-f", bad]],
            "control-plane create service": [[ESCAPES, "--image", "x"], ["x", "--image", "x", "--port", ESCAPES]],
            "control-plane start": [["service", "evil", *short], named],
            "control-plane restart": [["service", "evil", *short], named],
            "control-plane scale": [["service", "evil", "--replicas", "2", *short], [*named, "--replicas", "1"]],
            "control-plane stop": [named, ["service", "evil", *short]],
            "start": [["evil", "deployment/missing", *short], [ESCAPES], ["job/" + ESCAPES]],
            "restart": [["deployment/evil", *short], [ESCAPES], [ESCAPES + "/evil"]],
            "scale": [["deployment/evil", "--replicas", "2", *short], ["job/" + ESCAPES, "--replicas", "1"]],
            "stop": [["deployment/" + ESCAPES], ["evil", *short]],
            "status": [[], ["deployment/evil"], [ESCAPES]],
            "rollout status": [["evil", *short], [ESCAPES]],
            "rollout history": [["evil"], ["evil", "--revision", "1"], [ESCAPES]],
            "rollout undo": [["evil", *short], [ESCAPES]],
            "rollout restart": [["deployment/evil", *short], [ESCAPES]],
            "control-plane get": [["pods"]],
            "control-plane describe": [["deployments"]],
            "control-plane logs": [[], ["deployment/evil"]],
            "control-plane status": [[], ["service", "evil"]],
            "control-plane run": [[], ["--home", bad / ESCAPES]],
            "service create": [[ESCAPES, "--image", ESCAPES]],
            "service list": [["-o", "wide"]],
            "service describe": [["evil"], [ESCAPES]],
            "proxy": [["--config", bad], ["--config", ESCAPES], ["--admin", ESCAPES, "--config", bad]],
            "proxy status": [["--config", bad], ["--config", ESCAPES], ["-o", ESCAPES]],
            "proxy bootstrap": [["--envoy", "--for", ESCAPES], ["--grpc", "--for", "x", "-n", ESCAPES]],
            "upgrade": [["--binary", bad], ["--binary", ESCAPES], ["--home", bad / ESCAPES]],
            "keep": [["--home", bad / ESCAPES]], "supervise": [["--home", bad / ESCAPES]],
            "completion": [[ESCAPES]],
            "version": [[]], "delete": [named, ["-f", bad], ["deployment", "evil", "missing", *short]],
            "control-plane delete service": [[ESCAPES], ["evil", *short]],
            "service delete": [[ESCAPES]],
        }
        leaves = ["proxy", *map(" ".join, self.leaves())]  # that one has others, and is a command too
        self.assertEqual(sorted(lines), sorted(leaves))
        shown = 0
        for command, endings in lines.items():
            for ending in endings:
                written = self.on_terminal("weft", *command.split(), *ending)
                self.assertIsNone(OBEYED.search(written), (command, ending, written))
                shown += written.count("OWNED")
        self.assertGreater(shown, 50, "the values were there to be shown")

    def test_logs_without_a_terminal_are_as_written(self):
        image = self.mesh.images / "evil"
        image.write_text("#!/bin/sh\nprintf '\\033[31mred\\r\\n\\377\\n'\nexec sleep 1000\n")
        image.chmod(0o755)
        self.mesh.apply(resources.text([resources.deployment("evil", image="evil")]))
        def logged():
            out = self.mesh.run("weft", "logs", "deployment/evil", text=False).out
            return out if out.count(b"\n") == 2 else None
        self.assertEqual(mesh.until(logged, "its log"), b"\x1b[31mred\r\n\xff\n")


class Names(mesh.MeshTest):
    def test_a_name_is_one_part_of_the_path_whatever_is_in_it(self):
        self.mesh.apply(resources.text(resources.pair("web")))
        for name in ("web?dryRun=All", "web#x", "we b", "é", "web%2F", "..", "web&dryRun=All"):
            for words in (["weft", "delete", "service"], ["control-plane", "delete", "service"],
                          ["weft", "get", "service"], ["weft", "describe", "deployment"], ["weft", "logs"]):
                began = time.monotonic()
                result = self.mesh.run(*words, name)
                self.assertEqual(result.code, 4, (words, name, result))
                self.assertLess(time.monotonic() - began, 5)
        self.assertEqual(self.mesh.weft("get", "services", "-n", "a/b").code, 2)
        self.assertEqual(self.mesh.weft("port-forward", "pod/../x", "80").code, 2)
        self.assertEqual(self.mesh.weft("delete", "service", "").code, 2)
        self.assertEqual(self.mesh.ok("weft", "get", "services,deployments", "-o", "name").split(),
                         ["service/web", "deployment/web"])

    def test_text_that_is_not_utf8_is_refused(self):
        result = self.mesh.run("control-plane", "create", "service", "x", "--image=x", "--env", b"A=\xff".decode(
            errors="surrogateescape"))
        self.assertEqual(result.code, 2, result)
        self.assertIn("UTF-8", result.err)


class Limits(mesh.MeshTest):
    def test_timeout_is_of_the_whole_command(self):
        text = resources.text(resources.pair("web"))
        self.mesh.apply(text, "--wait")
        path = self.mesh.write("web.yaml", text)
        control_plane = self.mesh.control_plane()
        os.kill(control_plane, signal.SIGSTOP)
        try:
            self.check_all_at_once(path)
        finally:
            os.kill(control_plane, signal.SIGCONT)
        # One that stops answering while the command waits.
        waiting = self.mesh.popen("weft", "wait", "service/none", "--timeout", "1s")
        os.kill(control_plane, signal.SIGSTOP)
        began = time.monotonic()
        try:
            self.assertEqual(waiting.wait(mesh.LIMIT), 5)
            self.assertLess(time.monotonic() - began, 4)
        finally:
            os.kill(control_plane, signal.SIGCONT)

    def check_all_at_once(self, path):
        """Every command that asks the control plane, which does not answer."""
        children = {words: self.mesh.popen(*words.split(), "--timeout", "100ms") for words in (
            f"weft apply -f {path}", f"weft apply -f {path} --wait", "weft delete service web",
            "control-plane restart service web", "weft get services", "weft get services -w", "weft describe service web", "weft logs web", "weft logs web -f",
            "weft top --once", f"weft diff -f {path}", "weft wait service/web", "service list", "service describe web",
            "service create x --image=x", "service delete web", "control-plane create service x --image=x",
            "control-plane start service web", "control-plane stop service web", "control-plane delete service web",
            "control-plane scale service web --replicas=2", "control-plane status service web",
            "control-plane get services", "control-plane describe services", "control-plane logs service web")}
        began = time.monotonic()
        for words, child in children.items():
            out, err = child.communicate(timeout=mesh.LIMIT)
            self.assertEqual(child.returncode, 5, (words, out, err))
        self.assertLess(time.monotonic() - began, 10, "far less than any default")
        status = self.mesh.ok("control-plane", "status", "--timeout", "100ms")
        self.assertIn("not known: the control plane is not ready\n", status)

    def test_a_mesh_that_does_not_stop_in_time_is_killed(self):
        self.mesh.apply(resources.text(resources.pair("web")), "--wait")
        os.kill(self.mesh.control_plane(), signal.SIGSTOP)
        result = self.mesh.run("control-plane", "stop", "--timeout", "200ms")
        self.assertEqual(result.code, 5, result)
        self.assertIn("did not stop within 200ms", result.err)
        self.assertEqual(self.mesh.processes("weft"), [])

    def test_stop_ends_though_the_supervisor_is_stopped_in_the_midst_of_it(self):
        self.mesh.apply(resources.text(resources.pair("web")), "--wait")
        supervisor = self.mesh.supervisor()
        os.kill(self.mesh.control_plane(), signal.SIGSTOP)
        stopping = self.mesh.popen("control-plane", "stop", "--timeout", "1s")
        # To the supervisor, which has answered then, and to the control plane.
        mesh.until(lambda: self.sockets(stopping.pid) == 2, "it waits for the control plane")
        os.kill(supervisor, signal.SIGSTOP)
        try:
            _, err = stopping.communicate(timeout=mesh.LIMIT)
            self.assertEqual(stopping.returncode, 5, err)
            self.assertIn(f"kill -9 {supervisor}", err)
        finally:
            os.kill(supervisor, signal.SIGCONT)

    @contextlib.contextmanager
    def stopped(self, pid):
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def check_names(self, result, who, pid):
        self.assertEqual(result.code, 5, result)
        self.assertRegex(result.err, rf"the {who} \(process {pid}\) runs, but does not (answer|end) within ")
        self.assertIn(f"kill -CONT {pid}", result.err)

    def test_a_supervisor_that_is_stopped_is_named(self):
        self.mesh.apply(resources.text(resources.pair("web")), "--wait")
        supervisor, url = self.mesh.supervisor(), self.mesh.url("web")
        with self.stopped(supervisor):
            for words in ("control-plane status", "weft upgrade", "weft exec web"):
                behind = ["--", "true"] if "exec" in words else []
                self.check_names(self.mesh.run(*words.split(), "--timeout=200ms", *behind), "supervisor", supervisor)
            shown = self.mesh.run("control-plane", "status", "--timeout=200ms", "-o", "json")
            self.assertIs(json.loads(shown.out)["answers"], False)
            self.assertEqual(mesh.get(url).status, 200)
            began = time.monotonic()
            self.check_names(self.mesh.run("control-plane", "stop", "--timeout=1s"), "supervisor", supervisor)
            self.assertLess(time.monotonic() - began, 4)
        self.wait_for_no_process(mesh.LIMIT)  # it was told, and goes on

    def test_a_control_plane_that_is_stopped_is_named(self):
        self.mesh.start()
        control_plane = self.mesh.control_plane()
        with self.stopped(control_plane):
            self.check_names(self.mesh.weft("get", "services", "--timeout=200ms"), "control plane", control_plane)
            self.assertIn(f"kill -CONT {control_plane}", self.mesh.ok("control-plane", "status", "--timeout=200ms"))

    @staticmethod
    def sockets(pid):
        """How many a process has."""
        found = 0
        for entry in pathlib.Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                found += os.readlink(entry).startswith("socket:")
        return found

    def test_what_can_never_be_is_not_waited_for(self):
        self.mesh.apply(resources.text(resources.pair("web")), "--wait")
        for words in ("service/We_b", "deployment 1,2", "pod/a..b", "mc/other", "servise/web", "web",
                      "service/web --for condition=Redy", "service/web --for condition=Available",
                      "namespace/default --for condition=Ready", "service/web --for condition=Ready=Yes",
                      "service/a_b --for delete"):
            result = self.mesh.weft("wait", *words.split(), limit=10)
            self.assertEqual(result.code, 2, (words, result))
            self.assertIn("  do: ", result.err)
        for kind in ("service", "deployment", "pod"):
            for item in self.mesh.json("get", kind)["items"]:
                for condition in item["status"]["conditions"]:
                    self.mesh.ok("weft", "wait", kind, item["metadata"]["name"], "--for",
                                 f"condition={condition['type']}={condition['status']}")

    def test_a_file_that_says_nothing_is_named(self):
        fifo = self.mesh.folder / "fifo.yaml"
        os.mkfifo(fifo)
        text = resources.text(resources.pair("web"))
        reading = self.mesh.popen("weft", "validate", "-f", fifo)
        self.assertTrue(select.select([reading.stderr], [], [], LOOK)[0], "nothing is said of a FIFO without a writer")
        self.assertIn(f"waiting for {fifo}", reading.stderr.readline())
        fifo.write_text(text)
        self.assertEqual(reading.wait(mesh.LIMIT), 0)
        result = self.mesh.weft("apply", "-f", fifo, "--timeout", "100ms")
        self.assertEqual(result.code, 5, result)
        for path, code in (("/dev/zero", 3), ("/dev/null", 3), ("none.yaml", 2), (self.mesh.images, 2)):
            self.assertEqual(self.mesh.weft("validate", "-f", path).code, code, path)
        for path, mend in (("none.yaml", "spelled"), (fifo / "x", "spelled"), (self.mesh.images, "name a file in it")):
            result = self.mesh.weft("proxy", "--config", path)
            self.assertEqual(result.code, 2, result)
            self.assertIn(mend, result.err)
        # What <(command) gives, whose writer may have ended before it is read.
        read_end, write_end = os.pipe()
        os.write(write_end, text.encode())
        os.close(write_end)
        self.assertEqual(self.mesh.weft("validate", "-f", f"/dev/fd/{read_end}", pass_fds=[read_end]).code, 0)
        os.close(read_end)

    @unittest.skipIf(mesh.IS_SANITIZED, "sanitizers need address space without a limit")
    def test_what_multiplies_is_refused_and_not_expanded(self):
        bomb = self.mesh.write("bomb.yaml", "a: &a " + "x" * 900_000 + "\n" + "".join(
            f"b{i}: *a\n" for i in range(19_000)))
        mistakes = self.mesh.write("mistakes.yaml", resources.text([resources.service("web")]) + "\n---\n"
                                   + "k: 1\n" * 400_000)
        for path, code in ((bomb, "yaml/alias-bomb"), (mistakes, "yaml/duplicate-key")):
            result = self.mesh.run("prlimit", f"--as={1 << 30}", "weft", "validate", "-f", path)
            self.assertEqual(result.code, 3, result.err[-500:])
            self.assertIn(code, result.err)
            self.assertLess(len(result.err), 100_000)
        self.assertRegex(result.err, "and more: 399900 errors")
