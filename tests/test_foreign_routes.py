"""Routes of all kinds, told by xDS: Envoy and gRPC decide on each request as weft's own proxy does, which reads them from a file."""

import http.client
import json
import os
import re
import signal
import subprocess

import foreign
import mesh
import proxies
from foreign import ENVOY, ENVOY_ADDRESS
from proxies import answers, free_port, reply, until


class RoutesTest(proxies.ProxyTest):
    def beside(self, *command, **options):
        """A process that lives as long as the test."""
        self.errors = self.file("stderr")
        with open(self.errors, "w") as errors:
            process = subprocess.Popen([str(word) for word in command], text=True, stderr=errors, **options)
        for stream in (process.stdin, process.stdout):
            if stream:
                self.addCleanup(stream.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def serve(self, config, form):
        """Serves the configuration by xDS; gives the bootstrap of that form."""
        folder = self.file("xds.sock").parent
        self.config, socket = folder / "config.yaml", folder / "xds.sock"
        self.config.write_text(json.dumps(config))
        self.server = self.beside(mesh.BUILD / "bin" / "xds_server", socket, self.config)
        until(socket.exists, "the server listens")
        environment = {**os.environ, "WEFT_HOME": str(folder / "home"), "XDG_RUNTIME_DIR": str(folder)}
        printed = subprocess.run([mesh.BUILD / "bin" / "weft", "proxy", "bootstrap", form, "--for", "default/web"],
                                 env=environment, capture_output=True, text=True, check=True).stdout
        bootstrap = folder / "bootstrap.json"
        bootstrap.write_text(re.sub(r"/[^ \"]*/xds\.sock", str(socket), printed))
        return bootstrap

    def publish(self, config):
        self.config.write_text(json.dumps(config))
        self.server.send_signal(signal.SIGHUP)


@foreign.needs_envoy
class Envoy(RoutesTest):
    def ask(self, host, port, method, path, headers):
        """The status, the body and where it leads. What nobody answers each says in its own words."""
        connection = http.client.HTTPConnection(host, port, timeout=proxies.LIMIT)
        try:
            connection.request(method, path, headers={"host": "shop.example", **headers})
            response = connection.getresponse()
            body = "" if response.status in (404, 503) else response.read().decode()
            return response.status, body, response.headers["location"]
        finally:
            connection.close()

    def test_decides_as_our_proxy(self):
        port = free_port()
        backends = {name: self.backend(answers(lambda request, name=name: reply(name.encode())))
                    for name in ("api", "canary", "rest")}
        routes = [{"path": "/health", "cluster": "rest"},
                  {"prefix": "/api", "method": "PUT", "cluster": "canary"},
                  {"prefix": "/api", "headers": {"x-version": "canary"}, "cluster": "canary"},
                  {"prefix": "/api", "hasHeaders": ["x-debug"], "reply": {"status": 418, "body": "debug"}},
                  {"prefix": "/api", "cluster": "api"},
                  {"prefix": "/old", "redirect": {"host": "www.shop.example", "prefix": "/new", "code": 301}},
                  {"path": "/robots.txt", "reply": {"status": 410, "body": "nothing here"}},
                  {"prefix": "/none", "cluster": "empty"},
                  {"hosts": ["admin.example", "*.admin.example"], "cluster": "canary"}]
        config = {"version": 1, "listeners": [{"name": "web", "address": f"127.0.0.1:{port}", "routes": routes}],
                  "clusters": [*({"name": name, "endpoints": [one.address]} for name, one in backends.items()),
                               {"name": "empty", "endpoints": []}]}
        self.proxy(config)
        self.beside(ENVOY, "-c", self.serve(config, "--envoy"), "--disable-hot-restart", "--concurrency", "1",
                    "--log-level", "warning")

        def routes_now():
            try:
                return self.ask(ENVOY_ADDRESS, port, "GET", "/health", {})[:2] == (200, "rest")
            except ConnectionRefusedError:
                return False
        until(routes_now, "Envoy routes")
        cases = [("GET", "/api", {}), ("GET", "/api/x?y=1", {}), ("GET", "/apix", {}), ("PUT", "/api/x", {}),
                 ("GET", "/api", {"x-version": "canary"}), ("GET", "/api", {"x-version": "other"}),
                 ("GET", "/api", {"x-debug": "1"}), ("GET", "/old/a?b=c", {}), ("GET", "/older", {}),
                 ("GET", "/robots.txt", {}), ("GET", "/health", {}), ("GET", "/health/x", {}), ("GET", "/none", {}),
                 ("GET", "/api", {"host": "admin.example"}), ("GET", "/", {"host": "a.admin.example"}),
                 ("GET", "/", {"host": "admin.example.org"}), ("GET", "/", {})]
        for case in cases:
            with self.subTest(case=case):
                self.assertEqual(self.ask(ENVOY_ADDRESS, port, *case), self.ask("127.0.0.1", port, *case))
        self.assertNotIn("[error]", self.errors.read_text())


@foreign.needs_grpc
class Grpc(RoutesTest):
    def grpc_server(self, name):
        """A server that answers with that name; its address."""
        port = free_port()
        self.beside(foreign.PYTHON, "-c", foreign.GRPC_SERVER,
                    env={**os.environ, "WEFT_INSTANCE": name, "HOST": "127.0.0.1", "PORT": str(port)})
        return f"127.0.0.1:{port}"

    def test_decides_by_path_header_and_weight(self):
        routes = [{"path": "/test.Echo/Exact", "cluster": "canary"},
                  {"prefix": "/test.Below", "cluster": "canary"},
                  {"method": "GET", "cluster": "canary"},
                  {"method": "POST", "headers": {"x-version": "canary"}, "cluster": "canary"},
                  {"to": [{"cluster": "api", "weight": 3}, {"cluster": "canary", "weight": 1}]}]
        config = {"version": 1, "listeners": [{"name": "web", "address": "127.0.0.1:1", "routes": routes}],
                  "clusters": [{"name": name, "protocol": "http2", "endpoints": [self.grpc_server(name)]}
                               for name in ("api", "canary")]}
        bootstrap = self.serve(config, "--grpc")
        client = self.beside(foreign.PYTHON, "-c", foreign.GRPC_CLIENT, "xds:///web.default:80", stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, env={**os.environ, "GRPC_XDS_BOOTSTRAP": str(bootstrap)})
        until(lambda: set(foreign.call(client)) == {"api", "canary"}, "both answer")
        found = foreign.call(client, 400)
        self.assertEqual(sum(found.values()), 400)
        self.assertTrue(50 < found["canary"] < 150, found)  # 100, but for less than one in a million
        for method, metadata in (("/test.Echo/Exact", {}), ("/test.Below/Any", {}), ("/test.Echo/Say", {"x-version": "canary"})):
            with self.subTest(method=method, metadata=metadata):
                self.assertEqual(foreign.call(client, 20, method, **metadata), {"canary": 20})
        self.assertEqual(set(foreign.call(client, 50, "/test.Belowness/Any")), {"api", "canary"})
        routes[-1]["to"][0]["weight"] = 0
        self.publish(config)
        until(lambda: set(foreign.call(client)) == {"canary"}, "all goes to the canary")
        routes[-1]["to"] = [{"cluster": "api"}]
        config["clusters"][1]["endpoints"] = []
        self.publish(config)
        until(lambda: set(foreign.call(client)) == {"api"}, "all goes back")
