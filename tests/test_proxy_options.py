"""What the config file's and the command's options do, one by one."""

import signal
import subprocess
import unittest

import proxies
from proxies import answers, config, reply, until


class Options(proxies.ProxyTest):
    def start_with(self, serve, listener=(), cluster=(), protocol="http", flags=()):
        """A proxy with these further fields in its one listener and its one cluster."""
        self.app = self.backend(serve)
        self.port = proxies.free_port()
        file = config(self.port, [self.app.address], protocol)
        file["listeners"][0].update(listener)
        if "routes" in listener:
            del file["listeners"][0]["cluster"]
        file["clusters"][0].update(cluster)
        self.weft = self.proxy(file, flags=flags)

    def ask_in_turn(self, count):
        with self.connect() as client:
            for _ in range(count):
                self.assertEqual(client.ask().status, 200)

    def test_connect_opens_a_tunnel(self):
        heads = []

        def serve(peer):
            head = peer.request_head()
            heads.append((head.method, head.target, head.get("host")))
            peer.send(b"HTTP/1.1 200 Connected\r\nContent-Length: 7\r\n\r\nhello ")
            peer.send(peer.receive(5))
            peer.end()
        self.start_with(serve, {"connect": True})
        client = self.connect()
        client.send(b"CONNECT db.example:5432 HTTP/1.1\r\nHost: db.example:5432\r\n\r\nwo")
        head = client.response_head()
        self.assertEqual((head.status, head.get("content-length"), head.get("connection")), (200, None, None))
        client.send(b"rld")
        self.assertEqual(client.rest(), b"hello world")
        self.assertEqual(heads, [("CONNECT", "db.example:5432", "db.example:5432")])

    def test_connect_that_the_service_refuses(self):
        self.start_with(answers(lambda request: reply(b"no", "403 Forbidden")), {"connect": True})
        client = self.connect()
        client.send(b"CONNECT db.example:5432 HTTP/1.1\r\nHost: db.example:5432\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n")
        response = client.response()
        self.assertEqual((response.status, response.body, response.get("connection")), (403, b"no", "close"))
        self.assertTrue(client.is_at_end())

    def test_connect_is_refused_by_default(self):
        self.start_with(answers(lambda request: reply()))
        client = self.connect()
        client.send(b"CONNECT db.example:5432 HTTP/1.1\r\nHost: db.example:5432\r\n\r\n")
        self.assertEqual(client.response().status, 405)
        self.assertEqual(self.app.accepted, 0)

    def test_trace_is_refused(self):
        self.start_with(answers(lambda request: reply()), {"connect": True})
        response = self.connect().ask(method="TRACE")
        self.assertEqual((response.status, response.get("allow")),
                         (405, "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, CONNECT"))
        self.assertEqual(self.app.accepted, 0)

    def test_what_trusted_proxies_say(self):
        heads = []
        self.start_with(answers(lambda request: heads.append(request) or reply()), {"trustedHops": 1})
        self.connect().ask(fields="X-Forwarded-Proto: https\r\nX-Forwarded-For: 6.6.6.6, 1.2.3.4\r\n")
        self.assertEqual(heads[0].all("x-forwarded-proto"), ["https"])
        self.assertEqual(heads[0].all("x-forwarded-for"), ["6.6.6.6, 1.2.3.4, 127.0.0.1"])

    def test_hosts_by_wildcard(self):
        routes = [{"hosts": hosts, "cluster": "app", **path} for hosts, path in
                  ((["a.example.com", "*.example.com"], {"path": "/one"}), (["*.b.example.com"], {"path": "/two"}),
                   (["shop.*"], {"path": "/three"}))]
        self.start_with(answers(lambda request: reply()), {"routes": routes})
        client = self.connect()
        for host, path in (("a.example.com", "/one"), ("X.Example.com.:8080", "/one"), ("x.b.example.com", "/two"),
                           ("shop.org:", "/three")):
            for target in ("/one", "/two", "/three"):
                client.send(f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
                self.assertEqual(client.response().status, 200 if target == path else 404, (host, target))
        client.send(b"GET /one HTTP/1.1\r\nHost: example.com\r\n\r\n")
        self.assertEqual(client.response().status, 404)

    def test_requests_of_one_connection(self):
        self.start_with(answers(lambda request: reply()), cluster={"maxRequestsPerConnection": 2})
        self.ask_in_turn(5)
        self.assertEqual(self.app.accepted, 3)

    def test_age_of_a_connection(self):
        self.start_with(answers(lambda request: reply()), cluster={"maxConnectionAge": "1ms"})
        self.ask_in_turn(2)

        def is_replaced():
            self.ask_in_turn(2)
            return self.app.accepted > 2
        until(is_replaced, "an old connection is replaced")

    def test_rest_of_a_pooled_connection(self):
        self.start_with(answers(lambda request: reply()), cluster={"idleTimeout": "1s"})
        self.ask_in_turn(1)
        self.assertEqual(len(self.app.open), 1)
        until(lambda: not self.app.open, "it is closed")

    def test_rest_of_a_client(self):
        self.start_with(answers(lambda request: reply()), {"idleTimeout": "200ms"})
        client = self.connect()
        self.assertEqual(client.ask().status, 200)
        self.assertTrue(client.is_at_end())

    def test_rest_of_an_opaque_connection(self):
        def serve(peer):
            peer.send(peer.receive(4))
            peer.rest()
        self.start_with(serve, {"idleTimeout": "200ms"}, protocol="tcp")
        client = self.connect()
        client.send(b"ping")
        self.assertEqual(client.receive(4), b"ping")
        self.assertTrue(client.is_at_end())
        until(lambda: not self.app.open, "the other side ends too")

    def test_sample_of_the_access_log(self):
        log = self.file("access.log")
        self.start_with(answers(lambda request: None if request.target == "/bad" else reply()),
                        flags=[f"--access-log={log}", "--access-log-sample=0"])
        self.ask_in_turn(3)
        with self.connect() as client:
            self.assertEqual(client.ask("/bad").status, 503)
        self.weft.stop()
        with open(log, encoding="utf-8") as lines:
            self.assertEqual(["path=/bad" in line for line in lines], [True])

    def test_size_of_the_access_log(self):
        log, most = self.file("access.log"), 64 << 10
        self.start_with(answers(lambda request: reply()), flags=[f"--access-log={log}", "--access-log-max-size=64Ki"])
        older = log.with_name("access.log.1")
        until(lambda: self.ask_in_turn(50) or older.exists(), "a new file begins")
        one_batch = 40 << 10  # what a worker hands over at once
        self.assertTrue(most <= older.stat().st_size <= most + one_batch)
        self.assertLess(log.stat().st_size, most)
        self.assertEqual(self.weft.metric("weft_access_log_dropped_total"), 0)

    def test_access_log_at_a_link(self):
        log, link = self.file("access.log"), self.file("link")
        link.symlink_to(log)
        self.start_with(answers(lambda request: reply()), flags=[f"--access-log={link}", "--access-log-max-size=4Ki"])
        until(lambda: self.ask_in_turn(50) or log.stat().st_size > 8 << 10, "it is beyond the limit")
        self.assertTrue(link.is_symlink())
        self.assertFalse(link.with_name("link.1").is_symlink())

    def test_access_log_that_others_move(self):
        log = self.file("access.log")
        self.start_with(answers(lambda request: reply()), flags=[f"--access-log={log}"])
        log.rename(log.with_name("moved"))
        self.weft.process.send_signal(signal.SIGHUP)
        until(log.exists, "it is opened anew")
        self.ask_in_turn(1)
        until(lambda: "status=200" in log.read_text(), "lines come to the new one")
        log.unlink()
        log.mkdir()
        self.weft.process.send_signal(signal.SIGHUP)
        until(lambda: "cannot open the access log" in self.weft.stderr(), "what cannot be opened anew is said")

    def test_bad_size_of_the_access_log(self):
        for size in ("0", "-1", "big", "64MB", "1e30"):
            done = subprocess.run([proxies.mesh.BUILD / "bin" / "weft", "proxy", "--config=none", "--access-log=none/x",
                                   f"--access-log-max-size={size}"], capture_output=True, timeout=proxies.LIMIT)
            self.assertEqual(done.returncode, 2)
            self.assertIn(f"--access-log-max-size={size} is no size".encode(), done.stderr)

    def refused(self, *flags):
        """What a proxy that does not start with these flags says, and its exit code."""
        done = subprocess.run([proxies.mesh.BUILD / "bin" / "weft", "proxy", *flags], capture_output=True, text=True,
                              timeout=proxies.LIMIT, check=False)
        self.assertIn("  do: ", done.stderr)
        return done.stderr, done.returncode

    def test_flags_that_would_do_nothing(self):
        for flags in (["--config=none", "--access-log-max-size=1Mi"], ["--config=none", "--access-log-format=json"],
                      ["--config=none", "--access-log-sample=0.5"], ["--admin=127.0.0.1:0"], ["--drain-timeout=1s"],
                      ["--config=none", "--access-log=-", "--access-log-max-size=1Mi"]):
            said, code = self.refused(*flags)
            self.assertEqual(code, 2, flags)
            self.assertIn(" does nothing without ", said)

    def test_access_log_that_cannot_be_opened(self):
        for path in (self.file("none") / "access.log", self.file(".")):
            said, code = self.refused("--config=none", f"--access-log={path}")
            self.assertEqual(code, 1, said)
            self.assertIn(f"where: {path}", said)

    def test_address_that_another_has(self):
        taken = self.backend(answers(lambda request: reply())).address
        file = self.file("taken.yaml")
        file.write_text("version: 1\nlisteners:\n- {address: \"%s\", cluster: a, name: web}\n"
                        "clusters:\n- {name: a, endpoints: []}\n" % taken)
        said, code = self.refused("--config", file)
        self.assertEqual(code, 1, said)
        for words in (f"listener web cannot listen on {taken}", f"where: {file}:3\n", "`ss -tnlp`"):
            self.assertIn(words, said)

    def test_stats_by_name(self):
        self.start_with(answers(lambda request: reply()))
        self.ask_in_turn(2)
        lines = self.weft.page("/stats?filter=weft_downstream").body.decode().splitlines()
        self.assertIn("weft_downstream_connections_total 1", lines)
        self.assertEqual([line for line in lines if not line.startswith("weft_downstream")], [])


if __name__ == "__main__":
    unittest.main()
