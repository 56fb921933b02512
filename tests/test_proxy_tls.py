"""`weft proxy --config` with TLS: at its listeners, and to its clusters."""

import contextlib
import signal
import ssl
import subprocess
import threading
import unittest
import warnings

import certificates
import http2
import proxies
from proxies import answers, reply, until
from tls import NAME, VERSIONS, TlsTest, echo, echoed, line_of, seen, wrapped


class ByHand:
    """A client of TLS over `raw`, whose records go there by `send`."""

    def __init__(self, raw, context, send):
        self.raw, self.send, self.incoming, self.outgoing = raw, send, ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname=NAME)

    def flush(self):
        self.send(self.outgoing.read())

    def until_done(self, step):
        while True:
            try:
                return step()
            except ssl.SSLWantReadError:
                self.flush()
                if not self.raw.more():
                    raise proxies.Cut
                self.incoming.write(self.raw.buffer)
                self.raw.buffer = b""
            finally:
                self.flush()


class Listeners(TlsTest):
    def test_versions_and_protocols(self):
        requests = []
        self.run_tls(seen(requests), listener_tls=self.at_listener())
        for version in VERSIONS:
            for alpn, agreed in ((("http/1.1",), "http/1.1"), ((), None), (("x", "http/1.1"), "http/1.1")):
                with self.subTest(version, alpn=alpn):
                    peer = self.secure(self.context(alpn=alpn, version=version))
                    self.assertEqual((peer.sock.version(), peer.sock.selected_alpn_protocol()), (version, agreed))
                    self.assertEqual(peer.ask("/a").body, b"/a")
                    self.assertEqual(peer.ask("/b").body, b"/b")
                    self.assertEqual(requests[-1].get("x-forwarded-proto"), "https")
        for sort in ("--http2", "--http1.1"):
            printed = self.curl(sort, "--cacert", self.ca.certificate, "--resolve", f"{NAME}:{self.port}:127.0.0.1",
                                "--write-out", " %{http_version}", f"https://{NAME}:{self.port}/c")
            self.assertEqual(printed, b"/c 2" if sort == "--http2" else b"/c 1.1")
            self.assertEqual(requests[-1].get("x-forwarded-proto"), "https")
        self.assertEqual(self.weft.metric("weft_tls_handshakes_total", side="downstream"), 8)
        self.assertEqual(self.failures(), 0)

    def test_what_is_too_old_or_speaks_something_else(self):
        self.run_tls(answers(lambda request: reply()), listener_tls=self.at_listener())
        old = self.context()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
        old.set_ciphers("ALL:@SECLEVEL=0")
        self.assertTrue(self.fails(old))
        self.assertTrue(self.fails(self.context(alpn=["imap"])))
        until(lambda: self.failures(reason="protocol") == 2, "both are counted")
        for first in (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"\r\n\r\n\r\n\r\n", bytes(64), b"\x16\x03\x01\xff\xff" + bytes(64)):
            peer = self.connect()
            peer.send(first)
            with contextlib.suppress(ConnectionError):
                peer.rest()
        until(lambda: self.failures() == 6, "all are counted")
        self.is_logged("flags=DPE", "TLS:")
        self.assertEqual(self.secure().ask().status, 200)

    def test_who_speaks_it_where_there_is_none_is_told_of(self):
        self.run_tls(answers(lambda request: reply()))
        self.assertTrue(self.fails(self.context()))
        self.is_logged("flags=DPE", "the client speaks TLS; this listener has none")

    def test_client_certificates(self):
        other = certificates.authority(self.folder, "other")
        requests = []
        self.run_tls(seen(requests), listener_tls=self.at_listener(client_ca=self.ca))
        for version in VERSIONS:
            with self.subTest(version):
                good = self.secure(self.context(own=self.leaf("me", client=True), version=version))
                self.assertEqual(good.ask("/me").body, b"/me")
                behind = self.leaf("behind", client=True, intermediate="middle")
                self.assertEqual(self.secure(self.context(own=behind, version=version)).ask("/b").body, b"/b")
                for own in (None, self.leaf("wrong", ca=other, client=True), self.leaf("old", client=True, not_before=-9, days=5),
                            self.leaf("early", client=True, not_before=5, days=9), self.leaf("server")):
                    self.assertTrue(self.fails(self.context(own=own, version=version)), own)
        until(lambda: self.failures(reason="certificate") == 10, "all are counted")
        self.assertEqual(len(requests), 4)
        self.is_logged("flags=DPE", "expired")

    def test_who_does_not_trust_the_proxy(self):
        self.run_tls(answers(lambda request: reply()), listener_tls=self.at_listener())
        other = certificates.authority(self.folder, "other")
        for context, name in ((self.context(ca=other), NAME), (self.context(), "wrong.example")):
            with self.assertRaises(ssl.SSLCertVerificationError):
                self.secure(context, name)
        until(lambda: self.failures() == 2, "both are counted")
        self.assertEqual(self.failures(reason="refused"), 2)

    def test_an_opaque_protocol(self):
        self.run_tls(echo, protocol="tcp", listener_tls=self.at_listener())
        peer = self.secure(self.context(alpn=["whatever"]))
        self.assertIsNone(peer.sock.selected_alpn_protocol())
        body = http2.pattern(1_000_000)
        self.assertEqual(echoed(peer, body), body)

    def test_an_opaque_end_is_passed_on_both_ways(self):
        self.run_tls(lambda peer: peer.send(peer.rest() + b" and done"), protocol="tcp", listener_tls=self.at_listener())
        done = subprocess.run(["openssl", "s_client", "-quiet", "-verify_quiet", "-no_ign_eof", "-connect", f"127.0.0.1:{self.port}",
                               "-CAfile", self.ca.certificate], input=b"begun", capture_output=True, timeout=proxies.LIMIT)
        self.assertEqual(done.returncode, 0, done.stderr)
        until(self.weft.rests, "it is over")
        self.assertEqual(self.lines("flags=DC"), [])

    def test_an_opaque_end_that_reaches_nobody(self):
        """The client says goodbye and is gone before the service ends."""
        heard, gone = threading.Event(), threading.Event()

        def serve(peer):
            peer.rest()
            heard.set()
            gone.wait(proxies.LIMIT)
        self.run_tls(serve, protocol="tcp", listener_tls=self.at_listener())
        peer = self.secure()
        peer.sock.setblocking(False)
        with contextlib.suppress(ssl.SSLWantReadError):
            peer.sock.unwrap()
        self.assertTrue(heard.wait(proxies.LIMIT))
        peer.reset()
        gone.set()
        until(self.weft.rests, "it is over")

    def test_what_is_inside_is_detected(self):
        def serve(peer):
            peer.more()
            if peer.buffer.startswith(b"GET /"):
                return answers(lambda request: reply(request.get("x-forwarded-proto").encode()))(peer)
            return peer.send(b"got " + peer.buffer)
        self.run_tls(serve, protocol="auto", cluster="auto", listener_tls=self.at_listener())
        self.assertEqual(self.secure().ask().body, b"https")
        self.assertEqual(self.secure(self.context(alpn=["http/1.1"])).ask().body, b"https")
        peer = self.secure()
        peer.send(b"get key\r\n")
        self.assertEqual(peer.rest(), b"got get key\r\n")

    def test_a_listener_of_anything_passes_tls_through(self):
        self.run_tls(answers(lambda request: reply(request.target.encode())), over_tls=self.server_context(), protocol="auto",
                     cluster="auto")
        peer = self.secure()
        self.assertEqual(peer.ask("/inside").body, b"/inside")
        self.assertEqual(self.weft.metric("weft_tls_handshakes_total"), 0)
        self.assertEqual(self.app.accepted, 1)

    def test_behind_a_proxy_header(self):
        requests = []
        self.run_tls(seen(requests), listener_tls=self.at_listener(), proxyProtocol=True)
        peer = self.secure(before=b"PROXY TCP4 192.0.2.7 192.0.2.8 1000 443\r\n")
        self.assertEqual(peer.ask("/a").body, b"/a")
        self.assertEqual((requests[0].get("x-forwarded-for"), requests[0].get("x-forwarded-proto")), ("192.0.2.7", "https"))

    def test_one_byte_at_a_time(self):
        """Each byte of the ClientHello by itself, then each of the request in a record of its own."""
        self.run_tls(answers(lambda request: reply(request.target.encode())), listener_tls=self.at_listener())
        raw = self.connect()
        client = ByHand(raw, self.context(), lambda data: [raw.send(bytes([byte])) for byte in data])
        client.until_done(client.tls.do_handshake)
        for byte in b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n":
            client.tls.write(bytes([byte]))
            client.flush()
        self.assertIn(b"/slow", client.until_done(lambda: client.tls.read(4096)))

    def test_who_stops_within_the_handshake_keeps_nobody_out(self):
        self.run_tls(answers(lambda request: reply()), listener_tls=self.at_listener())
        outgoing = ssl.MemoryBIO()
        with self.assertRaises(ssl.SSLWantReadError):
            self.context().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=NAME).do_handshake()
        hello = outgoing.read()
        for size in (0, 1, 5, 100, len(hello)):
            for _ in range(40):
                self.connect().send(hello[:size])
        until(lambda: self.weft.metric("weft_downstream_connections_active") == 200, "all are there")
        self.assertEqual(self.secure().ask().status, 200)
        for peer in self.peers:
            peer.close()
        until(self.weft.rests, "they are gone")
        until(lambda: self.failures(reason="io") == 160, "all are counted that had begun")
        until(lambda: len(self.lines("flags=DC", "TLS:")) == 160, "and logged")

    def test_who_rests_is_told_of_the_end(self):
        """By TLS itself, so that nobody takes it for a cut: at the idle limit, and at a drain."""
        self.run_tls(answers(lambda request: reply()), listener_tls=self.at_listener(), idleTimeout="300ms")
        self.ends_well(lambda: None)
        self.run_tls(answers(lambda request: reply()), listener_tls=self.at_listener())
        self.ends_well(lambda: self.weft.process.send_signal(signal.SIGTERM))
        self.run_tls(lambda peer: peer.more(), protocol="auto", cluster="auto", listener_tls=self.at_listener())
        self.ends_well(lambda: self.weft.process.send_signal(signal.SIGTERM), is_silent=True)

    def ends_well(self, end, is_silent=False):
        peer = self.connect()
        context = self.context()
        context.options &= ~(1 << 7)  # SSL_OP_IGNORE_UNEXPECTED_EOF, which Python sets
        peer.sock = context.wrap_socket(peer.sock, server_hostname=NAME, suppress_ragged_eofs=False)
        if is_silent:
            until(lambda: self.app.accepted == 1, "the service is asked for the first word")
        else:
            self.assertEqual(peer.ask().status, 200)
        end()
        self.assertEqual(peer.rest(), b"")

    def test_a_session_is_resumed_on_any_worker(self):
        self.run_tls(answers(lambda request: reply()), workers=2, listener_tls=self.at_listener(client_ca=self.ca))
        for version in VERSIONS:
            with self.subTest(version):
                context = self.context(own=self.leaf("me", client=True), version=version)
                first = self.secure(context)
                self.assertEqual(first.ask().status, 200)
                for _ in range(3):
                    again = self.secure(context, session=first.sock.session)
                    self.assertTrue(again.sock.session_reused)
                    self.assertEqual(again.ask().status, 200)
                    first = again
        self.assertEqual(self.weft.metric("weft_tls_resumed_total", side="downstream"), 6)

    def test_renegotiation_is_refused(self):
        self.run_tls(answers(lambda request: reply(b"still here")), listener_tls=self.at_listener())
        with subprocess.Popen(["openssl", "s_client", "-tls1_2", "-connect", f"127.0.0.1:{self.port}", "-CAfile", self.ca.certificate],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as client:
            until(lambda: self.weft.metric("weft_tls_handshakes_total") == 1, "it is there")
            said, _ = client.communicate(b"R\n", timeout=proxies.LIMIT)
        self.assertIn(b"no renegotiation", said)
        self.assertEqual(self.weft.metric("weft_tls_handshakes_total"), 1)
        self.assertEqual(self.secure().ask().body, b"still here")

    def test_a_drain_serves_who_is_in_the_handshake(self):
        self.run_tls(answers(lambda request: reply()), listener_tls=self.at_listener())
        silent, raw = self.connect(), self.connect()

        def drain():
            until(lambda: self.weft.metric("weft_downstream_connections_active") == 2, "both are accepted")
            self.weft.process.send_signal(signal.SIGTERM)
            self.assertTrue(silent.is_at_end(), "who has said nothing is not waited for")
        steps = [drain]

        def send(data):
            raw.send(data[:1])
            while data and steps:
                steps.pop()()
            raw.send(data[1:])
        client = ByHand(raw, self.context(), send)
        client.until_done(client.tls.do_handshake)
        client.tls.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        head = client.until_done(lambda: client.tls.read(4096))
        self.assertTrue(head.startswith(b"HTTP/1.1 200"), head)
        self.assertIn(b"connection: close", head.lower())
        self.assertEqual(self.weft.process.wait(proxies.LIMIT), 0)

    def test_keys_stay_where_they_are(self):
        self.run_tls(answers(lambda request: reply()), listener_tls=self.at_listener(client_ca=self.ca), cluster_tls=self.to_cluster(
            own=self.leaf("me", client=True)))
        for page in ("/config_dump", "/stats/prometheus", "/listeners", "/clusters"):
            self.assertNotIn(b"-----BEGIN", self.weft.page(page).body)
        dump = self.weft.page("/config_dump").body.decode()
        for file in (self.own.certificate, self.own.key, self.ca.certificate):
            self.assertIn(str(file), dump)


class Clusters(TlsTest):
    def run_to(self, serve, context=None, cluster="http1", **tls):
        return self.run_tls(serve, over_tls=context or self.server_context(), cluster=cluster, cluster_tls=self.to_cluster(**tls))

    def test_versions_and_names(self):
        names = []
        for version in VERSIONS:
            for name in (NAME, "127.0.0.1"):
                with self.subTest(version, name=name):
                    context = self.server_context(self.leaf(name), alpn=["http/1.1"], version=version)
                    context.sni_callback = lambda sock, asked, _: names.append(asked)
                    requests = []
                    self.run_to(seen(requests), context, name=name)
                    peer = self.connect()
                    for target in ("/a", "/b"):
                        self.assertEqual(peer.ask(target, "POST", body=b"x").body, target.encode())
                    self.assertEqual(requests[0].get("x-forwarded-proto"), "http")
                    self.assertEqual(self.app.accepted, 1)
        self.assertEqual(names, [NAME, None] * 2, "no address is sent as a name")

    def test_whom_it_does_not_trust(self):
        other = certificates.authority(self.folder, "other")
        for own, options, why in ((self.own, {"ca": other}, "certificate"), (self.own, {"name": "wrong.example"}, "mismatch"),
                                  (self.leaf(not_before=-9, days=5, stem="old"), {}, "has expired"),
                                  (self.leaf(not_before=5, days=9, stem="early"), {}, "not yet valid"),
                                  (self.leaf("me", client=True), {"name": "me"}, "certificate")):
            with self.subTest(why, own=own):
                requests = []
                self.run_to(seen(requests), self.server_context(own), **options)
                response = self.connect().ask("/", "POST", body=b"x")
                self.assertEqual((response.status, requests), (503, []))
                self.assertEqual(response.body, b"app: no TLS connection to the service can be made\n")
                self.is_logged("flags=UF", "TLS: ", why)
                self.assertEqual(self.failures("upstream", reason="certificate"), 1)

    def test_its_own_certificate(self):
        me = self.leaf("me", client=True)
        for version in VERSIONS:
            for own in (me, None):
                with self.subTest(version, own=own):
                    shown = []

                    def serve(peer):
                        shown.append(peer.sock.getpeercert()["subjectAltName"])
                        answers(lambda request: reply())(peer)
                    self.run_to(serve, self.server_context(client_ca=self.ca, version=version), own=own)
                    response = self.connect().ask("/", "POST", body=b"x")
                    self.assertEqual(response.status, 200 if own else 503)
                    self.assertEqual(shown, [(("DNS", "me"),)] if own else [])
                    if not own:
                        self.is_logged("flags=UF", "TLS: the peer refused: ")
                        self.assertEqual(self.failures("upstream", reason="refused"), 1)

    def test_refused_after_the_handshake(self):
        """TLS 1.3 refuses a client's certificate once the client's side of the handshake is over."""
        why = "TLS: the peer refused: tlsv13 alert certificate required"
        for cluster in ("http1", "http2", "tcp"):
            with self.subTest(cluster):
                context = self.server_context(client_ca=self.ca, version="TLSv1.3", alpn=["h2"] if cluster == "http2" else [])
                is_tcp = cluster == "tcp"
                self.run_tls(lambda peer: peer.more(), over_tls=context, protocol="tcp" if is_tcp else "http", cluster=cluster,
                             cluster_tls=self.to_cluster())
                client = self.connect()
                if is_tcp:
                    client.send(b"x")
                    with contextlib.suppress(ConnectionError):
                        self.assertEqual(client.rest(), b"")
                else:
                    self.assertEqual(client.ask("/", "POST", body=b"x").body, b"app: no TLS connection to the service can be made\n")
                self.is_logged("flags=UF", why)
                self.assertEqual(self.failures("upstream", reason="refused"), self.app.accepted)
                self.assertEqual(self.app.accepted, 1)

    def test_a_service_without_tls(self):
        self.app = self.backend(answers(lambda request: reply()))
        self.log = self.file("access.log")
        self.weft = self.proxy(self.config(self.app.address, cluster_tls=self.to_cluster()), flags=[f"--access-log={self.log}"])
        self.app.serve = lambda peer: peer.more() and peer.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        self.assertEqual(self.connect().ask().status, 503)
        self.is_logged("flags=UF", "speaks no TLS")
        self.app.serve = lambda peer: peer.more()
        self.assertEqual(self.connect().ask().status, 503)
        self.is_logged("flags=UF", "TLS: the peer ended")

    def test_another_endpoint_is_asked_where_tls_fails(self):
        bad = self.backend(lambda peer: peer.more())
        self.run_to(answers(lambda request: reply(b"good")))
        self.settings["clusters"][0].update(endpoints=[bad.address, self.app.address], loadBalancing="round_robin")
        self.weft.write(self.settings)
        until(lambda: b"good" and bad.address.encode() in self.weft.page("/clusters").body, "it is loaded")
        for _ in range(4):
            self.assertEqual(self.connect().ask("/", "POST", body=b"x").body, b"good")
        self.assertGreater(bad.accepted, 0)

    def test_a_pooled_connection_that_died_gets_no_request(self):
        """A POST goes by another, whether the service has said goodbye or not; what comes at rest is no death."""
        for goodbye in (True, False):
            with self.subTest(goodbye=goodbye):
                requests = []

                def serve(peer):
                    requests.append(peer.request())
                    peer.send(reply())
                    if goodbye:
                        peer.sock.unwrap()
                self.run_to(serve)
                client = self.connect()
                for count in range(1, 5):
                    self.assertEqual(client.ask("/", "POST", body=b"x").status, 200)
                    until(lambda: not self.app.open, "the service has closed it")
                    self.assertEqual((len(requests), self.app.accepted), (count, count))

    def test_a_ticket_that_comes_late_is_no_end(self):
        """TLS 1.3's tickets come when the service likes; the connection goes on."""
        self.run_to(answers(lambda request: reply()), self.server_context(version="TLSv1.3"))
        client = self.connect()
        for _ in range(5):
            self.assertEqual(client.ask("/", "POST", body=b"x").status, 200)
        self.assertEqual(self.app.accepted, 1)

    def test_sessions_are_resumed(self):
        for version in VERSIONS:
            with self.subTest(version):
                reused = []

                def serve(peer):
                    reused.append(peer.sock.session_reused)
                    peer.request()
                    peer.send(reply(fields="Connection: close\r\n"))
                    with contextlib.suppress(OSError):
                        peer.sock.unwrap()
                self.run_to(serve, self.server_context(version=version))
                for _ in range(3):
                    self.assertEqual(self.connect().ask().status, 200)
                self.assertEqual(reused, [False, True, True])

    def test_what_was_cut_is_not_taken_for_whole(self):
        for goodbye in (True, False):
            with self.subTest(goodbye=goodbye):
                def serve(peer):
                    peer.request()
                    peer.send(b"HTTP/1.1 200 OK\r\n\r\nhalf of it")
                    if goodbye:
                        peer.sock.unwrap()
                self.run_to(serve)
                client = self.connect()
                client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                if goodbye:
                    self.assertEqual(client.response().body, b"half of it")
                    continue
                with self.assertRaises((proxies.Cut, ConnectionError)):
                    client.response()
                self.is_logged("flags=UC")

    def test_records_of_one_byte(self):
        def serve(peer):
            while peer.request():
                for byte in reply(b"piece by piece"):
                    peer.send(bytes([byte]))
        self.run_to(serve)
        client = self.connect()
        for _ in range(2):
            self.assertEqual(client.ask("/", "POST", body=b"x").body, b"piece by piece")
        self.assertEqual(self.app.accepted, 1)

    def test_bytes_and_the_proxy_header(self):
        def serve(peer):
            headers.append(line_of(peer))
            wrapped(self.server_context(), echo)(peer)
        headers = []
        self.app = self.backend(serve)
        settings = self.config(self.app.address, "tcp", cluster_tls=self.to_cluster())
        settings["clusters"][0]["proxyProtocol"] = "v1"
        self.weft = self.proxy(settings)
        peer = self.connect()
        peer.send(b"hello")
        self.assertEqual(peer.receive(5), b"hello")
        mine = peer.sock.getsockname()
        self.assertEqual(headers, [f"PROXY TCP4 127.0.0.1 127.0.0.1 {mine[1]} {self.port}\r\n".encode()])

    def test_both_sides_and_the_proxy_header(self):
        """The address that the client connected to is known under TLS too."""
        headers = []

        def serve(peer):
            headers.append(line_of(peer))
            echo(peer)
        self.app = self.backend(serve)
        settings = self.config(self.app.address, "tcp", listener_tls=self.at_listener())
        settings["clusters"][0]["proxyProtocol"] = "v1"
        self.weft = self.proxy(settings)
        peer = self.secure()
        peer.send(b"hello")
        self.assertEqual(peer.receive(5), b"hello")
        self.assertEqual(headers, [f"PROXY TCP4 127.0.0.1 127.0.0.1 {peer.sock.getsockname()[1]} {self.port}\r\n".encode()])

    @unittest.skipIf(http2.h2 is None, http2.NEEDS)
    def test_http2(self):
        streams = []

        def respond(server, stream):
            streams.append(stream)
            server.reply(stream, body=b"two")
        context = self.server_context(alpn=["h2"])
        self.run_tls(http2.answers(respond), over_tls=context, cluster="auto", cluster_tls=self.to_cluster(),
                     listener_tls=self.at_listener())
        curl = ["--cacert", self.ca.certificate, "--resolve", f"{NAME}:{self.port}:127.0.0.1"]
        for _ in range(2):
            self.assertEqual(self.curl("--http2", *curl, f"https://{NAME}:{self.port}/a"), b"two")
        self.assertEqual((streams[0].get(":scheme"), streams[0].get("x-forwarded-proto")), ("https", "https"))
        self.assertEqual(self.app.accepted, 1)

    def test_who_does_not_agree_on_http2_is_not_spoken_to(self):
        requests = []
        self.run_to(seen(requests), self.server_context(alpn=["http/1.1"]), cluster="http2")
        self.assertEqual(self.connect().ask().status, 503)
        self.assertEqual(requests, [])
        self.is_logged("flags=UF", "TLS: ")
        self.run_to(seen(requests), self.server_context(), cluster="http2")
        self.assertEqual(self.connect().ask().status, 503)
        self.is_logged("flags=UF", "ALPN")

    def test_two_proxies_in_series(self):
        """Plaintext outside, mutual TLS between them, HTTP/1.1 and HTTP/2."""
        for cluster in ("http1", "http2"):
            with self.subTest(cluster):
                self.run_tls(answers(lambda request: reply(request.body)), listener_tls=self.at_listener(client_ca=self.ca))
                inner = self.weft
                self.log = self.file("access.log")
                self.weft = self.proxy(self.config(f"127.0.0.1:{self.port}", cluster=cluster, cluster_tls=self.to_cluster(
                    own=self.leaf("me", client=True))))
                client = self.connect()
                for size in (1, 10_000, 1_000_000):
                    body = http2.pattern(size)
                    self.assertEqual(client.ask("/", "POST", body=body).body, body)
                self.assertEqual(inner.metric("weft_tls_handshakes_total", side="downstream"), 1)
                self.assertEqual(self.weft.metric("weft_tls_handshakes_total", side="upstream"), 1)


if __name__ == "__main__":
    unittest.main()
