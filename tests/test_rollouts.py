"""What rollouts and Jobs keep when the mesh stops, or its control plane is killed, in their midst."""

import os
import signal
import unittest

import mesh
import resources


def job(command, **spec):
    document = resources.job("migrate", "/bin/sh")
    document["spec"]["template"]["spec"]["containers"][0]["args"] = ["-c", command]
    document["spec"].update(spec)
    return resources.text(document)


class Rollouts(mesh.MeshTest):
    def kill_control_plane(self):
        before = self.mesh.control_plane()
        os.kill(before, signal.SIGKILL)
        mesh.until(lambda: set(self.mesh.processes("weft", "control-plane", "serve")) - {before}, "another one")

    def revisions(self):
        listed = self.mesh.json("get", "controllerrevisions")["items"]
        return sorted((one["revision"], one["data"]["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"])
                      for one in listed)

    def test_revisions_outlive_the_mesh_and_go_with_their_deployment(self):
        for value in ("one", "two"):
            self.mesh.apply(resources.text(resources.deployment("web", env={"A": value})), "--wait")
        self.assertEqual(self.mesh.stop().code, 0)
        self.mesh.ok("control-plane", "start")
        self.mesh.ok("weft", "rollout", "undo", "deployment/web")
        mesh.until(lambda: self.revisions() == [(2, "two"), (3, "one")], "the one that is used again is the newest")
        self.kill_control_plane()
        self.mesh.ok("weft", "rollout", "undo", "web", "--to-revision=2")
        mesh.until(lambda: self.revisions() == [(3, "one"), (4, "two")], "it goes on counting")
        refused = self.mesh.run("weft", "delete", "controllerrevisions",
                                self.mesh.json("get", "controllerrevisions")["items"][0]["metadata"]["name"])
        self.assertEqual(refused.code, 1, refused)
        self.assertIn("made by weft itself", refused.err)
        self.mesh.ok("weft", "delete", "deployment", "web")
        mesh.until(lambda: self.revisions() == [], "nothing is left of it")

    def test_a_job_that_is_over_stays_as_it_is(self):
        self.mesh.apply(job("true") + "\n---\n" + resources.text(resources.deployment("web")), "--wait")
        def known():
            status = self.mesh.json("get", "job", "migrate")["status"]
            return [status.get(field) for field in ("succeeded", "failed", "startTime", "completionTime")]
        before = known()
        self.assertEqual(before[:2], [1, 0])
        self.assertEqual(self.mesh.stop().code, 0)
        self.assertEqual(known(), before)
        self.mesh.ok("control-plane", "start")
        self.mesh.ok("weft", "wait", "deployment/web")
        self.assertEqual(known(), before)

    def test_a_rollout_that_is_interrupted_ends(self):
        self.mesh.apply(resources.text(resources.pair("web", replicas=3)), "--wait")
        before = {pod["metadata"]["name"] for pod in self.mesh.pods("web")}
        with mesh.Traffic(self.mesh.url("web")) as traffic:
            restart = self.mesh.popen("weft", "restart", "web")
            mesh.until(lambda: len(before & {pod["metadata"]["name"] for pod in self.mesh.pods("web")}) < 3, "it has begun")
            self.kill_control_plane()
            self.assertEqual(restart.wait(mesh.LIMIT), 0)
            traffic.more(20)
        self.assertEqual(traffic.failures, [])
        self.assertEqual(before & {pod["metadata"]["name"] for pod in self.mesh.pods("web")}, set())

    def test_a_changed_job_runs_again_whatever_is_killed(self):
        runs = self.mesh.folder / "runs"
        run = f"echo $VERSION >> {runs}; "
        self.mesh.apply(job("VERSION=1; " + run), "--wait")
        self.mesh.apply(job("VERSION=2; " + run + "exec sleep 1000"))
        mesh.until(lambda: runs.read_text().split() == ["1", "2"], "the second one runs")
        self.kill_control_plane()
        waiting = self.mesh.run("weft", "wait", "job/migrate", "--for", "condition=Complete", "--timeout=300ms")
        self.assertEqual(waiting.code, 5, "the completion of the one before is not its own")
        # The third one stops the second first.
        self.mesh.apply(job("VERSION=3; " + run), "--wait")
        self.assertEqual(runs.read_text().split(), ["1", "2", "3"])
        self.assertEqual(len(self.mesh.pods("migrate")), 1)

    def test_a_deadline_does_not_begin_anew(self):
        self.mesh.apply(job("exec sleep 1000", activeDeadlineSeconds=2))
        self.mesh.until_condition("job", "migrate", "Complete", "False")
        mesh.until(lambda: "startTime" in self.mesh.json("get", "job", "migrate")["status"], "it has begun")
        self.kill_control_plane()
        self.mesh.until_condition("job", "migrate", "Failed", "True", "DeadlineExceeded")
        mesh.until(lambda: not self.mesh.pods("migrate"), "it is stopped")


if __name__ == "__main__":
    unittest.main()
