"""HTTPRoutes: real requests from outside and of a workload of the mesh, by the rules of what they call."""

import json
import unittest

import mesh
import resources

NAMES = ("greeter", "canary")


def backend(name, weight=1, port=80):
    return {"name": name, "port": port, "weight": weight}


def route(*rules, name="split", parent="greeter", **spec):
    return {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": name},
            "spec": {"parentRefs": [{"group": "", "kind": "Service", "name": parent}], "rules": list(rules), **spec}}


class HTTPRoutes(mesh.MeshTest):
    def start(self, *more):
        """Two services, and `shop`, which depends on the first of them and so calls it."""
        self.mesh.apply(resources.text(*(resources.pair(name) for name in NAMES),
                                       resources.pair("shop", [resources.needs("greeter")]), *more), "--wait")

    def route(self, *rules, **spec):
        self.mesh.apply(resources.text(route(*rules, **spec)))

    def outside(self, path="/", headers=None, method="GET"):
        """Who answers, at the address of `greeter`; else the status."""
        answer = mesh.get(self.mesh.url("greeter") + path, headers, method)
        return answer.json()["service"] if answer.status == 200 else answer.status

    def inside(self, request_id):
        """Who answers the call of `shop`, which passes the id on; else what is wrong."""
        call = mesh.get(self.mesh.url("shop"), {"x-request-id": request_id}).json()["calls"]["greeter"]
        return call.get("error") or call["service"]

    def until_is(self, expected, ask, *arguments):
        mesh.until(lambda: ask(*arguments) == expected, f"{expected} for {arguments}")

    def test_govern_the_edge_and_callers_of_the_mesh_alike(self):
        self.start()
        self.assertEqual((self.outside(), self.inside("any")), ("greeter", "greeter"))
        self.route({"matches": [{"method": "GET", "headers": [{"name": "x-request-id", "value": "canary"}]}],
                    "backendRefs": [backend("canary")]},
                   {"matches": [{"method": "GET", "headers": [{"name": "X-Request-Id", "value": "nobody"}]}],
                    "backendRefs": [backend("gone")]},
                   {"matches": [{"method": "GET"}], "backendRefs": [backend("greeter")]})
        self.until_is("canary", self.outside, "/", {"x-request-id": "canary"})
        self.until_is("canary", self.inside, "canary")
        self.assertEqual((self.outside(), self.inside("any")), ("greeter", "greeter"))
        self.assertEqual((self.outside("/", {"x-request-id": "nobody"}), self.inside("nobody")), (500, "status 500"))
        self.assertEqual(self.outside(method="PUT"), 404)
        self.mesh.ok("weft", "delete", "httproute", "split")
        self.until_is("greeter", self.outside, "/", {"x-request-id": "canary"})
        self.until_is("greeter", self.inside, "canary")

    def test_match_paths_hosts_and_queries(self):
        self.start()
        self.route({"matches": [{"path": {"value": "/api"}}, {"queryParams": [{"name": "v", "value": "2"}]}],
                    "backendRefs": [backend("canary")]},
                   {"matches": [{"path": {"type": "Exact", "value": "/api/stable"}}], "backendRefs": [backend("greeter")]},
                   hostnames=["shop.example", "*.shop.example"])
        self.until_is("canary", self.outside, "/api", {"host": "shop.example"})
        for path, host, expected in (("/api/x", "a.b.shop.example", "canary"), ("/apix", "shop.example", 404),
                                     ("/api/stable", "shop.example", "greeter"),
                                     ("/x?a=b&v=2", "SHOP.example:80", "canary"), ("/x?v=22", "shop.example", 404),
                                     ("/api", "elsewhere.example", 404)):
            with self.subTest(path=path, host=host):
                self.assertEqual(self.outside(path, {"host": host}), expected)

    def test_weights_headers_and_redirects(self):
        self.start()
        self.route({"matches": [{"path": {"value": "/old"}}],
                    "filters": [{"type": "RequestRedirect", "requestRedirect": {
                        "path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/new"}, "statusCode": 301}}]},
                   {"filters": [{"type": "RequestHeaderModifier", "requestHeaderModifier": {
                       "set": [{"name": "X-Stage", "value": "50%"}], "add": [{"name": "X-Way", "value": "edge"}],
                       "remove": ["X-Debug"]}}],
                    "backendRefs": [backend("greeter", 3), backend("canary", 1)]})
        url = self.mesh.url("greeter")
        mesh.until(lambda: mesh.get(f"{url}/old/x?a").status == 301, "the redirect")
        self.assertEqual(mesh.get(f"{url}/old/x?a").headers["location"], f"{url}/new/x?a")
        count, canaries = 400, 0
        for _ in range(count):
            answer = mesh.get(url, {"x-stage": "main", "x-debug": "1", "x-way": "client"}).json()
            canaries += answer["service"] == "canary"
        # 100 are expected; seven standard deviations of the binomial are 61.
        self.assertLess(abs(canaries - count / 4), 61)
        self.assertEqual((answer["headers"]["x-stage"], answer["headers"]["x-way"]), ("50%", "client, edge"))
        self.assertNotIn("x-debug", answer["headers"])

    def test_time_limits_of_a_rule_are_logged_as_its_own(self):
        self.start({"apiVersion": "weft.dev/v1alpha1", "kind": "TrafficPolicy", "metadata": {"name": "patient"},
                    "spec": {"targetRefs": [{"kind": "Service", "name": "greeter"}], "timeouts": {"request": "9s"}}})
        self.route({"backendRefs": [backend("greeter")], "timeouts": {"request": "50ms"}})
        mesh.until(lambda: self.outside("/?delay=5s") == 504, "the limit of the rule")
        log = self.mesh.home / "logs" / "access.log"
        mesh.until(lambda: "did not answer within 50ms (HTTPRoute default/split)" in log.read_text(), "the reason")

    def test_what_weft_cannot_do_is_refused(self):
        self.start()
        refused = route({"filters": [{"type": "RequestMirror", "requestMirror": {"backendRef": backend("canary")}}],
                         "backendRefs": [backend("greeter")]})
        result = self.mesh.weft("apply", "-f", "-", stdin=json.dumps(refused))
        self.assertEqual(result.code, 3, result)
        self.assertIn("weft has no filter RequestMirror yet", result.err)
        self.assertIn("model/unsupported", result.err)
        self.assertEqual(self.outside(), "greeter")

    def test_requests_go_on_while_a_route_comes_and_goes(self):
        self.start()
        with mesh.Traffic(self.mesh.url("greeter")) as traffic:
            for weight in range(4):
                traffic.more(20)
                self.route({"backendRefs": [backend("greeter"), backend("canary", weight)]})
            traffic.more(20)
            self.mesh.ok("weft", "delete", "httproute", "split")
            traffic.more(20)
        self.assertEqual(traffic.failures, [], f"of {traffic.sent}")

    def test_are_told_of_by_get_describe_and_diff(self):
        self.start()
        text = resources.text(route({"backendRefs": [backend("greeter"), backend("gone")]}))
        self.assertIn("+kind: HTTPRoute", self.mesh.weft("diff", "-f", "-", stdin=text).out)
        self.mesh.apply(text)
        self.mesh.ok("weft", "wait", "httproute/split", "--for", "condition=ResolvedRefs=False")
        self.assertRegex(self.mesh.ok("weft", "get", "httproutes"), r"split +greeter +- +BackendNotFound")
        self.assertRegex(self.mesh.ok("weft", "describe", "httproute", "split"),
                         r"ResolvedRefs +False +BackendNotFound +there is no Service gone with the port 80")
        stored = json.loads(self.mesh.ok("weft", "get", "httproute", "split", "-o", "json"))
        parent, = stored["status"]["parents"]
        self.assertEqual(parent["controllerName"], "weft.dev/mesh")


if __name__ == "__main__":
    unittest.main()
