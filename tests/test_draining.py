"""Instances that go: what is under way ends first, preStop runs, and nothing takes more of the grace than its share."""

import http.client
import http.server
import os
import signal
import socket
import threading
import time
import unittest
import urllib.parse

import mesh
import resources


def web(replicas=1, post_time=0.0, grace=30, lifecycle=None, depends_on=None, **env):
    deployment, service = resources.pair("web", depends_on, image="dies-at-sigterm", replicas=replicas, grace=grace,
                                         env={"TIME": str(post_time), **env})
    if lifecycle:
        deployment["spec"]["template"]["spec"]["containers"][0]["lifecycle"] = lifecycle
    return resources.text(deployment, service)


class Posts:
    """Clients that send POST after POST, by a connection each or by a new one each time, and keep what failed."""

    def __init__(self, url, clients=4):
        parts = urllib.parse.urlsplit(url)
        self.address = (parts.hostname, parts.port)
        self.done, self.failures = 0, []
        self._stop, self._lock = threading.Event(), threading.Lock()
        self._threads = [threading.Thread(target=self._run, args=(number % 2 == 0,), daemon=True)
                         for number in range(clients)]

    def _run(self, keeps):
        connection = None
        while not self._stop.is_set():
            connection = connection or http.client.HTTPConnection(*self.address, timeout=30)
            why = None
            try:
                connection.request("POST", "/", body=b"order")
                response = connection.getresponse()
                answer = response.status, response.read()
                why = None if answer == (200, b"order") else answer
            except (OSError, http.client.HTTPException) as error:
                why = repr(error)
            if why or not keeps:
                connection.close()
                connection = None
            with self._lock:
                self.done += 1
                self.failures += [why] if why else []
        if connection:
            connection.close()

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def more(self, count):
        goal = self.done + count
        mesh.until(lambda: self.done >= goal, f"{count} more POSTs")


class Outside(http.server.BaseHTTPRequestHandler):
    """Something that weft does not run."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class Draining(mesh.MeshTest):
    def setUp(self):
        super().setUp()
        self.notes = self.mesh.folder / "notes"

    def start(self, *arguments, **options):
        self.mesh.apply(web(*arguments, **options), "--wait")
        return self.mesh.url("web")

    def begin_post(self, post_time, **options):
        """A connection that waits for the answer to a POST that the instance has."""
        self.options = {"post_time": post_time, "NOTES": str(self.notes), **options}
        connection = http.client.HTTPConnection(urllib.parse.urlsplit(self.start(**self.options)).netloc, timeout=20)
        connection.request("POST", "/", body=b"order")
        mesh.until(self.notes.exists, "the POST has come")
        return connection

    def expect_answer(self, connection):
        response = connection.getresponse()
        self.assertEqual((response.status, response.read()), (200, b"order"))
        connection.close()

    def scale_to_none(self):
        """Begins it; gives when the instance was taken out."""
        self.mesh.ok("weft", "apply", "-f", "-", stdin=web(replicas=0, **self.options))
        return time.monotonic()

    def until_leaving(self):
        mesh.until(lambda: self.mesh.pods("web")[0]["metadata"].get("deletionTimestamp"), "it is leaving")

    def until_gone(self):
        mesh.until(lambda: not self.mesh.pods("web"), "the instance is gone")
        return time.monotonic()

    def test_a_rolling_update_loses_no_post(self):
        url = self.start(replicas=2, post_time=0.3)
        with Posts(url, clients=8) as posts:
            posts.more(8)
            self.mesh.apply(web(replicas=2, post_time=0.3, NEW="1"), "--wait")
            mesh.until(lambda: len(self.mesh.pods("web")) == 2, "the old instances are gone")
            posts.more(8)
        self.assertEqual(posts.failures, [])

    def test_a_tunnel_has_its_share_of_the_grace(self):
        self.options = {"grace": 10}
        parts = urllib.parse.urlsplit(self.start(grace=10))
        with socket.create_connection((parts.hostname, parts.port), timeout=20) as client:
            client.sendall(b"GET /echo HTTP/1.1\r\nHost: web\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
            reader = client.makefile("rb")
            while reader.readline() != b"\r\n":
                pass
            began = self.scale_to_none()
            self.until_leaving()
            client.sendall(b"still here\n")
            self.assertEqual(reader.readline(), b"still here\n")
            self.assertEqual(reader.readline(), b"", "it ends with the instance")
            self.assertLess(self.until_gone() - began, 4, "a tenth of the grace, and a margin")

    def test_pre_stop_runs_before_sigterm(self):
        hook = f"curl -s -o /dev/null -w '%{{http_code}}' http://$HOST:$PORT/ >{self.notes}"
        self.options = {"lifecycle": {"preStop": {"exec": {"command": ["sh", "-c", hook]}}}}
        self.start(**self.options)
        self.scale_to_none()
        self.until_gone()
        self.assertEqual(self.notes.read_text(), "200", "it still served")

    def test_goes_on_without_the_control_plane(self):
        connection = self.begin_post(post_time=2)
        self.scale_to_none()
        self.until_leaving()
        os.kill(self.mesh.control_plane(), signal.SIGKILL)
        self.expect_answer(connection)
        self.until_gone()

    def test_its_own_calls_work_to_its_end(self):
        db = resources.text(resources.pair("db"))
        self.mesh.apply(db)
        connection = self.begin_post(post_time=1, depends_on=[resources.needs("db")])
        files = self.mesh.write("all.yaml", db + "\n---\n" + web(**self.options))
        self.mesh.ok("weft", "delete", "-f", files)
        self.expect_answer(connection)
        self.assertEqual(self.mesh.json("get", "services")["items"], [])

    def end_while_it_calls_outside(self, *command):
        """What an instance calls is in the same set as the instance, all of which the command takes away."""
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Outside) as outside:
            threading.Thread(target=outside.serve_forever, daemon=True).start()
            db = {"apiVersion": "weft.dev/v1alpha1", "kind": "ExternalService", "metadata": {"name": "db"},
                  "spec": {"addresses": ["127.0.0.1"], "ports": [{"port": 80, "targetPort": outside.server_port}]}}
            self.mesh.apply(resources.text(db))
            connection = self.begin_post(post_time=1, depends_on=[resources.needs("db")])
            self.mesh.write("kept.yaml", resources.text(resources.service("kept")))
            # Of what is deleted from a file, the last goes first.
            all_of_it = self.mesh.write("all.yaml", web(**self.options) + "\n---\n" + resources.text(db))
            self.mesh.ok("weft", "apply", "-f", all_of_it, "--applyset=shop")
            out = self.mesh.ok("weft", *command)
            self.expect_answer(connection)
            outside.shutdown()
        lines = [line.split()[0] for line in out.splitlines()]
        self.assertLess(lines.index("deployment/web"), min(lines.index("service/web"), lines.index("externalservice/db")))
        self.assertEqual(self.mesh.json("get", "externalservices")["items"], [])

    def test_what_is_deleted_calls_others_to_its_end(self):
        self.end_while_it_calls_outside("delete", "-f", "all.yaml")

    def test_what_is_pruned_calls_others_to_its_end(self):
        self.end_while_it_calls_outside("apply", "-f", "kept.yaml", "--prune", "--applyset=shop")

    def test_a_killed_proxy_is_not_waited_for(self):
        connection = self.begin_post(post_time=60)
        began = self.scale_to_none()
        os.kill(self.mesh.proxy(), signal.SIGKILL)
        self.assertLess(self.until_gone() - began, 10, "a half of the grace is more")
        connection.close()


if __name__ == "__main__":
    unittest.main()
