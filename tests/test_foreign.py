"""The control plane drives data planes of others: Envoy, and gRPC without a proxy, with real traffic while instances come and
go."""

import json
import os
import re
import signal
import subprocess

import foreign
import mesh
import resources
from foreign import ENVOY, ENVOY_ADDRESS
from mesh import until
from resources import needs


class ForeignTest(mesh.MeshTest):
    def bootstrap(self, form, workload, change=None):
        """The file that the command prints, with what a test changes in it."""
        text = self.mesh.ok("weft", "proxy", "bootstrap", form, "--for", workload)
        document = json.loads(text)
        if change:
            change(document)
        return self.mesh.write(f"{form.strip('-')}.json", json.dumps(document))

    def scale(self, replicas):
        self.mesh.ok("weft", "scale", "deployment/cart", "--replicas", replicas)

    def names(self):
        return {pod["metadata"]["name"] for pod in self.mesh.pods("cart")}

    def until_all_answer(self, replicas, answers):
        """Waits until so many instances of cart are there, and the last answers are of all of them and no others."""
        until(lambda: len(names := self.names()) == replicas and set(answers()) == names, f"all {replicas} answer")


class Bootstraps(ForeignTest):
    def test_say_where_and_for_whom(self):
        grpc_form = json.loads(self.bootstrap("--grpc", "shop/web").read_text())
        self.assertEqual(grpc_form["node"], {"id": "shop/web"})
        server = grpc_form["xds_servers"][0]
        self.assertRegex(server["server_uri"], "^unix:/.*/xds.sock$")
        # Else what is left out of one response would fail at once.
        self.assertIn("ignore_resource_deletion", server["server_features"])
        envoy_form = json.loads(self.bootstrap("--envoy", "web").read_text())
        self.assertEqual(envoy_form["node"]["id"], "default/web")
        self.assertIn(server["server_uri"].removeprefix("unix:"), json.dumps(envoy_form))

    def test_of_nothing(self):
        for flags, why in (([], "--for"), (["--for", "default/web"], "give --envoy or --grpc"),
                           (["--envoy", "--grpc", "--for", "default/web"], "give --envoy or --grpc"),
                           (["--envoy", "--for", "a/b/c"], "write NAMESPACE/NAME of a Deployment or Job"),
                           (["--envoy", "--for", ""], "--for: it is empty")):
            with self.subTest(flags=flags):
                result = self.mesh.weft("proxy", "bootstrap", *flags)
                self.assertEqual((result.code, result.out), (2, ""))
                self.assertIn(why, result.err)


@foreign.needs_envoy
class Envoy(ForeignTest):
    def envoy(self, variant="DELTA_GRPC", workload="default/web"):
        """Envoy in place of that workload's own proxy, with its admin interface at self.admin."""
        self.admin = self.mesh.folder / "envoy.sock"

        def change(document):
            document["admin"] = {"address": {"pipe": {"path": str(self.admin)}}}
            document["dynamic_resources"]["ads_config"]["api_type"] = variant
        file = self.bootstrap("--envoy", workload, change)
        self.log = self.mesh.folder / "envoy.log"
        with open(self.log, "w") as log:
            return self.mesh.popen(ENVOY, "-c", file, "--disable-hot-restart", "--concurrency", "1", "--log-level", "warning",
                                   stderr=log)

    def ask(self, path):
        return self.mesh.ok("curl", "-sS", "--fail", "--unix-socket", self.admin, f"http://envoy{path}")

    def url(self, target="cart"):
        """Where it listens for what calls that service: at the port of weft's own proxy."""
        return f"http://{ENVOY_ADDRESS}:{self.mesh.reservations()[f'outbound/default/web/default/{target}']['port']}/"

    def answers(self):
        try:
            return mesh.get(self.url()).status == 200
        except OSError:
            return False

    def streams(self):
        """How many are open to the control plane; none while there is none."""
        result = self.mesh.run("curl", "-sS", "--unix-socket", self.mesh.home / "run" / "api.sock", "http://weft/metrics")
        found = re.search(r"^weft_xds_streams (\d+)$", result.out, re.MULTILINE)
        return int(found[1]) if found else 0

    def counters(self, *names):
        text = self.ask("/stats?filter=" + "|".join(names))
        return {name: int(value) for name, _, value in (line.partition(": ") for line in text.splitlines())}

    def start(self, variant="DELTA_GRPC"):
        self.mesh.apply(resources.text(resources.pair("cart", replicas=2), resources.pair("other"),
                                       resources.pair("web", depends_on=[needs("cart")])), "--wait")
        self.envoy(variant)
        until(self.answers, "Envoy routes to cart")

    def follows(self, variant):
        self.start(variant)
        with mesh.Traffic(self.url()) as traffic:
            for replicas in (4, 1, 3):
                self.scale(replicas)
                self.until_all_answer(replicas, lambda: traffic.instances[-10 * replicas:])
            self.mesh.ok("weft", "restart", "deployment/cart")
            traffic.more()
            # The control plane is away for a moment, and knows all again; who is to be waited for it knows by who is there.
            streams = self.streams()
            os.kill(self.mesh.control_plane(), signal.SIGKILL)
            traffic.more()
            until(lambda: self.streams() == streams, "all are connected again")
            self.scale(2)
            self.until_all_answer(2, lambda: traffic.instances[-20:])
        self.assertEqual(traffic.failures, [])
        refused = self.counters("update_rejected")
        self.assertGreater(len(refused), 2)
        self.assertEqual({name: count for name, count in refused.items() if count}, {}, self.log.read_text())
        self.assertNotIn("[error]", self.log.read_text())

    def test_it_follows_incrementally(self):
        self.follows("DELTA_GRPC")

    def test_it_follows_by_state_of_the_world(self):
        self.follows("GRPC")

    def test_it_is_told_what_the_workload_may_call(self):
        self.start()
        clusters = {line.partition("::")[0] for line in self.ask("/clusters").splitlines()}
        self.assertEqual(clusters, {"weft", "outbound|80||cart.default"})
        self.assertEqual([line.partition("::")[0] for line in self.ask("/listeners").splitlines()],
                         ["outbound/default/web/default/cart"])
        # It comes to know one more, while it serves.
        self.mesh.apply(resources.text(resources.pair("web", depends_on=[needs("cart"), needs("other")])), "--wait")
        until(lambda: "outbound/default/web/default/other" in self.ask("/listeners"), "Envoy listens for it")
        until(lambda: mesh.get(self.url("other")).json()["instance"].startswith("other-"), "Envoy routes there")
        self.mesh.apply(resources.text(resources.pair("web", depends_on=[needs("other")])), "--wait")
        until(lambda: "cart" not in self.ask("/listeners") + self.ask("/clusters"), "Envoy has forgotten cart")

    def test_a_workload_that_there_is_not(self):
        self.mesh.apply(resources.text(resources.pair("cart")), "--wait")
        self.envoy(workload="default/missing")
        until(lambda: "the mesh has no workload default/missing" in self.log.read_text(), "Envoy's log says so")


@foreign.needs_grpc
class Grpc(ForeignTest):
    def apply(self, replicas=2):
        cart, service = resources.pair("cart", image=str(foreign.PYTHON), replicas=replicas)
        cart["spec"]["template"]["spec"]["containers"][0]["args"] = [str(self.mesh.write("server.py", foreign.GRPC_SERVER))]
        service["spec"]["ports"][0]["name"] = "grpc"
        self.mesh.apply(resources.text(cart, service, resources.pair("web", depends_on=[needs("cart")])), "--wait")

    def client(self, target):
        """A process that calls it."""
        environment = {**self.mesh.environment, "GRPC_XDS_BOOTSTRAP": str(self.bootstrap("--grpc", "default/web"))}
        return self.mesh.popen(foreign.PYTHON, "-c", foreign.GRPC_CLIENT, target, stdin=subprocess.PIPE, env=environment)

    def test_it_calls_what_the_workload_may_call(self):
        self.apply()
        client = self.client("xds:///cart.default:80")
        def answers():
            found = foreign.call(client)
            self.assertEqual([name for name in found if ": " in name], [])
            return found
        for replicas in (2, 3, 1):
            self.scale(replicas)
            self.until_all_answer(replicas, answers)
        client.stdin.close()

    def test_what_it_may_not_call_is_not_there(self):
        self.apply()
        client = self.client("xds:///web.default:80")
        self.assertIn("UNAVAILABLE", next(iter(foreign.call(client, 1))))
        client.stdin.close()
