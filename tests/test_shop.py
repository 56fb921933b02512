"""examples/shop as users run it: the order of its start, `up`, `up --once`, and GETs through faults."""

import os
import re
import signal
import subprocess
import unittest

import mesh
import proxies
import resources

SHOP = mesh.EXAMPLES / "shop"


class Shop(mesh.MeshTest):
    def test_the_start_order_is_the_dependency_order(self):
        self.mesh.ok("weft", "apply", "-f", SHOP, "--wait")
        order = self.mesh.started()
        self.assertEqual(sorted(order), sorted(["db", "migrate"] + ["catalog", "cart", "orders", "prices", "web"] * 2))
        self.assertEqual(order[:2], ["db", "migrate"])
        self.assertGreater(order.index("orders"), order.index("cart"))
        self.assertGreater(order.index("catalog"), order.index("prices"))
        self.assertEqual(order[-2:], ["web", "web"])
        answer = mesh.get(self.mesh.url("web")).json()
        self.assertEqual(sorted(answer["calls"]), ["cart", "catalog", "orders"])
        self.assertEqual(answer["calls"]["cart"]["calls"]["db"]["tables"], ["carts", "orders", "products"])

    def test_one_is_spoken_to_by_grpc(self):
        self.mesh.ok("weft", "apply", "-f", SHOP, "--wait")
        answer = mesh.get(self.mesh.url("web")).json()["calls"]["catalog"]["calls"]["prices"]
        self.assertEqual(answer["path"], "/example.Service/Tell")
        self.assertRegex(answer["headers"]["content-type"], "^application/grpc")
        self.assertEqual(answer["calls"]["db"]["service"], "db")
        page = self.mesh.ok("curl", "-sf", "--unix-socket", self.mesh.home / "run" / "admin.sock",
                            "http://weft/stats/prometheus")
        counted = [dict(labels) for name, labels in proxies.samples(page) if name == "istio_requests_total"]
        reporters = [labels["reporter"] for labels in counted if labels["request_protocol"] == "grpc"
                     and (labels["source_workload"], labels["destination_service_name"]) == ("catalog", "prices")]
        self.assertEqual(sorted(reporters), ["destination", "source"], counted)

    def test_up_once(self):
        result = self.mesh.weft("up", "-f", SHOP, "--once")
        self.assertEqual(result.code, 0, result)
        self.assertIn("6 services answered", result.out)
        self.assertIn("exactly these", result.out)
        mesh.reap()
        self.assertEqual(mesh.descendants(), {})

    def test_up_once_fails_when_a_service_does_not_answer(self):
        broken = self.mesh.write("broken.yaml", resources.text(
            resources.pair("db"), resources.pair("web", [resources.needs("db")], env={"DB_URL": "http://127.0.0.1:1"})))
        result = self.mesh.weft("up", "-f", broken, "--once")
        self.assertEqual(result.code, 1, result)
        self.assertIn("web did not answer: status 502", result.err)

    def test_up_stops_everything_in_reverse_order_at_ctrl_c(self):
        up = self.mesh.popen("weft", "up", "-f", SHOP)
        lines = []
        for line in up.stdout:
            lines.append(line)
            if line.startswith("web: Ready"):
                break
        url = re.search(r"http://\S+", lines[-1]).group()
        self.assertEqual(mesh.get(url).status, 200)
        up.send_signal(signal.SIGINT)
        _, errors = up.communicate(timeout=mesh.LIMIT)
        self.assertEqual(up.returncode, 0, errors)
        stopped = [name for name in re.findall(r"(web|orders|cart|catalog|db)-\w+", errors)]
        order = sorted(set(stopped), key=stopped.index)
        self.assertEqual((order[0], order[-1]), ("web", "db"), errors)
        mesh.reap()
        self.assertEqual(mesh.descendants(), {})

    def test_kill_of_up_leaves_no_process(self):
        up = self.mesh.popen("weft", "up", "-f", SHOP, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        mesh.until(lambda: len(self.mesh.processes("example-web-service")) >= 5, "instances run")
        up.kill()
        up.wait(mesh.LIMIT)
        self.wait_for_no_process(mesh.LIMIT)
        self.assertEqual(mesh.descendants(), {})

    def test_two_ups_in_two_homes_at_once(self):
        other = self.new_mesh()
        ups = [one.popen("weft", "up", "-f", SHOP, "--once") for one in (self.mesh, other)]
        for up in ups:
            out, errors = up.communicate(timeout=120)
            self.assertEqual(up.returncode, 0, out + errors)
            self.assertIn("6 services answered", out)

    def test_a_second_up_joins_the_mesh_that_runs(self):
        self.mesh.ok("weft", "apply", "-f", SHOP, "--wait")
        before = self.mesh.status()
        once = self.mesh.weft("up", "-f", SHOP, "--once")
        self.assertEqual((once.code, "runs already" in once.err), (1, True), once)
        second = self.mesh.popen("weft", "up", "-f", SHOP)
        for line in second.stdout:
            if line.startswith("web: Ready"):
                break
        second.send_signal(signal.SIGINT)
        _, errors = second.communicate(timeout=mesh.LIMIT)
        self.assertEqual(second.returncode, 0, errors)
        self.assertIn("the mesh goes on", errors)
        self.assertEqual(self.mesh.status()["supervisor"]["pid"], before["supervisor"]["pid"])
        self.assertEqual(mesh.get(self.mesh.url("web")).status, 200)

    def test_a_second_up_ends_with_the_mesh(self):
        files = self.mesh.write("web.yaml", resources.text(resources.pair("web")))
        ups = []
        for _ in range(2):
            ups.append(self.mesh.popen("weft", "up", "-f", files, "--no-logs"))
            for line in ups[-1].stdout:
                if line.startswith("web: Ready"):
                    break
        ups[0].send_signal(signal.SIGINT)
        ups[0].communicate(timeout=mesh.LIMIT)
        self.assertEqual(ups[0].returncode, 0)
        _, errors = ups[1].communicate(timeout=mesh.LIMIT)
        self.assertEqual(ups[1].returncode, 6, errors)
        self.assertIn("the mesh is stopped", errors)

    def test_gets_survive_kills_of_an_instance_and_of_the_control_plane(self):
        self.mesh.ok("weft", "apply", "-f", SHOP, "--wait")
        with mesh.Traffic(self.mesh.url("web")) as traffic:
            traffic.more()
            for name in ("web", "cart"):
                pod = self.mesh.pods(name)[0]["metadata"]["name"]
                os.kill(self.mesh.instance_pid(pod), signal.SIGKILL)
                traffic.more()
                self.mesh.ok("weft", "wait", f"deployment/{name}")
            before = self.mesh.control_plane()
            os.kill(before, signal.SIGKILL)
            traffic.more()
            mesh.until(lambda: self.mesh.processes("control-plane", "serve") not in ([], [before]), "it is back")
            self.mesh.ok("weft", "wait", "services", "--for", "condition=Ready")
            traffic.more()
        self.assertEqual(traffic.failures, [], f"of {traffic.sent}")


if __name__ == "__main__":
    unittest.main()
