"""What a connection speaks, found out by `weft proxy --config`: real servers of protocols in which either side speaks
first on one kind of listener, TLS passed through by its server name, and the PROXY protocol with HAProxy and nginx."""

import contextlib
import getpass
import http.server
import pathlib
import random
import re
import smtplib
import socket
import ssl
import subprocess
import unittest

import proxies
from peers import PeerTest, needs
from proxies import answers, free_port, reply, until

try:
    from aiosmtpd.controller import Controller as SmtpServer
except ImportError:
    SmtpServer = None


class Detection(PeerTest):
    def listen_for_anything(self, port):
        self.listen({"protocol": "auto", "cluster": "app"},
                    {"name": "app", "protocol": "auto", "endpoints": [f"127.0.0.1:{port}"]})

    @needs("mariadbd", "mariadb")
    def test_mysql(self):
        port = free_port()
        folder = self.file("data")
        folder.mkdir()
        self.run_server(port, "mariadbd", "--no-defaults", f"--datadir={folder}", "--skip-grant-tables",
                        "--skip-innodb", "--default-storage-engine=MyISAM", "--bind-address=127.0.0.1",
                        f"--port={port}", f"--socket={folder}/sock", f"--pid-file={folder}/pid",
                        f"--user={getpass.getuser()}")
        self.listen_for_anything(port)
        answer = subprocess.run(["mariadb", "--no-defaults", "--protocol=tcp", "-h127.0.0.1", f"-P{self.port}",
                                 "-N", "-e", "select 6 * 7"], capture_output=True, text=True, timeout=proxies.LIMIT)
        self.assertEqual((answer.returncode, answer.stdout.strip()), (0, "42"), answer.stderr)
        self.assertEqual(self.weft.metric("istio_tcp_connections_opened_total"), 1)

    @unittest.skipIf(SmtpServer is None, "needs the package of tests/requirements.txt, which `./dev test` installs")
    def test_smtp(self):
        letters = []

        class Handler:
            async def handle_DATA(self, _server, _session, envelope):
                letters.append((envelope.mail_from, envelope.rcpt_tos, envelope.content))
                return "250 taken"
        port = free_port()
        server = SmtpServer(Handler(), hostname="127.0.0.1", port=port)
        server.start()
        self.addCleanup(server.stop)
        self.listen_for_anything(port)
        with smtplib.SMTP("127.0.0.1", self.port, timeout=proxies.LIMIT) as client:
            client.sendmail("a@shop.example", ["b@shop.example"], "Subject: hello\r\n\r\nGET / HTTP/1.1\r\n")
        self.assertEqual(letters, [("a@shop.example", ["b@shop.example"],
                                    b"Subject: hello\r\n\r\nGET / HTTP/1.1\r\n")])

    @needs("redis-server", "redis-cli")
    def test_redis(self):
        port = free_port()
        self.run_server(port, "redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "",
                        "--dir", self.file("x").parent)
        self.listen_for_anything(port)
        answer = subprocess.run(["redis-cli", "-p", str(self.port), "set", "get", "/"], capture_output=True,
                                text=True, timeout=proxies.LIMIT)
        self.assertEqual(answer.stdout.strip(), "OK")
        peer = self.connect()
        peer.send(b"get get\r\n")
        self.assertEqual(peer.receive_until(b"/\r\n"), b"$1\r\n/\r\n")

    def test_http(self):
        app = self.backend(answers(lambda request: reply(request.target.encode())))
        self.listen_for_anything(app.address.split(":")[1])
        self.assertEqual(self.curl(self.url("/a"), self.url("/b")), b"/a/b")
        before = app.accepted
        late = self.connect()
        until(lambda: app.accepted > before, "the service is asked for a first word")
        self.assertEqual(late.ask("/late").body, b"/late")
        self.assertEqual(self.weft.metric("istio_requests_total", request_protocol="http"), 3)
        self.assertEqual(self.weft.metric("istio_tcp_connections_opened_total"), 0)

    def test_a_connection_in_reserve(self):
        """A browser opens one before it needs it; a service that serves one at a time is not held up for long."""
        accepted = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def setup(self):
                super().setup()
                accepted.append(self.client_address)

            def do_GET(self):
                self.send_response(200)
                self.end_headers()
                self.wfile.write(self.path.encode())

            def log_message(self, *_):
                pass
        server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        proxies.beside(server.serve_forever)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.listen_for_anything(server.server_address[1])
        reserve = self.connect()
        until(lambda: accepted, "the service is asked for a first word")
        self.assertEqual(self.curl(self.url("/now")), b"/now")
        self.assertEqual(reserve.ask("/late").body, b"/late")

    def test_http_is_never_passed_on_as_bytes(self):
        heard = []

        def serve(peer):
            while peer.more():
                heard.append(peer.buffer)
        app = self.backend(serve)
        self.listen_for_anything(app.address.split(":")[1])
        for text in (b"get /x\r\n\r\n", b"\r\n\r\nGET / HTTP/1.0 \r\n\r\n", b"GET\x0b/\x0bHTTP/1.1\n\n",
                     b"GET http://a/ HTTP/1.1\r\n\r\n", b"\tGET / HTTP/1.1\r\nHost: a\r\n\r\n",
                     b"X shop http/1.1\n\n", b"PROXY TCP4 1.2.3.4 1.2.3.4 1 1\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
                     b"PRI * HTTP/2.0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", b"y" * 8192):
            for size in (1, len(text)):
                with self.subTest(text=text[:40], size=size):
                    peer = self.connect()
                    with contextlib.suppress(ConnectionError):
                        for at in range(0, len(text), size):
                            peer.send(text[at:at + size])
                        peer.end()
                    with contextlib.suppress(ConnectionError):
                        answer = peer.rest()
                        self.assertTrue(not answer or answer.startswith(b"HTTP/1.1 4") or
                                        answer.startswith(b"HTTP/1.1 5"), answer)
        until(self.weft.rests, "all connections have ended")
        self.assertEqual(heard, [])

    def test_a_lenient_server_gets_no_request_as_bytes(self):
        """Python's http.server takes what no other does; what it takes must have come by way of our HTTP."""
        smuggled = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def parse_request(self):
                is_request = super().parse_request()
                is_token = re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{2,}", self.command or "")
                if is_request and is_token and "x-request-id" not in self.headers:
                    smuggled.append(self.raw_requestline)
                return is_request

            def log_message(self, *_):
                pass
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        proxies.beside(server.serve_forever)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.listen_for_anything(server.server_address[1])
        chance = random.Random(20261127)
        parts = ((b"", b"", b"\r\n", b"\n", b" "),
                 (b"GET", b"get", b"POST", b"XY", b"PRI", b"!!", b"GET\x1c"),
                 blanks := (b" ", b"\t", b"\x0b", b"\xa0", b"\x85", b"  ", b"\r"),
                 (b"/", b"/a", b"a", b"*", b"http://a/", b"\x01", b"?", b""),
                 blanks,
                 (b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"http/1.1", b"HTTP/0.9", b""),
                 (b"\r\n", b"\n", b" \r\n", b"\r"))
        for _ in range(400):
            text = b"".join(map(chance.choice, parts))
            if chance.random() < 0.5:
                at = chance.randrange(len(text))
                text = text[:at] + bytes([chance.choice(b"\0\1\t\n\r\x1c /:A\x7f\xa0\xff")]) + text[at:]
            peer = self.connect()
            with contextlib.suppress(ConnectionError):
                peer.send(text, b"Host: a\r\n\r\n")
                peer.end()
                peer.rest()
            peer.close()
        self.assertEqual(smuggled, [])

    def test_bulk_of_a_server_that_speaks_first(self):
        piece = bytes(range(256)) * 4096

        def serve(peer):
            peer.send(piece)
            peer.send(peer.receive(len(piece)))
        app = self.backend(serve)
        self.listen_for_anything(app.address.split(":")[1])
        peer = self.connect()
        self.assertEqual(peer.receive(len(piece)), piece)
        peer.send(piece)
        self.assertEqual(peer.receive(len(piece)), piece)
        self.assertTrue(peer.is_at_end())


@needs("openssl")
class Passthrough(PeerTest):
    def certificate(self, name):
        folder = self.file(name).parent
        key, certificate = folder / "key.pem", folder / "cert.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-keyout", key, "-out", certificate, "-subj", f"/CN={name}", "-days", "1"],
                       check=True, capture_output=True)
        return key, certificate

    def server(self, name):
        """openssl s_server with a certificate of that name; its port."""
        port = free_port()
        key, certificate = self.certificate(name)
        self.run_server(port, "openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-key", key, "-cert", certificate,
                        "-alpn", "h2,http/1.1", "-www", "-quiet")
        return port

    def setUp(self):
        super().setUp()
        self.listen({"protocol": "tls", "sni": [{"hosts": ["shop.example", "*.shop.example"], "cluster": "shop"},
                                                {"hosts": ["mail.example"], "cluster": "mail"}]},
                    *({"name": name, "protocol": "tcp", "endpoints": [f"127.0.0.1:{self.server(name)}"]}
                      for name in ("shop", "mail")))

    def served_by(self, name):
        """Whose certificate a client gets who asks for that name."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_alpn_protocols(["h2"])
        with self.connect() as peer, context.wrap_socket(peer.sock, server_hostname=name) as tls:
            self.assertEqual(tls.selected_alpn_protocol(), "h2")
            der = tls.getpeercert(binary_form=True)
        return "shop" if b"shop" in der else "mail"

    def test_by_server_name(self):
        for name, expected in (("shop.example", "shop"), ("Shop.Example", "shop"), ("a.b.shop.example", "shop"),
                               ("mail.example", "mail")):
            with self.subTest(name=name):
                self.assertEqual(self.served_by(name), expected)
        entry = self.logged(4)[3]
        self.assertEqual((entry["host"], entry["cluster"], entry["flags"]), ("mail.example", "mail", "-"))

    def test_openssl_as_a_client(self):
        # Records of 512 bytes: the ClientHello comes in several.
        done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{self.port}", "-servername", "mail.example",
                               "-max_send_frag", "512", "-alpn", ",".join(["x" * 200] * 5 + ["h2"])],
                              input=b"", capture_output=True, timeout=proxies.LIMIT)
        self.assertIn(b"CN = mail", done.stdout)

    def test_what_nobody_takes(self):
        for name in ("other.example", None):
            with self.subTest(name=name), self.assertRaises(ssl.SSLError) as refused:
                self.served_by(name)
            self.assertIn("UNRECOGNIZED_NAME", str(refused.exception).upper().replace(" ", "_"))
        plain = self.connect()
        plain.send(b"GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n")
        self.assertTrue(plain.is_at_end())
        self.assertEqual([(entry.get("host"), entry["flags"], entry["reason"]) for entry in self.logged(3)],
                         [("other.example", "NR", "nothing takes this server name: other.example"),
                          (None, "NR", "the client asks for no server name, and no host is *"),
                          (None, "DPE", "the client speaks no TLS")])
        self.assertEqual(self.weft.metric("weft_refused_total"), 3)


class ProxyProtocol(PeerTest):
    CLIENT = "127.0.0.2"

    def ask(self, port, path="/"):
        """What is answered to a request of CLIENT's."""
        return self.curl("--interface", self.CLIENT, f"http://127.0.0.1:{port}{path}").decode()

    def haproxy(self, port, *lines):
        file = self.file("haproxy.cfg")
        file.write_text("defaults\n timeout connect 5s\n timeout client 5s\n timeout server 5s\n" +
                        "".join(line + "\n" for line in lines))
        self.run_server(port, "haproxy", "-db", "-q", "-f", file)

    @needs("haproxy")
    def test_from_haproxy(self):
        for protocol in ("http", "auto"):
            self.backend(answers(lambda request: reply(request.get("x-forwarded-for").encode())))
            self.listen({"protocol": protocol, "cluster": "app", "proxyProtocol": True},
                        {"name": "app", "protocol": "auto", "endpoints": [self.backends[-1].address]})
            for count, send in enumerate(("send-proxy", "send-proxy-v2", "send-proxy-v2 proxy-v2-options crc32c,unique-id"), 1):
                with self.subTest(protocol=protocol, send=send):
                    port = free_port()
                    self.haproxy(port, "listen l", " mode tcp", f" bind 127.0.0.1:{port}",
                                 f" server s 127.0.0.1:{self.port} {send}")
                    self.assertEqual(self.ask(port), self.CLIENT)
                    # Others are of who looked whether HAProxy listens.
                    until(lambda: sum(entry["client"].startswith(self.CLIENT + ":") for entry in self.logged(1)) == count,
                          "the log has whom the header names")

    @needs("haproxy")
    def test_to_haproxy(self):
        port = free_port()
        self.haproxy(port, "frontend f", " mode http", f" bind 127.0.0.1:{port} accept-proxy",
                     ' http-request return status 200 content-type text/plain lf-string "%[src] %[dst_port]"')
        self.carry_to(port, "/")

    @needs("nginx")
    def test_to_nginx(self):
        port = free_port()
        file = self.file("nginx.conf")
        folder = pathlib.Path(file).parent
        paths = "".join(f"{kind}_temp_path {folder}/t; " for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        file.write_text(f"daemon off; master_process off; pid {folder}/pid; error_log stderr; events {{}}\n"
                        f"http {{ access_log off; {paths} server {{ listen 127.0.0.1:{port} proxy_protocol;\n"
                        'location / { return 200 "$proxy_protocol_addr $proxy_protocol_server_port"; } } }\n')
        self.run_server(port, "nginx", "-e", "stderr", "-c", file)
        self.carry_to(port, "/")

    def carry_to(self, port, path):
        """The server there must be told of CLIENT and of our listener's port."""
        for version in ("v1", "v2"):
            with self.subTest(version=version):
                self.listen({"protocol": "tcp", "cluster": "app"},
                            {"name": "app", "protocol": "tcp", "proxyProtocol": version,
                             "endpoints": [f"127.0.0.1:{port}"]})
                self.assertEqual(self.ask(self.port, path), f"{self.CLIENT} {self.port}")

    def test_without_a_header_nothing_is_served(self):
        app = self.backend(answers(lambda request: reply()))
        self.listen({"cluster": "app", "proxyProtocol": True}, {"name": "app", "endpoints": [app.address]})
        peer = self.connect()
        peer.send(b"GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n")
        self.assertTrue(peer.is_at_end())
        entry = self.logged(1)[0]
        self.assertEqual((entry["flags"], entry["reason"]), ("DPE", "no PROXY header"))
        self.assertEqual(self.weft.metric("weft_protocol_errors_total"), 1)
        self.assertEqual(app.accepted, 0)


if __name__ == "__main__":
    unittest.main()
