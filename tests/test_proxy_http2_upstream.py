"""`weft proxy --config` in front of services that speak HTTP/2: one connection for many requests, its limits and its end."""

import unittest

import http2
import proxies
from http2 import CANCEL, INTERNAL_ERROR, MAX_STREAMS, NO_ERROR, REFUSED_STREAM
from proxies import until


def say_what_came(server, stream):
    server.reply(stream, f"{stream.get(':method')} {stream.path}\n".encode() + bytes(stream.body))


@unittest.skipIf(http2.h2 is None, http2.NEEDS)
class FromHttp1(http2.Http2Test):
    """A client speaks HTTP/1.1, the service HTTP/2."""

    def start(self, serve, **options):
        return super().start(serve, "http2", **options)

    def record(self, **response):
        self.seen = []

        def respond(server, stream):
            self.seen.append(stream)
            server.reply(stream, **response)
        return self.start(http2.answers(respond))

    def test_a_request_and_its_response(self):
        self.record(body=b"hello", status=201, fields=[("server", "app"), ("x-one", "1"), ("set-cookie", "a"),
                                                       ("set-cookie", "b")])
        response = self.connect().ask("/a?b=c", fields="X-Mine: yes\r\nConnection: x-hop\r\nX-Hop: 1\r\nTE: trailers\r\n"
                                                       "Cookie: a=1; b=2\r\n")
        self.assertEqual((response.status, response.version, response.body), (201, "HTTP/1.1", b"hello"))
        self.assertEqual((response.get("x-one"), response.all("set-cookie")), ("1", ["a", "b"]))
        request, = self.seen
        self.assertEqual([name for name, _ in request.fields[:4]].count(":path"), 1)
        self.assertEqual({name: request.get(name) for name in (":method", ":scheme", ":path", ":authority")},
                         {":method": "GET", ":scheme": "http", ":path": "/a?b=c", ":authority": "shop.example"})
        self.assertEqual((request.get("x-mine"), request.get("cookie")), ("yes", "a=1; b=2"))
        self.assertFalse(request.names() & {"host", "connection", "x-hop", "transfer-encoding", "keep-alive", "upgrade"})
        self.assertTrue(all(name == name.lower() for name in request.names()))

    def test_bodies(self):
        self.start(http2.answers(say_what_came))
        peer = self.connect()
        for size in (1, 65_535, 65_536, 300_000):
            with self.subTest(size):
                self.assertEqual(peer.ask("/", "POST", body=bytes(size)).body, b"POST /\n" + bytes(size))
        peer.send(b"POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
        self.assertEqual(peer.response().body, b"POST /c\nabc")

    def test_a_length_passes_and_none_is_invented(self):
        self.record()
        peer = self.connect()
        peer.ask("/", "POST", body=b"hello")
        peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
        self.assertEqual(peer.response().get("transfer-encoding"), "chunked")
        peer.ask("/")
        self.assertEqual([stream.get("content-length") for stream in self.seen], ["5", None, None])

    def test_trailers_both_ways(self):
        self.record(body=b"ok", trailers=[("x-sum", "7")])
        peer = self.connect()
        peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Check: 5\r\n\r\n")
        response = peer.response()
        self.assertEqual((response.body, response.trailers), (b"ok", [("x-sum", "7")]))
        self.assertEqual((bytes(self.seen[0].body), self.seen[0].trailers), (b"abc", [("x-check", "5")]))

    def test_interim_responses(self):
        def respond(server, stream):
            server.heads(stream, [(":status", "103"), ("link", "</a>")])
            server.reply(stream)
        self.start(http2.answers(respond))
        response = self.connect().ask()
        self.assertEqual([(one.status, one.get("link")) for one in response.interim], [(103, "</a>")])
        self.assertEqual(response.status, 200)

    def test_expect_100_continue(self):
        def serve(server):
            stream = server.next()
            self.assertEqual(stream.get("expect"), "100-continue")
            server.heads(stream, [(":status", "100")])
            server.whole(stream)
            server.reply(stream, bytes(stream.body))
            server.until_end()
        self.start(http2.serves(serve))
        peer = self.connect()
        peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        self.assertTrue(peer.receive_until(b"\r\n\r\n").startswith(b"HTTP/1.1 100 "))
        peer.send(b"hello")
        self.assertEqual(peer.response().body, b"hello")

    def test_head(self):
        self.record(body=b"", fields=[("content-length", "7")])
        peer = self.connect()
        self.assertEqual(peer.ask("/", "HEAD").get("content-length"), "7")
        self.assertEqual(peer.ask("/again", "HEAD").status, 200)

    def test_connections_are_shared(self):
        self.start(http2.answers(say_what_came))
        for _ in range(30):
            self.assertEqual(self.connect().ask().status, 200)
        self.assertEqual(self.app.accepted, 1)

    def test_the_services_limit_of_streams(self):
        """RFC 9113, 5.1.2: of a connection that has told it no more is asked; there is another one."""
        held, refused = [], []

        def serve(server):
            while (stream := server.next()) is not None:
                if stream.path == "/first":
                    server.reply(stream)
                elif [other for other, _ in held].count(server) == 2:
                    refused.append(stream)
                    server.reset(stream, REFUSED_STREAM)
                else:
                    held.append((server, stream))
        self.start(http2.serves(serve, {MAX_STREAMS: 2}))
        self.assertEqual(self.connect().ask("/first").status, 200)  # from now on the limit of this connection is known
        for _ in range(2):
            peers = self.ask_at_once(4)
            until(lambda: len(held) == 4, "all are under way")
            self.assertEqual((self.app.accepted, refused), (2, []))
            while held:  # beside the threads that read: a head of static fields alone (RFC 7541, A)
                server, stream = held.pop()
                server.raw(http2.frame(http2.HEADERS, http2.END_HEADERS | http2.END_STREAM, stream.number, b"\x88"))
            for peer in peers:
                self.assertEqual(peer.response().status, 200)

    def ask_at_once(self, count):
        """Peers with a request under way each."""
        peers = [self.connect() for _ in range(count)]
        for peer in peers:
            peer.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        return peers

    def test_responses_that_end_with_their_head(self):
        """That no body follows is said in HTTP/1.1 too (RFC 9112, 6.3), but where none may be: the connection goes on."""
        def respond(server, stream):
            server.heads(stream, [(":status", stream.path[1:])], end=True)
        self.start(http2.answers(respond))
        peer = self.connect()
        for method, path, length in (("GET", "/200", "0"), ("POST", "/201", "0"), ("GET", "/302", "0"), ("GET", "/404", "0"),
                                     ("GET", "/204", None), ("GET", "/304", None), ("HEAD", "/200", None), ("GET", "/503", "0")):
            response = peer.ask(path, method)
            self.assertEqual((response.status, response.body, response.get("content-length")), (int(path[1:]), b"", length),
                             f"{method} {path}")

    def test_what_was_refused_is_sent_again(self):
        """REFUSED_STREAM says that nothing was done (RFC 9113, 8.7): a POST too."""
        seen = []

        def respond(server, stream):
            seen.append(stream)
            if len(seen) == 1:
                server.reset(stream, REFUSED_STREAM)
            else:
                server.reply(stream, bytes(stream.body))
        self.start(http2.answers(respond))
        response = self.connect().ask("/", "POST", body=b"hello")
        self.assertEqual((response.status, response.body, len(seen)), (200, b"hello", 2))

    def test_what_was_reset_is_not_sent_again(self):
        seen = []

        def respond(server, stream):
            seen.append(stream)
            server.reset(stream, INTERNAL_ERROR)
        self.start(http2.answers(respond))
        self.assertEqual(self.connect().ask("/", "POST", body=b"hello").status, 503)
        self.assertEqual(len(seen), 1)
        self.assertEqual(self.app.accepted, 1)

    def test_goaway_before_a_request_was_looked_at(self):
        """What is above the last stream is sent again by another connection (RFC 9113, 6.8), what is below is answered."""
        seen = []

        def serve(server):
            number = len(seen)
            seen.append(server)
            if number > 0:
                while (stream := server.next()) is not None:
                    server.whole(stream)
                    server.reply(stream, b"second")
                return
            streams = [server.next() for _ in range(3)]
            last = streams[1].number
            server.raw(http2.goaway(last))
            for stream in streams[:2]:
                server.whole(stream)
                server.reply(stream, b"first")
            server.until_end()
        self.start(http2.serves(serve))
        peers = []
        for i in range(3):  # in order, so that the last of them is known
            peer = self.connect()
            peer.send(f"POST /{i} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab".encode())
            peers.append(peer)
        self.assertEqual(sorted(peer.response().body for peer in peers), [b"first", b"first", b"second"])
        self.assertEqual(len(seen), 2)

    def test_goaway_of_a_service_that_ends(self):
        """The next request takes another connection; nobody notices."""
        def serve(server):
            while (stream := server.next()) is not None:
                server.whole(stream)
                server.raw(http2.goaway(stream.number))
                server.reply(stream)
        self.start(http2.serves(serve))
        for i in range(10):
            self.assertEqual(self.connect().ask("/", "POST", body=b"x").status, 200)
        self.assertEqual(self.app.accepted, 10)

    def test_a_service_dies_within_its_response(self):
        def serve(server):
            while (stream := server.next()) is not None:
                server.whole(stream)
                server.heads(stream, [(":status", "200"), ("content-length", "10")])
                server.send(stream, b"hello")
                if stream.path == "/close":
                    return
                server.reset(stream, INTERNAL_ERROR)
        self.start(http2.serves(serve))
        for path in ("/reset", "/close"):
            with self.subTest(path):
                peer = self.connect()
                peer.send(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
                self.assertEqual(peer.response_head().status, 200)
                with self.assertRaises(proxies.Cut):
                    peer.receive(10)

    def test_a_service_dies_before_its_response(self):
        seen = []

        def serve(server):
            seen.append(server.whole(server.next()))
        self.start(http2.serves(serve))
        self.assertEqual(self.connect().ask("/", "POST", body=b"x").status, 503)
        self.assertEqual(len(seen), 1)

    def test_responses_that_are_not_valid(self):
        """RFC 9113, 8.1.1: 502 and, of the connection, only the stream ends; or the response is cut."""
        cases = {"/no-status": [("x", "1")], "/upper": [(":status", "200"), ("X-Upper", "1")],
                 "/connection": [(":status", "200"), ("connection", "close")], "/text": [(":status", "abc")],
                 "/twice": [(":status", "200"), (":status", "204")], "/behind": [("x", "1"), (":status", "200")],
                 "/of-a-request": [(":status", "200"), (":path", "/")],
                 "/line": [(":status", "200"), ("x", "a\r\nb: c")],
                 "/lengths": [(":status", "200"), ("content-length", "2"), ("content-length", "3")]}

        def respond(server, stream):
            if stream.path == "/fine":
                server.reply(stream)
            else:
                server.heads(stream, cases[stream.path], end=stream.path != "/lengths")
        self.start(http2.answers(respond))
        for path in cases:
            with self.subTest(path):
                response = self.connect().ask(path)
                self.assertEqual(response.status, 502)
                self.assertEqual(self.connect().ask("/fine").status, 200)

    def test_a_response_that_is_not_as_long_as_it_says(self):
        def respond(server, stream):
            server.heads(stream, [(":status", "200"), ("content-length", "5")])
            server.send(stream, {"/less": b"1234", "/more": b"123456"}[stream.path], end=True)
        self.start(http2.answers(respond))
        for path in ("/less", "/more"):
            with self.subTest(path):
                peer = self.connect()
                peer.send(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
                answer = b""
                try:
                    answer = peer.rest()
                except ConnectionError:
                    pass
                head_, _, body = answer.partition(b"\r\n\r\n")
                self.assertTrue(b" 502 " in head_ or len(body) < 5, answer)

    def test_a_service_that_speaks_http1(self):
        def serve(peer):
            peer.receive_until(b"SM\r\n\r\n")
            peer.send(proxies.reply(b"", "400 Bad Request"))
            peer.rest()
        self.start(serve)
        self.assertIn(self.connect().ask().status, (502, 503))

    def test_a_client_that_departs(self):
        """Its stream is reset; the connection stays for others."""
        reset = []

        def serve(server):
            while (stream := server.next()) is not None:
                if stream.path == "/wait":
                    server.until(lambda stream=stream: stream.reset is not None, "a reset")
                    reset.append(stream.reset)
                else:
                    server.reply(stream)
        self.start(http2.serves(serve))
        peer = self.connect()
        peer.send(b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n")
        until(lambda: self.weft.metric("weft_requests_active") == 1, "it is under way")
        peer.close()
        until(lambda: reset, "the stream is reset")
        self.assertEqual(reset, [CANCEL])
        self.assertEqual(self.connect().ask().status, 200)
        self.assertEqual(self.app.accepted, 1)


@unittest.skipIf(http2.h2 is None, http2.NEEDS)
class FromHttp2(http2.Http2Test):
    """Both speak HTTP/2."""

    def test_both_ways_at_once(self):
        """A dialogue on one stream, with trailers of both."""
        def serve(server):
            stream = server.next()
            server.heads(stream, [(":status", "200")])
            said = 0
            while not stream.has_ended:
                server.until(lambda: len(stream.body) > said or stream.has_ended, "more")
                server.send(stream, bytes(stream.body[said:]).upper())
                said = len(stream.body)
            server.heads(stream, [("x-count", str(said)), *stream.trailers], end=True)
            server.until_end()
        self.start(http2.serves(serve), "http2")
        client = self.client()
        stream = client.open(method="POST", end=False, fields=[("te", "trailers")])
        for i in range(20):
            client.send(stream, b"word ")
            client.until(lambda: len(stream.body) == 5 * (i + 1), "the answer")
        client.heads(stream, [("x-last", "yes")], end=True)
        client.whole(stream)
        self.assertEqual((bytes(stream.body), stream.trailers), (b"WORD " * 20, [("x-count", "100"), ("x-last", "yes")]))

    def test_te_trailers_passes(self):
        """RFC 9113, 8.2.2: the one TE that there is, and gRPC asks for it."""
        seen = []

        def respond(server, stream):
            seen.append(stream.all("te"))
            server.reply(stream)
        self.start(http2.answers(respond), "http2")
        client = self.client()
        client.ask(fields=[("te", "trailers")])
        client.ask()
        self.assertEqual(seen[0], ["trailers"])

    def test_resets_of_the_client_reach_the_service(self):
        resets = []

        def serve(server):
            while (stream := server.next()) is not None:
                server.heads(stream, [(":status", "200")])
                server.until(lambda stream=stream: stream.reset is not None, "a reset")
                resets.append(stream.reset)
        self.start(http2.serves(serve), "http2")
        client = self.client()
        for _ in range(3):
            stream = client.open(method="POST", end=False)
            client.head_of(stream)
            client.reset(stream, CANCEL)
        until(lambda: len(resets) == 3, "all came")
        self.assertEqual(resets, [CANCEL] * 3)
        self.assertEqual(self.app.accepted, 1)

    def test_resets_of_the_service_reach_the_client(self):
        def respond(server, stream):
            server.heads(stream, [(":status", "200")])
            server.send(stream, b"hello")
            server.reset(stream, INTERNAL_ERROR)
        self.start(http2.answers(respond), "http2")
        client = self.client()
        for _ in range(3):
            stream = client.ask()
            self.assertEqual((bytes(stream.body), stream.has_ended, stream.reset), (b"hello", False, INTERNAL_ERROR))

    def test_an_early_answer(self):
        """RFC 9113, 8.1: a response may end before its request, whose rest is not wanted then."""
        def serve(server):
            while (stream := server.next()) is not None:
                server.reply(stream, b"enough", status=413)
                if not stream.has_ended:
                    server.reset(stream, NO_ERROR)
        self.start(http2.serves(serve), "http2")
        client = self.client()
        stream = client.open(method="POST", end=False)
        client.send(stream, b"x" * 1000)
        client.until(lambda: stream.is_over, "the answer")
        self.assertEqual((stream.status, bytes(stream.body)), (413, b"enough"))
        self.assertEqual(client.ask().status, 413)

    def test_many_streams_of_many_clients(self):
        self.start(http2.answers(say_what_came, {MAX_STREAMS: 100}), "http2")
        clients = [self.client() for _ in range(8)]
        streams = [[client.open(path=f"/{i}-{j}") for j in range(40)] for i, client in enumerate(clients)]
        for i, client in enumerate(clients):
            for j, stream in enumerate(streams[i]):
                self.assertEqual(bytes(client.whole(stream).body), f"GET /{i}-{j}\n".encode())
        self.assertLess(self.app.accepted, 32)


if __name__ == "__main__":
    unittest.main()
