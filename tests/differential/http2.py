"""What comes out behind a weft that is spoken HTTP/2 to: requests as fields, by name, and the bytes that a service of HTTP/1.1
gets for each."""

import random
import re
import socket
import typing

import http2
import proxies

from differential import cases

SEED = 15
NUMBER = "x-case"
# Long enough for whatever weft sends of one request.
QUIET = 1.0


class Case(typing.NamedTuple):
    name: str
    fields: list  # of (name, value), pseudo-fields too, as bytes
    body: bytes = b""
    trailers: typing.Sequence = ()

    def all(self, name):
        return [value for key, value in self.fields if key == name]


def head(method=b"POST", path=b"/", authority=b"a", more=()):
    return [(b":method", method), (b":scheme", b"http"), (b":path", path), (b":authority", authority), *more]


def lines(text):
    """The fields of a text of HTTP/1.1, in lower case, and as they are where that differs."""
    found = []
    for line in text.encode("latin-1").split(b"\r\n"):
        name, _, value = line.partition(b":")
        found.append((name, value.removeprefix(b" ")))
    lowered = [(name.lower(), value) for name, value in found]
    return [lowered] if lowered == found else [lowered, found]


def known():
    """Requests that try one thing each."""
    for label, texts in (("coding", cases.CODINGS), ("length", cases.LENGTHS), ("field", cases.FIELDS), ("host", cases.HOSTS)):
        for text in texts:
            for more in lines(text):
                for body in (b"hello", b"5\r\nhello\r\n0\r\n\r\n", b""):
                    yield Case(f"{label}:{text!r}:{body!r}", head(more=more), body)
                yield Case(f"trailer:{text!r}", head(), b"hello", more)
            yield Case(f"value:{text!r}", head(more=[(b"x", text.encode("latin-1"))]), b"hello")
    for text in cases.HOSTS:
        _, _, value = text.encode("latin-1").partition(b":")
        yield Case(f"authority:{text!r}", head(authority=value.strip(b" ")))
        yield Case(f"host alone:{text!r}", [field for field in head() if field[0] != b":authority"] + [(b"host", value.strip(b" "))])
    for text in cases.TARGETS:
        yield Case(f"path:{text!r}", head(path=text.encode("latin-1")))
        yield Case(f"OPTIONS path:{text!r}", head(b"OPTIONS", text.encode("latin-1")))
    for text in cases.REQUEST_LINES:
        method, _, rest = text.encode("latin-1").partition(b" ")
        yield Case(f"method:{text!r}", head(method), b"hello")
        yield Case(f"line as method:{text!r}", head(text.encode("latin-1")))
        yield Case(f"line as path:{text!r}", head(path=rest))
    for text in cases.BODIES:
        yield Case(f"body:{text!r}", head(), text.encode("latin-1"))
        yield Case(f"body with a length:{text!r}", head(more=[(b"content-length", str(len(text)).encode())]), text.encode("latin-1"))


def mutations(of, count):
    """Cases of which a few pieces were put in, taken out or changed, the same ones each time."""
    chance = random.Random(SEED)
    for number in range(count):
        case = chance.choice(of)
        fields = [list(field) for field in case.fields]
        for _ in range(chance.randint(1, 3)):
            field = chance.choice(fields)
            part = chance.randint(0, 1)
            text, piece = field[part], chance.choice(cases.PIECES)
            at = chance.randint(0, len(text))
            field[part] = text[:at] + piece + text[at + chance.randint(0, 1):]
        if chance.random() < 0.1:
            fields.insert(chance.randint(0, len(fields)), list(chance.choice(fields)))
        yield Case(f"{number} of {case.name}", [tuple(field) for field in fields], case.body, case.trailers)


def is_whole(data):
    """Whether a request of HTTP/1.1 as weft writes it has come to its end."""
    start, found, body = data.partition(b"\r\n\r\n")
    if not found:
        return False
    length = re.search(rb"\r\ncontent-length: (\d+)(?:\r\n|$)", start, re.IGNORECASE)
    if length:
        return len(body) >= int(length[1])
    if re.search(rb"\r\ntransfer-encoding: chunked(?:\r\n|$)", start, re.IGNORECASE):
        return re.search(rb"(?:^|\r\n)0\r\n(?:[^\r\n]+\r\n)*\r\n$", body) is not None
    return True


class Recorder:
    """A service that keeps the bytes of each connection, which brings one request."""

    def __init__(self):
        self.got = {}

    def serve(self, peer):
        peer.sock.settimeout(QUIET)
        data = b""
        while not is_whole(data):
            try:
                piece = peer.sock.recv(1 << 16)
            except socket.timeout:
                break
            if not piece:
                break
            data += piece
        if not data:
            return  # its client had gone before
        number = re.search(NUMBER.encode() + rb": (\d+)", data, re.IGNORECASE)
        self.got.setdefault(int(number[1]) if number else -1, []).append(data)
        peer.send(proxies.reply(fields="Connection: close\r\n"))


def through(connect, recorder, named):
    """Sends all the cases through weft; for each whether it was answered by the service, and what came out behind weft, a list
    of the bytes of connections."""
    client, answered = None, []
    for number, case in enumerate(named):
        if client is None or client.goaway or client.is_at_end:
            client = http2.Connection(connect())
        stream = client.open([*case.fields, (NUMBER.encode(), str(number).encode())], end=not case.body and not case.trailers)
        if case.body:
            client.send(stream, case.body, end=not case.trailers)
        if case.trailers and not stream.is_over:
            client.heads(stream, case.trailers, end=True)
        try:
            client.whole(stream)
        except proxies.Cut:
            client = None
        answered.append(stream.status == 200)
    return [(is_answered, recorder.got.get(number, [])) for number, is_answered in enumerate(answered)]
