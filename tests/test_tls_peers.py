"""TLS of `weft proxy --config` with what others wrote, both ways and with certificates on both sides: curl, openssl, Go, nginx,
HAProxy and Envoy."""

import hashlib
import json
import subprocess
import unittest

import mesh
import peers
import proxies
import tls
from peers import needs
from proxies import answers, free_port, reply

# As `./dev test` makes it.
GO_PEER = mesh.SOURCE / "build" / "tls_peer" / hashlib.sha256(
    (mesh.SOURCE / "tests" / "tls_peer" / "main.go").read_bytes()).hexdigest()[:16]
# As `./dev bench` installs it.
ENVOY = next((mesh.SOURCE / "build" / "venv").glob("lib/python*/site-packages/envoy/_bin/envoy"), None)
WEFT, SERVICE, CLIENT = "weft.example", "service.example", "client.example"


class OthersTest(peers.PeerTest, tls.TlsTest):
    def terminate(self):
        """TLS to clients, who must have a certificate; the answer is the scheme and the request's body."""
        app = self.backend(answers(lambda request: reply(f"{request.get('x-forwarded-proto')} ".encode() + request.body)))
        self.listen({"protocol": "http", "cluster": "app", "tls": self.at_listener(self.leaf(WEFT), self.ca)},
                    {"name": "app", "endpoints": [app.address]})

    def originate(self, port, protocol):
        """TLS to the service on that port, with a certificate of weft's own."""
        self.listen({"protocol": "http", "cluster": "app"},
                    {"name": "app", "protocol": protocol, "endpoints": [f"127.0.0.1:{port}"],
                     "tls": self.to_cluster(name=SERVICE, own=self.leaf(WEFT, client=True))})

    def ask(self, *words):
        return self.curl(*words, self.url()).decode()


class Commands(OthersTest):
    @needs("curl")
    def test_curl(self):
        self.terminate()
        client = self.leaf(CLIENT, client=True)
        for protocol, version in (("--http1.1", "1.1"), ("--http2", "2")):
            with self.subTest(protocol=protocol):
                answer = self.curl(protocol, "--cacert", self.ca.certificate, "--cert", client.certificate, "--key", client.key,
                                   "--resolve", f"{WEFT}:{self.port}:127.0.0.1", "--data-binary", "@-", "--write-out",
                                   "%{http_version}", f"https://{WEFT}:{self.port}/", stdin=b"x" * 100_000)
                self.assertEqual(answer, b"https " + b"x" * 100_000 + version.encode())

    @needs("openssl")
    def test_openssl_as_a_client(self):
        self.terminate()
        client = self.leaf(CLIENT, client=True)
        for version in ("-tls1_2", "-tls1_3"):
            with self.subTest(version=version):
                done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{self.port}", "-servername", WEFT, version,
                                       "-CAfile", self.ca.certificate, "-verify_return_error", "-verify_hostname", WEFT, "-cert",
                                       client.certificate, "-key", client.key, "-ign_eof", "-max_send_frag", "512"],
                                      input=b"POST / HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n"
                                            b"Content-Length: 3000\r\n\r\n" + b"x" * 3000, capture_output=True,
                                      timeout=proxies.LIMIT)
                self.assertIn(b"https " + b"x" * 3000, done.stdout, done.stderr)
                self.assertIn(b"Verification: OK", done.stdout)

    @needs("openssl")
    def test_openssl_as_a_server(self):
        server = self.leaf(SERVICE)
        for version, named in (("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")):
            with self.subTest(version=version):
                port = free_port()
                self.run_server(port, "openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", server.certificate, "-key",
                                server.key, "-CAfile", self.ca.certificate, "-Verify", "2", "-verify_return_error", "-www", version)
                self.originate(port, "http1")
                shown = [line.replace(" ", "") for line in self.ask().splitlines()]
                self.assertIn(f"Protocol:{named}", shown)
                self.assertIn(f"Subject:CN={WEFT}", shown)


@unittest.skipUnless(GO_PEER.exists(), "the peer in Go is not built: `./dev test` does that, where Go can be had")
class Go(OthersTest):
    def test_as_a_client(self):
        self.terminate()
        client = self.leaf(CLIENT, client=True)
        for protocol, named in (("http/1.1", "HTTP/1.1"), ("h2", "HTTP/2.0")):
            with self.subTest(protocol=protocol):
                done = subprocess.run([GO_PEER, "get", f"https://127.0.0.1:{self.port}/", WEFT, self.ca.certificate,
                                       client.certificate, client.key, protocol], capture_output=True, text=True,
                                      timeout=proxies.LIMIT)
                self.assertEqual(done.stdout.splitlines(), [f"{named} 200 TLS 1.3 same=true resumed=false",
                                                            f"{named} 200 TLS 1.3 same=true resumed=true"], done.stderr)

    def test_as_a_server(self):
        port, server = free_port(), self.leaf(SERVICE)
        self.run_server(port, GO_PEER, "serve", port, self.ca.certificate, server.certificate, server.key)
        for protocol, named in (("http1", "HTTP/1.1"), ("http2", "HTTP/2.0")):
            with self.subTest(protocol=protocol):
                self.originate(port, protocol)
                self.assertEqual([self.curl(self.url("/last")).decode() for _ in range(2)],
                                 [f"{named} {WEFT} {SERVICE} resumed={word}" for word in ("false", "true")])


class Proxies(OthersTest):
    def haproxy(self, port, *lines):
        file = self.folder / f"haproxy-{port}.cfg"
        for name, files in (("service", self.leaf(SERVICE)), ("client", self.leaf(CLIENT, client=True))):
            (self.folder / f"{name}.pem").write_text("".join(one.read_text() for one in files))
        file.write_text("defaults\n mode http\n timeout connect 5s\n timeout client 5s\n timeout server 5s\nlisten l\n" +
                        "".join(f" {line}\n" for line in lines))
        self.run_server(port, "haproxy", "-db", "-q", "-f", file)

    def nginx(self, port, listen, text):
        file = self.folder / f"nginx-{port}.conf"
        paths = "".join(f"{kind}_temp_path {self.folder}/t; " for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        file.write_text(f"daemon off; master_process off; pid {self.folder}/pid; error_log stderr; events {{}}\n"
                        f"http {{ access_log off; {paths} server {{ listen 127.0.0.1:{port} {listen};\n{text} }} }}\n")
        self.run_server(port, "nginx", "-e", "stderr", "-c", file)

    def asked_at(self, port):
        return self.curl("--data-binary", "hello", f"http://127.0.0.1:{port}/").decode()

    @needs("haproxy")
    def test_haproxy_in_front(self):
        self.terminate()
        for alpn in ("h2", "http/1.1"):
            with self.subTest(alpn=alpn):
                port = free_port()
                self.haproxy(port, f"bind 127.0.0.1:{port}",
                             f"server s 127.0.0.1:{self.port} ssl verify required ca-file {self.ca.certificate} sni str({WEFT}) "
                             f"crt {self.folder}/client.pem alpn {alpn}")
                self.assertEqual(self.asked_at(port), "https hello")

    @needs("haproxy")
    def test_haproxy_behind(self):
        port = free_port()
        self.haproxy(port, f"bind 127.0.0.1:{port} ssl crt {self.folder}/service.pem ca-file {self.ca.certificate} verify required "
                           "alpn h2,http/1.1",
                     "http-request return status 200 content-type text/plain "
                     'lf-string "%[req.ver] %[ssl_c_s_dn(CN)] %[ssl_fc_sni]"')
        for protocol, named in (("http1", "1.1"), ("http2", "2.0")):
            with self.subTest(protocol=protocol):
                self.originate(port, protocol)
                self.assertEqual(self.ask(), f"{named} {WEFT} {SERVICE}")

    @needs("nginx")
    def test_nginx_in_front(self):
        self.terminate()
        port, client = free_port(), self.leaf(CLIENT, client=True)
        self.nginx(port, "", f"location / {{ proxy_pass https://127.0.0.1:{self.port}; proxy_http_version 1.1;\n"
                             f"proxy_ssl_certificate {client.certificate}; proxy_ssl_certificate_key {client.key};\n"
                             f"proxy_ssl_trusted_certificate {self.ca.certificate}; proxy_ssl_verify on;\n"
                             f"proxy_ssl_name {WEFT}; proxy_ssl_server_name on; }}")
        self.assertEqual([self.asked_at(port) for _ in range(3)], ["https hello"] * 3)

    @needs("nginx")
    def test_nginx_behind(self):
        port, server = free_port(), self.leaf(SERVICE)
        self.nginx(port, "ssl http2", f"ssl_certificate {server.certificate}; ssl_certificate_key {server.key};\n"
                                      f"ssl_client_certificate {self.ca.certificate}; ssl_verify_client on;\n"
                                      'location / { return 200 "$server_protocol $ssl_client_s_dn $ssl_server_name"; }')
        for protocol, named in (("http1", "HTTP/1.1"), ("http2", "HTTP/2.0")):
            with self.subTest(protocol=protocol):
                self.originate(port, protocol)
                self.assertEqual(self.ask(), f"{named} CN={WEFT} {SERVICE}")


@unittest.skipUnless(ENVOY, "needs Envoy, which `./dev bench proxy` installs")
class Envoy(OthersTest):
    HTTP = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
    ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
    TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3."
    OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"

    def run_envoy(self, port, listeners, clusters=()):
        file = self.folder / f"envoy-{port}.json"
        file.write_text(json.dumps({"static_resources": {"listeners": listeners, "clusters": list(clusters)}}))
        self.run_server(port, ENVOY, "-c", file, "--concurrency", "1", "--disable-hot-restart", "--log-level", "error")

    def socket(self, kind, files, **rest):
        common = {"tls_certificates": [{"certificate_chain": {"filename": str(files.certificate)},
                                        "private_key": {"filename": str(files.key)}}],
                  "validation_context": {"trusted_ca": {"filename": str(self.ca.certificate)}}, "alpn_protocols": rest.pop("alpn")}
        return {"name": "tls", "typed_config": {"@type": self.TLS + kind, "common_tls_context": common, **rest}}

    def listener(self, port, route, **chain):
        connections = {"@type": self.HTTP, "stat_prefix": "in",
                       "http_filters": [{"name": "router", "typed_config": {"@type": self.ROUTER}}],
                       "route_config": {"virtual_hosts": [{"name": "any", "domains": ["*"],
                                                           "routes": [{"match": {"prefix": "/"}, **route}]}]}}
        return {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
                "filter_chains": [{"filters": [{"name": "http", "typed_config": connections}], **chain}]}

    def cluster(self, name, options, socket):
        address = {"socket_address": {"address": "127.0.0.1", "port_value": self.port}}
        return {"name": name, "type": "STATIC", "transport_socket": socket,
                "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                    "@type": f"type.googleapis.com/{self.OPTIONS}", "explicit_http_config": {options: {}}}},
                "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}]}}

    def test_in_front(self):
        self.terminate()
        client = self.leaf(CLIENT, client=True)
        ports = {"h2": free_port(), "http/1.1": free_port()}
        options = {"h2": "http2_protocol_options", "http/1.1": "http_protocol_options"}
        self.run_envoy(ports["h2"], [self.listener(port, {"route": {"cluster": name}}) for name, port in ports.items()],
                       [self.cluster(name, options[name], self.socket("UpstreamTlsContext", client, sni=WEFT, alpn=[name]))
                        for name in ports])
        for name, port in ports.items():
            with self.subTest(protocol=name):
                self.assertEqual(self.curl("--data-binary", "hello", f"http://127.0.0.1:{port}/"), b"https hello")

    def test_behind(self):
        port = free_port()
        socket = self.socket("DownstreamTlsContext", self.leaf(SERVICE), alpn=["h2", "http/1.1"],
                             require_client_certificate=True)
        route = {"direct_response": {"status": 200}, "response_headers_to_add": [
            {"header": {"key": "x-seen", "value": "%PROTOCOL% %DOWNSTREAM_PEER_SUBJECT%"}}]}
        self.run_envoy(port, [self.listener(port, route, transport_socket=socket)])
        for protocol, named in (("http1", "HTTP/1.1"), ("http2", "HTTP/2")):
            with self.subTest(protocol=protocol):
                self.originate(port, protocol)
                self.assertIn(f"x-seen: {named} CN={WEFT}\r\n", self.ask("--include"))
