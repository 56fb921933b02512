"""What instances have written: read also when they, their workloads and the mesh are gone, merged, and followed."""

import os
import re
import signal
import stat
import threading
import unittest

import mesh
import resources
import terminals


def script(name, text, kind="deployment", **options):
    """A workload that runs a shell script, in a folder of its own."""
    made = (resources.job if kind == "job" else resources.deployment)(name, "/bin/sh", **options)
    template = made["spec"]["template"]
    template["metadata"] = {"labels": {"app": name, "tier": "back"}}
    container = template["spec"]["containers"][0]
    container["command"] = ["/bin/sh", "-c", text]
    container.pop("ports", None)
    return made


STAYS = "exec 2>&-; trap 'echo bye; exit 0' TERM; while :; do sleep 0.1; done"


class Reader:
    """A command that goes on, and the lines that it has written."""

    def __init__(self, of, *command):
        self.process = of.popen(*command)
        self.lines = []
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def until(self, *texts):
        try:
            mesh.until(lambda: all(any(re.search(text, line) for line in self.lines) for text in texts), texts, 20)
        except AssertionError as error:
            raise AssertionError(f"{error}\n" + "\n".join(self.lines)) from None

    def count(self, text):
        return sum(text in line for line in self.lines)


class Logs(mesh.MeshTest):
    def apply(self, *made):
        self.mesh.apply(resources.text(*made))

    def until_logged(self, name, text):
        mesh.until(lambda: text in self.mesh.run("weft", "logs", name).out, f"{name} has written {text}")

    def test_they_outlive_instance_job_and_mesh(self):
        self.apply(script("migrate", "echo migrated; printf 'no end'", "job"), script("web", f"echo web-1; {STAYS}"))
        self.mesh.ok("weft", "wait", "job/migrate", "deployment/web")
        written = "migrated\nno end\n"
        self.assertEqual(self.mesh.ok("weft", "logs", "job/migrate"), written)
        self.mesh.ok("weft", "delete", "job", "migrate")
        self.assertEqual(self.mesh.ok("weft", "logs", "job/migrate"), written)
        self.mesh.ok("weft", "delete", "deployment", "web")
        self.assertEqual(self.mesh.ok("weft", "logs", "deployment/web"), "web-1\nbye\n")
        self.apply(script("web", f"echo web-2; {STAYS}"))
        self.until_logged("deployment/web", "web-2")
        self.assertEqual(self.mesh.ok("weft", "logs", "web"), "web-2\n")
        for path in (self.mesh.home / "logs").iterdir():
            self.assertEqual(stat.S_IMODE(path.stat().st_mode) & 0o077, 0, path)
        self.mesh.ok("control-plane", "stop")
        self.assertEqual(self.mesh.ok("weft", "logs", "job/migrate"), written)
        self.assertEqual(self.mesh.ok("weft", "logs", "web"), "web-2\nbye\n")
        since = self.mesh.ok("weft", "logs", "web", "--since", "10m").splitlines()
        self.assertEqual([line.split(" | ")[1] for line in since], ["web-1", "bye", "web-2", "bye"])
        self.assertEqual(self.mesh.ok("weft", "logs", "web", "--since-time", "2100-01-01T00:00:00Z"), "")
        self.assertEqual(self.mesh.run("weft", "logs", "none").code, 4)
        self.assertEqual(self.mesh.processes(), [])

    def test_of_the_run_before_and_the_instance_before(self):
        mark = self.mesh.folder / "mark"
        self.apply(script("web", f"if [ -e {mark} ]; then echo second; {STAYS}; else touch {mark}; echo 1; echo 2; exit 3; fi"))
        self.until_logged("deployment/web", "second")
        self.assertEqual(self.mesh.ok("weft", "logs", "deployment/web"), "1\n2\nsecond\n")
        self.assertEqual(self.mesh.ok("weft", "logs", "deployment/web", "--previous"), "1\n2\n")
        self.assertEqual(self.mesh.ok("weft", "logs", "deployment/web", "-p", "--tail", "1"), "2\n")
        self.apply(script("web", f"echo third; {STAYS}"))
        self.mesh.ok("weft", "wait", "deployment/web")
        self.until_logged("deployment/web", "third")
        mesh.until(lambda: self.mesh.ok("weft", "logs", "deployment/web") == "third\n", "the old one is gone")
        self.assertEqual(self.mesh.ok("weft", "logs", "deployment/web", "--previous"), "second\nbye\n")
        self.apply(script("other", STAYS))
        self.mesh.ok("weft", "wait", "deployment/other")
        none = self.mesh.run("weft", "logs", "deployment/other", "--previous")
        self.assertEqual(none.code, 4, none)

    def test_several_in_order_of_time_with_their_names(self):
        turn = "while [ ! -e {0} ]; do sleep 0.01; done; "
        steps = [self.mesh.folder / f"step-{i}" for i in range(3)]
        long = "head -c 100000 /dev/zero | tr '\\0' x; echo"
        self.apply(script("a", f"echo a1; {turn.format(steps[1])} {long}; {STAYS}"),
                   script("b", f"{turn.format(steps[0])} echo b1; {turn.format(steps[2])} echo b2; {STAYS}"))
        # Each once the one before is in the log: the time of a line is that at which it was read.
        for name, text, step in (("a", "a1", 0), ("b", "b1", 1), ("a", "x\n", 2)):
            self.until_logged(f"deployment/{name}", text)
            steps[step].touch()
        self.until_logged("deployment/b", "b2")
        for words in (["-l", "tier=back"], ["a", "b"], ["deployment/b", "deployment/a"]):
            lines = self.mesh.ok("weft", "logs", *words).splitlines()
            self.assertEqual([re.sub(r"-\w{5} \| ", ":", line) for line in lines], ["a:a1", "b:b1", "a:" + "x" * 100000, "b:b2"])
        last = self.mesh.ok("weft", "logs", "-l", "app in (a,b)", "--tail", "1").splitlines()
        self.assertEqual([line[0] + line[-2:] for line in last], ["axx", "bb2"])
        self.assertEqual(self.mesh.run("weft", "logs").code, 2)
        self.assertEqual(self.mesh.run("weft", "logs", "-l", "a b").code, 2)

    def test_follows_over_new_instances_and_killed_processes(self):
        self.apply(script("web", f"echo one; {STAYS}"))
        follower = Reader(self.mesh, "weft", "logs", "deployment/web", "-f")
        follower.until("one")
        self.apply(script("web", f"echo two; {STAYS}"))
        follower.until("bye", r"web-\w+ \| two")
        os.kill(self.mesh.control_plane(), signal.SIGKILL)
        self.apply(script("web", f"echo three; {STAYS}"))
        follower.until(r"web-\w+ \| three")
        os.kill(self.mesh.supervisor(), signal.SIGKILL)
        mesh.until(lambda: follower.count("three") == 2, "it runs again")
        self.mesh.ok("control-plane", "stop")
        self.assertEqual(follower.process.wait(mesh.LIMIT), 0)
        self.assertEqual([follower.count(text) for text in ("one", "two", "three")], [1, 1, 2], follower.lines)

    def test_following_ends_with_a_mesh_that_was_killed(self):
        self.apply(script("web", f"echo one; {STAYS}"))
        follower = Reader(self.mesh, "weft", "logs", "deployment/web", "-f")
        follower.until("one")
        killed = (self.mesh.supervisor(), self.mesh.keeper())
        os.kill(killed[1], signal.SIGSTOP)
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
        self.assertEqual(follower.process.wait(mesh.LIMIT), 0)
        self.assertEqual(follower.count("one"), 1)
        self.mesh.ok("control-plane", "start")  # which takes away what the killed ones have left

    def test_up_shows_them_and_why_something_waits(self):
        files = self.mesh.write("all.yaml", resources.text(
            script("hello", f"echo hello there; {STAYS}"), script("migrate", "echo no; exit 3", "job", backoff_limit=0),
            script("later", STAYS, depends_on=[resources.needs("migrate", "Job", "completed")])))
        up = Reader(self.mesh, "weft", "up", "-f", files)
        up.until(r"^hello-\w{5} \| hello there$", r"^migrate-\w{5} \| no$", r"^migrate-\w{5} \| weft: ended, exit code 3$",
                 r"^job/migrate: .*BackoffLimitExceeded", r"^deployment/hello: Ready, 1 of 1 ready",
                 r"^deployment/later: .*migrate")
        up.process.send_signal(signal.SIGINT)
        self.assertEqual(up.process.wait(mesh.LIMIT), 0)
        up.until(r"^hello-\w{5} \| bye$")

    def test_up_that_joins_a_mesh_shows_what_is_written_from_then_on(self):
        go = self.mesh.folder / "go"
        made = script("hello", f"echo before; until [ -e {go} ]; do sleep 0.02; done; echo after; {STAYS}")
        self.apply(made)
        self.until_logged("deployment/hello", "before")
        up = Reader(self.mesh, "weft", "up", "-f", self.mesh.write("hello.yaml", resources.text(made)))
        up.until("^deployment/hello: Ready")
        go.touch()
        up.until(r"^hello-\w{5} \| after$")
        self.assertEqual(up.count("| before"), 0, up.lines)
        up.process.send_signal(signal.SIGINT)
        self.assertEqual(up.process.wait(mesh.LIMIT), 0)
        self.assertEqual(len(self.mesh.pods("hello")), 1)

    @unittest.skipUnless(terminals.HAS_EMULATOR, "needs tests/requirements.txt")
    def test_up_tells_below_the_table_what_has_come(self):
        up = terminals.Terminal(self.mesh, "weft", "up", "-f", self.mesh.write("a.yaml", resources.text(resources.pair("web"))))
        up.until_shown("web | weft: Ready, 1 of 1 ready")
        up.type("q")
        self.assertEqual(up.wait(), 0, up.lines())

    @unittest.skipUnless(terminals.HAS_EMULATOR, "needs tests/requirements.txt")
    def test_up_shows_them_below_the_table(self):
        many = [resources.service(f"service-{i:02}") for i in range(60)]
        evil = script("evil", r"printf 'red \033[31mnot\n'; i=0; while [ $i -lt 300 ]; do echo line $i; i=$((i+1)); done; " + STAYS)
        up = terminals.Terminal(self.mesh, "weft", "up", "-f", self.mesh.write("a.yaml", resources.text(many)))
        up.until_shown("service-59 | weft: NoMatchingWorkload")
        self.mesh.apply(resources.text(evil))
        up.until_shown("| line 299")
        up.until_shown("more")
        for columns, rows in ((40, 12), (200, 50), (80, 24)):
            up.resize(columns, rows)
            mesh.until(lambda: sum(" | " in line for line in up.lines()) == rows // 3, f"{columns}x{rows} is drawn", 20)
            # What the mesh says of it may come after that.
            self.assertRegex("\n".join(up.lines()[-4:]), r"(?m)^evil-\w{5} \| line 299$")
            self.assertTrue(up.lines()[0].startswith("SERVICE"), up.lines())
        self.assertNotIn(b"\x1b[31mnot", up.raw)
        up.type("q")
        self.assertEqual(up.wait(), 0, up.lines())
