"""Data planes of others, for tests: Envoy, and applications that speak gRPC without a proxy."""

import json
import unittest

import mesh
import proxies  # with the packages of requirements.txt

try:
    import grpc
except ImportError:
    grpc = None

VENV = mesh.SOURCE / "build" / "venv"
PYTHON = VENV / "bin" / "python3"
ENVOY = next(VENV.glob("lib/python*/site-packages/envoy/_bin/envoy"), None)
# Where its listeners are: docs/xds.md.
ENVOY_ADDRESS = "127.0.0.2"
# It answers each call, of whatever method, with the name of its instance.
GRPC_SERVER = """
import concurrent.futures, os, grpc
name = os.environ["WEFT_INSTANCE"].rpartition("/")[2].encode()
class Any(grpc.GenericRpcHandler):
    def service(self, details):
        return grpc.unary_unary_rpc_method_handler(lambda request, context: name)
server = grpc.server(concurrent.futures.ThreadPoolExecutor(4))
server.add_generic_rpc_handlers((Any(),))
server.add_insecure_port(f"{os.environ['HOST']}:{os.environ['PORT']}")
server.start()
server.wait_for_termination()
"""
# For each line of stdin, [COUNT, METHOD, METADATA], so many calls, one after the other; a line says how often each answer, or
# failure, came.
GRPC_CLIENT = """
import collections, json, sys, grpc
# For how long a name that nobody has told of may come yet; gRPC's own is 15 s.
channel = grpc.insecure_channel(sys.argv[1], [("grpc.xds_resource_does_not_exist_timeout_ms", 1000)])
def call(method, metadata):
    try:
        return channel.unary_unary(method)(b"", timeout=20, metadata=metadata).decode()
    except grpc.RpcError as error:
        return f"{error.code().name}: {error.details()}"
for line in sys.stdin:
    count, method, metadata = json.loads(line)
    print(json.dumps(collections.Counter(call(method, list(metadata.items())) for _ in range(count))), flush=True)
"""


def needs_envoy(test):
    return unittest.skipUnless(ENVOY, "needs Envoy, which `./dev test` installs from tests/requirements.txt")(test)


def needs_grpc(test):
    return unittest.skipIf(grpc is None, "needs grpcio, which `./dev test` installs from tests/requirements.txt")(test)


def call(client, count=20, method="/test.Echo/Say", **metadata):
    """Who answered so many calls of a process of GRPC_CLIENT, and how often."""
    client.stdin.write(json.dumps([count, method, metadata]) + "\n")
    client.stdin.flush()
    line = client.stdout.readline()
    if not line:
        raise AssertionError("the client has ended")
    return json.loads(line)
