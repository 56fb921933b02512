"""kill -9 of every one of weft's own processes: nothing that was acknowledged is lost, and nothing is left behind."""

import json
import os
import pathlib
import signal
import threading
import time
import unittest

import mesh
import resources


class ControlPlane(mesh.MeshTest):
    def kill(self):
        pid = self.mesh.control_plane()
        os.kill(pid, signal.SIGKILL)
        mesh.until(lambda: self.mesh.processes("control-plane", "serve") not in ([], [pid]), "it is started again")

    def test_instances_are_adopted(self):
        self.mesh.apply(resources.text(resources.pair("db", replicas=2), resources.pair("web", [resources.needs("db")])),
                        "--wait")
        before = {pod["metadata"]["name"]: self.mesh.instance_pid(pod["metadata"]["name"])
                  for name in ("db", "web") for pod in self.mesh.pods(name)}
        url = self.mesh.url("web")
        with mesh.Traffic(url) as traffic:
            traffic.more(10)
            for _ in range(3):
                self.kill()
                traffic.more(20)
            self.mesh.ok("weft", "wait", "services")
            traffic.more(10)
        self.assertEqual(traffic.failures, [])
        after = {pod["metadata"]["name"]: self.mesh.instance_pid(pod["metadata"]["name"])
                 for name in ("db", "web") for pod in self.mesh.pods(name)}
        self.assertEqual(before, after)
        # It governs what it has adopted.
        self.mesh.ok("control-plane", "scale", "service", "db", "--replicas=1")
        self.assertEqual(len(self.mesh.pods("db")), 1)

    def test_in_the_middle_of_an_apply(self):
        self.mesh.start()
        many = resources.text(*[resources.service(f"service-{number}") for number in range(300)])
        acknowledged = []

        def apply(number):
            result = self.mesh.weft("apply", "-f", "-", stdin=resources.text(resources.service(f"single-{number}")))
            if result.code == 0:
                acknowledged.append(f"service/single-{number}")
        big = self.mesh.popen("weft", "apply", "-f", "-", stdin=mesh.subprocess.PIPE)
        threads = [threading.Thread(target=apply, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        feeder = threading.Thread(target=lambda: (big.stdin.write(many), big.stdin.close()))
        feeder.start()
        mesh.until(lambda: self.mesh.json("get", "services")["items"] or acknowledged, "the first is there")
        self.kill()
        for thread in [*threads, feeder]:
            thread.join()
        with big:
            out, errors = big.stdout.read(), big.stderr.read()
            self.assertEqual(big.wait(mesh.LIMIT), 0, errors)
        acknowledged += [line.split()[0] for line in out.splitlines()]
        there = self.mesh.ok("weft", "get", "services", "-o", "name").split()
        self.assertEqual(set(acknowledged) - set(there), set())
        self.assertEqual(len([name for name in there if name.startswith("service/service-")]), 300)

    def test_a_job_that_ends_meanwhile(self):
        go = self.mesh.folder / "go"
        self.mesh.apply(resources.text(
            resources.job("good", "waits-for-file", {"GO": str(go)}),
            resources.job("bad", "waits-for-file", {"GO": str(go), "EXIT_CODE": "7"}, backoff_limit=0),
            resources.pair("web", [resources.needs("good", "Job", "completed")])))
        mesh.until(lambda: len(self.mesh.processes("waits-for-file")) == 2, "both jobs run")
        pid = self.mesh.control_plane()
        os.kill(pid, signal.SIGSTOP)
        go.write_text("")
        mesh.until(lambda: not self.mesh.processes("waits-for-file"), "both jobs have ended")
        os.kill(pid, signal.SIGKILL)
        self.mesh.until_condition("job", "good", "Complete")
        self.mesh.until_condition("job", "bad", "Failed")
        self.assertEqual(self.mesh.json("get", "job", "good")["status"]["succeeded"], 1)
        state = self.mesh.pods("bad")[0]["status"]["containerStatuses"][0]["state"]
        self.assertEqual(state["terminated"]["exitCode"], 7)
        self.mesh.until_condition("service", "web", "Ready")

    def test_two_on_one_state_folder(self):
        self.mesh.start()
        second = self.mesh.run("weft", "control-plane", "serve", "--home", self.mesh.home)
        self.assertEqual(second.code, 1, second)
        self.assertIn(str(self.mesh.control_plane()), second.err)
        supervisor = self.mesh.run("weft", "supervise", "--home", self.mesh.home)
        self.assertEqual(supervisor.code, 1, supervisor)
        self.assertIn(str(self.mesh.keeper()), supervisor.err)
        self.mesh.start()


class Proxy(mesh.MeshTest):
    def test_is_back_within_a_second_at_the_same_addresses(self):
        self.mesh.apply(resources.text(resources.pair("db"), resources.pair("web", [resources.needs("db")])), "--wait")
        url = self.mesh.url("web")
        self.assertEqual(mesh.get(url).status, 200)
        took = []
        for _ in range(3):
            pid = self.mesh.proxy()
            os.kill(pid, signal.SIGKILL)
            killed = time.monotonic()
            mesh.until(lambda: self.answers(url), "the proxy answers again")
            took.append(time.monotonic() - killed)
            self.assertNotEqual(self.mesh.proxy(), pid)
        # Each on a machine that does nothing else.
        self.assertLess(min(took), 1.0)
        self.assertEqual(self.mesh.url("web"), url)
        run = self.mesh.home / "run"
        self.assertEqual(sorted(path.name for path in run.glob("admin*")),
                         [f"admin.{self.mesh.proxy()}.sock", "admin.sock"], "of those that were killed nothing is left")
        self.assertEqual(self.mesh.ok("curl", "-sf", "--unix-socket", run / "admin.sock", "http://weft/ready"), "ready\n")

    def answers(self, url):
        try:
            return mesh.get(url).status == 200
        except OSError:
            return False
        except mesh.http.client.HTTPException:
            return False

    def test_serves_on_without_a_control_plane(self):
        self.mesh.apply(resources.text(resources.pair("web")), "--wait")
        url = self.mesh.url("web")
        pid = self.mesh.control_plane()
        os.kill(pid, signal.SIGSTOP)
        for _ in range(50):
            self.assertEqual(mesh.get(url).status, 200)
        os.kill(pid, signal.SIGCONT)


class Supervisor(mesh.MeshTest):
    def test_its_children_end_and_everything_is_started_again(self):
        self.mesh.apply(resources.text(resources.pair("db", image="forks-away"), resources.pair("web", replicas=2)), "--wait")
        url = self.mesh.url("web")
        mesh.until(lambda: len(self.mesh.processes("forks-away")) == 2, "it has forked")
        keeper = self.mesh.keeper()
        before = set(mesh.descendants()) - {keeper}
        os.kill(keeper, signal.SIGSTOP)  # so that the next command comes while there is none
        os.kill(self.mesh.supervisor(), signal.SIGKILL)
        mesh.until(lambda: not self.mesh.processes("weft", "supervise"), "it has ended")
        command = self.mesh.popen("weft", "wait", "services")
        mesh.until(lambda: mesh.descendants()[command.pid][1:] == ("S", "weft wait services"), "it waits")
        os.kill(keeper, signal.SIGCONT)
        _, said = command.communicate(timeout=mesh.LIMIT)
        self.assertEqual(command.returncode, 0, said)
        self.assertRegex(said, r"its supervisor ended \(signal 9 \(SIGKILL\) at \S+\)")
        mesh.until(lambda: mesh.reap() or not before & set(mesh.descendants()), "what the first one started has ended")
        self.assertEqual(self.mesh.url("web"), url)
        status = self.mesh.status()["supervisor"]
        self.assertEqual(status["restarts"], 1)
        self.assertIn("SIGKILL", status["lastExit"])
        self.assertIn("1 restart (last end: signal 9", self.mesh.ok("control-plane", "status"))
        supervisor, plane = self.mesh.supervisor(), self.mesh.control_plane()
        os.kill(supervisor, signal.SIGSTOP)  # so that the next command comes while there is no control plane
        os.kill(plane, signal.SIGKILL)
        command = self.mesh.popen("weft", "wait", "services")
        mesh.until(lambda: mesh.descendants()[command.pid][1:] == ("S", "weft wait services"), "it waits")
        os.kill(supervisor, signal.SIGCONT)
        _, said = command.communicate(timeout=mesh.LIMIT)
        self.assertEqual(command.returncode, 0, said)
        self.assertNotIn("its supervisor ended", said, "that was before this command")

    def test_the_end_of_a_large_log_outlives_the_next_start(self):
        logs = pathlib.Path(self.mesh.home) / "logs"
        logs.mkdir(mode=0o700, parents=True)
        logs.parent.chmod(0o700)
        (logs / "supervisor.log").write_text("x" * (1 << 20) + "\nthe reason\n")
        self.mesh.start()
        self.assertTrue((logs / "supervisor.log.1").read_text().endswith("\nthe reason\n"))

    def test_stop_ends_it_also_between_two_lives(self):
        self.mesh.start()
        for _ in range(4):  # the pause grows
            pid = mesh.until(lambda: self.mesh.processes("weft", "supervise"), "it is started again")[0]
            os.kill(pid, signal.SIGKILL)
            mesh.until(lambda: pid not in self.mesh.processes("weft", "supervise"), "it is gone")
        stopped = self.mesh.stop()
        self.assertEqual(stopped.code, 0, stopped)
        self.wait_for_no_process()
        self.assertEqual(mesh.descendants(), {})

    def kill_keeper(self):
        """Kills it; the pid of the next one, once it is the one that signals are sent to."""
        pid = self.mesh.status()["keeper"]["pid"]
        os.kill(pid, signal.SIGKILL)
        lock = self.mesh.home / "supervisor.lock"
        mesh.until(lambda: int(lock.read_text() or 0) not in (0, pid, self.mesh.supervisor()), "another one is started")
        keeper = self.mesh.status()["keeper"]["pid"]
        self.assertEqual(lock.read_text(), f"{keeper}\n")
        return keeper

    def test_its_keeper_is_replaced(self):
        self.mesh.apply(resources.text(resources.pair("web")), "--wait")
        url, first = self.mesh.url("web"), self.mesh.supervisor()
        for restarts in (1, 2):
            keeper = self.kill_keeper()
            self.assertEqual(self.mesh.processes("weft", " keep "), [keeper])
            self.assertEqual(self.mesh.status()["keeper"]["restarts"], restarts)
        self.assertIn(f"keeper          process {keeper}, 2 restarts (last end: signal 9 (SIGKILL))",
                      self.mesh.ok("control-plane", "status"))
        self.assertEqual(self.mesh.supervisor(), first)
        self.assertIn(f"process {keeper} (", self.mesh.weft("supervise", "--home", self.mesh.home).err, "one only")
        held = [os.readlink(entry) for entry in pathlib.Path(f"/proc/{keeper}/fd").iterdir()]
        self.assertEqual([link for link in held if link.startswith("socket:")], [])
        os.kill(first, signal.SIGKILL)
        status = mesh.until(lambda: self.mesh.status()["supervisor"]["pid"] != first and self.mesh.status(), "it is back")
        found = status["keeper"]
        self.assertEqual((status["supervisor"]["restarts"], found["pid"], found["restarts"]), (1, keeper, 0))
        self.assertNotIn("lastExit", found)
        self.mesh.until_condition("service", "web", "Ready")
        self.assertEqual(mesh.get(url).status, 200)
        self.assertEqual(self.mesh.stop().code, 0)
        self.wait_for_no_process()

    def test_stop_ends_an_adopting_keeper_too(self):
        self.mesh.start()
        keeper = self.kill_keeper()
        os.kill(keeper, signal.SIGTERM)  # passed on
        self.wait_for_no_process()
        self.mesh.start()
        self.kill_keeper()
        self.assertEqual(self.mesh.stop().code, 0)
        self.wait_for_no_process()
        self.assertEqual(mesh.descendants(), {})

    def test_up_goes_on_when_it_is_killed(self):
        files = self.mesh.write("web.yaml", resources.text(resources.pair("web")))
        up = self.mesh.popen("weft", "up", "-f", files)
        mesh.until(lambda: self.mesh.processes("weft", "supervise") and
                   self.mesh.weft("get", "service", "web").code == 0, "it is applied")
        self.mesh.until_condition("service", "web", "Ready")
        os.kill(self.mesh.supervisor(), signal.SIGKILL)
        mesh.until(lambda: self.mesh.status()["supervisor"]["restarts"] == 1, "it is started again")
        self.mesh.until_condition("service", "web", "Ready")
        self.assertEqual(mesh.get(self.mesh.url("web")).status, 200)
        self.assertIsNone(up.poll())
        up.send_signal(signal.SIGINT)
        self.assertEqual(up.wait(mesh.LIMIT), 0)


class Together(mesh.MeshTest):
    def test_fifty_applies_of_one_resource(self):
        self.mesh.start()
        texts = []
        for number in range(50):
            made = resources.service("web")
            made["metadata"]["annotations"] = {"number": str(number)}
            texts.append(json.dumps(made))
        results = []
        threads = [threading.Thread(target=lambda text=text: results.append(
            self.mesh.weft("apply", "-f", "-", stdin=text))) for text in texts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual([result for result in results if result.code != 0], [])
        self.assertEqual(sum("created" in result.out for result in results), 1)
        stored = self.mesh.json("get", "service", "web")["metadata"]["annotations"]
        last = json.loads(stored["kubectl.kubernetes.io/last-applied-configuration"])
        self.assertIn(stored["number"], {str(number) for number in range(50)})
        self.assertEqual(last["metadata"]["annotations"]["number"], stored["number"])

    def test_many_commands_start_one_mesh(self):
        results = []
        threads = [threading.Thread(target=lambda: results.append(self.mesh.run("control-plane", "start")))
                   for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual([result.code for result in results], [0] * 8, results)
        self.assertEqual(len(self.mesh.processes("weft", "supervise")), 1)
        self.assertEqual(len(self.mesh.processes("control-plane", "serve")), 1)

    def test_what_leaves_a_file_is_removed_and_what_others_wrote_stays(self):
        made = resources.deployment("web", replicas=1)
        made["metadata"]["labels"] = {"team": "a"}
        self.mesh.apply(json.dumps(made))
        self.mesh.apply(resources.text(resources.service("web")))
        self.mesh.ok("control-plane", "scale", "service", "web", "--replicas=2")
        del made["metadata"]["labels"], made["spec"]["replicas"]
        self.mesh.apply(json.dumps(made))
        stored = self.mesh.json("get", "deployment", "web")
        self.assertNotIn("labels", stored["metadata"])
        made["metadata"]["annotations"] = {"note": "b"}
        self.mesh.ok("control-plane", "scale", "service", "web", "--replicas=3")
        self.mesh.apply(json.dumps(made))
        self.assertEqual(self.mesh.json("get", "deployment", "web")["spec"]["replicas"], 3)


if __name__ == "__main__":
    unittest.main()
