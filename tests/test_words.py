"""What commands say and when they end: what is final ends every wait, and nothing is called what it is not."""

import json
import os
import time

import mesh
import resources

FAILING = """\
apiVersion: batch/v1
kind: Job
metadata: {name: step1}
spec:
  backoffLimit: 0
  template: {spec: {restartPolicy: Never, containers: [{name: c, image: /bin/false}]}}
"""
FINAL = "job/step1: failed, BackoffLimitExceeded"

# A program that is not weft's own: it answers whatever it likes, or speaks first.
OTHER = """\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}}}
spec:
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      containers:
      - name: {name}
        image: /usr/bin/python3
        args: ["-c", "{program}"]
        ports: [{{containerPort: 8080}}]
---
apiVersion: v1
kind: Service
metadata: {{name: {name}}}
spec: {{selector: {{app: {name}}}, ports: [{{name: {port}, port: {number}, targetPort: 8080}}]}}
---
"""
HTTP = ("import http.server, os; http.server.HTTPServer((os.environ['HOST'], int(os.environ['PORT'])), "
        "http.server.BaseHTTPRequestHandler).serve_forever()")
BANNER = ("import os, socketserver; H = type('H', (socketserver.BaseRequestHandler,), "
          "{'handle': lambda self: self.request.sendall(b'hello')}); "
          "socketserver.TCPServer((os.environ['HOST'], int(os.environ['PORT'])), H).serve_forever()")


def other(name, program, port, number):
    return OTHER.format(name=name, program=program, port=port, number=number)


class Final(mesh.MeshTest):
    def ends_early(self, *command, code=1, says=FINAL):
        begin = time.monotonic()
        result = self.mesh.run(*command, "--timeout", "60s")
        self.assertLess(time.monotonic() - begin, 20, result)
        self.assertEqual(result.code, code, result)
        self.assertIn(says, result.err)
        return result

    def test_a_job_that_has_failed_ends_up_once(self):
        path = self.mesh.write("job.yaml", FAILING)
        result = self.ends_early("weft", "up", "-f", path, "--once")
        self.assertIn("without --once", result.err)

    def test_a_job_that_has_failed_ends_every_wait(self):
        path = self.mesh.write("job.yaml", FAILING)
        self.ends_early("weft", "apply", "-f", path, "--wait")
        self.ends_early("weft", "wait", "job/step1")
        self.ends_early("weft", "wait", "job/step1", "--for", "condition=Complete")
        self.assertEqual(self.mesh.ok("weft", "wait", "job/step1", "--for", "condition=Failed"),
                         "job/step1: condition=Failed\n")

    def test_what_needs_it_ends_too(self):
        self.mesh.apply(FAILING)
        self.mesh.apply(resources.text(*resources.pair("web", depends_on=[{"name": "step1", "kind": "Job"}])))
        self.mesh.until_condition("deployment", "web", "DependenciesReady", "False", "DependencyFailed")
        self.ends_early("weft", "wait", "deployment/web", says="DependencyFailed: Job default/step1 has failed")
        self.ends_early("control-plane", "start", "service", "web", says="DependencyFailed")

    def test_a_job_that_runs_is_said_to_run(self):
        self.mesh.apply(FAILING.replace("/bin/false}", "/bin/sleep, args: ['100']}"))
        result = self.mesh.weft("wait", "job/step1", "--timeout", "100ms")
        self.assertEqual(result.code, 5, result)
        self.assertRegex(result.err, "job/step1 is not ready after 100ms: (runs|waits)\n")

    def test_a_job_that_is_complete_does_not_fail(self):
        self.mesh.apply(FAILING.replace("/bin/false", "/bin/true"))
        self.mesh.ok("weft", "wait", "job/step1")
        self.ends_early("weft", "wait", "job/step1", "--for", "condition=Failed", says="job/step1: complete")

    def test_what_is_there_is_not_gone(self):
        self.mesh.apply(resources.text(resources.service("web")))
        result = self.mesh.weft("wait", "service/web", "--for", "delete", "--timeout", "100ms")
        self.assertEqual(result.code, 5, result)
        self.assertIn("service/web is not gone after 100ms: it is still there", result.err)


class Once(mesh.MeshTest):
    def test_any_answer_of_another_program_counts(self):
        text = other("web", HTTP, "http", 80) + other("db", BANNER, "mysql", 3306)
        result = self.mesh.weft("up", "-f", self.mesh.write("others.yaml", text), "--once", "--timeout", "60s")
        self.assertEqual(result.code, 0, result)
        self.assertRegex(result.out, r"GET http://\S+ \(web\): status 501\n")
        self.assertRegex(result.out, r"TCP tcp://\S+ \(db\): connected\n")
        self.assertIn("these at least", result.out)


class Said(mesh.MeshTest):
    def test_a_warning_is_said_once(self):
        text = resources.text(resources.deployment("web")).replace(
            '"image":', '"imagePullPolicy": "Always", "image":')
        path = self.mesh.write("web.yaml", text)
        result = self.mesh.weft("apply", "-f", path, "-f", path)
        self.assertEqual(result.code, 0, result)
        self.assertEqual(result.err.count("does not act on"), 1, result)
        self.assertEqual(self.mesh.ok("weft", "apply", "-f", path), "deployment/web unchanged\n")

    def test_what_is_unchanged_is_called_so(self):
        path = self.mesh.write("web.yaml", resources.text(resources.service("web")).replace(
            '"selector"', '"sessionAffinity": null, "selector"'))
        self.assertEqual(self.mesh.ok("weft", "apply", "-f", path), "service/web created\n")
        self.assertEqual(self.mesh.ok("weft", "apply", "-f", path), "service/web unchanged\n")

    def test_create_knows_the_numbers_of_protocols(self):
        self.mesh.ok("control-plane", "create", "service", "db", "--image=example-web-service", "--port=5432",
                     "--port=80", "--port=3306/http", "--port=9000/grpc", "--port=15432/postgresql", "--port=81/HTTP",
                     "--port=82/kubernetes.io/h2c")
        ports = self.mesh.json("get", "service", "db")["spec"]["ports"]
        self.assertEqual([(port["name"], port.get("appProtocol")) for port in ports],
                         [("tcp-5432", "tcp"), ("port-80", None), ("http-3306", "http"), ("grpc-9000", "grpc"),
                          ("port-15432", "postgresql"), ("port-81", "HTTP"), ("port-82", "kubernetes.io/h2c")])
        self.mesh.ok("control-plane", "create", "service", "alone", "--image=example-web-service", "--port=80:8080")
        self.assertEqual(self.mesh.json("get", "service", "alone")["spec"]["ports"], [{"port": 80, "targetPort": 8080}])
        self.mesh.ok("control-plane", "create", "service", "h2c", "--image=example-web-service", "--port=80/kubernetes.io/h2c")
        self.assertEqual(self.mesh.json("get", "service", "h2c")["spec"]["ports"],
                         [{"port": 80, "targetPort": 80, "appProtocol": "kubernetes.io/h2c"}])
        refused = self.mesh.run("control-plane", "create", "service", "web", "--image=x", "--port=80/gprc")
        self.assertEqual(refused.code, 2, refused)
        self.assertIn("--port=80/gprc is not a port", refused.err)

    def test_an_image_that_is_none(self):
        path = self.mesh.write("web.yaml", resources.text(resources.deployment("web", image="ghcr.io/x/no-such:1")))
        result = self.mesh.weft("validate", "-f", path)
        self.assertEqual(result.code, 0, result)
        self.assertIn("containers come later [model/unknown-image]", result.err)
        path = self.mesh.write("sh.yaml", resources.text(resources.deployment("web", image="docker.io/library/sh:1")))
        self.assertRegex(self.mesh.weft("validate", "-f", path).err, "= Write `image: /\\S+/sh`.")

    def test_a_number_that_is_none(self):
        self.mesh.apply(resources.text(resources.deployment("web", replicas=0)))
        for command, words in (("weft scale deployment/web --replicas=two",
                                "--replicas: `two` is no whole number from 0 to 10000: write one in digits"),
                               ("weft scale deployment/web --replicas=10001", "`10001` is no whole number from 0 to"),
                               ("weft logs web --tail=all",
                                "--tail: `all` is no whole number of at least -1: write one in digits"),
                               ("weft logs web --tail=1x", "`1x` is no whole number of at least -1")):
            result = self.mesh.run(*command.split())
            self.assertEqual(result.code, 2, result)
            self.assertIn(words, result.err)

    def test_a_worker_without_a_service(self):
        self.mesh.apply(resources.text(resources.deployment("packer", replicas=0)))
        result = self.mesh.weft("restart", "packer")
        self.assertEqual(result.code, 4, result)
        self.assertIn("service packer does not exist", result.err)
        self.assertIn("name it with its kind: deployment/packer", result.err)
        self.assertIn("create it: control-plane create service pack",
                      self.mesh.weft("restart", "pack").err)

    def test_a_dry_run_of_create_needs_no_mesh(self):
        result = self.mesh.weft("create", "secret", "generic", "db", "--from-literal=a=b", "--dry-run=client",
                                "-o", "json")
        self.assertEqual(json.loads(result.out)["data"], {"a": "Yg=="}, result)
        self.assertEqual(mesh.descendants(), {})
        result = self.mesh.weft("create", "configmap", "A_b", "--from-literal=a=b", "--dry-run=client")
        self.assertEqual(result.code, 3, result)
        self.assertIn("metadata.name: `A_b` must", result.err)

    def test_a_probe_that_takes_too_long(self):
        probe = {"exec": {"command": ["sleep", "100"]}, "timeoutSeconds": 1}
        self.mesh.apply(resources.text(resources.deployment("web", probe=probe)))
        mesh.until(lambda: "it took longer than 1s" in self.mesh.ok("weft", "describe", "deployment", "web"),
                   "the probe's time is over")

    def test_a_state_folder_of_somebody_else(self):
        is_root = os.geteuid() == 0
        self.mesh.home.mkdir(mode=0o700 if is_root else 0)
        self.mesh.folder.chmod(0o711)
        somebody = {"user": 65534} if is_root else {}
        try:
            for command in ("control-plane status", "control-plane stop", "weft get services"):
                result = self.mesh.run(*command.split(), **somebody)
                self.assertEqual(result.code, 1, result)
                self.assertIn("error: permission denied: this user may not enter the state folder", result.err)
        finally:
            self.mesh.home.chmod(0o700)
