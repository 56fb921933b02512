"""Every example in every --help, run as it stands there."""

import os
import re
import select
import signal
import subprocess

import mesh

PROGRAMS = ("weft", "control-plane", "service")
SECTION = r"^{}:\n((?:  .*\n?)+)"
# What the examples are about.
FIXTURE = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: NAME, labels: {app: shop}}
spec:
  selector: {matchLabels: {app: NAME}}
  template:
    metadata: {labels: {app: NAME, tier: front}}
    spec:
      containers:
      - name: main
        image: example-web-service
        ports: [{containerPort: PORT}, {name: http, containerPort: 8081}, {name: admin, containerPort: 8082}]
---
apiVersion: v1
kind: Service
metadata: {name: NAME, labels: {tier: front}}
spec:
  selector: {app: NAME}
  ports: [{port: 80, targetPort: PORT}]
"""
JOB = """
---
apiVersion: batch/v1
kind: Job
metadata: {name: migrate, labels: {app: shop}}
spec:
  template: {spec: {restartPolicy: Never, containers: [{name: main, image: /bin/true}]}}
"""
PROXY = """
version: 1
listeners:
- address: "127.0.0.1:0"
  routes: [{cluster: app}]
clusters:
- {name: app, endpoints: ["127.0.0.1:1"]}
"""
# What goes on until it is interrupted.
ENDLESS = re.compile(r"^weft up\b(?!.*--once)|^weft top$| -f --tail| -w\b|^weft proxy --|control-plane run|port-forward|^weft logs.* -f")
# What every test does, in other words: the mesh's own processes, a shell's start, psql in a program that is none.
PASSED_OVER = re.compile(r"^weft (keep|supervise)|^source |completion|psql|^control-plane (serve|run)")
# What leaves other things behind than it found.
CHANGING = re.compile(r"\b(apply|create|delete|down|start|stop|restart|scale|rollout|up)\b")
# Exit codes that are an answer, too.
ANSWERS = {"weft diff": (0, 1), "weft up ": (0, 130), "weft top": (0, 130), "weft proxy --": (0, 130), "weft logs": (0, 130),
           "weft port-forward": (0, 130)}


def help_of(words, environment):
    return subprocess.run([*words, "--help"], env=environment, capture_output=True, text=True, check=True).stdout


def section(name, text):
    found = re.search(SECTION.format(name), text, re.MULTILINE)
    return found[1].splitlines() if found else []


def examples(words, environment):
    text = help_of(words, environment)
    for line in section("Example", text):
        yield line.strip()
    for line in section("Subcommands", text):
        name = re.match(r"  (\S+)", line)
        if name and name[1] != "help":
            yield from examples([*words, name[1]], environment)


class Examples(mesh.MeshTest):
    def setUp(self):
        super().setUp()
        (self.mesh.folder / "examples").symlink_to(mesh.EXAMPLES)
        (self.mesh.folder / "build").symlink_to(mesh.BUILD)
        ports = {"web": "8080", "worker": "8080", "cart": "8080", "db": "5432", "simple-web-service": "8080"}
        services = [FIXTURE.replace("NAME", name).replace("PORT", port) for name, port in ports.items()]
        self.mesh.write("web.yaml", "---".join(services) + JOB)
        self.there = None  # the file whose objects are there, as it says
        self.mesh.write("proxy.yaml", PROXY)
        self.mesh.write("script.sh", "echo here\n")
        (self.mesh.folder / "settings").mkdir()
        for name in (".env", "settings.json", "settings/log.conf", "key.pem", "ca.pem"):
            self.mesh.write(name, "LEVEL=debug\n")

    def prepare(self, example):
        """What the example starts from."""
        self.there = None if example.startswith("weft up ") or "create" in example else self.there
        made = re.search(r"create (secret generic|configmap|service|)\s*([\w-]+)", example)
        if made:
            kinds = {"secret generic": ["secret"], "configmap": ["configmap"]}.get(made[1], ["deployment", "service"])
            self.mesh.ok("weft", "delete", *(f"{kind}/{made[2]}" for kind in kinds), "--ignore-not-found")
            return example
        if example.startswith("weft up "):
            self.mesh.stop()  # its state folder must be nobody's
            return example
        if example.startswith("weft proxy status"):
            self.wait_for_output(self.mesh.popen("weft", "proxy", "--config", "proxy.yaml"))
            return example
        file = "examples/shop" if "examples/shop" in example else "web.yaml"
        if self.there != file:
            self.mesh.ok("weft", "delete", "-f", file, "--ignore-not-found")
            self.mesh.ok("weft", "apply", "-f", file, "--wait")
        self.there = None if CHANGING.search(example) else file
        if "rollout" in example:
            self.mesh.ok("weft", "restart", "deployment/web")
        if "--for delete" in example:
            self.mesh.ok("weft", "delete", "deployment", "web")
            self.there = None
            return example
        return re.sub(r"web-[a-z0-9]{5}\b", lambda _: self.mesh.pods("web")[0]["metadata"]["name"], example)

    def wait_for_output(self, child):
        """Once it says something it is under way."""
        ready, _, _ = select.select([child.stdout, child.stderr], [], [], mesh.LIMIT)
        self.assertTrue(ready, f"{child.args} says nothing")

    def run_one(self, example):
        if not ENDLESS.search(example):
            return self.mesh.run("bash", "-c", example)
        child = self.mesh.popen("bash", "-c", "exec " + example, start_new_session=True)
        self.wait_for_output(child)
        os.killpg(child.pid, signal.SIGINT)
        out, err = child.communicate(timeout=mesh.LIMIT)
        return mesh.Result(child.returncode, out, err)

    def test_each_does_what_it_says(self):
        found = dict.fromkeys(line for name in PROGRAMS for line in examples([name], self.mesh.environment))
        self.assertGreater(len(found), 60)
        for example in found:
            if PASSED_OVER.search(example):
                continue
            with self.subTest(example=example):
                result = self.run_one(self.prepare(example))
                allowed = next((codes for start, codes in ANSWERS.items() if example.startswith(start)), (0,))
                # A shell says 130 of what its Ctrl-C ended, whoever caught it.
                code = 130 if result.code == -signal.SIGINT else result.code
                self.assertIn(code, allowed, result)
