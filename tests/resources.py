"""YAML texts of the tests."""

import json

ORIGINAL_SERVICE = """\
apiVersion: v1
kind: Service
metadata:
  name: simple-web-service
spec:
  selector:
    app: simple-web-service
  ports:
  - name: http
    port: 80
    targetPort: 8080
  dependsOn:
    - name: simple-web-service-deployment
      kind: Deployment
"""

# The indentation is broken exactly so in the original description.
ORIGINAL_DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: simple-web-service
spec:
  replicas: 3
  selector:
    matchLabels:
      app: simple-web-service
  template:
    metadata:
      labels:
        app: simple-web-service
    spec:
      containers:
      - name: simple-web-service
          image: example-web-service
          ports:
          - containerPort: 80
"""


def deployment(name, image="example-web-service", replicas=1, env=None, probe=None, grace=None, depends_on=None,
               port=8080, namespace="default"):
    container = {"name": name, "image": image, "ports": [{"containerPort": port}],
                 "env": [{"name": key, "value": value} for key, value in (env or {}).items()]}
    if probe:
        container["readinessProbe"] = probe
    pod = {"containers": [container]}
    if grace is not None:
        pod["terminationGracePeriodSeconds"] = grace
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": pod}}
    if depends_on:
        spec["dependsOn"] = depends_on
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": namespace},
            "spec": spec}


def service(name, depends_on=None, target=8080, port=80, namespace="default"):
    spec = {"selector": {"app": name}, "ports": [{"name": "http", "port": port, "targetPort": target}]}
    if depends_on:
        spec["dependsOn"] = depends_on
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def pair(name, depends_on=None, **options):
    """A service and its Deployment."""
    return [deployment(name, **options), service(name, depends_on=depends_on)]


def job(name, image, env=None, depends_on=None, backoff_limit=6):
    container = {"name": name, "image": image,
                 "env": [{"name": key, "value": value} for key, value in (env or {}).items()]}
    spec = {"backoffLimit": backoff_limit,
            "template": {"spec": {"restartPolicy": "Never", "containers": [container]}}}
    if depends_on:
        spec["dependsOn"] = depends_on
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": spec}


def needs(name, kind="Service", condition=None):
    entry = {"name": name, "kind": kind}
    if condition:
        entry["condition"] = condition
    return entry


def text(*resources):
    """All of them as one YAML text (JSON documents are YAML)."""
    documents = []
    for resource in resources:
        documents += resource if isinstance(resource, list) else [resource]
    return "\n---\n".join(json.dumps(document, indent=1) for document in documents)
