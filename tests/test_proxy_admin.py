"""What `weft proxy --config` says of its work: the access log, the metrics, the admin pages."""

import json
import os
import re
import stat
import unittest

import proxies
from proxies import answers, reply, until

TRACE = "0af7651916cd43dd8448eb211c80319c"


def parse_text(line):
    """{key: value} of a line of `key=value`, which must be nothing else."""
    field = r'([a-z_]+)=("(?:[^"\\]|\\.)*"|[^" ]+)'
    if not re.fullmatch(f"{field}(?: {field})*", line):
        raise AssertionError(f"not key=value: {line!r}")
    return {key: re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value
            for key, value in re.findall(field, line)}


class AccessLog(proxies.ProxyTest):
    def lines(self, parse, flags=()):
        """The parsed lines of a few requests, and the addresses of the clients that sent them."""
        def respond(request):
            return None if request.target == "/dies" else reply(b"x" * 1234)
        log = self.file("access.log")
        self.start(answers(respond), flags=[f"--access-log={log}", *flags])
        client = self.connect()
        client.ask('/a?q="quoted"', "POST", f"X-Request-Id: id-1\r\ntraceparent: 00-{TRACE}-b7ad6b7169203331-01\r\n",
                   b"12345")
        client.ask("/dies", "POST")
        malformed = self.connect()
        malformed.send(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
        self.assertEqual(malformed.response().status, 400)
        until(lambda: log.read_text().count("\n") == 3, "three lines are written")
        clients = [f"127.0.0.1:{peer.sock.getsockname()[1]}" for peer in (client, client, malformed)]
        return [parse(line) for line in log.read_text().splitlines()], clients

    def check(self, lines, clients):
        served, died, malformed = ({key: str(value) for key, value in line.items()} for line in lines)
        expected = {"listener": "web", "method": "POST", "host": "shop.example", "path": '/a?q="quoted"',
                    "status": "200", "flags": "-", "bytes_received": "5", "bytes_sent": "1234", "cluster": "app",
                    "client": clients[0], "upstream": self.app.address, "attempts": "1", "request_id": "id-1",
                    "trace_id": TRACE}
        self.assertEqual(served, served | expected)
        self.assertNotIn("reason", served)
        self.assertRegex(served["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")
        self.assertLess(int(served["duration_us"]), proxies.LIMIT * 1e6)
        expected = {"path": "/dies", "status": "503", "flags": "UC", "client": clients[1],
                    "reason": "the service read the request and closed the connection without an answer"}
        self.assertEqual(died, died | expected)
        expected = {"method": "-", "status": "400", "flags": "DPE", "client": clients[2], "attempts": "0"}
        self.assertEqual(malformed, malformed | expected)
        self.assertIn("reason", malformed)

    def test_text(self):
        self.check(*self.lines(parse_text))

    def test_json(self):
        self.check(*self.lines(json.loads, ["--access-log-format=json"]))

    def test_to_stderr(self):
        self.start(answers(lambda request: reply()), flags=["--access-log=-"])
        self.connect().ask("/here")
        until(lambda: "path=/here" in self.weft.stderr(), "the line is written")

    def test_opaque(self):
        log = self.file("access.log")
        self.start(lambda peer: peer.send(peer.rest() * 2), "tcp", flags=[f"--access-log={log}"])
        client = self.connect()
        client.send(b"twice")
        client.end()
        self.assertEqual(client.rest(), b"twicetwice")
        until(lambda: log.read_text().count("\n") == 1, "the line is written")
        line = parse_text(log.read_text().rstrip("\n"))
        expected = {"listener": "web", "flags": "-", "bytes_received": "5", "bytes_sent": "10", "cluster": "app",
                    "upstream": self.app.address, "attempts": "1"}
        self.assertEqual(line, line | expected)
        self.assertNotIn("method", line)

    def test_opaque_to_a_dead_endpoint(self):
        log, dead = self.file("access.log"), f"127.0.0.1:{proxies.free_port()}"
        self.port = proxies.free_port()
        self.weft = self.proxy(proxies.config(self.port, [dead], "tcp"), flags=[f"--access-log={log}"])
        self.assertEqual(self.connect().rest(), b"")
        until(lambda: log.read_text().count("\n") == 1, "the line is written")
        line = parse_text(log.read_text().rstrip("\n"))
        self.assertEqual(line, line | {"flags": "UF", "upstream": dead, "attempts": "1"})

    def test_a_line_for_each_request(self):
        log = self.file("access.log")
        self.start(answers(lambda request: reply()), flags=[f"--access-log={log}"], workers=2)
        for client in [self.connect() for _ in range(10)]:
            for i in range(100):
                client.ask(f"/{i}")
        self.assertEqual(self.weft.stop(), 0)
        paths = sorted(parse_text(line)["path"] for line in log.read_text().splitlines())
        self.assertEqual(paths, sorted(f"/{i}" for i in range(100) for _ in range(10)))


class Metrics(proxies.ProxyTest):
    def test_requests_are_counted(self):
        def respond(request):
            status = request.target[1:]
            return reply(status=f"{status} -") if status != "dies" else None
        self.start(answers(respond), workers=2)
        wanted = {"200": 30, "404": 5, "500": 3}
        for client in [self.connect(), self.connect()]:
            for status, count in wanted.items():
                for _ in range(count):
                    self.assertEqual(client.ask(f"/{status}").status, int(status))
        self.assertEqual(self.connect().ask("/dies", "POST").status, 503)
        for status, count in wanted.items():
            self.assertEqual(self.weft.metric("istio_requests_total", response_code=status, response_flags="-"),
                             2 * count)
        self.assertEqual(self.weft.metric("istio_requests_total", response_code="503", response_flags="UC"), 1)
        total = 2 * sum(wanted.values()) + 1
        self.assertEqual(self.weft.metric("istio_requests_total"), total)
        self.assertEqual(self.weft.metric("istio_request_duration_milliseconds_count"), total)
        self.assertEqual(self.weft.metric("istio_request_duration_milliseconds_bucket", le="+Inf"), total)
        self.assertEqual(self.weft.metric("weft_downstream_connections_total"), 3)
        self.assertEqual(self.weft.metric("weft_refused_total"), 1)
        self.assertEqual(self.weft.metric("weft_retries_total"), 0)

    def test_buckets_grow(self):
        self.start(answers(lambda request: reply()))
        client = self.connect()
        for _ in range(10):
            client.ask()
        buckets = [(float(dict(labels)["le"]), value) for (name, labels), value in self.weft.metrics().items()
                   if name == "istio_request_duration_milliseconds_bucket"]
        self.assertGreater(len(buckets), 5)
        self.assertEqual([value for _, value in sorted(buckets)], sorted(value for _, value in buckets))

    def test_what_is_there_now(self):
        self.start(answers(lambda request: reply()))
        clients = [self.connect() for _ in range(5)]
        for client in clients:
            client.ask()
        self.assertEqual(self.weft.metric("weft_downstream_connections_active"), 5)
        self.assertEqual(self.weft.metric("weft_upstream_connections_active"), self.app.accepted)
        self.assertEqual(self.weft.metric("weft_requests_active"), 0)
        for client in clients:
            client.close()
        until(self.weft.rests, "the clients are gone")


class Admin(proxies.ProxyTest):
    def check_pages(self):
        ready = self.weft.page("/ready")
        self.assertEqual((ready.status, ready.body), (200, b"ready\n"))
        self.connect().ask()
        dump = json.loads(self.weft.page("/config_dump").body)
        self.assertIn(self.app.address, json.dumps(dump))
        # Where the proxy's own limit holds none is shown.
        self.assertNotIn('"idleTimeout": "0s"', json.dumps(dump))
        endpoint, = json.loads(self.weft.page("/clusters").body)["endpoints"]
        self.assertEqual((endpoint["cluster"], endpoint["address"]), ("app", self.app.address))
        self.assertEqual((endpoint["requests"], endpoint["connections"], endpoint["activeRequests"]), (1, 1, 0))
        listener, = json.loads(self.weft.page("/listeners").body)["listeners"]
        self.assertEqual((listener["name"], listener["address"]), ("web", f"127.0.0.1:{self.port}"))
        memory = json.loads(self.weft.page("/memory").body)
        self.assertAlmostEqual(memory["residentBytes"] / 1024, proxies.rss_kib(self.weft.pid), delta=4096)
        self.assertTrue(self.weft.page("/stats/prometheus").get("content-type").startswith("text/plain; version="))
        self.assertEqual(self.weft.page("/logging?level=debug", "POST").status, 200)
        self.assertEqual(self.weft.page("/logging?level=loud", "POST").status, 400)
        self.assertEqual(self.weft.page("/drain").status, 405)
        self.assertEqual(self.weft.page("/nothing").status, 404)

    def test_unix_socket(self):
        self.start(answers(lambda request: reply()))
        self.check_pages()
        socket = os.stat(self.weft.folder / "admin.sock")
        self.assertTrue(stat.S_ISSOCK(socket.st_mode))
        self.assertEqual(stat.S_IMODE(socket.st_mode), 0o600)
        self.assertEqual(self.weft.stop(), 0)
        self.assertFalse((self.weft.folder / "admin.sock").exists(), "it leaves no file behind")

    def test_loopback(self):
        self.start(answers(lambda request: reply()), admin=f"127.0.0.1:{proxies.free_port()}")
        self.check_pages()

    def test_other_addresses_are_refused(self):
        weft = proxies.Proxy(proxies.config(proxies.free_port(), ["127.0.0.1:1"]), admin="0.0.0.0:0")
        self.addCleanup(weft.remove)
        self.assertEqual(weft.process.wait(proxies.LIMIT), 2)
        self.assertIn("open to other machines", weft.stderr())

    def test_drain(self):
        self.start(answers(lambda request: reply()))
        self.assertEqual(self.weft.page("/drain", "POST").status, 200)
        self.assertEqual(self.weft.process.wait(proxies.LIMIT), 0)


if __name__ == "__main__":
    unittest.main()
