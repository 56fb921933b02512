"""`weft upgrade`: another program takes the place of the one that runs, and nobody but who looks at pids can tell."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import threading

import mesh
import proxies
import resources
import restarts

SHOP = mesh.EXAMPLES / "shop"
PARTS = ("supervisor", "keeper", "controlPlane", "proxy")
SAYS_OK = """
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version, disable_nagle_algorithm = "HTTP/1.1", True
    def do_GET(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"ok")
    do_POST = do_GET
    def log_message(self, *_):
        pass
class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 1024
Server((os.environ["HOST"], int(os.environ["PORT"])), Handler).serve_forever()
"""
ECHOES = """
import os, socketserver
class Handler(socketserver.BaseRequestHandler):
    def handle(self):
        while data := self.request.recv(65536):
            self.request.sendall(data)
class Server(socketserver.ThreadingTCPServer):
    request_queue_size, daemon_threads = 1024, True
Server((os.environ["HOST"], int(os.environ["PORT"])), Handler).serve_forever()
"""


def build_id(path):
    """Of a program, and where it stands in the file."""
    shown = subprocess.run(["readelf", "-n", path], capture_output=True, text=True, check=True).stdout
    return bytes.fromhex(re.search(r"Build ID: ([0-9a-f]{40})", shown)[1])


class KeptAlive(mesh.Beside):
    """A client that sends GETs on one connection for as long as that is kept, as a browser does."""

    def __init__(self, url):
        super().__init__()
        self.url, self.sent, self.failures = url, 0, []

    def run(self):
        host, port = self.url.removeprefix("http://").rstrip("/").split(":")
        while not self.over.is_set():
            try:
                connection = socket.create_connection((host, int(port)), timeout=10)
            except OSError as error:
                self.failures.append(repr(error))
                return
            with proxies.Peer(connection) as peer:
                while not self.over.is_set():
                    try:
                        response = peer.ask()
                    except (proxies.Cut, OSError) as error:
                        self.failures.append(repr(error))
                        break
                    self.sent += 1
                    if response.status != 200:
                        self.failures.append((response.status, response.body))
                    if response.get("connection") == "close":
                        break


class Tunnel(mesh.Beside):
    """A connection of bytes that stays: what is sent comes back, while more is on its way."""

    PIECE = bytes(range(256)) * 16

    def __init__(self, port):
        super().__init__()
        self.port, self.came_back = port, 0

    def run(self):
        with proxies.Peer(socket.create_connection(("127.0.0.1", self.port), timeout=proxies.LIMIT)) as peer:
            peer.send(self.PIECE)
            while not self.over.is_set():
                peer.send(self.PIECE)
                self.take(peer.receive(len(self.PIECE)))
            peer.end()
            self.take(peer.rest())

    def take(self, piece):
        if piece != self.PIECE:
            raise AssertionError(f"{len(piece)} other bytes came back")
        self.came_back += 1

    def more(self):
        goal = self.came_back + 20
        mesh.until(lambda: self.came_back >= goal or self.error, "bytes come back")


class Supervisor(mesh.Beside):
    """Who answers in the place of a mesh's supervisor: what `answers` has for a request, else that it does not know it."""

    def __init__(self, of, answers, **also):
        super().__init__()
        run = of.folder / "r"
        run.mkdir(mode=0o700)
        of.home.mkdir(mode=0o700)
        (of.home / "run").symlink_to(run)
        self.path = run / "supervisor.sock"
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(str(self.path))
        self.listener.listen(8)
        process = {"pid": os.getpid(), "restarts": 0, "lastExit": ""}
        status = {"pid": os.getpid(), "keeper": process, "restarts": 0, "lastEnd": "", "startedAt": 0, "cgroups": False,
                  "limitsProcesses": False, "images": [], "stopping": False, "instances": 0, "controlPlane": process,
                  "proxy": process, **also}
        self.answers = {"status": {"ok": status}, **answers}

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self.serve, args=(self.listener.accept()[0],), daemon=True).start()

    def serve(self, peer):
        with peer:
            while message := peer.recv(65536):
                request = json.loads(message)
                if self.answers.get(request["op"], ()) is None:  # it ends
                    self.listener.shutdown(socket.SHUT_RDWR)
                    return
                unknown = {"error": {"kind": "failed", "detail": f'unknown request "{request["op"]}"'}}
                peer.send(json.dumps({"id": request["id"], **self.answers.get(request["op"], unknown)}).encode())

    def __exit__(self, *error):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        super().__exit__(*error)
        self.listener.close()
        self.path.unlink()


class Upgrade(mesh.MeshTest):
    def other_build(self, version=None):
        """A weft that differs in nothing but the id of its build, and the version that it notes in its file."""
        path = self.mesh.folder / "weft-next"
        content = (mesh.BUILD / "bin" / "weft").read_bytes()
        before = build_id(mesh.BUILD / "bin" / "weft")
        self.assertEqual(content.count(before), 1)
        content = content.replace(before, bytes(reversed(before)))
        if version:
            notes = re.findall(rb"weft\0\0\0\0(\d+\.\d+\.\d+)\0", content)
            self.assertEqual(([len(note) for note in notes]), [len(version)])
            content = content.replace(b"weft\0\0\0\0" + notes[0], b"weft\0\0\0\0" + version.encode())
        path.write_bytes(content)
        path.chmod(0o755)
        return path, bytes(reversed(before)).hex()[:12]

    def python_image(self, name, text):
        path = self.mesh.images / name
        path.write_text(f"#!/usr/bin/env python3{text}")
        path.chmod(0o755)

    def up(self, program, *flags):
        """`up` of that program, on the mesh of `web` that runs, until it shows that; what it has said on stderr. Ctrl-C leaves
        the mesh."""
        files = self.mesh.write("web.yaml", resources.text(resources.pair("web")))
        up = self.mesh.popen(program, "up", "-f", files, "--no-logs", *flags)
        for line in up.stdout:
            if line.startswith("web: Ready"):
                break
        up.send_signal(signal.SIGINT)
        _, err = up.communicate(timeout=mesh.LIMIT)
        self.assertEqual(up.returncode, 0, err)
        self.assertIn("the mesh goes on", err)
        return err

    def script(self, name, text):
        path = self.mesh.write(name, f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return path

    def pids(self):
        status = self.mesh.status()
        return {part: status[part].get("pid") for part in PARTS}

    def instances(self, *names):
        return {pod["metadata"]["name"]: self.mesh.instance_pid(pod["metadata"]["name"])
                for name in names for pod in self.mesh.pods(name)}

    def test_under_load(self):
        self.mesh.ok("weft", "apply", "-f", SHOP, "--wait")
        names = ("db", "catalog", "cart", "orders", "prices", "web")
        before, instances = self.pids(), self.instances(*names)
        binary, build = self.other_build()
        url = self.mesh.url("web")
        with mesh.Traffic(url) as traffic, mesh.Traffic(url) as more, KeptAlive(url) as kept:
            traffic.more(10)
            told = self.mesh.ok("weft", "upgrade", "--binary", binary, "-o", "json")
            traffic.more(20)
            more.more(20)
        self.assertEqual((traffic.failures, more.failures, kept.failures), ([], [], []))
        self.assertGreater(kept.sent, 20)
        after, status = self.pids(), self.mesh.status()
        self.assertEqual(after["supervisor"], before["supervisor"])
        for part in ("keeper", "controlPlane", "proxy"):
            self.assertNotEqual(after[part], before[part], part)
        for part in PARTS:
            self.assertEqual((status[part]["build"], status[part]["restarts"]), (build, 0), part)
            self.assertNotIn("lastExit", status[part])
            self.assertEqual(json.loads(told)[part]["pid"], after[part])
        self.assertEqual(self.instances(*names), instances)
        # What it has taken over it governs.
        self.mesh.ok("control-plane", "scale", "service", "cart", "--replicas=1")
        mesh.until(lambda: len(self.mesh.pods("cart")) == 1, "one of them is stopped")
        mesh.until(lambda: "before" not in self.mesh.status()["proxy"], "the old proxy has ended")

    def test_under_load_of_every_kind(self):
        """HTTP/1.1, HTTP/2 and bytes, on connections that stay and on new ones."""
        self.python_image("says-ok", SAYS_OK)
        self.python_image("echoes", ECHOES)
        echo = resources.pair("echo", image="echoes")
        echo[1]["spec"]["ports"][0]["name"] = "tcp"
        self.mesh.apply(resources.text(resources.pair("web", image="says-ok"), echo), "--wait")
        binary, build = self.other_build()
        web, echo = (int(self.mesh.url(name).rpartition(":")[2]) for name in ("web", "echo"))
        load = restarts.Load(http=web, opaque=echo)
        self.addCleanup(load.end)

        def goes_on():
            at = dict(load.counts)
            mesh.until(lambda: load.bad or all(load.counts[kind] >= at[kind] + 20 for kind in at), "load goes on")
        with Tunnel(echo) as tunnel:
            goes_on()
            self.mesh.ok("weft", "upgrade", "--binary", binary)
            goes_on()
            tunnel.more()
            self.assertEqual(load.end(), [])
            proxy = self.mesh.status()["proxy"]
            self.assertEqual((proxy["build"], len(proxy["before"])), (build, 1), "the old one still has the tunnel")
        self.assertGreater(tunnel.came_back, 20)
        mesh.until(lambda: "before" not in self.mesh.status()["proxy"], "the old proxy has ended")

    def test_up_of_another_build(self):
        self.mesh.apply(resources.text(resources.pair("web")), "--wait")
        before, instances, url = self.pids(), self.instances("web"), self.mesh.url("web")
        binary, build = self.other_build()
        with mesh.Traffic(url) as traffic, KeptAlive(url) as kept:
            traffic.more(10)
            said = self.up(binary)
            traffic.more(20)
        self.assertEqual((traffic.failures, kept.failures), ([], []))
        self.assertRegex(said, rf"proxy: process \d+, weft [\d.]+ \(build {build}\), in place of {before['proxy']}\n")
        status = self.mesh.status()
        self.assertEqual([status[part]["build"] for part in PARTS], [build] * 4)
        self.assertEqual(self.instances("web"), instances)
        # Once is enough.
        after = self.pids()
        self.assertNotIn("takes its place", self.up(binary))
        self.assertEqual(self.pids(), after)

    def test_up_that_leaves_the_build(self):
        """One that is told to, and one of an earlier version."""
        self.mesh.apply(resources.text(resources.pair("web")), "--wait")
        later, build = self.other_build("9.9.9")
        before = self.pids()
        self.up(later, "--no-upgrade")
        self.assertEqual(self.pids(), before)
        self.mesh.ok("weft", "upgrade", "--binary", later)
        after = self.pids()
        self.assertIn(f"weft 9.9.9 (build {build}), which is of a later version than this", self.up("weft"))
        self.assertEqual(self.pids(), after)

    def test_with_the_same_program_all_is_started_again(self):
        self.mesh.apply(resources.text(resources.pair("web")), "--wait")
        before = self.pids()
        result = self.mesh.weft("upgrade")
        self.assertEqual(result.code, 0, result)
        self.assertEqual(result.out, "upgraded\n")
        self.assertRegex(result.err, r"supervisor: process \d+, weft [\d.]+ \(build [0-9a-f]{12}\), goes on")
        self.assertNotEqual(self.pids()["proxy"], before["proxy"])
        self.assertEqual(mesh.get(self.mesh.url("web")).status, 200)
        # And once more, by what has been taken over; nothing heaps up.
        def descriptors():
            found = []
            for fd in os.listdir(f"/proc/{before['supervisor']}/fd"):
                with contextlib.suppress(FileNotFoundError):  # it has just been closed
                    found.append(os.readlink(f"/proc/{before['supervisor']}/fd/{fd}").split(":")[0])
            return sorted(found)

        def at_rest():
            """What it has once two looks find the same."""
            seen = descriptors()
            return seen if seen == descriptors() == descriptors() else None
        mesh.until(lambda: "before" not in self.mesh.status()["proxy"], "the old proxy has ended")
        # What asked for the status is gone too, and whatever belonged to the old proxy.
        first = mesh.until(at_rest, "nothing comes and goes")
        self.mesh.ok("weft", "upgrade")
        self.assertEqual(self.mesh.supervisor(), before["supervisor"])
        mesh.until(lambda: len(descriptors()) <= len(first), f"it has no more descriptors than it had: {first}")

    def test_of_a_supervisor_that_knows_no_upgrade(self):
        with Supervisor(self.mesh, {}):
            result = self.mesh.weft("upgrade")
        self.assertEqual(result.code, 1, result)
        self.assertIn("which cannot be replaced while it runs", result.err)
        self.assertIn("stop the mesh with that one", result.err)

    def test_a_keeper_that_is_not_replaced(self):
        error = {"error": {"kind": "failed", "detail": "there is no room"}}
        binary, _ = self.other_build()
        with Supervisor(self.mesh, {"upgrade": {"ok": True}, "replace": error}):
            result = self.mesh.weft("upgrade", "--binary", binary)
        self.assertEqual(result.code, 1, result)
        self.assertIn("the keeper was not replaced: there is no room", result.err)
        self.assertIn(f"run `weft upgrade --binary {binary}` again", result.err)

    def test_a_mesh_that_is_being_stopped(self):
        error = {"error": {"kind": "unavailable", "detail": "the mesh is stopping"}}
        with Supervisor(self.mesh, {"upgrade": error}, stopping=True):
            result = self.mesh.weft("upgrade")
        self.assertEqual(result.code, 1, result)
        self.assertIn("the supervisor was not replaced: the mesh is stopping", result.err)
        self.assertIn("weft control-plane start`", result.err)
        self.assertNotIn("goes on", result.err)

    def test_a_mesh_that_ends_within(self):
        with Supervisor(self.mesh, {"upgrade": None}):
            result = self.mesh.weft("upgrade")
        self.assertEqual(result.code, 6, result)
        self.assertIn("the mesh is stopped: there is nothing to upgrade any more", result.err)

    def test_the_time_limit_says_what_runs(self):
        self.mesh.start()
        before = self.pids()
        result = self.mesh.weft("upgrade", "--binary", self.script("stuck", "exec sleep 1000"), "--timeout", "200ms")
        self.assertEqual(result.code, 5, result)
        self.assertIn("not upgraded within 200ms: the supervisor was being replaced", result.err)
        self.assertRegex(result.err, r"where: supervisor: [\d.]+ \(build [0-9a-f]{12}\), keeper: .*, control plane: .*, proxy: ")
        self.assertEqual(self.pids(), before)

    def test_the_time_limit_passes_before_the_next_control_plane_is_ready(self):
        with Supervisor(self.mesh, {"upgrade": {"ok": True}, "replace": {"ok": True}}):
            result = self.mesh.weft("upgrade", "--timeout", "300ms")
        self.assertEqual(result.code, 5, result)
        self.assertIn("not upgraded within 300ms: the control plane was being replaced", result.err)

    def test_a_process_that_has_just_ended_is_not_shown(self):
        ended = self.mesh.popen("true")
        ended.wait(mesh.LIMIT)
        process = {"pid": self.mesh.popen("sleep", "1000").pid, "restarts": 0, "lastExit": ""}
        with Supervisor(self.mesh, {}, proxy={**process, "before": [ended.pid, process["pid"]]}):
            before = self.mesh.status()["proxy"]["before"]
        self.assertEqual([one["pid"] for one in before], [process["pid"]])

    def test_a_binary_that_does_not_stay(self):
        self.mesh.start()
        binary, _ = self.other_build()
        self.mesh.ok("weft", "upgrade", "--binary", binary)
        binary.unlink()
        os.kill(self.mesh.status()["proxy"]["pid"], signal.SIGKILL)
        mesh.until(lambda: f"cannot start {binary}: " in self.mesh.ok("control-plane", "status"), "the file is named")
        result = self.mesh.weft("proxy", "status")
        self.assertEqual(result.code, 6, result)
        self.assertIn("the mesh runs without it", result.err)

    def test_a_keeper_that_is_not_seen(self):
        error = {"error": {"kind": "not_seen", "detail": "it is of an older build"}}
        with Supervisor(self.mesh, {"upgrade": {"ok": True}, "replace": error}):
            result = self.mesh.weft("upgrade", "--timeout", "1s")
        self.assertIn("  keeper: stays: it is of an older build\n", result.err)

    @contextlib.contextmanager
    def supervisor_socket(self):
        """Gives what sends the supervisor a request, and what gives its answers one after the other."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as peer:
            peer.settimeout(mesh.LIMIT)
            peer.connect(str(self.mesh.home / "run" / "supervisor.sock"))
            yield (lambda **request: peer.send(json.dumps(request).encode()), lambda: json.loads(peer.recv(1 << 20)))

    def test_what_happens_between_the_two_programs(self):
        """An instance ends, and one writes, while nobody is there to see it. The control plane is the one before, so that
        what it does not hear of it does not know."""
        go, held = self.mesh.folder / "go", self.mesh.folder / "held"
        self.mesh.images.joinpath("counts").write_text(
            '#!/bin/sh\ni=0\nwhile :; do i=$((i + 1)); echo "line $i"; printf "half "; sleep 0.01; echo "whole $i"; done\n')
        self.mesh.images.joinpath("counts").chmod(0o755)
        self.mesh.apply(resources.text(
            resources.job("bad", "waits-for-file", {"GO": str(go), "EXIT_CODE": "7"}, backoff_limit=0),
            resources.deployment("counter", image="counts")))
        mesh.until(lambda: self.mesh.processes("waits-for-file"), "the job runs")
        log = self.mesh.home / "logs"
        mesh.until(lambda: list(log.glob("default_counter-*.log")), "the other one writes")
        counter = next(log.glob("default_counter-*.log"))
        job = self.mesh.processes("waits-for-file")[0]
        # In the supervisor's place, until the job is a zombie; then the real one. No shell: it would reap the job.
        binary = self.mesh.write("late", f"""#!/usr/bin/env python3
import os, pathlib, sys, time
if "--check" not in sys.argv:
    pathlib.Path({str(go)!r}).touch()
    while "State:\tZ" not in pathlib.Path("/proc/{job}/status").read_text():
        time.sleep(0.01)
    pathlib.Path({str(held)!r}).write_text(str(pathlib.Path({str(counter)!r}).read_text().count("\\n")))
os.execv({str(mesh.BUILD / "bin" / "weft")!r}, sys.argv)
""")
        binary.chmod(0o755)
        before = self.pids()
        with self.supervisor_socket() as (ask, answer):
            ask(id=1, op="upgrade", program=str(binary))
            self.assertEqual(answer(), {"id": 1, "ok": True})
        self.mesh.until_condition("job", "bad", "Failed")
        self.assertEqual(self.pids(), before)
        state = self.mesh.pods("bad")[0]["status"]["containerStatuses"][0]["state"]
        self.assertEqual(state["terminated"]["exitCode"], 7)
        until = int(held.read_text()) + 60
        mesh.until(lambda: counter.read_text().count("\n") > until, "it goes on writing")
        # It counts on from where it was, and no line is missing, or in two.
        shown = self.mesh.ok("weft", "logs", "deployment/counter").splitlines()
        expected = [line for n in range(1, len(shown)) for line in (f"line {n}", f"half whole {n}")]
        self.assertEqual(shown[:-1], expected[:len(shown) - 1])

    def test_requests_under_way_are_answered_by_the_next_program(self):
        go = self.mesh.folder / "go"
        self.mesh.apply(resources.text(resources.pair("web"), resources.pair("slow", image="ignores-sigterm", grace=1)), "--wait")
        web, slow = (f"default/{self.mesh.pods(name)[0]['metadata']['name']}" for name in ("web", "slow"))
        with self.supervisor_socket() as (ask, answer):
            wait = f"until [ -e {go} ]; do sleep 0.01; done; exit 5"
            ask(id=1, op="execute", instance=web, argv=["/bin/sh", "-c", wait], limitMs=60_000)
            ask(id=2, op="execute", instance=web, argv=["/bin/sh", "-c", "sleep 1000"], limitMs=1500)
            ask(id=3, op="stop", instance=slow, limitMs=1500)
            ask(id=4, op="status")
            self.assertEqual(answer()["id"], 4)  # the others have begun
            self.mesh.ok("weft", "upgrade")
            go.write_text("")
            answers = {}
            while len(answers) < 3:
                told = answer()
                answers[told["id"]] = told
        self.assertEqual(answers[1]["ok"], 5)
        self.assertEqual(answers[2]["error"], {"kind": "timed_out", "detail": "it took longer than 1s500ms"})
        self.assertEqual(answers[3]["ok"]["exit"]["signal"], signal.SIGKILL)
        mesh.until(lambda: not self.mesh.processes("sleep 1000"), "what took too long is killed")

    def test_a_program_that_cannot_do_it(self):
        self.mesh.apply(resources.text(resources.pair("web")), "--wait")
        before = self.pids()
        for name, text, words in (("old", "echo 'error: unknown argument --check' >&2; exit 2", "unknown argument --check"),
                                  ("mute", "exit 1", "exit code 1"), ("dies", "kill -9 $$", "SIGKILL"),
                                  ("true", "exit 0", "it is no weft that knows how")):
            result = self.mesh.weft("upgrade", "--binary", self.script(name, text))
            self.assertEqual(result.code, 1, result)
            self.assertIn("the supervisor was not replaced", result.err)
            self.assertIn("nothing has changed", result.err)
            self.assertNotIn("control-plane logs", result.err)
            self.assertIn(words, result.err)
            self.assertRegex(result.err, r"proxy: [\d.]+ \(build [0-9a-f]{12}\)")
        result = self.mesh.weft("upgrade", "--binary", self.mesh.folder / "nothing")
        self.assertEqual(result.code, 2, result)
        self.assertEqual(self.pids(), before)
        self.assertEqual(mesh.get(self.mesh.url("web")).status, 200)

    def test_the_supervisor_is_killed_within(self):
        self.mesh.apply(resources.text(resources.pair("web")), "--wait")
        url = self.mesh.url("web")
        binary = self.script("dies", f"""
            case "$*" in *--check*) exec {mesh.BUILD}/bin/weft "$@";; *) kill -9 $$;; esac""")
        before = self.pids()
        result = self.mesh.weft("upgrade", "--binary", binary)
        self.assertEqual(result.code, 1, result)
        self.assertIn("the supervisor is gone", result.err)
        self.assertIn("it is started again, and the instances with it", result.err)
        # Its keeper has started another one, as after any kill.
        self.mesh.ok("weft", "wait", "services")
        after = self.pids()
        self.assertNotEqual(after["supervisor"], before["supervisor"])
        self.assertEqual(after["keeper"], before["keeper"])
        self.assertEqual(mesh.get(url).status, 200)

    def test_the_next_program_ends_at_once(self):
        """With an exit code, as one that finds something wrong would; it had said that it can go on."""
        self.mesh.apply(resources.text(resources.pair("web")), "--wait")
        url, before = self.mesh.url("web"), self.pids()
        binary = self.script("leaves", f"""
            case "$*" in *--check*) exec {mesh.BUILD}/bin/weft "$@";; *) exit 3;; esac""")
        result = self.mesh.weft("upgrade", "--binary", binary)
        self.assertEqual(result.code, 1, result)
        self.mesh.ok("weft", "wait", "services")
        after, status = self.pids(), self.mesh.status()["supervisor"]
        self.assertEqual(after["keeper"], before["keeper"])
        self.assertNotEqual(after["supervisor"], before["supervisor"])
        self.assertEqual(status["restarts"], 1)
        self.assertIn("exit code 3", status["lastExit"])
        self.assertEqual(mesh.get(url).status, 200)

    def test_two_at_once(self):
        self.mesh.start()
        asked = self.mesh.folder / "asked"
        binary = self.script("next", f"""touch {asked}; exec {mesh.BUILD}/bin/weft "$@" """)
        first = self.mesh.popen("weft", "upgrade", "--binary", binary)
        mesh.until(asked.exists, "the first has begun")
        first.send_signal(signal.SIGSTOP)  # so that it does not end before the second has come
        second = self.mesh.weft("upgrade")
        self.assertEqual(second.code, 1, second)
        self.assertIn("the mesh is being upgraded already", second.err)
        self.assertIn(str(first.pid), second.err)
        # What is not upgraded is not applied to either.
        text = self.mesh.write("web.yaml", resources.text(resources.pair("web")))
        third = self.mesh.run(self.other_build()[0], "up", "-f", text)
        self.assertEqual(third.code, 1, third)
        self.assertIn("the mesh is being upgraded already", third.err)
        self.assertEqual(self.mesh.weft("get", "service", "web").code, 4)
        first.send_signal(signal.SIGCONT)
        out, err = first.communicate(timeout=mesh.LIMIT)
        self.assertEqual(first.returncode, 0, out + err)

    def test_the_command_is_killed_within(self):
        self.mesh.start()
        asked = self.mesh.folder / "asked"
        binary = self.script("stuck", f"touch {asked}; exec sleep 1000")
        first = self.mesh.popen("weft", "upgrade", "--binary", binary)
        mesh.until(asked.exists, "the program is asked")
        first.kill()
        mesh.until(lambda: not self.mesh.processes("sleep 1000"), "nobody is asked any more")
        self.mesh.ok("weft", "upgrade")

    def test_in_the_foreground(self):
        runs = self.mesh.popen("control-plane", "run")
        mesh.until(lambda: self.mesh.run("control-plane", "status").code == 0, "it runs")
        self.mesh.apply(resources.text(resources.pair("web")), "--wait")
        before = self.pids()
        result = self.mesh.weft("upgrade")
        self.assertEqual(result.code, 0, result)
        self.assertIn("keeper: process", result.err)
        self.assertIn("stays: it is a command in the foreground", result.err)
        after = self.pids()
        self.assertEqual((after["keeper"], after["supervisor"]), (runs.pid, before["supervisor"]))
        # It still ends with who looks at it, however that ends.
        runs.kill()
        runs.communicate(timeout=mesh.LIMIT)
        self.wait_for_no_process(mesh.LIMIT)

    def test_without_a_mesh(self):
        result = self.mesh.weft("upgrade")
        self.assertEqual(result.code, 6, result)
        self.assertIn("there is nothing to upgrade", result.err)

    def test_another_build_is_told_of_the_upgrade(self):
        self.mesh.start()
        binary, _ = self.other_build()
        text = self.mesh.write("web.yaml", resources.text(resources.pair("web")))
        result = self.mesh.run(binary, "up", "-f", text, "--once")
        self.assertEqual(result.code, 1, result)
        self.assertIn(f"`weft upgrade --binary {binary}` puts this one in its place", result.err)
        self.assertNotIn("weft upgrade", self.mesh.weft("up", "-f", text, "--once").err)

