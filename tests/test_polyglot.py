"""examples/polyglot: programs of several languages, brought up by one command, changed and restarted under load."""

import contextlib
import json
import pathlib
import shutil
import unittest
import urllib.request

import mesh

EXAMPLE = mesh.EXAMPLES / "polyglot"


def missing():
    """What of the example's programs this machine does not have."""
    programs = {"nginx": "/usr/sbin/nginx", "redis-server": "/usr/bin/redis-server", "nodejs": "/usr/bin/node",
                "python3-psycopg2": "/usr/lib/python3/dist-packages/psycopg2"}
    found = [name for name, path in programs.items() if not pathlib.Path(path).exists()]
    if not list(pathlib.Path("/usr/lib/postgresql").glob("*/bin/postgres")):
        found.append("postgresql")
    return found


class Orders(mesh.Beside):
    """Posts orders one after the other until stopped; keeps those that were taken and what went wrong."""

    def __init__(self, url):
        super().__init__()
        self.url, self.taken, self.failures = url, [], []

    def run(self):
        while not self.over.is_set():
            try:
                with urllib.request.urlopen(self.url + "/orders", b"thing", timeout=30) as answer:
                    self.taken.append(json.load(answer)["order"])
            except (OSError, ValueError) as error:
                self.failures.append(repr(error) + getattr(error, "read", bytes)().decode())

    def more(self, count):
        goal = len(self.taken) + count
        mesh.until(lambda: len(self.taken) >= goal or self.failures, f"{count} more orders")


@unittest.skipIf(missing(), f"not there: {', '.join(missing())}")
class Polyglot(mesh.MeshTest):
    def setUp(self):
        super().setUp()
        self.example = self.mesh.folder / "polyglot"
        shutil.copytree(EXAMPLE, self.example)
        # The database's files are the test's own, where the user postgres may go too.
        self.mesh.folder.chmod(0o711)
        database = self.example / "database.yaml"
        database.write_text(database.read_text().replace("/var/tmp/weft-polyglot", str(self.mesh.folder / "data")))
        self.ports = {}
        for file, name in (("web.yaml", "18088"), ("payments.yaml", "18089")):
            self.ports[name] = mesh.free_port()
            text = (self.example / file).read_text()
            (self.example / file).write_text(text.replace(name, str(self.ports[name])))

    def counts(self, url):
        with urllib.request.urlopen(url + "/orders", timeout=30) as answer:
            return json.load(answer)

    def test_one_command_then_changes_under_load(self):
        self.mesh.popen("weft", "up", "-f", self.example)
        url = f"http://127.0.0.1:{self.ports['18088']}"

        def is_up():
            with contextlib.suppress(OSError):
                return b"0 orders, 0 packed" in urllib.request.urlopen(url, timeout=30).read()
        mesh.until(is_up, "the page is there")
        with Orders(url) as orders:
            orders.more(20)
            self.mesh.ok("weft", "restart", "deployment/api", "--timeout", "60s")
            orders.more(20)
            self.mesh.ok("weft", "restart", "deployment/database", "--timeout", "60s")
            orders.more(20)
        self.assertEqual(orders.failures, [])
        self.assertEqual(len(set(orders.taken)), len(orders.taken))
        mesh.until(lambda: self.counts(url)["packed"] == len(orders.taken), "all is packed")
        self.assertEqual(self.counts(url)["orders"], len(orders.taken))
        password = "for-this-example-alone"
        for shown in (self.mesh.ok("weft", "get", "secret", "database", "-o", "yaml"), self.mesh.logs()):
            self.assertNotIn(password, shown)
