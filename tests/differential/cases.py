"""The bytes that are compared: the fuzzers' corpora, the refusal list, known tricks, and seeded mutations of all of them."""

import pathlib
import random

import refusal_cases

CORPUS = pathlib.Path(__file__).resolve().parents[2] / "fuzz" / "corpus"
SEED = 4
AFTER = b"GET /after HTTP/1.1\r\nHost: after\r\n\r\n"  # what follows shows where the message before it ended
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
CHUNKED_RESPONSE = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

POST = "POST / HTTP/1.1\r\nHost: a\r\n"
CODING = "Transfer-Encoding: chunked\r\n"
LENGTH = "Content-Length: 5\r\n"

# Obfuscations of a framing field's line: of each reader some, somewhere, took it for the plain one or passed it over.
CODINGS = ["Transfer-Encoding: chunked", "Transfer-Encoding : chunked", "Transfer-Encoding\t: chunked",
           " Transfer-Encoding: chunked", "X: a\r\n Transfer-Encoding: chunked", "Transfer-Encoding:chunked",
           "Transfer-Encoding:\tchunked", "Transfer-Encoding: chunked\t", "Transfer-Encoding:  chunked  ",
           "Transfer-Encoding:\x0bchunked", "Transfer-Encoding: \x0bchunked", "Transfer-Encoding: chunked\x0b",
           "Transfer-Encoding: \x0cchunked", "Transfer-Encoding: \0chunked", "Transfer-Encoding: chunked\0",
           "Transfer-Encoding: chunked\r", "Transfer-Encoding: chunked\n", "Transfer-Encoding:\n chunked",
           "Transfer-Encoding:\r\n chunked", "Transfer-Encoding: CHUNKED", "Transfer-Encoding: xchunked",
           "Transfer-Encoding: chunkedx", "Transfer-Encoding: x, chunked", "Transfer-Encoding: chunked, x",
           "Transfer-Encoding: gzip, chunked", "Transfer-Encoding: identity, chunked",
           "Transfer-Encoding: chunked, identity", "Transfer-Encoding: chunked, chunked", "Transfer-Encoding: ,chunked",
           "Transfer-Encoding: chunked,", "Transfer-Encoding: \"chunked\"", "Transfer-Encoding: 'chunked'",
           "Transfer-Encoding: chunked;a=b", "Transfer-Encoding: chunked ;a", "Transfer-Encoding: chunk", "Transfer-Encoding:",
           "Transfer-Encoding: identity", "Transfer-Encoding: \xa0chunked", "Transfer-Encoding: chunked\xa0",
           "Transfer-Encoding: \xffchunked", "Transfer_Encoding: chunked", "Transfer-Encoding\0: chunked",
           "Transfer-Encoding\xa0: chunked", "Transfer-Encod\u0131ng: chunked".replace("\u0131", "\xfd"),
           "Foo: bar\rTransfer-Encoding: chunked", "Foo: bar\nTransfer-Encoding: chunked",
           "Transfer-Encoding: chunked\r\nTransfer-Encoding: x", "Transfer-Encoding: x\r\nTransfer-Encoding: chunked",
           "Transfer-Encoding: chunked\r\nTransfer-encoding: identity", "Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked",
           "TE: chunked", "transfer-encoding: chunked", "TRANSFER-ENCODING: chunked", "Transfer-Encoding:chunked \t "]
LENGTHS = ["Content-Length: 5", "Content-Length : 5", " Content-Length: 5", "Content-Length:5", "Content-Length:\t5",
           "Content-Length: 5\t", "Content-Length:  5  ", "Content-Length: \t 5 \t ", "Content-Length: +5", "Content-Length: -5",
           "Content-Length: 05", "Content-Length: 0000000000000000000000005", "Content-Length: 0x5", "Content-Length: 5.0",
           "Content-Length: 5,5", "Content-Length: 5, 5", "Content-Length: 5,", "Content-Length: ,5", "Content-Length: 5 5",
           "Content-Length: 5\r\nContent-Length: 5", "Content-Length: 5\r\nContent-Length: 0",
           "Content-Length: 0\r\nContent-Length: 5", "Content-Length:", "Content-Length: ", "Content-Length: 0",
           "Content-Length: 00", "Content-Length: 5\x0b", "Content-Length: \x0c5", "Content-Length: 5\0", "Content-Length: 5\r",
           "Content-Length: 5\n", "Content-Length: five", "Content-Length: 5abc", "Content-Length: 1e1", "Content-Length: 5;a",
           "Content-Length: \"5\"", "Content-Length: 5\xa0", "Content-Length: 4294967301", "Content-Length: 18446744073709551621",
           "Content-Length: 9223372036854775807", "Content-Length: 9223372036854775808", "Content_Length: 5",
           "Content-Length\xa0: 5", "X: a\r\n Content-Length: 5", "Connection: Content-Length\r\nContent-Length: 5",
           "Content-Length: 5\r\nContent-Length: 5, 5", "Content Length: 5"]
REQUEST_LINES = ["GET / HTTP/1.1", "get / HTTP/1.1", "GeT / HTTP/1.1", "G\xe9T / HTTP/1.1", "GET\t/ HTTP/1.1", "GET /\tHTTP/1.1",
                 "GET  / HTTP/1.1", "GET /  HTTP/1.1", " GET / HTTP/1.1", "GET / HTTP/1.1 ", "GET / http/1.1", "GET / Http/1.1",
                 "GET / HTTP/1.2", "GET / HTTP/1.9", "GET / HTTP/1.10", "GET / HTTP/1.01", "GET / HTTP/01.1", "GET / HTTP/2.0",
                 "GET / HTTP/0.9", "GET / HTTP/1", "GET / HTTP/1.", "GET / HTTP1.1", "GET / HTTP /1.1", "GET / HTTP/1.1\x0b",
                 "GET / HTTP/-1.1", "GET / HTTP/1,1", "GET / ICE/1.0", "GET / RTSP/1.0", "GET /", "GET / ", "GET", "GET ",
                 "FOO / HTTP/1.1", "F-O_O / HTTP/1.1", "F.O / HTTP/1.1", "F1 / HTTP/1.1", "!#$%&'*+-.^_`|~ / HTTP/1.1",
                 "F(O / HTTP/1.1", "F:O / HTTP/1.1", "PRI * HTTP/2.0", "PRI / HTTP/1.1", "SOURCE / HTTP/1.1", "DESCRIBE / HTTP/1.1",
                 "HEAD / HTTP/1.1", "PUT / HTTP/1.1", "DELETE / HTTP/1.1", "PATCH / HTTP/1.1", "TRACE / HTTP/1.1",
                 "OPTIONS * HTTP/1.1", "OPTIONS / HTTP/1.1", "OPTIONS http://b HTTP/1.1", "OPTIONS http://b? HTTP/1.1",
                 "OPTIONS http://b/ HTTP/1.1", "GET * HTTP/1.1", "CONNECT b:80 HTTP/1.1", "CONNECT b HTTP/1.1", "CONNECT / HTTP/1.1",
                 "CONNECT [::1]:80 HTTP/1.1", "CONNECT http://b/ HTTP/1.1", "M-SEARCH / HTTP/1.1", "PROPFIND / HTTP/1.1"]
TARGETS = ["/", "//", "//b/c", "/a?b#c", "/#", "#", "/a/../b", "/../a", "/..", "/a/../../b", "/a/%2e%2e/%2e%2e/b", "/./a", "/a/.",
           "/a//../b", "/..?", "/a/..?/../..", "/%00", "/a%00b", "/?%00", "/%", "/%4", "/%zz", "/?%", "/?%zz", "/%41", "/%2F",
           "/%c3%a9", "/caf\xe9", "/?\xe9", "/a\x01", "/a\x7f", "/a\0", "/a\tb", "/a b", "/[]{}|", "/?[]{}|", "/?a=<>\"^`\\",
           "/a\\..\\b", "/\\..\\..\\", "/a;b=c", "/a,b", "/@", "/:", "/a:b@c", "/*", "a", "?", "a/b", "b:80", "http:", "http:/", "http://",
           "http:///", "http://b", "http://b/", "http://b?x", "http://b?", "http://b#x", "http://b:81", "http://b:81/x", "http://b:/x",
           "http://b:0/", "http://b:99999/", "http://B.Example./x", "http://u@b/", "http://u:p@b/", "http://b@c@d/", "http://@b/",
           "http://b/@", "http://b?u@c", "http://[::1]/", "http://[::1]:8/", "http://[::1/", "http://[v1.x]/", "http://b c/",
           "http://b%20c/", "http://b\\c/", "http://b,c/", "http://b_c/", "http://b~c/", "http://-b/", "http://b..c/", "http://1.2.3.4/",
           "HTTP://b/", "https://b/", "hTTpS://b/", "ftp://b/", "ws://b/", "xhttp://b/", "http://b/../x", "http://b//x", "http://b/%00",
           "http://xn--caf-dma/", "://b/", "//b", "/http://b/", "/?http://b/", "http://b/?x#y", "http://b;/", "http://b&c/"]
HOSTS = ["Host: a", "Host:a", "Host:  a ", "Host:\ta", "Host: a\t", "Host: a:80", "Host: a:", "Host: a:0", "Host: [::1]:", "Host: a::", "Host: a:65535",
         "Host: a:65536", "Host: a:080", "Host: a:x", "Host: A.Example.", "Host: a.", "Host: a..b", "Host: .a", "Host: -a", "Host: a_b",
         "Host: a~b", "Host: a,b", "Host: a, b", "Host: a b", "Host: a\\b", "Host: a/b", "Host: a?b", "Host: a#b", "Host: u@a",
         "Host: u:p@a", "Host: a%20b", "Host: [::1]", "Host: [::1]:8", "Host: [::1", "Host: [::1]x", "Host: ::1", "Host: [1.2.3.4]",
         "Host: 1.2.3.4", "Host: 1.2.3.4:5", "Host: caf\xe9", "Host: a\0", "Host: a\x0b", "Host:", "Host: ", "Host: \t", "X: y",
         "Host: a\r\nHost: a", "Host: a\r\nHost: b", "Host: a\r\nhOsT: b", "Host: a\r\n b", "Host : a", " Host: a", "Host\t: a",
         "X: y\r\nHost : a", "Host: a\r\nHost: ", "Host: a\r\nHost : b", "Host\0: a", "X-Host: b\r\nHost: a", "Host: http://a/",
         "Host: a;b", "Host: a&b", "Host: \"a\"", "Host: (a)", "Host: a'b", "Host: *", "Host: a:80:80", "Connection: Host\r\nHost: a"]
FIELDS = ["X: y", "X:y", "X:\ty\t", "X: \t y \t ", "X:", "X: ", "X:\t", ": y", " : y", "X", "X y", "X Y: z", "X\xe9: y", "X: \xe9\xff",
          "X: caf\xc3\xa9", "X: a\0b", "X: a\x01", "X: a\x7f", "X: a\tb", "X: a\x0bb", "X: a\rb", "X: a\nb", "X: a\r\n b", "X: a\r\n\tb",
          "X: a\r\n ", "X: a\r\n\t\r\n b", "X_Y: z", "X.Y: z", "X/Y: z", "X[Y]: z", "X(Y): z", "\"X\": z", "X;Y: z", "!#$%&'*+-.^_`|~0: z",
          "0: z", "X: y\r\nX: z", "X: \"a, b\"", "X: \"a", "X::y", "X: y:z", "Connection: close", "Connection: keep-alive",
          "Connection: close, keep-alive", "Connection: keep-alive, close", "Connection: x, close", "Connection: x-close",
          "Connection: closed", "Connection: ,close,", "Connection: close\r\nConnection: keep-alive", "Connection:", "Connection: \"close\"",
          "Connection: close;a", "Connection: upgrade\r\nUpgrade: websocket", "Connection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AA",
          "Upgrade: websocket", "Connection: upgrade", "Connection: x-upgrade\r\nUpgrade: a", "Expect: 100-continue", "Expect: other", "Expect:", "Expect: 100-continue\r\nExpect: x",
          "Authorization: a\r\nAuthorization: b", "If-None-Match: \"a\"\r\nIf-None-Match: \"b\"",
          "Proxy-Connection: close", "Keep-Alive: timeout=5", "TE: trailers", "Trailer: X", "Content-Type: a", "Date: x",
          "X-Forwarded-For: 1.2.3.4", "X-" + "a" * 300 + ": b", "X: " + "b" * 9000]
SIZES = ["5", "05", "0000000000000005", "00000000000000005", "5 ", " 5", "5\t", "+5", "-5", "0x5", "5h", "5_", "5\0", "5\x0b", "5;", "5;a",
         "5;a=b", "5; a", "5; a=b", "5;a =b", "5;a= b", "5 ;a", "5\t;a", "5;a;b;c=d", "5;a=\"b\"", "5;a=\"b;c\"", "5;a=\"b\\\"c\"",
         "5;a=\"b", "5;a=b\"", "5;=b", "5;;a", "5;a=", "5;\x01", "5;a\x7f", "5;\xe9", "5;a=\"\xe9\"", "5;a\nb", "5;a\rb", "5,a", "5 a",
         "5;a=(b)", "5;a=\"\t\"", "5;a=\"b\"c", "5;a\t=b", "5;a=b ", "5;a=b;", "10000000000000005", "100000005", "ffffffffffffffff",
         "8000000000000000", "7fffffffffffffff", "F", "f", "5\n", "5\r", "5\r\r", "", "g", "5;" + "a" * 200, "5;a=" + "b" * 5000]
BODIES = ["5\r\nhello\r\n0\r\n\r\n", "5\nhello\n0\n\n", "5\r\nhello\n0\r\n\r\n", "5\r\nhello\r0\r\n\r\n", "5\r\nhello0\r\n\r\n",
          "5\r\nhello!\r\n0\r\n\r\n", "5\r\nhello\r\n\r\n0\r\n\r\n", "5\r\nhello\r\n0\r\n", "5\r\nhello\r\n0\r\n\r", "5\r\nhello\r\n0\r\n\n",
          "5\r\nhello\r\n0\n\r\n", "5\r\nhello\r\n0\r\r\n", "5\r\nhello\r\n00\r\n\r\n", "5\r\nhello\r\n000;a\r\n\r\n", "0\r\n\r\n", "0\r\n\r\n\r\n",
          "5\r\nhell", "5\r\nhello", "5\r\nhello\r", "5\r\nhello\r\n", "5\r\nhello\r\n0", "", "\r\n5\r\nhello\r\n0\r\n\r\n", "0\r\nX: y\r\n\r\n",
          "0\r\nX: y\r\nZ:\t a \t\r\n\r\n", "0\r\nX : y\r\n\r\n", "0\r\nX\r\n\r\n", "0\r\nX: y\n\r\n", "0\r\nX: a\r\n b\r\n\r\n", "0\r\nContent-Length: 5\r\n\r\n",
          "0\r\nTransfer-Encoding: chunked\r\n\r\n", "0\r\nHost: b\r\n\r\n", "0\r\nConnection: close\r\n\r\n", "0\r\nTrailer: X\r\n\r\n",
          "0\r\nTe: x\r\n\r\n", "0\r\nUpgrade: x\r\n\r\n", "0\r\n: y\r\n\r\n", "0\r\n X: y\r\n\r\n", "0\r\nX: a\0\r\n\r\n", "0\r\nX: \xe9\r\n\r\n", "0\r\nGET / HTTP/1.1\r\n\r\n",
          "1\r\n\n\r\n0\r\n\r\n", "2\r\n\r\n\r\n0\r\n\r\n", "7\r\n0\r\n\r\nab\r\n0\r\n\r\n"]
STATUS_LINES = ["HTTP/1.1 200 OK", "HTTP/1.1 200", "HTTP/1.1 200 ", "HTTP/1.1  200 OK", "HTTP/1.1 200  OK", "HTTP/1.1\t200 OK", "HTTP/1.1 200\tOK",
                "HTTP/1.0 200 OK", "HTTP/1.2 200 OK", "HTTP/1.9 200 OK", "HTTP/2.0 200 OK", "HTTP/0.9 200 OK", "HTTP/1 200 OK", "http/1.1 200 OK",
                "ICY 200 OK", "HTTP/1.1 20 OK", "HTTP/1.1 2000 OK", "HTTP/1.1 099 OK", "HTTP/1.1 000 OK", "HTTP/1.1 600 OK", "HTTP/1.1 999 OK",
                "HTTP/1.1 2x0 OK", "HTTP/1.1 -20 OK", "HTTP/1.1 200OK", "HTTP/1.1 100 Continue", "HTTP/1.1 101 Switching", "HTTP/1.1 102 X",
                "HTTP/1.1 103 Early", "HTTP/1.1 199 X", "HTTP/1.1 204 No", "HTTP/1.1 205 Reset", "HTTP/1.1 304 Not", "HTTP/1.1 404 \xe9",
                "HTTP/1.1 200 a\tb", "HTTP/1.1 200 a\0", "HTTP/1.1 200 a\x7f", "HTTP/1.1 200 a\rb", "HTTP/1.1 200 a\n", " HTTP/1.1 200 OK", "\r\nHTTP/1.1 200 OK"]
# What mutations put in: what lines, fields and chunks are made of, and bytes that readers fall over.
PIECES = [piece.encode("latin-1") for piece in
          ["\r\n", "\n", "\r", " ", "\t", "\0", "\x0b", "\x0c", "\x7f", "\x80", "\xa0", "\xff", ":", ";", ",", "=", "\"", "\\", "#", "?", "%", "@", "/", "*",
           "0", "5", "+", "-", "0x", "_", "\r\n ", "\r\n\t", "\r\n\r\n", "\n\n", "0\r\n\r\n", "5\r\nhello\r\n", "X: y\r\n", "Host: b\r\n", CODING, LENGTH,
           "Content-Length: 0\r\n", "Transfer-Encoding: x\r\n", "Connection: close\r\n", "Connection: keep-alive\r\n", " chunked", "chunked, ",
           "HTTP/1.1", "HTTP/1.0", "http://b/", "GET / HTTP/1.1\r\nHost: c\r\n\r\n", "%00", "%2f", "../", "//", "[", "]", "{", "|", "~"]]


def latin1(texts):
    return [text if isinstance(text, bytes) else text.encode("latin-1") for text in texts]


def corpus(name):
    return [(f"{name}/{file.name}", file.read_bytes()) for file in sorted((CORPUS / name).iterdir())]


def tricks():
    """(name, bytes) of requests that try one thing each, and the framing fields in pairs."""
    for label, lines in (("coding", CODINGS), ("length", LENGTHS), ("field", FIELDS)):
        for text in lines:
            for body, what in (("5\r\nhello\r\n0\r\n\r\n", "chunked"), ("hello", "plain"), ("", "none")):
                yield f"{label}:{text!r}:{what}", f"{POST}{text}\r\n\r\n{body}"
            yield f"{label}:{text!r}:1.0", f"POST / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n{text}\r\n\r\nhello"
    for text in CODINGS:
        yield f"CL.TE:{text!r}", f"{POST}{LENGTH}{text}\r\n\r\n0\r\n\r\n"
        yield f"TE.CL:{text!r}", f"{POST}{text}\r\n{LENGTH}\r\n0\r\n\r\n"
        yield f"TE.TE:{text!r}", f"{POST}{CODING}{text}\r\n\r\n0\r\n\r\n"
    for text in LENGTHS:
        yield f"CL.CL:{text!r}", f"{POST}Content-Length: 0\r\n{text}\r\n\r\nhello"
        yield f"chunked and {text!r}", f"{POST}{CODING}{text}\r\n\r\n0\r\n\r\n"
    for text in REQUEST_LINES:
        yield f"line with content:{text!r}", f"{text}\r\nHost: a\r\n{LENGTH}\r\nhello"
        yield f"line:{text!r}", f"{text}\r\nHost: a\r\n\r\n"
    for text in TARGETS:
        yield f"target:{text!r}", f"GET {text} HTTP/1.1\r\nHost: a\r\n\r\n"
        yield f"OPTIONS target:{text!r}", f"OPTIONS {text} HTTP/1.1\r\nHost: a\r\n\r\n"
    for text in HOSTS:
        yield f"host:{text!r}", f"GET / HTTP/1.1\r\n{text}\r\n\r\n"
        yield f"host:{text!r}:1.0", f"GET / HTTP/1.0\r\n{text}\r\n\r\n"
        yield f"host:{text!r}:absolute", f"GET http://b/x HTTP/1.1\r\n{text}\r\n\r\n"
    for text in SIZES:
        yield f"size:{text!r}", f"{POST}{CODING}\r\n{text}\r\nhello\r\n0\r\n\r\n"
        yield f"last size:{text!r}", f"{POST}{CODING}\r\n{text.replace('5', '0', 1)}\r\n\r\n"
    for text in BODIES:
        yield f"body:{text!r}", f"{POST}{CODING}\r\n{text}"
    for start in ("\r\n", "\r\n\r\n", "\n", "\r", " ", "\0", "\r\n\n"):
        yield f"before:{start!r}", f"{start}GET / HTTP/1.1\r\nHost: a\r\n\r\n"
        yield f"between:{start!r}", f"{POST}{LENGTH}\r\nhello{start}GET /b HTTP/1.1\r\nHost: b\r\n\r\n"


def requests():
    """(name, bytes); each also with another request behind it."""
    cases = [(name, data) for name, data in corpus("h1_request")]
    cases += [(name, CHUNKED + data[1:]) for name, data in corpus("h1_chunked")]
    for group in (*refusal_cases.REQUESTS.values(), refusal_cases.CHUNKS, refusal_cases.PASSES):
        cases += [(case.name, case.bytes) for case in group]
    cases += [(name, text.encode("latin-1")) for name, text in tricks()]
    return cases + [(f"{name} + another", data + AFTER) for name, data in cases]


def responses():
    """(name, bytes)."""
    cases = [(name, data[1:]) for name, data in corpus("h1_response")]
    cases += [(name, CHUNKED_RESPONSE + data[1:]) for name, data in corpus("h1_chunked")]
    cases += [(case.name, case.bytes) for case in refusal_cases.RESPONSES + refusal_cases.RESPONSE_BODIES]
    texts = [f"{start}\r\n{fields}\r\nhello" for start in STATUS_LINES for fields in ("", LENGTH, "Content-Length: 0\r\n")]
    texts += [f"{start}\r\n{CODING}\r\n5\r\nhello\r\n0\r\n\r\n" for start in STATUS_LINES]
    texts += [f"HTTP/1.1 200 OK\r\n{text}\r\n\r\n{body}" for text in CODINGS + LENGTHS + FIELDS
              for body in ("5\r\nhello\r\n0\r\n\r\n", "hello", "")]
    texts += [f"HTTP/1.1 200 OK\r\n{CODING}\r\n{text}\r\nhello\r\n0\r\n\r\n" for text in SIZES]
    texts += [f"HTTP/1.1 200 OK\r\n{CODING}\r\n{text}" for text in BODIES]
    cases += [(f"response:{text[:200]!r}", text.encode("latin-1")) for text in texts]
    return cases + [(f"{name} + another", data + b"HTTP/1.1 204 No\r\n\r\n") for name, data in cases]


def mutate(data, other, chance):
    """One to three small changes."""
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        at = chance.randrange(len(data) + 1)
        size = chance.choice((1, 1, 2, 5, 20))
        change = chance.randrange(7)
        if change == 0:
            data = data[:at] + data[at + size:]
        elif change == 1:
            data = data[:at] + data[at:at + size] * 2 + data[at + size:]
        elif change == 2:
            data = data[:at] + bytes([chance.randrange(256)]) + data[at + 1:]
        elif change == 3:
            lines = data.split(b"\r\n")
            lines.insert(chance.randrange(len(lines)), lines.pop(chance.randrange(len(lines))))
            data = b"\r\n".join(lines)
        elif change == 4:
            lines, others = data.split(b"\r\n"), other.split(b"\r\n")
            lines.insert(chance.randrange(len(lines) + 1), chance.choice(others))
            data = b"\r\n".join(lines)
        else:
            data = data[:at] + chance.choice(PIECES) + data[at:]
    return data


def mutations(cases, count):
    """`count` mutations of the cases that are not large, the same in every run."""
    chance = random.Random(SEED)
    small = [case for case in cases if len(case[1]) < 2000]
    for number in range(count):
        name, data = chance.choice(small)
        yield f"mutation {number} of {name}", mutate(data, chance.choice(small)[1], chance)
