"""Requests go to weft in HTTP/2, whose fields may hold what no line of HTTP/1.1 could: all that comes out behind it must read
the same to weft's own reader, to llhttp and to nginx, and as what came in; nothing may come out that is more than one request."""

import unittest

import http2
import mesh
from differential import cases, compare, nginx
from test_differential import NODE, NODE_COMMAND, WEFT, expect_excepted

if http2.h2:
    from differential import http2 as ours

MUTATIONS = 1500
# What the proxy makes anew, or takes for itself (docs/proxy.md, "What happens to a request").
OWN = {"host", "connection", "transfer-encoding", "content-length", "keep-alive", "te", "upgrade", "proxy-connection", "trailer",
       "cookie", "x-request-id", "traceparent", "tracestate", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host",
       "x-forwarded-port", "forwarded", "x-weft-refused"}


def says_that_it_is_empty(case):
    """Then its head goes on as the whole, and whether the service answers before the body that it has no right to comes is open."""
    return any(value.isdigit() and int(value) == 0 for value in case.all(b"content-length"))


def latin1(value):
    return value.decode("latin-1")


@unittest.skipIf(http2.h2 is None, http2.NEEDS)
@unittest.skipUnless(NODE and nginx.PROGRAM, "node or nginx is not installed")
class FromHttp2(http2.Http2Test):
    def setUp(self):
        super().setUp()
        self.recorder = ours.Recorder()
        self.start(self.recorder.serve)
        known = list(ours.known())
        self.cases = known + list(ours.mutations(known, MUTATIONS))
        results = list(zip(self.cases, ours.through(self.connect, self.recorder, self.cases)))
        self.passed = [(case, data[0]) for case, (is_answered, data) in results if is_answered]
        self.cut = [(case, data[0]) for case, (is_answered, data) in results if data and not is_answered]
        more = [case.name for case, (_, data) in results if len(data) > 1]
        self.assertEqual((more, self.recorder.got.get(-1)), ([], None), "more came out than went in")
        print(f"of {len(results)} requests {len(self.passed)} came through, {len(self.cut)} in part")
        self.assertGreater(len(self.passed), len(results) / 10)

    def test_reads_the_same_to_all(self):
        # What follows shows where the message before it ended.
        inputs = [("Q", data + cases.AFTER) for _, data in self.passed]
        by_weft, by_llhttp = compare.drive([WEFT], inputs), compare.drive(NODE_COMMAND, inputs)
        for (case, data), read in zip(self.passed, by_weft):
            self.expect_what_came(case, data, read)
        expect_excepted(self, self.differences(by_weft, by_llhttp))
        self.expect_cut()

    def expect_cut(self):
        """What was refused after its head had gone on reads to nobody as a whole."""
        inputs = [("Q", data) for case, data in self.cut if not says_that_it_is_empty(case)]
        for command in ([WEFT], NODE_COMMAND):
            for (_, data), read in zip(inputs, compare.drive(command, inputs)):
                self.assertNotIn(True, [message["complete"] for message in read["messages"]], f"{data!r}\n{read}")

    def differences(self, by_weft, by_llhttp):
        server = nginx.Nginx()
        self.addCleanup(server.stop)
        mesh.until(server.has_started, "nginx has started")
        head = compare.request_of_nginx(nginx.OWN_FIELDS, nginx.NO_HOST)
        for (case, data), mine, other in zip(self.passed, by_weft, by_llhttp):
            data += cases.AFTER
            yield from compare.differences(case.name, data, "llhttp", mine, other, compare.request_of_llhttp,
                                           compare.content_of_llhttp)
            yield from compare.differences(case.name, data, "nginx", mine, server.read(data), head, compare.content_of_nginx)

    def expect_what_came(self, case, data, read):
        shown = f"{case}\n{data!r}\n{read}"
        self.assertEqual(len(read["messages"]), 2, shown)
        message = read["messages"][0]
        authority = case.all(b":authority") or case.all(b"host")
        self.assertEqual((message["complete"], message["method"], message["target"], message["host"], message["body"]),
                         (True, latin1(case.all(b":method")[0]), latin1(case.all(b":path")[0]), latin1(authority[0]),
                          "" if says_that_it_is_empty(case) else latin1(case.body)), shown)
        came = [[latin1(name), latin1(value)] for name, value in case.fields
                if not name.startswith(b":") and latin1(name).lower() not in OWN]
        went = [[name.lower(), value] for name, value in message["headers"]
                if name.lower() not in OWN and name.lower() != ours.NUMBER]
        self.assertEqual(went, came, shown)
        trailers = [[latin1(name), latin1(value)] for name, value in case.trailers]
        self.assertEqual([[name.lower(), value] for name, value in message["trailers"]], trailers, shown)


if __name__ == "__main__":
    unittest.main()
