"""How long the mesh takes to start services, to apply resources, and what it costs at rest."""
import ctypes
import json
import pathlib
import tempfile
import time

import mesh as meshes

SERVICES = 200


def service(name, replicas, depends_on=()):
    """A Service and its Deployment of the example image, as two JSON objects."""
    entries = [{"name": other, "kind": "Service"} for other in depends_on]
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
                  "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}},
                           "template": {"metadata": {"labels": {"app": name}},
                                        "spec": {"containers": [{"name": name, "image": "example-web-service",
                                                                 "ports": [{"containerPort": 8080}]}]}}}}
    return [{"apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
             "spec": {"selector": {"app": name}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}],
                      "dependsOn": entries}}, deployment]


def apply(mesh, objects):
    mesh.ok("weft", "apply", "-f", "-", stdin="\n---\n".join(json.dumps(item) for item in objects), limit=120)


def first_answers(mesh):
    """Seconds from `create` to an answer of each of three replicas, on a control plane that runs."""
    mesh.ok("control-plane", "get", "services")
    start = time.monotonic()
    mesh.ok("control-plane", "create", "service", "bench", "--image=example-web-service", "--replicas=3")
    mesh.ok("control-plane", "start", "service", "bench")
    seen, url = set(), mesh.url("bench")
    while len(seen) < 3 and time.monotonic() - start < 30:
        seen.add(meshes.get(url).json()["instance"])
    return time.monotonic() - start


def layers(mesh):
    """Seconds until SERVICES services of two instances, each needing one of the layer before, are ready."""
    objects = []
    for i in range(SERVICES):
        objects += service(f"s{i}", 2, [f"s{i - 20}"] if i >= 20 else [])
    start = time.monotonic()
    apply(mesh, objects)
    applied = time.monotonic() - start
    mesh.ok("weft", "wait", "deployments", "--timeout=120s", limit=120)
    return applied, time.monotonic() - start


def apply_many(mesh):
    objects = []
    for i in range(500):
        objects += service(f"stored{i}", 0)
    start = time.monotonic()
    apply(mesh, objects)
    return time.monotonic() - start


def at_rest(mesh, word):
    """(RSS in MB, CPU seconds used in five seconds) of the mesh's process whose command line has `word`."""
    pid = next(pid for pid, (_, _, line) in meshes.descendants().items() if f" {word}" in line)

    def ticks():
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])
    rss = next(int(line.split()[1]) for line in open(f"/proc/{pid}/status") if line.startswith("VmRSS")) / 1024
    before = ticks()
    time.sleep(5)
    return rss, (ticks() - before) / 100


def in_a_mesh(measure):
    """What `measure` gives for a mesh of its own that runs."""
    with tempfile.TemporaryDirectory(prefix="weft-bench-") as folder:
        mesh = meshes.Mesh(folder)
        try:
            mesh.ok("weft", "get", "services")
            return measure(mesh)
        finally:
            mesh.ok("control-plane", "stop", limit=120)


def run(_arguments):
    # Orphans come to this process, so that `descendants` sees the supervisor that a command left in the background.
    ctypes.CDLL(None).prctl(meshes.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    rows = []
    for word, name, budget in (("control-plane serve", "control plane", 25), ("proxy", "proxy", 8)):
        rss, cpu = in_a_mesh(lambda mesh, word=word: at_rest(mesh, word))
        rows.append((f"{name} idle, RSS / CPU in 5 s", f"{rss:.1f} MB / {cpu:.2f} s", f"{budget} MB / 0 s"))
    rows.append(("create + start of 3 replicas to an answer of each", f"{in_a_mesh(first_answers) * 1000:.0f} ms", "300 ms"))
    rows.append(("apply of 1,000 resources", f"{in_a_mesh(apply_many):.2f} s", "2 s"))
    applied, ready = in_a_mesh(layers)
    rows.append((f"{SERVICES} services x 2 in order of dependency (applied in {applied:.1f} s)", f"{ready:.1f} s", "20 s"))
    return "| what | measured | budget |\n|---|---|---|\n" + "\n".join(f"| {a} | {b} | {c} |" for a, b, c in rows)
