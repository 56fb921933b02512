"""Peers that speak HTTP/2 by hand (hyper-h2 and its parts, of tests/requirements.txt), on either side of a proxy. They check
nothing of what they send, so that a test may say anything."""

import contextlib
import typing

import proxies

try:
    import h2.config
    import h2.connection
    import h2.exceptions
    import h2.settings
    import hpack
except ImportError:
    h2 = None

NEEDS = "needs the packages of tests/requirements.txt, which `./dev test` installs"
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
# RFC 9113, 6 and 7.
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED = 1, 1, 4, 8
NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR = range(4)
STREAM_CLOSED, REFUSED_STREAM, CANCEL, ENHANCE_YOUR_CALM = 5, 7, 8, 11
TABLE_SIZE, MAX_STREAMS, WINDOW, CONNECT_PROTOCOL = 1, 3, 4, 8


def frame(kind, flags=0, stream=0, payload=b""):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def settings_frame(values):
    return frame(SETTINGS, 0, 0, b"".join(key.to_bytes(2, "big") + value.to_bytes(4, "big") for key, value in values.items()))


def window_update(increment, stream=0):
    return frame(WINDOW_UPDATE, 0, stream, increment.to_bytes(4, "big"))


def reset_frame(stream, code=CANCEL):
    return frame(RST_STREAM, 0, stream, code.to_bytes(4, "big"))


def goaway(last, code=NO_ERROR):
    return frame(GOAWAY, 0, 0, last.to_bytes(4, "big") + code.to_bytes(4, "big"))


def head(path="/", method="GET", fields=(), authority="shop.example", scheme="http"):
    """The fields of a request."""
    return [(":method", method), (":scheme", scheme), (":path", path), (":authority", authority), *fields]


def pattern(size):
    """A body of which every piece tells its place."""
    return (bytes(range(251)) * (size // 251 + 1))[:size]


class GoAway(typing.NamedTuple):
    last_stream_id: int
    error_code: int


class Stream:
    """What has come on one stream."""

    def __init__(self, number):
        self.number, self.fields, self.body, self.trailers, self.interim = number, None, bytearray(), [], []
        self.has_ended, self.reset = False, None

    @property
    def is_over(self):
        return self.has_ended or self.reset is not None

    def get(self, name):
        return next((value for key, value in self.fields or [] if key == name), None)

    def all(self, name):
        return [value for key, value in self.fields if key == name]

    def names(self):
        return {name for name, _ in self.fields}

    @property
    def status(self):
        return int(self.get(":status") or 0)

    @property
    def path(self):
        return self.get(":path")

    def __repr__(self):
        return (f"stream {self.number}: {self.fields} {bytes(self.body[:200])!r} ({len(self.body)}) {self.trailers} "
                f"ended={self.has_ended} reset={self.reset}")


class Connection:
    """One side of a connection over a proxies.Peer. It gives the other side its windows back as bytes come, unless
    `takes` is false."""

    def __init__(self, peer, is_client=True, takes=True, settings=None):
        self.peer, self.is_client, self.takes = peer, is_client, takes
        self.streams, self.new, self.goaway, self.pings, self.is_at_end = {}, [], None, 0, False
        self.has_preface = False  # a client's, of a server
        self.waiting = {}  # (the rest of a body, what follows) by stream
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(
            client_side=is_client, header_encoding="latin-1", validate_outbound_headers=False,
            normalize_outbound_headers=False, validate_inbound_headers=False, normalize_inbound_headers=False,
            split_outbound_cookies=False))
        # A limit of streams is told the peer alone: what to do beyond it is up to the test.
        settings = {**(settings or {})}
        limit = settings.pop(MAX_STREAMS, None)
        self.h2.local_settings = h2.settings.Settings(client=is_client, initial_values={
            h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: 1 << 20, **settings})
        self.h2.initiate_connection()
        self.flush()
        if limit is not None:
            self.raw(settings_frame({MAX_STREAMS: limit}))

    def flush(self):
        data = self.h2.data_to_send()
        if data:
            self.peer.send(data)

    def pump(self):
        """Takes what comes next; false at the peer's end."""
        try:
            if not self.peer.more():
                self.is_at_end = True
                return False
        except ConnectionError:
            self.is_at_end = True
            return False
        for event in self.h2.receive_data(self.without_goaway()):
            self.take(event)
        for stream in list(self.waiting):
            self.advance(stream)
        with contextlib.suppress(ConnectionError):
            self.flush()
        return True

    def without_goaway(self):
        """The whole frames that are here, but for GOAWAY, behind which hyper-h2 knows of nothing more."""
        kept, at, data = b"", 0, self.peer.buffer
        if not self.is_client and not self.has_preface:
            if len(data) < len(PREFACE):
                return b""
            kept, at, self.has_preface = data[:len(PREFACE)], len(PREFACE), True
        while len(data) - at >= 9 and len(data) - at >= (size := 9 + int.from_bytes(data[at:at + 3], "big")):
            if data[at + 3] == GOAWAY:
                self.goaway = GoAway(*(int.from_bytes(data[at + i:at + i + 4], "big") for i in (9, 13)))
            else:
                kept += data[at:at + size]
            at += size
        self.peer.buffer = data[at:]
        return kept

    def take(self, event):
        number = getattr(event, "stream_id", None)
        stream = self.streams.setdefault(number, Stream(number)) if number else None
        kind = type(event).__name__
        if kind in ("RequestReceived", "ResponseReceived"):
            stream.fields = list(event.headers)
            self.new.append(stream)
        elif kind == "InformationalResponseReceived":
            stream.interim.append(list(event.headers))
        elif kind == "TrailersReceived":
            stream.trailers = list(event.headers)
        elif kind == "DataReceived":
            stream.body += event.data
            if self.takes and event.flow_controlled_length:
                self.give_back(number, event.flow_controlled_length)
        elif kind == "StreamEnded":
            stream.has_ended = True
        elif kind == "StreamReset":
            stream.reset = int(event.error_code)
        elif kind == "PingAckReceived":
            self.pings += 1

    def give_back(self, number, size):
        self.h2.increment_flow_control_window(size)
        with contextlib.suppress(h2.exceptions.ProtocolError):  # the stream is over
            self.h2.increment_flow_control_window(size, number)

    def until(self, condition, what):
        """Takes what comes until condition() is true."""
        while not (value := condition()):
            if not self.pump():
                raise proxies.Cut(f"the connection ended before: {what}; {list(self.streams.values())}")
        return value

    def until_end(self):
        while self.pump():
            pass

    def ping(self):
        """Waits for the answer to a PING: whatever was sent before has been taken."""
        before = self.pings
        self.h2.ping(b"weftping")
        self.flush()
        self.until(lambda: self.pings > before, "the answer to a PING")

    # Of a client.

    def open(self, request=None, end=True, **words):
        """Sends a request's head, all its fields or what head() makes of these words; its stream."""
        number = self.h2.get_next_available_stream_id()
        self.h2.send_headers(number, request or head(**words), end_stream=end)
        self.flush()
        return self.streams.setdefault(number, Stream(number))

    def whole(self, stream):
        """Waits until the message on this stream has ended, or was reset."""
        self.until(lambda: stream.is_over, f"the end of stream {stream.number}")
        return stream

    def ask(self, body=b"", **words):
        """One request, and the whole response to it."""
        stream = self.open(end=not body, **words)
        if body:
            self.send(stream, body, end=True)
        return self.whole(stream)

    def head_of(self, stream):
        self.until(lambda: stream.fields or stream.is_over, f"the head on stream {stream.number}")
        return stream

    # Of a server.

    def next(self):
        """The next stream that the client opens; None once it is gone."""
        while not self.new:
            if not self.pump():
                return None
        return self.new.pop(0)

    def reply(self, stream, body=b"ok", status=200, fields=(), trailers=()):
        """Sends a response, of which the body's rest follows as the windows open, while this side takes what comes."""
        self.heads(stream, [(":status", str(status)), *fields], end=not body and not trailers)
        if body or trailers:
            self.waiting[stream] = memoryview(body), list(trailers)
            self.advance(stream)

    def advance(self, stream):
        body, trailers = self.waiting[stream]
        while body and not stream.reset and (size := self.room(stream, body)):
            self.h2.send_data(stream.number, bytes(body[:size]), end_stream=size == len(body) and not trailers)
            body = body[size:]
        self.waiting[stream] = body, trailers
        if not body and trailers and stream.reset is None:
            self.h2.send_headers(stream.number, trailers, end_stream=True)
        if not body or stream.reset is not None:
            del self.waiting[stream]
        self.flush()

    # Of both.

    def heads(self, stream, fields, end=False):
        self.h2.send_headers(stream.number, fields, end_stream=end)
        self.flush()

    def room(self, stream, body):
        """How much of a body the peer takes now in one frame."""
        return max(0, min(len(body), self.h2.local_flow_control_window(stream.number), self.h2.max_outbound_frame_size))

    def send(self, stream, body, end=False):
        """Sends a body as the peer's windows allow; false if the stream is over before."""
        view = memoryview(body)
        while view:
            if stream.reset is None and (size := self.room(stream, view)):
                self.h2.send_data(stream.number, bytes(view[:size]), end_stream=end and size == len(view))
                self.flush()
                view = view[size:]
            elif stream.reset is not None or not self.pump():
                return False
        if not body and end:
            self.h2.end_stream(stream.number)
            self.flush()
        return True

    def reset(self, stream, code):
        self.h2.reset_stream(stream.number, code)
        self.flush()

    def raw(self, *frames):
        """Sends bytes as they are."""
        self.peer.send(*frames)


def answers(respond, settings=None):
    """What serves HTTP/2, a request at a time: `respond(connection, stream)` with the whole request."""
    def serve(server):
        while (stream := server.next()) is not None:
            server.whole(stream)
            if stream.reset is None:
                respond(server, stream)
    return serves(serve, settings)


def serves(serve, settings=None):
    """What takes a connection of HTTP/2: `serve(connection)`."""
    return lambda peer: serve(Connection(peer, is_client=False, settings=settings))


class Http2Test(proxies.ProxyTest):
    """A test of a listener that clients speak HTTP/2 or HTTP/1.1 to."""

    def start(self, serve, upstream="http1", listener=None, cluster=None, **options):
        """A proxy, `self.port`, in front of one backend, `self.app`, that is spoken `upstream` to."""
        self.app = self.backend(serve)
        self.port = proxies.free_port()
        config = proxies.config(self.port, [self.app.address])
        config["listeners"][0].update(listener or {})
        config["clusters"][0].update({"protocol": upstream, **(cluster or {})})
        self.weft = self.proxy(config, **options)
        return self.weft

    def client(self, **options):
        return Connection(self.connect(), **options)
