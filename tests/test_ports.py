"""Programs that listen where they like, and addresses that stay."""

import http.client
import json
import os
import signal
import socket
import unittest

import mesh

PYTHON = "/usr/bin/python3"
# Listens on the address and port of its arguments, whatever the environment says.
LISTENER = """
import http.server, socket, sys
class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
Server((sys.argv[1], int(sys.argv[2])), http.server.SimpleHTTPRequestHandler).serve_forever()
"""


def can_use_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
        return True
    except OSError:
        return False


def deployment(name, container_port, args, replicas=1, env=""):
    listed = ", ".join(f"'{arg}'" for arg in args)
    return f"""
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: {name}
        image: {PYTHON}
        args: [{listed}]
        env: [{env}]
        ports: [{{containerPort: {container_port}}}]
"""


def service(name, target=80):
    return f"""---
apiVersion: v1
kind: Service
metadata: {{name: {name}}}
spec: {{selector: {{app: {name}}}, ports: [{{port: 80, targetPort: {target}}}]}}
"""


class FixedPorts(mesh.MeshTest):
    def setUp(self):
        super().setUp()
        self.port = mesh.free_port()
        self.program = self.mesh.write("listener.py", LISTENER)

    def listener(self, ip, port, **options):
        return deployment("web", self.port, [str(self.program), ip, str(port)], **options)

    def apply(self, text, *flags):
        return self.mesh.weft("apply", "-f", "-", "--wait", "--timeout", "20s", *flags, stdin=text)

    def test_a_program_that_listens_on_its_container_port(self):
        addresses = ["127.0.0.1", "0.0.0.0"] + (["::", "::1"] if can_use_ipv6() else [])
        for ip in addresses:
            with self.subTest(ip=ip):
                applied = self.apply(self.listener(ip, self.port) + service("web", target=self.port))
                self.assertEqual(applied.code, 0, applied)
                self.assertEqual(mesh.get(self.mesh.url("web")).status, 200)
                # The next one finds the port free: the one before it has gone first.
        self.assertEqual(len(self.mesh.pods("web")), 1)

    def test_env_port_is_the_users(self):
        text = deployment("web", 80, [str(self.program), "127.0.0.1", "$(PORT)"],
                          env=f"{{name: PORT, value: '{self.port}'}}")
        applied = self.apply(text + service("web"))
        self.assertEqual(applied.code, 0, applied)
        self.assertEqual(mesh.get(self.mesh.url("web")).status, 200)
        self.assertEqual(self.mesh.pods("web")[0]["spec"]["containers"][0]["ports"][0]["hostPort"], self.port)

    def test_one_that_listens_elsewhere_is_told_what_to_do(self):
        elsewhere = mesh.free_port()
        text = self.listener("127.0.0.1", elsewhere) + service("web", target=self.port)
        self.mesh.apply(text)
        mesh.until(lambda: f"it listens on {elsewhere}" in self.mesh.until_condition(
            "deployment", "web", "Available", "False", "NotReady")["message"], "it is found")
        failed = self.mesh.weft("apply", "-f", "-", "--wait", "--timeout", "1s", stdin=text)
        self.assertEqual(failed.code, 5, failed)
        self.assertRegex(failed.err, f"it listens on {elsewhere}; weft told it [0-9]+ in \\$PORT: read it from there")

    def test_several_cannot_share_a_port(self):
        self.mesh.apply(self.listener("127.0.0.1", self.port, replicas=2) + service("web", target=self.port))
        found = self.mesh.until_condition("deployment", "web", "Available", "False", "NotReady")
        self.assertIn(f"it listens on {self.port}; weft told it", found["message"])
        self.assertEqual(mesh.get(self.mesh.url("web")).status, 503)
        self.mesh.apply(self.listener("127.0.0.1", self.port, replicas=1) + service("web", target=self.port), "--wait")
        self.assertEqual(mesh.get(self.mesh.url("web")).status, 200)

    def test_a_port_that_somebody_else_has(self):
        with socket.socket() as holder:
            holder.bind(("127.0.0.1", self.port))
            holder.listen()
            self.mesh.apply(self.listener("127.0.0.1", self.port) + service("web", target=self.port))
            found = self.mesh.until_condition("deployment", "web", "Available", "False", "CrashLoopBackOff")
            self.assertRegex(found["message"], f"exit code 1; if it wants port {self.port}, that is taken by process "
                                               f"{os.getpid()} .*; weft told it [0-9]+ in \\$PORT: read it from there")
        self.mesh.until_condition("service", "web", "Ready")

    def test_it_stays_where_it_is_when_the_control_plane_is_killed(self):
        self.assertEqual(self.apply(self.listener("127.0.0.1", self.port) + service("web", target=self.port)).code, 0)
        pod = self.mesh.pods("web")[0]["metadata"]["name"]
        before = self.mesh.control_plane()
        os.kill(before, signal.SIGKILL)
        mesh.until(lambda: self.mesh.processes("control-plane", "serve") not in ([], [before]), "a new one")
        self.assertEqual(mesh.get(self.mesh.url("web")).status, 200)
        self.assertEqual(self.mesh.pods("web")[0]["metadata"]["name"], pod)
        os.kill(self.mesh.instance_pid(pod), signal.SIGKILL)
        mesh.until(lambda: self.mesh.pods("web")[0]["status"]["containerStatuses"][0]["restartCount"] == 1, "a restart")
        self.mesh.until_condition("service", "web", "Ready")
        self.assertEqual(mesh.get(self.mesh.url("web")).status, 200)


class StayingAddresses(mesh.MeshTest):
    def web(self, name="web", service_type="ClusterIP", node_port="", annotation=""):
        metadata = f", annotations: {{weft.dev/local-port: '{annotation}'}}" if annotation else ""
        node_port = f", nodePort: {node_port}" if node_port else ""
        return f"""---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}}}
spec:
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec: {{containers: [{{name: {name}, image: example-web-service, ports: [{{containerPort: 80}}]}}]}}
---
apiVersion: v1
kind: Service
metadata: {{name: {name}{metadata}}}
spec: {{type: {service_type}, selector: {{app: {name}}}, ports: [{{port: 80{node_port}}}]}}
"""

    def serves_at(self, port):
        try:
            return mesh.get(f"http://127.0.0.1:{port}").status == 200
        except (OSError, http.client.HTTPException):
            return False

    def test_node_port_and_annotation(self):
        first, second, third = mesh.free_port(), mesh.free_port(), mesh.free_port()
        self.mesh.apply(self.web(service_type="NodePort", node_port=first) + self.web("api", annotation=second),
                        "--wait")
        self.assertTrue(self.serves_at(first) and self.serves_at(second))
        self.assertEqual(self.mesh.url("web"), f"http://127.0.0.1:{first}")
        # The address moves, and changes hands, without anything else.
        self.mesh.apply(self.web(service_type="NodePort", node_port=second) + self.web("api", annotation=third), "--wait")
        mesh.until(lambda: self.serves_at(second) and self.serves_at(third), "the addresses moved")
        mesh.until(lambda: not self.serves_at(first), "the old one is given back")
        self.mesh.apply(self.web() + self.web("api", annotation=third), "--wait")
        self.assertNotEqual(self.mesh.url("web"), f"http://127.0.0.1:{second}")

    def test_a_port_that_is_taken_is_said_with_its_holder(self):
        with socket.socket() as holder:
            holder.bind(("127.0.0.1", 0))
            holder.listen()
            port = holder.getsockname()[1]
            failed = self.mesh.weft("apply", "-f", "-", "--wait", "--timeout", "20s",
                                    stdin=self.web(annotation=port) + self.web("api"))
            self.assertEqual(failed.code, 1, failed)
            self.assertIn(f"port {port} is taken by process {os.getpid()} (", failed.err)
            self.mesh.until_condition("service", "api", "Ready")
        self.mesh.until_condition("service", "web", "Ready")
        self.assertTrue(self.serves_at(port))

    def test_two_services_that_ask_for_one_port(self):
        port = mesh.free_port()
        self.mesh.apply(self.web(annotation=port), "--wait")
        self.mesh.apply(self.web("api", annotation=port))
        found = self.mesh.until_condition("service", "api", "Ready", "False", "AddressUnavailable")
        self.assertEqual(found["message"],
                         f"port {port} is that of Service default/web: give one of the two another one")
        self.assertTrue(self.serves_at(port))
        invalid = self.mesh.weft("validate", "-f", "-", stdin=self.web(annotation=port) + self.web("api", annotation=port))
        self.assertEqual(invalid.code, 3, invalid)
        self.assertIn(f"Service `api` is to be called at {port}, as Service `web` is", invalid.out + invalid.err)
        self.mesh.ok("weft", "delete", "service", "web")
        self.mesh.until_condition("service", "api", "Ready")

    def test_an_address_survives_delete_and_create(self):
        self.mesh.apply(self.web() + self.web("api"), "--wait")
        web, api = self.mesh.url("web"), self.mesh.url("api")
        self.mesh.ok("weft", "delete", "service", "web", "api")
        self.mesh.apply(self.web("other"), "--wait")
        self.assertNotIn(self.mesh.url("other"), [web, api])
        self.assertEqual(self.mesh.stop().code, 0)
        self.mesh.apply(self.web("api") + self.web(), "--wait")
        self.assertEqual([self.mesh.url("web"), self.mesh.url("api")], [web, api])


# Speaks first, as MySQL and SMTP do, and then repeats what it hears.
GREETER = """
import os, socketserver
class Greeter(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(b"220 welcome\\n")
        for line in self.rfile:
            self.wfile.write(line)
class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
Server((os.environ["HOST"], int(os.environ["PORT"])), Greeter).serve_forever()
"""
# Takes everything for a request.
LENIENT = """
import os, socketserver
class Lenient(socketserver.BaseRequestHandler):
    def handle(self):
        while self.request.recv(65536):
            self.request.sendall(b'HTTP/1.1 200 OK\\r\\nContent-Length: 19\\r\\n\\r\\n{"instance": "web"}')
class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
Server((os.environ["HOST"], int(os.environ["PORT"])), Lenient).serve_forever()
"""
LIMITED = """
apiVersion: weft.dev/v1alpha1
kind: TrafficPolicy
metadata: {name: limited}
spec: {targetRefs: [{kind: Service, name: web}], timeouts: {request: 5s}}
"""
CALLER = """
import os, socket, time
with socket.create_connection((os.environ["GREETER_SERVICE_HOST"], int(os.environ["GREETER_SERVICE_PORT"]))) as peer:
    lines = peer.makefile("rb")
    print("heard", lines.readline().decode().strip(), flush=True)
    peer.sendall(b"hello\\n")
    print("heard", lines.readline().decode().strip(), flush=True)
time.sleep(1000)
"""


def exchange(url, *pieces):
    """What comes back of each piece that is sent; of an empty one, without anything being sent."""
    host, port = url.removeprefix("http://").split(":")
    heard = []
    with socket.create_connection((host, int(port)), mesh.LIMIT) as peer:
        for piece in pieces:
            peer.sendall(piece)
            heard.append(peer.recv(4096))
    return heard


class PortsThatSayNothing(mesh.MeshTest):
    def test_take_what_comes(self):
        greeter, caller = self.mesh.write("greeter.py", GREETER), self.mesh.write("caller.py", CALLER)
        needs = ', dependsOn: [{name: greeter}]}'
        self.mesh.apply(deployment("greeter", 7000, [str(greeter)]) + service("greeter", target=7000)
                        + "---" + deployment("caller", 80, [str(caller)])
                        + service("caller").replace("targetPort: 80}]}", "targetPort: 80}]" + needs)
                        + "---" + deployment("api", 8080, ["--grpc"]).replace(PYTHON, "example-web-service")
                        + service("api", target=8080))
        for name in ("greeter", "api"):
            self.mesh.until_condition("service", name, "Ready")
        self.assertEqual(exchange(self.mesh.url("greeter"), b"", b"hello\n"), [b"220 welcome\n", b"hello\n"])
        mesh.until(lambda: "heard hello" in self.mesh.ok("weft", "logs", "caller"), "two hops")
        self.assertIn("heard 220 welcome", self.mesh.ok("weft", "logs", "caller"))
        # HTTP/2 to a service of HTTP/2.
        answer = self.mesh.ok("curl", "-s", "--http2-prior-knowledge", self.mesh.url("api"))
        self.assertEqual(json.loads(answer)["service"], "api")

    def lenient(self, probe=""):
        text = deployment("web", 8080, [str(self.mesh.write("lenient.py", LENIENT))])
        return text.replace("        env:", probe + "        env:") + service("web", target=8080)

    def takes_anything(self):
        answer, = exchange(self.mesh.url("web"), b"\x00\x01no request\r\n\r\n")
        self.assertRegex(answer, b"^HTTP/1.1 (200|400) ")
        return answer.startswith(b"HTTP/1.1 200 ")

    def test_have_http_alone_where_it_is_asked_for(self):
        self.mesh.apply(self.lenient(), "--wait")
        self.assertTrue(self.takes_anything())
        self.mesh.apply(self.lenient("        readinessProbe: {httpGet: {port: 8080}}\n"), "--wait")
        mesh.until(lambda: not self.takes_anything(), "HTTP alone")
        self.assertEqual(mesh.get(self.mesh.url("web")).status, 200)

    def test_requests_go_on_while_a_policy_comes_and_goes(self):
        self.mesh.apply(self.lenient(), "--wait")
        with mesh.Traffic(self.mesh.url("web")) as traffic:
            traffic.more()
            self.mesh.apply(LIMITED)
            mesh.until(lambda: not self.takes_anything(), "HTTP alone")
            traffic.more()
            self.mesh.ok("weft", "delete", "trafficpolicy", "limited")
            mesh.until(self.takes_anything, "what comes")
            traffic.more()
        self.assertEqual(traffic.failures, [], f"of {traffic.sent}")


class PortForward(mesh.MeshTest):
    def forward(self, *words):
        child = self.mesh.popen("weft", "port-forward", *words)
        line = child.stdout.readline()
        self.assertRegex(line, r"^Forwarding from 127\.0\.0\.1:[0-9]+ -> [0-9]+$", line)
        return child, int(line.split()[2].rpartition(":")[2])

    def test_leads_to_the_instance_and_to_its_successor(self):
        self.mesh.ok("service", "create", "web", "--image=example-web-service", "--port=80:8080")
        self.mesh.ok("control-plane", "start", "service", "web")
        pod = self.mesh.pods("web")[0]["metadata"]["name"]
        child, port = self.forward("service/web", ":80")
        self.assertEqual(mesh.get(f"http://127.0.0.1:{port}").json()["instance"], pod)
        self.mesh.ok("control-plane", "restart", "service", "web")
        successor = self.mesh.pods("web")[0]["metadata"]["name"]
        self.assertNotEqual(successor, pod)
        self.assertEqual(mesh.get(f"http://127.0.0.1:{port}").json()["instance"], successor)
        self.assertEqual(child.stderr.readline(), f"pod/{pod} is gone: goes on with pod/{successor}\n")
        child.send_signal(signal.SIGINT)
        self.assertEqual(child.wait(mesh.LIMIT), 0)
        for target, remote in [(f"pod/{successor}", "8080"), ("deployment/web", "8080"), (successor, "8080")]:
            with self.subTest(target=target):
                child, port = self.forward(target, f"{mesh.free_port()}:{remote}")
                self.assertEqual(mesh.get(f"http://127.0.0.1:{port}").json()["instance"], successor)
                child.terminate()
                self.assertEqual(child.wait(mesh.LIMIT), 0)

    def test_what_cannot_be_forwarded_is_said(self):
        self.mesh.ok("service", "create", "web", "--image=example-web-service")
        for words, code, said in [
                (["service/web", ":80"], 1, "has no instance that is ready"),
                (["service/none", ":80"], 4, "none"),
                (["service/web", "a:b"], 2, "names no ports"),
                (["service/web", "80:"], 2, "names no ports"),
                (["service/web", "70000:80"], 2, "names no ports"),
                (["service/web"], 2, "PORTS")]:
            with self.subTest(words=words):
                failed = self.mesh.weft("port-forward", *words)
                self.assertEqual(failed.code, code, failed)
                self.assertIn(said, failed.err)
        self.mesh.ok("control-plane", "start", "service", "web")
        failed = self.mesh.weft("port-forward", "service/web", ":81")
        self.assertEqual(failed.code, 4, failed)
        self.assertIn("service/web has no port 81", failed.err)
        with socket.socket() as holder:
            holder.bind(("127.0.0.1", 0))
            holder.listen()
            failed = self.mesh.weft("port-forward", "service/web", f"{holder.getsockname()[1]}:80")
            self.assertEqual(failed.code, 1, failed)
            self.assertIn("cannot listen on 127.0.0.1", failed.err)


if __name__ == "__main__":
    unittest.main()
