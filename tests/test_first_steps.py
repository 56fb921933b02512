"""The original description, word for word, and the life of one service."""

import json
import unittest

import mesh
import resources


class FirstSteps(mesh.MeshTest):
    def create_and_start(self):
        created = self.mesh.run("control-plane", "create", "service", "simple-web-service",
                                "--image=example-web-service")
        self.assertEqual(created.code, 0, created)
        started = self.mesh.run("control-plane", "start", "service", "simple-web-service")
        self.assertEqual(started.code, 0, started)
        return created, started

    def test_two_commands_then_scale_to_three(self):
        created, started = self.create_and_start()
        self.assertIn("started a local control plane", created.err)
        self.assertNotIn("started a local control plane", started.err)
        url = self.mesh.url("simple-web-service")
        self.assertIn(url, started.out)
        answer = mesh.get(url).json()
        self.assertEqual(answer["service"], "simple-web-service")
        self.assertEqual((answer["method"], answer["path"], answer["calls"]), ("GET", "/", {}))
        self.mesh.ok("control-plane", "scale", "service", "simple-web-service", "--replicas=3")
        instances = [mesh.get(url).json()["instance"] for _ in range(6)]
        self.assertEqual(len(set(instances)), 3, instances)

    def test_create_says_that_it_is_not_started(self):
        self.mesh.ok("control-plane", "create", "service", "web", "--image=example-web-service", "--replicas=2")
        deployment = self.mesh.json("get", "deployment", "web")
        self.assertEqual(deployment["spec"]["replicas"], 0)
        self.assertEqual(deployment["metadata"]["annotations"]["weft.dev/replicas"], "2")
        self.assertEqual(self.mesh.pods("web"), [])
        again = self.mesh.run("control-plane", "create", "service", "web", "--image=example-web-service")
        self.assertEqual(again.code, 1, again)
        self.assertIn("exists", again.err)

    def test_start_starts_what_it_depends_on_first(self):
        self.mesh.ok("control-plane", "create", "service", "db", "--image=example-web-service")
        self.mesh.ok("control-plane", "create", "service", "cart", "--image=example-web-service", "--depends-on=db")
        self.mesh.ok("control-plane", "create", "service", "web", "--image=example-web-service", "--depends-on=cart:ready")
        self.mesh.ok("control-plane", "create", "service", "other", "--image=example-web-service")
        self.mesh.ok("control-plane", "start", "service", "web")
        self.assertEqual(self.mesh.started(), ["db", "cart", "web"])
        self.assertEqual(self.mesh.pods("other"), [])
        answer = mesh.get(self.mesh.url("web")).json()
        self.assertEqual(answer["calls"]["cart"]["calls"]["db"]["service"], "db")

    def test_stop_restart_delete(self):
        self.create_and_start()
        first = self.mesh.pods("simple-web-service")[0]["metadata"]["name"]
        url = self.mesh.url("simple-web-service")
        with mesh.Traffic(url) as traffic:
            self.mesh.ok("control-plane", "restart", "service", "simple-web-service")
            traffic.more(20)
        self.assertEqual(traffic.failures, [])
        second = self.mesh.pods("simple-web-service")[0]["metadata"]["name"]
        self.assertNotEqual(first, second)
        self.mesh.ok("control-plane", "stop", "service", "simple-web-service")
        self.assertEqual(self.mesh.pods("simple-web-service"), [])
        self.assertEqual(mesh.get(url).status, 503)
        self.mesh.ok("control-plane", "start", "service", "simple-web-service")
        self.assertEqual(mesh.get(url).status, 200)
        self.assertEqual(self.mesh.url("simple-web-service"), url)
        self.mesh.ok("control-plane", "delete", "service", "simple-web-service")
        self.assertEqual(self.mesh.json("get", "services")["items"], [])
        self.assertEqual(self.mesh.json("get", "deployments")["items"], [])

    def test_environment_command_and_ports(self):
        self.mesh.ok("service", "create", "web", "--image=example-web-service", "--port=8080:9090", "--port=5432/tcp",
                     "--env=SERVICE_NAME=shop window", "--env=A=b=c")
        self.mesh.ok("control-plane", "start", "service", "web")
        self.assertEqual(mesh.get(self.mesh.url("web", 8080)).json()["service"], "shop window")
        described = self.mesh.ok("service", "describe", "web")
        self.assertIn("tcp-5432", described)
        self.assertIn("web", self.mesh.ok("service", "list"))
        self.mesh.ok("service", "delete", "web")

    def test_logs(self):
        self.create_and_start()
        log = self.mesh.ok("control-plane", "logs", "service", "simple-web-service")
        self.assertIn("listening on", log)
        self.assertEqual(log, self.mesh.ok("weft", "logs", "simple-web-service", "--tail", "1"))
        follower = self.mesh.popen("weft", "logs", "simple-web-service", "-f")
        self.assertIn("listening on", follower.stdout.readline())
        self.mesh.ok("control-plane", "stop", "service", "simple-web-service")
        self.assertIn("stopped", follower.stdout.readline())
        self.assertEqual(follower.wait(mesh.LIMIT), 0)

    def test_status_and_stop_of_the_mesh(self):
        none = self.mesh.run("control-plane", "status")
        self.assertEqual(none.code, 6, none)
        self.assertEqual(self.mesh.stop().code, 0)
        self.assertEqual(mesh.descendants(), {})
        self.create_and_start()
        url = self.mesh.url("simple-web-service")
        status = self.mesh.status()
        self.assertTrue(status["running"] and status["controlPlane"]["ready"])
        self.assertIn("1 of 1 ready", self.mesh.ok("control-plane", "status"))
        self.assertEqual(self.mesh.stop().code, 0)
        mesh.reap()
        self.assertEqual(mesh.descendants(), {})
        # What was started is started again with the mesh, at the same address.
        self.mesh.start()
        self.mesh.until_condition("service", "simple-web-service", "Ready")
        self.assertEqual(self.mesh.url("simple-web-service"), url)
        self.assertEqual(mesh.get(url).status, 200)

    def test_run_in_the_foreground_until_interrupted(self):
        foreground = self.mesh.popen("control-plane", "run")
        mesh.until(lambda: self.mesh.run("control-plane", "status").code == 0, "the mesh runs")
        second = self.mesh.run("control-plane", "run")
        self.assertEqual(second.code, 1, second)
        self.assertIn("runs already", second.err)
        self.mesh.ok("control-plane", "create", "service", "web", "--image=example-web-service")
        self.mesh.ok("control-plane", "start", "service", "web")
        foreground.send_signal(mesh.signal.SIGINT)
        self.assertEqual(foreground.wait(mesh.LIMIT), 0)
        mesh.reap()
        self.assertEqual(mesh.descendants(), {})

    def test_start_after_scaling_to_none(self):
        self.create_and_start()
        self.mesh.ok("control-plane", "scale", "service", "simple-web-service", "--replicas=0")
        self.mesh.ok("control-plane", "start", "service", "simple-web-service")
        self.assertEqual(mesh.get(self.mesh.url("simple-web-service")).status, 200)

    def test_a_provider_that_does_not_exist(self):
        self.mesh.ok("control-plane", "create", "service", "web", "--image=example-web-service", "--provider=docker")
        result = self.mesh.run("control-plane", "start", "service", "web")
        self.assertEqual(result.code, 1, result)
        self.assertIn("docker", result.err)

    def test_scaling_down_gives_the_addresses_back(self):
        self.create_and_start()
        for replicas in (6, 1, 6, 1, 4):
            self.mesh.ok("control-plane", "scale", "service", "simple-web-service", f"--replicas={replicas}")
        inbound = {f"inbound/default/{pod['metadata']['name']}/80" for pod in self.mesh.pods("simple-web-service")}
        self.assertEqual(len(inbound), 4)
        mesh.until(lambda: {key for key in self.mesh.reservations() if key.startswith("inbound/")} == inbound,
                   "only what runs has an address", 10)

    def test_the_mesh_is_seen_in_top(self):
        self.create_and_start()
        url = self.mesh.url("simple-web-service")
        for _ in range(10):
            self.assertEqual(mesh.get(url).status, 200)
        seen = json.loads(self.mesh.ok("weft", "top", "--once", "--interval=100ms", "-o", "json"))["services"]
        self.assertEqual([(s["name"], s["requests"], s["ready"]) for s in seen], [("simple-web-service", 10, 1)])

    def test_request_context_goes_along(self):
        self.mesh.apply(resources.text(resources.pair("db"), resources.pair("web", [resources.needs("db")])), "--wait")
        trace = "4bf92f3577b34da6a3ce929d0e0e4736"
        answer = mesh.get(self.mesh.url("web"), {"traceparent": f"00-{trace}-00f067aa0ba902b7-01",
                                                 "x-request-id": "a-request"}).json()
        for received in (answer["headers"], answer["calls"]["db"]["headers"]):
            self.assertIn(trace, received["traceparent"])
            self.assertEqual(received["x-request-id"], "a-request")
            self.assertFalse([name for name in received if name.startswith("x-weft-")])


if __name__ == "__main__":
    unittest.main()
