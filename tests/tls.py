"""Peers that speak TLS, on either side of a proxy, and what configures that to."""

import contextlib
import select
import ssl

import certificates
import proxies
from proxies import answers, reply, until

NAME = "app.example"
VERSIONS = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}


class TlsTest(proxies.ProxyTest):
    """Certificates lie in `self.folder`, from the authority `self.ca`."""

    def setUp(self):
        super().setUp()
        self.folder = self.file("certificates")
        self.folder.mkdir()
        self.ca = certificates.authority(self.folder, "ca")
        self.own = certificates.certificate(self.folder, self.ca, NAME)

    def leaf(self, name=NAME, ca=None, **options):
        return certificates.certificate(self.folder, ca or self.ca, name, **options)

    def at_listener(self, own=None, client_ca=None):
        own = own or self.own
        settings = {"certificate": str(own.certificate), "key": str(own.key)}
        return {**settings, "clientCa": str(client_ca.certificate)} if client_ca else settings

    def to_cluster(self, ca=None, name=NAME, own=None):
        settings = {"ca": str((ca or self.ca).certificate), "name": name}
        return {**settings, "certificate": str(own.certificate), "key": str(own.key)} if own else settings

    def config(self, endpoint, protocol="http", cluster=None, listener_tls=None, cluster_tls=None, **listener):
        self.port = proxies.free_port()
        settings = proxies.config(self.port, [endpoint], protocol)
        settings["clusters"][0]["protocol"] = cluster or settings["clusters"][0]["protocol"]
        for part, tls in ((settings["listeners"][0], listener_tls), (settings["clusters"][0], cluster_tls)):
            if tls:
                part["tls"] = tls
        settings["listeners"][0].update(listener)
        return settings

    def run_tls(self, serve, workers=1, flags=(), over_tls=None, **config):
        """A proxy in front of a backend, whose connections speak TLS by the context `over_tls`."""
        self.app = self.backend(wrapped(over_tls, serve) if over_tls else serve)
        self.log = self.file("access.log")
        self.settings = self.config(self.app.address, **config)
        self.weft = self.proxy(self.settings, workers=workers, flags=[f"--access-log={self.log}", *flags])
        return self.weft

    def context(self, ca=None, own=None, alpn=(), version=None):
        """A client's."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations((ca or self.ca).certificate)
        return self.complete(context, own, alpn, version)

    def server_context(self, own=None, client_ca=None, alpn=(), version=None):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if client_ca:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(client_ca.certificate)
        return self.complete(context, own or self.own, alpn, version)

    @staticmethod
    def complete(context, own, alpn, version):
        if own:
            context.load_cert_chain(own.certificate, own.key)
        if alpn:
            context.set_alpn_protocols(list(alpn))
        if version:
            context.minimum_version = context.maximum_version = VERSIONS[version]
        return context

    def secure(self, context=None, name=NAME, session=None, before=b"", port=None):
        """A client's connection whose handshake is done; `before` is sent before it."""
        peer = self.connect(port)
        if before:
            peer.send(before)
        peer.sock = (context or self.context()).wrap_socket(peer.sock, server_hostname=name, session=session)
        return peer

    def fails(self, context, name=NAME):
        """Whether the proxy refuses that client, as it learns at its first read with TLS 1.3."""
        try:
            peer = self.secure(context, name)
            peer.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            return not peer.more()
        except (ssl.SSLError, ConnectionError):
            return True

    def failures(self, side="downstream", **labels):
        return self.weft.metric("weft_tls_handshake_failures_total", side=side, **labels)

    def lines(self, *words):
        """The lines of the access log that have all of these words."""
        return [line for line in self.log.read_text().splitlines() if all(word in line for word in words)]

    def is_logged(self, *words):
        until(lambda: self.lines(*words), f"{words} in the access log")


def wrapped(context, serve):
    def run(peer):
        peer.sock = context.wrap_socket(peer.sock, server_side=True)
        serve(peer)
    return run


def serial_of(peer):
    return peer.sock.getpeercert()["serialNumber"]


def seen(requests):
    def respond(request):
        requests.append(request)
        return reply(request.target.encode())
    return answers(respond)


def line_of(peer):
    """One line, and not a byte of what comes after it."""
    line = b""
    while not line.endswith(b"\r\n"):
        line += peer.receive(1)
    return line


def echoed(peer, body):
    """What comes back while `body` is sent: both by one thread, for OpenSSL's connections are one thread's at a time."""
    came, rest = bytearray(), memoryview(body)
    peer.sock.setblocking(False)
    while len(came) < len(body):
        with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLWantWriteError):
            if rest:
                rest = rest[peer.sock.send(rest):]
        with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLWantWriteError):
            piece = peer.sock.recv(1 << 16)
            if not piece:
                break
            came += piece
            continue
        if not any(select.select([peer.sock], [peer.sock] if rest else [], [], proxies.LIMIT)):
            break
    return bytes(came)


def echo(peer):
    while peer.more():
        peer.send(peer.buffer)
        peer.buffer = b""
