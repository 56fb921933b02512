"""Images, dependencies and ports that are wrong: each ends in a clear word, and takes nothing else with it."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import time
import unittest

import mesh
import resources


class Images(mesh.MeshTest):
    def start(self, image, *flags, timeout="20s"):
        self.mesh.ok("control-plane", "create", "service", "web", f"--image={image}", *flags)
        return self.mesh.run("control-plane", "start", "service", "web", f"--timeout={timeout}")

    def test_missing(self):
        result = self.start("example-web-servise")
        self.assertEqual(result.code, 1, result)
        self.assertIn("ImageNotFound", result.err)
        self.assertIn("example-web-service", result.err)

    def test_not_executable(self):
        result = self.start("not-executable")
        self.assertEqual(result.code, 1, result)
        self.assertIn("ImageNotExecutable", result.err)

    def test_exits_at_once(self):
        result = self.start("exit-at-once")
        self.assertEqual(result.code, 1, result)
        self.assertIn("CrashLoopBackOff", result.err)
        self.assertIn("exit code 3", result.err)
        self.assertIn("no configuration found", result.err)

    def test_never_ready(self):
        result = self.start("never-ready", timeout="2s")
        self.assertEqual(result.code, 5, result)
        self.assertIn("still loading", result.err)
        self.assertIn("refused", result.err)
        self.mesh.ok("control-plane", "stop", "service", "web")

    def test_ignores_sigterm(self):
        self.mesh.apply(resources.text(resources.pair("web", image="ignores-sigterm", grace=1)), "--wait")
        before = time.monotonic()
        self.mesh.ok("control-plane", "stop", "service", "web")
        self.assertGreater(time.monotonic() - before, 0.9)
        self.assertEqual(self.mesh.processes("ignores-sigterm"), [])

    def test_forks_away(self):
        self.mesh.apply(resources.text(resources.pair("web", image="forks-away", grace=1)), "--wait")
        mesh.until(lambda: len(self.mesh.processes("forks-away")) == 2, "it has forked")
        self.mesh.ok("control-plane", "stop", "service", "web")
        self.assertEqual(self.mesh.processes("forks-away"), [])

    def test_floods_its_log(self):
        self.mesh.apply(resources.text(resources.pair("web", image="floods-log"), resources.pair("other")), "--wait")
        url = self.mesh.url("other")
        logs = self.mesh.home / "logs"

        def size():
            total = 0
            for path in logs.rglob("*web*"):
                with contextlib.suppress(FileNotFoundError):  # it is rotated away meanwhile
                    total += path.stat().st_size
            return total
        mesh.until(lambda: any(path.name.endswith(".1") for path in logs.rglob("*")), "the log has been rotated")
        for _ in range(20):
            self.assertEqual(mesh.get(url).status, 200)
            self.assertLess(size(), 20 << 20)
        self.assertEqual(len(self.mesh.ok("weft", "logs", "web", "--tail", "5").splitlines()), 5)

    def test_liveness_of_others(self):
        result = self.start("exit-at-once")
        self.assertEqual(result.code, 1, result)
        self.mesh.ok("control-plane", "create", "service", "fine", "--image=example-web-service")
        self.mesh.ok("control-plane", "start", "service", "fine")
        self.assertEqual(mesh.get(self.mesh.url("fine")).status, 200)


class Dependencies(mesh.MeshTest):
    def test_missing_then_there(self):
        self.mesh.apply(resources.text(resources.pair("web", [resources.needs("db")])))
        found = self.mesh.until_condition("service", "web", "DependenciesReady", "Unknown", "DependencyMissing")
        self.assertIn("db", found["message"])
        self.assertEqual(self.mesh.pods("web"), [])
        self.mesh.apply(resources.text(resources.pair("db")))
        self.mesh.until_condition("service", "web", "Ready")
        self.assertEqual(mesh.get(self.mesh.url("web")).json()["calls"]["db"]["service"], "db")

    def test_missing_at_start_fails_with_the_reason(self):
        self.mesh.ok("control-plane", "create", "service", "web", "--image=example-web-service", "--depends-on=db")
        result = self.mesh.run("control-plane", "start", "service", "web", "--timeout=1s")
        self.assertEqual(result.code, 5, result)
        self.assertIn("DependencyMissing", result.err)

    def test_cyclic(self):
        one = self.mesh.write("one.yaml", resources.text(resources.pair("a", [resources.needs("b")]),
                                                         resources.pair("b", [resources.needs("a")])))
        result = self.mesh.weft("apply", "-f", one)
        self.assertEqual(result.code, 3, result)
        self.assertRegex(result.err, r"a -> b -> a|b -> a -> b")
        # A cycle that two applies make can only be seen by the control plane.
        self.mesh.apply(resources.text(resources.pair("a", [resources.needs("b")])))
        self.mesh.apply(resources.text(resources.pair("b", [resources.needs("a")])))
        found = self.mesh.until_condition("deployment", "a", "DependenciesReady", "False", "DependencyCycle")
        self.assertRegex(found["message"], r"a -> b -> a|b -> a -> b")
        self.assertEqual(self.mesh.pods("a") + self.mesh.pods("b"), [])

    def test_never_ready(self):
        self.mesh.apply(resources.text(resources.pair("db", image="never-ready"),
                                       resources.pair("web", [{**resources.needs("db"), "timeout": "1s"}])))
        self.mesh.until_condition("deployment", "web", "DependenciesReady", "False", "DependencyTimeout")
        self.assertEqual(self.mesh.pods("web"), [])

    def test_a_job_that_fails_keeps_what_needs_it_waiting(self):
        self.mesh.apply(resources.text(resources.job("migrate", "exit-at-once", backoff_limit=0),
                                       resources.pair("web", [resources.needs("migrate", "Job")])))
        self.mesh.until_condition("job", "migrate", "Failed")
        found = self.mesh.condition("deployment", "web", "DependenciesReady")
        self.assertNotEqual(found["status"], "True")
        self.assertEqual(self.mesh.pods("web"), [])

    def test_target_port_without_container_port(self):
        result = self.mesh.weft("apply", "-f", "-", stdin=resources.text(
            resources.deployment("web", port=80), resources.service("web", target=8080)))
        self.assertEqual(result.code, 0, result)
        self.mesh.until_condition("service", "web", "Ready", "False", "TargetPortMismatch")


class Ports(mesh.MeshTest):
    def test_a_reserved_port_that_is_taken(self):
        self.mesh.apply(resources.text(resources.pair("web")), "--wait")
        url = self.mesh.url("web")
        port = int(url.rpartition(":")[2].strip("/"))
        self.assertEqual(self.mesh.stop().code, 0)
        with socket.socket() as holder:
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            holder.bind(("127.0.0.1", port))
            holder.listen()
            self.mesh.start()
            found = self.mesh.until_condition("service", "web", "Ready", "False", "AddressUnavailable")
            self.assertIn(str(port), found["message"])
            self.assertIn(str(os.getpid()), found["message"])
        self.mesh.until_condition("service", "web", "Ready")
        self.assertEqual(self.mesh.url("web"), url)
        self.assertEqual(mesh.get(url).status, 200)

    def test_what_one_mesh_takes_of_them_ends_before_they_do(self):
        many = [resources.service(f"many-{number}") for number in range(85)]
        for made in many:
            made["spec"]["ports"] = [{"name": f"p{port}", "port": port} for port in range(1, 129)]
        self.mesh.apply(resources.text(resources.pair("web")), "--wait")
        self.mesh.apply(resources.text(many, resources.pair("late")))
        found = mesh.until(lambda: [service for service in self.mesh.json("get", "services")["items"]
                                    if "AddressUnavailable" in json.dumps(service)], "some get no address")
        self.assertIn("for instances need ports too: remove Services", json.dumps(found))
        self.mesh.ok("control-plane", "scale", "service", "web", "--replicas=2")
        mesh.until(lambda: self.mesh.json("get", "deployment", "web")["status"].get("readyReplicas") == 2, "both run")
        other = self.new_mesh()
        other.apply(resources.text(resources.pair("web")), "--wait")
        self.assertEqual(mesh.get(other.url("web")).status, 200)
        self.mesh.ok("weft", "delete", "service", *[made["metadata"]["name"] for made in many])
        self.mesh.until_condition("service", "late", "Ready")


class Limits(mesh.MeshTest):
    def test_no_process_can_be_started(self):
        if os.geteuid() != 0:
            self.skipTest("another user can be taken by root alone, and root has no limit of processes")
        user = 61_000 + os.getpid() % 1000
        self.mesh.home.mkdir(mode=0o700)
        for path in (self.mesh.folder, self.mesh.home):
            os.chown(path, user, user)
        as_user = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
        self.mesh.popen(*as_user, "weft", "keep", "--home", self.mesh.home)
        mesh.until(lambda: self.mesh.processes("weft", "supervise"), "the supervisor runs")
        self.mesh.apply(resources.text(resources.pair("web")), "--wait")
        supervisor, control_plane = self.mesh.supervisor(), self.mesh.control_plane()
        self.mesh.ok(*as_user, "prlimit", "--pid", supervisor, "--nproc=1:")
        self.mesh.apply(resources.text(resources.pair("more")))
        url = self.mesh.url("more")
        self.mesh.until_condition("service", "more", "Ready", "False")
        mesh.until(lambda: "no more processes" in self.mesh.ok("weft", "describe", "deployment", "more"), "it is said")
        for which, pid in (("controlPlane", control_plane), ("keeper", self.mesh.keeper())):
            os.kill(pid, signal.SIGKILL)
            mesh.until(lambda name=which: "no more processes" in self.mesh.status()[name].get("lastExit", ""), "it is said")
        self.assertEqual(mesh.get(url).status, 503)
        self.mesh.ok(*as_user, "prlimit", "--pid", supervisor, "--nproc=4096:")
        self.mesh.until_condition("service", "more", "Ready")
        mesh.until(lambda: self.mesh.processes("weft", " keep "), "there is a keeper again")
        self.assertEqual(self.mesh.supervisor(), supervisor)


class Disk(mesh.MeshTest):
    def mount_small(self):
        """A file system of its own for the state folder; where it is."""
        if os.geteuid() != 0:
            self.skipTest("a small file system can be mounted by root alone")
        small = self.mesh.folder / "small"
        small.mkdir()
        if os.system(f"mount -t tmpfs -o size=4m weft-test {small} 2>/dev/null") != 0:
            self.skipTest("mount is not permitted here")
        self.addCleanup(shutil.rmtree, self.mesh.folder, ignore_errors=True)
        self.addCleanup(os.system, f"umount {small}")
        self.mesh.environment["WEFT_HOME"] = str(small / "home")
        self.mesh.home = small / "home"
        return small

    def test_read_only(self):
        small = self.mount_small()
        self.mesh.apply(resources.text(resources.service("web")))
        supervisor = self.mesh.supervisor()
        os.kill(supervisor, signal.SIGSTOP)  # so that it starts no other keeper
        for pid in (self.mesh.keeper(), supervisor):
            os.kill(pid, signal.SIGKILL)
        self.wait_for_no_process()
        self.assertEqual(os.system(f"mount -o remount,ro {small}"), 0)
        self.mesh.popen("control-plane", "start")
        mesh.until(lambda: self.mesh.run("control-plane", "status").code == 0 and
                   "pid" in self.mesh.status()["proxy"], "supervisor and proxy are there again")
        self.assertEqual(self.mesh.stop().code, 0)

    def test_full_disk(self):
        small = self.mount_small()
        self.mesh.apply(resources.text(resources.pair("web")), "--wait")
        url = self.mesh.url("web")
        filler = small / "filler"
        with open(filler, "wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"x" * 4096)
            except OSError:
                pass
        refused = self.fill_store()
        self.assertIn(refused.code, (1, 7), refused)
        self.assertIn("disk", refused.err)
        for _ in range(20):
            self.assertEqual(mesh.get(url).status, 200)
        before = self.mesh.json("get", "services")["items"]
        filler.unlink()
        self.mesh.apply(resources.text(resources.service("afterwards")))
        self.assertEqual(self.mesh.stop().code, 0)
        names = {item["metadata"]["name"] for item in self.mesh.json("get", "services")["items"]}
        self.assertEqual(names, {item["metadata"]["name"] for item in before} | {"afterwards"})
        self.mesh.stop()

    def fill_store(self):
        """Applies until the disk is full; the first refusal."""
        for number in range(200):
            made = resources.service(f"filler-{number}")
            made["metadata"]["annotations"] = {"padding": "x" * 60_000}
            result = self.mesh.weft("apply", "-f", "-", stdin=json.dumps(made))
            if result.code != 0:
                return result
        raise AssertionError("the disk never got full")


if __name__ == "__main__":
    unittest.main()
