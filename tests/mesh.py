"""A mesh of a test's own: a state folder, the commands, requests, and the proof that nothing is left behind."""

import atexit
import contextlib
import ctypes
import http.client
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.parse

SOURCE = pathlib.Path(__file__).resolve().parent.parent
BUILD = pathlib.Path(os.environ.get("WEFT_BUILD", SOURCE / "build"))
EXAMPLES = SOURCE / "examples"
# Sanitizers keep freed memory, and need address space without a limit.
IS_SANITIZED = BUILD.name in ("asan", "tsan")
PR_SET_CHILD_SUBREAPER = 36
# The longest that a test waits for a condition; far above what any of them needs.
LIMIT = 60.0
POLL = 0.02
given_ports = set()


def free_port():
    """A port of 127.0.0.1 that this process was not given before: below those that the kernel gives to clients, and among those
    that weft takes last, so that nobody takes it meanwhile."""
    while True:
        port = random.randint(30_000, 32_700)
        if port in given_ports:
            continue
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            given_ports.add(port)
            return port


def until(condition, what, limit=LIMIT):
    """Waits until condition() is true and gives its value; fails with `what` after `limit` seconds."""
    end = time.monotonic() + limit
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"after {limit:.0f} s still not so: {what}")
        time.sleep(POLL)


def descendants(root=None):
    """{pid: (parent, state, command line)} of all processes below `root` (this process)."""
    parents, about = {}, {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            stat = pathlib.Path("/proc", entry, "stat").read_text()
            command = pathlib.Path("/proc", entry, "cmdline").read_bytes()
        except OSError:
            continue
        state, parent = stat.rpartition(")")[2].split()[:2]
        parents[int(entry)] = int(parent)
        about[int(entry)] = (int(parent), state, command.replace(b"\0", b" ").decode(errors="replace").strip())
    root = root or os.getpid()
    found = {}
    for pid in parents:
        at = pid
        while at in parents and at != root:
            at = parents[at]
        if at == root and pid != root:
            found[pid] = about[pid]
    return found


def cgroups(home):
    """The cgroup folders of that home's supervisor."""
    state = home / "supervisor.json"
    if not state.exists():
        return []
    identity = json.loads(state.read_text())["identity"]
    mounts = pathlib.Path("/proc/mounts").read_text().splitlines()
    roots = [line.split()[1] for line in mounts if line.split()[2] == "cgroup2"]
    # Not a glob: others' folders come and go meanwhile.
    return [folder for root in roots for folder, _, _ in os.walk(root) if folder.endswith(f"/weft-{identity}")]


class Result:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    def __repr__(self):
        return f"exit code {self.code}\n--- stdout\n{self.out}--- stderr\n{self.err}"


class Response:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)


def get(url, headers=None, method="GET", timeout=10.0):
    """One request on a connection of its own."""
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request(method, target, headers=headers or {})
        response = connection.getresponse()
        return Response(response.status, response.headers, response.read())
    finally:
        connection.close()


class Beside:
    """Does `run` in a thread of its own for as long as a block lasts: `over` is set then. What it raised is `error`, and is
    raised at the block's end."""

    def __init__(self):
        self.over, self.error = threading.Event(), None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        try:
            self.run()
        except Exception as error:
            self.error = error

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self._thread.join()
        if self.error:
            raise self.error


class Traffic(Beside):
    """A client that sends GETs one after the other until stopped, and keeps every one that failed."""

    def __init__(self, url):
        super().__init__()
        self.url, self.sent, self.failures, self.instances = url, 0, [], []

    def run(self):
        while not self.over.is_set():
            try:
                response = get(self.url)
                if response.status != 200:
                    self.failures.append((time.time(), response.status, response.body))
                else:
                    self.instances.append(response.json()["instance"])
            except (OSError, http.client.HTTPException) as error:
                self.failures.append((time.time(), repr(error)))
            self.sent += 1

    def more(self, count=50):
        """Waits until `count` more requests were answered."""
        goal = self.sent + count
        until(lambda: self.sent >= goal, f"{count} more requests")


class Mesh:
    """One state folder and the commands on it."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.home = self.folder / "home"
        self.images = self.folder / "images"
        self.images.mkdir()
        for source in (BUILD / "images", SOURCE / "tests" / "images"):
            for image in source.iterdir():
                (self.images / image.name).symlink_to(image)
        self.environment = {key: value for key, value in os.environ.items() if not key.startswith("WEFT_")}
        self.environment.update(WEFT_HOME=str(self.home), WEFT_IMAGES=str(self.images),
                                XDG_RUNTIME_DIR=str(self.folder / "run"),
                                PATH=f"{BUILD / 'bin'}:{os.environ['PATH']}")
        (self.folder / "run").mkdir(mode=0o700)
        self.children = []

    def popen(self, *command, **options):
        options.setdefault("stdin", subprocess.DEVNULL)
        options.setdefault("stdout", subprocess.PIPE)
        options.setdefault("stderr", subprocess.PIPE)
        options.setdefault("text", True)
        options.setdefault("env", self.environment)
        child = subprocess.Popen([str(word) for word in command], cwd=self.folder, **options)
        self.children.append(child)
        return child

    def run(self, *command, stdin=None, limit=LIMIT, **options):
        child = self.popen(*command, stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL, **options)
        try:
            out, err = child.communicate(stdin, timeout=limit)
        except subprocess.TimeoutExpired:
            child.kill()
            out, err = child.communicate()
            raise AssertionError(f"{command} did not end in {limit} s: {Result(None, out, err)}") from None
        return Result(child.returncode, out, err)

    def weft(self, *words, **options):
        return self.run("weft", *words, **options)

    def ok(self, *command, **options):
        """Runs a command that must succeed; gives its output."""
        result = self.run(*command, **options)
        if result.code != 0:
            raise AssertionError(f"{' '.join(map(str, command))}: {result}")
        return result.out

    def subcommands(self, *words):
        """The names of the commands below these words, as --help lists them."""
        listed = re.search(r"^Subcommands:\n((?:  .*\n)+)", self.ok("weft", *words, "--help"), re.MULTILINE)
        return re.findall(r"^  (\S+)", listed[1], re.MULTILINE) if listed else []

    def json(self, *command):
        return json.loads(self.ok("weft", *command, "-o", "json"))

    def apply(self, text, *flags):
        """Applies YAML text; fails unless that succeeds."""
        return self.ok("weft", "apply", "-f", "-", *flags, stdin=text)

    def write(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return path

    def url(self, service, port=None):
        """The printed address of a service, once there is one."""
        def addresses():
            result = self.weft("get", "service", service, "-o", "json")
            found = json.loads(result.out).get("status", {}).get("addresses", []) if result.code == 0 else []
            return [a["url"] for a in found if port in (None, a["port"])]
        return until(addresses, f"an address of {service}")[0]

    def condition(self, kind, name, condition):
        """That condition of the resource, {} if it has none."""
        resource = self.json("get", kind, name)
        conditions = resource.get("status", {}).get("conditions", [])
        return next((c for c in conditions if c["type"] == condition), {})

    def until_condition(self, kind, name, condition, status="True", reason=None, limit=LIMIT):
        def holds():
            found = self.condition(kind, name, condition)
            return found if found.get("status") == status and reason in (None, found.get("reason")) else None
        try:
            return until(holds, f"{kind}/{name} has {condition}={status} ({reason})", limit)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.weft('describe', kind, name)}") from None

    def pods(self, workload):
        """The pods of a workload."""
        items = self.json("get", "pods")["items"]
        return [p for p in items if p["metadata"]["labels"].get("weft.dev/workload") == workload]

    def started(self):
        """The workloads of all instances, in the order in which they were started."""
        events = [event for event in self.json("get", "events")["items"] if event["reason"] == "Started"]
        # The store that is built in numbers its versions in the order of the changes.
        events.sort(key=lambda event: int(event["metadata"]["resourceVersion"]))
        return [event["involvedObject"]["name"].rpartition("-")[0] for event in events]

    def status(self):
        return json.loads(self.ok("control-plane", "status", "-o", "json"))

    def processes(self, *words):
        """Pids of this mesh's processes whose command line holds all the words."""
        return [pid for pid, (_, state, line) in descendants().items()
                if state != "Z" and all(word in line for word in words)]

    def supervisor(self):
        return self.processes("weft", "supervise")[0]

    def keeper(self):
        return self.processes("weft", " keep ")[0]

    def control_plane(self):
        return self.processes("weft", "control-plane", "serve")[0]

    def proxy(self):
        return self.processes("weft", "proxy")[0]

    def instance_pid(self, pod):
        """The process of an instance, by its environment."""
        for pid, (_, state, _) in descendants().items():
            try:
                environment = pathlib.Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            except OSError:
                continue
            marks = [entry for entry in environment if entry.startswith(b"WEFT_INSTANCE=")]
            if state != "Z" and marks and marks[0].endswith(f"/{pod}".encode()):
                return pid
        raise AssertionError(f"no process of {pod}")

    def reservations(self):
        """The keys of the addresses that the supervisor holds; those that were given back are remembered too."""
        ports = json.loads((self.home / "supervisor.json").read_text())["ports"]
        return {key: entry for key, entry in ports.items() if "released" not in entry}

    def start(self):
        """Starts it with what is stored."""
        return self.ok("control-plane", "start")

    def stop(self):
        return self.run("control-plane", "stop", limit=LIMIT)

    def logs(self):
        """The logs of weft's own processes, for a test's failure."""
        text = ""
        for path in sorted((self.home / "logs").glob("*.log")) if (self.home / "logs").exists() else []:
            lines = [line[:300] for line in path.read_text(errors="replace").splitlines()]
            lines = [line for line in lines[:-60] if " status=5" in line] + lines[-60:]
            text += "\n".join([f"--- {path.name}", *lines, ""])
        return text


def reap():
    """Takes the exit codes of orphans that ended here; those of Popen are its own to take."""
    for pid, (parent, state, _) in descendants().items():
        if parent == os.getpid() and state == "Z":
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                pass


def end_all(meshes):
    """Whatever is left of a test, however it ended, goes. Again and again: who restarts others may be among them."""
    def none_left():
        for pid in descendants():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        reap()
        return not descendants()
    with contextlib.suppress(AssertionError):
        until(none_left, "no process is left", 5.0)
    for mesh in meshes:
        shutil.rmtree(mesh.folder, ignore_errors=True)


class MeshTest(unittest.TestCase):
    """A test with a mesh of its own, after which no process and no cgroup may be left."""

    maxDiff = None

    def setUp(self):
        # Orphans come to this process, so that `descendants` sees all that a test has started.
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self.meshes = []
        self.addCleanup(end_all, self.meshes)  # also if a setUp fails
        atexit.register(end_all, self.meshes)  # also after Ctrl-C
        self.mesh = self.new_mesh()

    def new_mesh(self):
        mesh = Mesh(tempfile.mkdtemp(prefix="weft-test-"))
        self.meshes.append(mesh)
        return mesh

    def failed(self):
        result = self._outcome.result
        return any(test is self for test, _ in result.failures + result.errors) or not self._outcome.success

    def tearDown(self):
        failed = self.failed()
        trouble = []
        for mesh in self.meshes:
            if failed:
                print(mesh.logs())
            trouble += self.stop(mesh)
        left = descendants()
        left_cgroups = [path for mesh in self.meshes for path in cgroups(mesh.home)]
        if not failed:
            self.assertEqual(trouble, [])
            self.assertEqual(left, {}, "processes were left behind")
            self.assertEqual(left_cgroups, [], "cgroups were left behind")

    def stop(self, mesh):
        """Ends whatever runs in it; what went wrong meanwhile."""
        trouble = []
        if mesh.home.exists():
            try:
                stopped = mesh.stop()
                trouble += [str(stopped)] if stopped.code != 0 else []
            except AssertionError as error:
                trouble += [str(error), mesh.logs()]
        for child in mesh.children:
            if child.poll() is None:
                child.terminate()
            try:
                child.communicate(timeout=LIMIT)
            except subprocess.TimeoutExpired:
                child.kill()
            except ValueError:  # the test has read its output to the end
                pass
        self.wait_for_no_process()
        return trouble

    def wait_for_no_process(self, limit=5.0):
        def gone():
            reap()
            return not descendants()
        try:
            until(gone, "no process is left", limit)
        except AssertionError:
            pass
