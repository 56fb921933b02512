"""gRPC through `weft proxy --config`: grpcio's own client and server, over one hop and over two."""

import concurrent.futures
import threading
import unittest

import http2
import proxies
from proxies import until

try:
    import grpc
except ImportError:
    grpc = None

# Lengths of messages about the windows' and the frames' edges: with its prefix of 5 bytes a message fills them, or is a
# byte off.
EDGES = [edge - 5 + off for edge in (16_384, 65_535, 65_536, 131_072, 262_144) for off in (-1, 0, 1)]
OPTIONS = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1),
           ("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1)]


class Service:
    """bench.Echo of grpcio, whose messages are bytes. What a method saw is in `seen`."""

    def __init__(self, port):
        self.seen, self.cancelled = {}, threading.Event()
        self.server = grpc.server(concurrent.futures.ThreadPoolExecutor(16), options=OPTIONS)
        methods = {"Say": grpc.unary_unary_rpc_method_handler(self.say),
                   "Fail": grpc.unary_unary_rpc_method_handler(self.fail),
                   "Count": grpc.unary_stream_rpc_method_handler(self.count),
                   "Sum": grpc.stream_unary_rpc_method_handler(self.sum),
                   "Talk": grpc.stream_stream_rpc_method_handler(self.talk),
                   "Wait": grpc.unary_stream_rpc_method_handler(self.wait)}
        self.server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Echo", methods),))
        self.server.add_insecure_port(f"127.0.0.1:{port}")
        self.server.start()

    def say(self, request, context):
        self.seen["metadata"] = dict(context.invocation_metadata())
        context.send_initial_metadata([("x-begin", "1")])
        context.set_trailing_metadata([("x-end", "2"), ("x-end-bin", b"\0\xff")])
        return request

    def fail(self, request, context):
        context.set_trailing_metadata([("x-end", "2")])
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not so: " + request.decode())

    def count(self, request, context):
        for i in range(int(request)):
            yield str(i).encode()
        if int(request) == 3:
            context.abort(grpc.StatusCode.DATA_LOSS, "only three")

    def sum(self, requests, context):
        return str(sum(int(request) for request in requests)).encode()

    def talk(self, requests, context):
        for request in requests:
            yield request.upper()

    def wait(self, request, context):
        context.add_callback(self.cancelled.set)
        yield b"begun"
        self.cancelled.wait(proxies.LIMIT)

    def close(self):
        self.server.stop(None).wait()


class GrpcTest(proxies.ProxyTest):
    hops = 1

    def start_proxy(self, endpoints):
        """Listeners in a row, the last before the service; `self.port` is the first."""
        ports = [proxies.free_port() for _ in range(self.hops)]
        listeners = [{"name": f"hop{i}", "address": f"127.0.0.1:{port}", "cluster": f"to{i}"} for i, port in enumerate(ports)]
        ends = [[f"127.0.0.1:{port}"] for port in ports[1:]] + [endpoints]
        clusters = [{"name": f"to{i}", "protocol": "http2", "endpoints": end} for i, end in enumerate(ends)]
        self.port = ports[0]
        self.weft = self.proxy({"version": 1, "listeners": listeners, "clusters": clusters})

    def call(self, method, kind="unary_unary"):
        return getattr(self.channel, kind)(f"/test.Echo/{method}")

    def open_channel(self):
        self.channel = grpc.insecure_channel(f"127.0.0.1:{self.port}", options=OPTIONS)
        self.addCleanup(self.channel.close)

    def expect_counted(self, status, count=1, **labels):
        """So many, and no more, once no request is under way."""
        until(lambda: self.weft.metric("weft_requests_active") == 0, "all requests are over")
        self.assertEqual(self.weft.metric("istio_requests_total", request_protocol="grpc",
                                          grpc_response_status=str(status.value[0]), **labels), count * self.hops)


@unittest.skipIf(grpc is None or http2.h2 is None, http2.NEEDS)
class OneHop(GrpcTest):
    def setUp(self):
        super().setUp()
        # The proxy first: it is a fork of this process, which has none of grpcio's threads yet.
        port = proxies.free_port()
        self.start_proxy([f"127.0.0.1:{port}"])
        self.service = Service(port)
        self.addCleanup(self.service.close)
        self.open_channel()

    def test_unary(self):
        answer, call = self.call("Say").with_call(b"hello", metadata=[("x-mine", "yes"), ("x-mine-bin", b"\0\xfe")],
                                                  timeout=proxies.LIMIT)
        self.assertEqual((answer, call.code()), (b"hello", grpc.StatusCode.OK))
        self.assertEqual(dict(call.initial_metadata())["x-begin"], "1")
        trailing = dict(call.trailing_metadata())
        self.assertEqual((trailing["x-end"], trailing["x-end-bin"]), ("2", b"\0\xff"))
        metadata = self.service.seen["metadata"]
        self.assertEqual((metadata["x-mine"], metadata["x-mine-bin"]), ("yes", b"\0\xfe"))
        self.expect_counted(grpc.StatusCode.OK)

    def test_many_at_once(self):
        futures = [self.call("Say").future(str(i).encode(), timeout=proxies.LIMIT) for i in range(500)]
        self.assertEqual([future.result() for future in futures], [str(i).encode() for i in range(500)])
        self.expect_counted(grpc.StatusCode.OK, 500)

    def test_streams(self):
        limit = {"timeout": proxies.LIMIT}
        self.assertEqual(list(self.call("Count", "unary_stream")(b"1000", **limit)), [str(i).encode() for i in range(1000)])
        self.assertEqual(list(self.call("Count", "unary_stream")(b"0", **limit)), [])
        self.assertEqual(self.call("Sum", "stream_unary")((str(i).encode() for i in range(1000)), **limit), b"499500")

    def test_a_dialogue(self):
        said = threading.Semaphore(0)

        def ask():
            for i in range(50):
                yield f"word {i}".encode()
                said.acquire()
        for i, answer in enumerate(self.call("Talk", "stream_stream")(ask(), timeout=proxies.LIMIT)):
            self.assertEqual(answer, f"WORD {i}".encode())
            said.release()
        self.assertEqual(i, 49)

    def test_messages_at_the_windows_edges(self):
        say = self.call("Say")
        for size in [0, 1, *EDGES, 8 << 20]:
            with self.subTest(size):
                message = http2.pattern(size)
                self.assertTrue(say(message, timeout=proxies.LIMIT) == message)

    def test_errors(self):
        """Trailers alone, with a message of any characters; and after messages."""
        with self.assertRaises(grpc.RpcError) as failed:
            self.call("Fail")("gr\u00fc\u00df % \U0001f600".encode(), timeout=proxies.LIMIT)
        self.assertEqual(failed.exception.code(), grpc.StatusCode.FAILED_PRECONDITION)
        self.assertEqual(failed.exception.details(), "not so: gr\u00fc\u00df % \U0001f600")
        self.assertEqual(dict(failed.exception.trailing_metadata())["x-end"], "2")
        self.expect_counted(grpc.StatusCode.FAILED_PRECONDITION, response_code="200")
        got = []
        with self.assertRaises(grpc.RpcError) as failed:
            for message in self.call("Count", "unary_stream")(b"3", timeout=proxies.LIMIT):
                got.append(message)
        self.assertEqual((got, failed.exception.code()), ([b"0", b"1", b"2"], grpc.StatusCode.DATA_LOSS))
        with self.assertRaises(grpc.RpcError) as failed:
            self.call("Unknown")(b"", timeout=proxies.LIMIT)
        self.assertEqual(failed.exception.code(), grpc.StatusCode.UNIMPLEMENTED)

    def test_a_deadline_of_the_client(self):
        with self.assertRaises(grpc.RpcError) as failed:
            for _ in self.call("Wait", "unary_stream")(b"", timeout=2):
                pass
        self.assertEqual(failed.exception.code(), grpc.StatusCode.DEADLINE_EXCEEDED)
        self.assertTrue(self.service.cancelled.wait(proxies.LIMIT), "the service is told")

    def test_a_cancellation(self):
        call = self.call("Wait", "unary_stream")(b"", timeout=proxies.LIMIT)
        self.assertEqual(next(call), b"begun")
        call.cancel()
        self.assertTrue(self.service.cancelled.wait(proxies.LIMIT), "the service is told")
        self.expect_counted(grpc.StatusCode.CANCELLED, response_flags="DC")
        self.assertEqual(self.call("Say")(b"on", timeout=proxies.LIMIT), b"on")

    def test_a_service_that_goes(self):
        """In the middle of a stream, and then for good."""
        call = self.call("Wait", "unary_stream")(b"", timeout=proxies.LIMIT)
        self.assertEqual(next(call), b"begun")
        self.service.close()
        with self.assertRaises(grpc.RpcError) as failed:
            next(call)
        cut = failed.exception.code()
        self.assertIn(cut, (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED))
        with self.assertRaises(grpc.RpcError) as failed:
            self.call("Say")(b"", timeout=proxies.LIMIT)
        self.assertEqual(failed.exception.code(), grpc.StatusCode.UNAVAILABLE)
        self.expect_counted(grpc.StatusCode.UNAVAILABLE, [cut, failed.exception.code()].count(grpc.StatusCode.UNAVAILABLE))


class TwoHops(OneHop):
    hops = 2


@unittest.skipIf(grpc is None or http2.h2 is None, http2.NEEDS)
class Refusals(GrpcTest):
    """What the proxy says for itself is a status of gRPC, on HTTP's 200; to others it stays one of HTTP."""

    CALL = [("content-type", "application/grpc+proto"), ("te", "trailers")]

    def ask(self, fields=(), path="/test.Echo/Say"):
        client = http2.Connection(self.connect())
        return client.ask(b"\0\0\0\0\x02hi", path=path, method="POST", fields=[*self.CALL, *fields])

    def expect_status(self, response, status, http_status=200):
        self.assertEqual((response.status, response.reset), (http_status, None))
        got = dict(response.fields) | dict(response.trailers)
        self.assertEqual(got.get("grpc-status"), str(status.value[0]), response)
        self.assertTrue(got["content-type"].startswith("application/grpc"))

    def test_no_connection(self):
        self.start_proxy([f"127.0.0.1:{proxies.free_port()}"])
        self.expect_status(self.ask(), grpc.StatusCode.UNAVAILABLE)
        self.expect_counted(grpc.StatusCode.UNAVAILABLE, response_flags="UF")
        other = http2.Connection(self.connect()).ask()
        self.assertEqual((other.status, other.get("grpc-status")), (503, None))
        self.open_channel()
        with self.assertRaises(grpc.RpcError) as failed:
            self.call("Say")(b"", timeout=proxies.LIMIT)
        self.assertEqual(failed.exception.code(), grpc.StatusCode.UNAVAILABLE)

    def test_no_route(self):
        port = proxies.free_port()
        self.port = port
        self.weft = self.proxy({"version": 1, "listeners": [{"address": f"127.0.0.1:{port}", "routes": [
            {"prefix": "/other", "cluster": "app"}]}], "clusters": [{"name": "app", "protocol": "http2", "endpoints": ["127.0.0.1:9"]}]})
        self.expect_status(self.ask(), grpc.StatusCode.UNIMPLEMENTED)

    def test_the_calls_deadline_bounds_the_routes(self):
        """grpc-timeout of a client that does not keep it itself."""
        resets = []

        def serve(server):
            stream = server.next()
            server.until(lambda: stream.reset is not None, "a reset")
            resets.append(stream.get("grpc-timeout"))
        service = self.backend(http2.serves(serve))
        self.start_proxy([service.address])
        self.expect_status(self.ask([("grpc-timeout", "2S")]), grpc.StatusCode.DEADLINE_EXCEEDED)
        until(lambda: resets, "the service is told")
        self.expect_counted(grpc.StatusCode.DEADLINE_EXCEEDED)

    def test_a_service_dies_within_its_messages(self):
        """The end is said in trailers, so that the client knows more than that it was cut."""
        def serve(server):
            stream = server.next()
            server.whole(stream)
            server.heads(stream, [(":status", "200"), ("content-type", "application/grpc")])
            server.send(stream, b"\0\0\0\0\x02hi")
        service = self.backend(http2.serves(serve))
        self.start_proxy([service.address])
        response = self.ask()
        self.assertEqual(bytes(response.body), b"\0\0\0\0\x02hi")
        self.expect_status(response, grpc.StatusCode.UNAVAILABLE)
        self.expect_counted(grpc.StatusCode.UNAVAILABLE, response_flags="UC")

    def test_a_service_without_grpc(self):
        """An answer of HTTP passes as it is, and counts as its clients read it."""
        service = self.backend(http2.answers(lambda server, stream: server.reply(stream, b"no", status=404)))
        self.start_proxy([service.address])
        response = self.ask()
        self.assertEqual((response.status, bytes(response.body), response.get("grpc-status")), (404, b"no", None))
        self.expect_counted(grpc.StatusCode.UNIMPLEMENTED, response_code="404")

    def test_trailers_alone_are_read(self):
        service = self.backend(http2.answers(lambda server, stream: server.heads(
            stream, [(":status", "200"), ("content-type", "application/grpc"), ("grpc-status", "7")], end=True)))
        self.start_proxy([service.address])
        self.expect_status(self.ask(), grpc.StatusCode.PERMISSION_DENIED)
        self.expect_counted(grpc.StatusCode.PERMISSION_DENIED)


if __name__ == "__main__":
    unittest.main()
