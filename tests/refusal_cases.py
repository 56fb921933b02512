"""What weft refuses and what it passes on, as named cases of bytes: `docs/proxy.md` says it in words, the unit tests of
src/http/h1 hold the parser to it, test_refusals.py the whole proxy, and test_differential.py compares it with others."""

import typing

MAX_HEAD, MAX_TARGET, MAX_FIELDS, MAX_TRAILER, MAX_EXTENSIONS = 64 << 10, 16 << 10, 128, 16 << 10, 4 << 10  # limits.h


class Case(typing.NamedTuple):
    name: str
    bytes: bytes
    status: int = 400


def table(*rows):
    """Cases from (name, text or bytes[, status]); the names are unique."""
    cases = [Case(name, text if isinstance(text, bytes) else text.encode("latin-1"), *status)
             for name, text, *status in rows]
    assert len({case.name for case in cases}) == len(cases)
    return cases


def fields(text, start="POST / HTTP/1.1"):
    return f"{start}\r\nHost: a\r\n{text}\r\n\r\n"


def line(text):
    return f"{text}\r\nHost: a\r\n\r\n"


def target(text):
    return line(f"GET {text} HTTP/1.1")


def host(text):
    return f"GET / HTTP/1.1\r\n{text}\r\n\r\n"


def chunked(body):
    return fields("Transfer-Encoding: chunked") + body


def size(text):
    return chunked(f"{text}\r\nhello\r\n0\r\n\r\n")


def trailer(text):
    return chunked(f"5\r\nhello\r\n0\r\n{text}\r\n\r\n")


def many(count):
    return "\r\n".join(f"x{i}: a" for i in range(count))


# "nothing of it sent upstream": every one is answered and its connection closed.
FRAMING = table(
    ("length_and_chunked", fields("Content-Length: 5\r\nTransfer-Encoding: chunked") + "0\r\n\r\n"),
    ("chunked_and_length", fields("Transfer-Encoding: chunked\r\nContent-Length: 5") + "0\r\n\r\n"),
    ("length_and_other_coding", fields("Content-Length: 5\r\nTransfer-Encoding: xchunked") + "hello"),
    ("length_twice", fields("Content-Length: 5\r\nContent-Length: 6") + "hello!"),
    ("length_twice_equal", fields("Content-Length: 5\r\ncontent-length: 5") + "hello"),
    ("length_list", fields("Content-Length: 5, 5") + "hello"),
    ("length_list_differs", fields("Content-Length: 5,6") + "hello!"),
    ("length_plus", fields("Content-Length: +5") + "hello"),
    ("length_minus", fields("Content-Length: -5") + "hello"),
    ("length_hex", fields("Content-Length: 0x5") + "hello"),
    ("length_inner_space", fields("Content-Length: 5 5") + "hello"),
    ("length_empty", fields("Content-Length:")),
    ("length_point", fields("Content-Length: 5.0") + "hello"),
    ("length_exponent", fields("Content-Length: 5e0") + "hello"),
    ("length_letters", fields("Content-Length: five") + "hello"),
    ("length_underscore", fields("Content-Length: 1_0") + "0123456789"),
    ("length_quoted", fields('Content-Length: "5"') + "hello"),
    ("length_parameter", fields("Content-Length: 5;a") + "hello"),
    ("length_no_break_space", fields("Content-Length: 5\xa0") + "hello"),
    ("length_tab_before", fields("Content-Length:\t5") + "hello"),
    ("length_tab_after", fields("Content-Length: 5\t") + "hello"),
    ("length_overflow", fields("Content-Length: 18446744073709551621") + "hello"),
    ("length_above_signed", fields("Content-Length: 9223372036854775808") + "hello"),
    ("coding_gzip", fields("Transfer-Encoding: gzip") + "0\r\n\r\n", 501),
    ("coding_gzip_chunked", fields("Transfer-Encoding: gzip, chunked") + "0\r\n\r\n", 501),
    ("coding_chunked_gzip", fields("Transfer-Encoding: chunked, gzip") + "0\r\n\r\n", 501),
    ("coding_chunked_twice", fields("Transfer-Encoding: chunked, chunked") + "0\r\n\r\n", 501),
    ("coding_two_fields", fields("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked") + "0\r\n\r\n", 501),
    ("coding_two_fields_differ", fields("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity") + "0\r\n\r\n", 501),
    ("coding_identity", fields("Transfer-Encoding: identity"), 501),
    ("coding_empty", fields("Transfer-Encoding:"), 501),
    ("coding_unknown", fields("Transfer-Encoding: xchunked") + "0\r\n\r\n", 501),
    ("coding_parameter", fields("Transfer-Encoding: chunked;q=1") + "0\r\n\r\n", 501),
    ("coding_quoted", fields('Transfer-Encoding: "chunked"') + "0\r\n\r\n", 501),
    ("coding_comma", fields("Transfer-Encoding: chunked,") + "0\r\n\r\n", 501),
    ("coding_comma_before", fields("Transfer-Encoding: ,chunked") + "0\r\n\r\n", 501),
    ("coding_inner_space", fields("Transfer-Encoding: chu nked") + "0\r\n\r\n", 501),
    ("coding_tab_before", fields("Transfer-Encoding:\tchunked") + "0\r\n\r\n"),
    ("coding_tab_after", fields("Transfer-Encoding: chunked\t") + "0\r\n\r\n"),
    ("coding_vertical_tab", fields("Transfer-Encoding: \x0bchunked") + "0\r\n\r\n"),
    ("coding_form_feed", fields("Transfer-Encoding: chunked\x0c") + "0\r\n\r\n"),
    ("coding_no_break_space", fields("Transfer-Encoding: \xa0chunked") + "0\r\n\r\n", 501),
    ("coding_in_1_0", fields("Transfer-Encoding: chunked", "POST / HTTP/1.0") + "0\r\n\r\n"),
    ("coding_in_1_0_kept_alive", fields("Connection: keep-alive\r\nTransfer-Encoding: chunked", "POST / HTTP/1.0")
     + "0\r\n\r\n"),
    ("connect_with_length", line("CONNECT b:80 HTTP/1.1\r\nContent-Length: 5") + "hello"),
    ("connect_with_coding", line("CONNECT b:80 HTTP/1.1\r\nTransfer-Encoding: chunked") + "0\r\n\r\n"),
    ("connection_names_length", fields("Connection: close, Content-Length\r\nContent-Length: 5") + "hello"),
    ("connection_names_coding", fields("Connection: transfer-encoding\r\nTransfer-Encoding: chunked") + "0\r\n\r\n"),
    ("connection_names_host", fields("Connection: HOST")),
    ("second_connection_names_host", fields("Connection: close\r\nConnection: x,host")),
)

LINES = table(
    ("bare_lf_request_line", "GET / HTTP/1.1\nHost: a\r\n\r\n"),
    ("bare_lf_field", "GET / HTTP/1.1\r\nHost: a\n\r\n"),
    ("bare_lf_end", "GET / HTTP/1.1\r\nHost: a\r\n\n"),
    ("bare_lf_everywhere", "GET / HTTP/1.1\nHost: a\n\n"),
    ("bare_lf_before", "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("bare_cr_request_line", "GET / HTTP/1.1\rHost: a\r\n\r\n"),
    ("bare_cr_field", "GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n"),
    ("bare_cr_end", "GET / HTTP/1.1\r\nHost: a\r\n\rX\r\n\r\n"),
    ("bare_cr_in_value", fields("X: a\rb")),
    ("two_cr", "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n"),
    ("empty_lines_before", "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("folded", fields("X: a\r\n b")),
    ("folded_tab", fields("X: a\r\n\tb")),
    ("folded_coding", fields("Transfer-Encoding:\r\n chunked") + "0\r\n\r\n"),
    ("folded_length", fields("X: a\r\n Content-Length: 5") + "hello"),
    ("folded_first", "GET / HTTP/1.1\r\n Host: a\r\n\r\n"),
    ("blank_line_of_space", fields("X: a\r\n ")),
    ("space_before_colon", fields("X : a")),
    ("tab_before_colon", fields("X\t: a")),
    ("space_before_colon_of_length", fields("Content-Length : 5") + "hello"),
    ("space_before_colon_of_coding", fields("Transfer-Encoding : chunked") + "0\r\n\r\n"),
    ("empty_name", fields(": a")),
    ("no_colon", fields("X")),
    ("space_in_name", fields("X Y: a")),
    ("bracket_in_name", fields("X[0]: a")),
    ("slash_in_name", fields("X/Y: a")),
    ("at_in_name", fields("X@Y: a")),
    ("quote_in_name", fields('"X": a')),
    ("latin1_in_name", fields("X\xe9: a")),
    ("nul_in_name", fields("X\0: a")),
    ("nul_in_value", fields("X: a\0b")),
    ("nul_before_coding", fields("Transfer-Encoding: \0chunked") + "0\r\n\r\n"),
    ("control_in_value", fields("X: a\x01b")),
    ("escape_in_value", fields("X: \x1b[0m")),
    ("vertical_tab_in_value", fields("X: a\x0bb")),
    ("del_in_value", fields("X: a\x7f")),
)

HOSTS = table(
    ("host_missing", host("Accept: a")),
    ("host_missing_absolute", "GET http://b/ HTTP/1.1\r\n\r\n"),
    ("host_repeated", host("Host: a\r\nhost: a")),
    ("host_repeated_differs", host("Host: a\r\nHost: b")),
    ("host_repeated_in_1_0", "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n"),
    ("host_empty", host("Host:")),
    ("host_blank", host("Host: \t ")),
    ("host_list", host("Host: a,b")),
    ("host_list_spaced", host("Host: a, b")),
    ("host_space", host("Host: a b")),
    ("host_userinfo", host("Host: u@a")),
    ("host_path", host("Host: a/b")),
    ("host_query", host("Host: a?b")),
    ("host_fragment", host("Host: a#b")),
    ("host_url", host("Host: http://a")),
    ("host_backslash", host("Host: a\\b")),
    ("host_escape", host("Host: a%20b")),
    ("host_port_letters", host("Host: a:b")),
    ("host_port_only", host("Host: :")),
    ("host_port_sign", host("Host: a:+80")),
    ("host_port_range", host("Host: a:65536")),
    ("host_two_ports", host("Host: a:80:80")),
    ("host_open_bracket", host("Host: [::1")),
    ("host_bare_ipv6", host("Host: ::1")),
    ("host_tab", host("Host:\ta")),
    ("host_empty_label", host("Host: a..b")),
    ("host_no_ipv4", host("Host: 999.1.1.1")),
    ("host_long_label", host("Host: " + "a" * 64)),
    ("host_latin1", host("Host: caf\xe9")),
    ("host_nul", host("Host: a\0b")),
    ("host_bad_with_absolute", "GET http://b/ HTTP/1.1\r\nHost: a b\r\n\r\n"),
)

REQUEST_LINES = table(
    ("empty_method", line(" / HTTP/1.1")),
    ("bad_method", line("G(T / HTTP/1.1")),
    ("method_colon", line("GET: / HTTP/1.1")),
    ("method_latin1", line("G\xc9T / HTTP/1.1")),
    ("tab_after_method", line("GET\t/ HTTP/1.1")),
    ("tab_before_version", line("GET /\tHTTP/1.1"), 505),
    ("long_method", line("A" * 33 + " / HTTP/1.1")),
    ("two_spaces", line("GET  / HTTP/1.1")),
    ("two_spaces_before_version", line("GET /  HTTP/1.1")),
    ("space_before_method", line(" GET / HTTP/1.1")),
    ("space_in_target", line("GET /a b HTTP/1.1")),
    ("space_at_end", line("GET / HTTP/1.1 ")),
    ("two_targets", line("GET / HTTP/1.1 / HTTP/1.1")),
    ("empty_target", line("GET  HTTP/1.1")),
    ("method_alone", line("GET")),
    ("userinfo", target("http://user@b/")),
    ("userinfo_password", target("http://user:pw@b/")),
    ("userinfo_two", target("http://a@b@c/")),
    ("fragment", target("/a#b")),
    ("fragment_in_query", target("/a?b#")),
    ("fragment_absolute", target("http://b/#x")),
    ("tab_in_target", target("/a\tb")),
    ("control_in_target", target("/a\x01")),
    ("nul_in_target", target("/a\0b")),
    ("del_in_target", target("/a\x7f")),
    ("latin1_in_target", target("/caf\xe9")),
    ("utf8_in_target", target("/caf\xc3\xa9")),
    ("latin1_in_query", target("/?q=caf\xe9")),
    ("relative", target("a")),
    ("star_get", target("*")),
    ("star_path", line("OPTIONS *a HTTP/1.1")),
    ("authority_form_get", target("b:80")),
    ("other_scheme", target("ftp://b/")),
    ("absolute_no_host", target("http:///a")),
    ("absolute_port_only", target("http://:80/")),
    ("absolute_bad_port", target("http://b:99999/")),
    ("absolute_backslash", target("http://b\\c/")),
    ("absolute_escape_in_host", target("http://b%2ec/")),
    ("absolute_one_slash", target("http:/b/")),
    ("connect_path", line("CONNECT / HTTP/1.1")),
    ("connect_no_port", line("CONNECT b HTTP/1.1")),
    ("connect_userinfo", line("CONNECT u@b:80 HTTP/1.1")),
    ("connect_not_allowed", line("CONNECT b:80 HTTP/1.1"), 405),
    ("connect_port_empty", line("CONNECT b: HTTP/1.1")),
    ("trace", line("TRACE / HTTP/1.1"), 405),
    ("trace_absolute", line("TRACE http://b/ HTTP/1.1"), 405),
    ("escape_short", target("/a%2")),
    ("escape_not_hex", target("/%zz")),
    ("escape_nul", target("/a%00b")),
)

VERSIONS = table(
    ("http_0_9", "GET /\r\n", 505),
    ("version_0_9", line("GET / HTTP/0.9"), 505),
    ("version_2", line("GET / HTTP/2.0"), 505),
    ("version_3", line("GET / HTTP/3.1"), 505),
    ("version_without_minor", line("GET / HTTP/1")),
    ("version_two_minor_digits", line("GET / HTTP/1.11")),
    ("version_two_major_digits", line("GET / HTTP/01.1")),
    ("version_lower", line("GET / http/1.1")),
    ("version_comma", line("GET / HTTP/1,1")),
    ("version_sign", line("GET / HTTP/+1.1")),
    ("version_other", line("GET / HTPP/1.1")),
    ("version_rtsp", line("DESCRIBE / RTSP/1.0")),
    ("version_icecast", line("SOURCE / ICE/1.0")),
)

LIMITS = table(
    ("target_too_long", target("/" + "a" * MAX_TARGET), 414),
    ("target_endless", "GET /" + "a" * (MAX_TARGET + 100), 414),
    ("too_many_fields", fields(many(MAX_FIELDS)), 431),
    ("head_too_large", fields("x: " + "a" * MAX_HEAD), 431),
    ("head_endless", "GET / HTTP/1.1\r\nx: " + "a" * MAX_HEAD, 431),
)

# In a body. Its head is valid: what of it reaches the backend must be recognisable as cut.
CHUNKS = table(
    ("chunk_plus", size("+5")),
    ("chunk_minus", size("-5")),
    ("chunk_prefix", size("0x5")),
    ("chunk_space_before", size(" 5")),
    ("chunk_space_after", size("5 ")),
    ("chunk_tab_after", size("5\t")),
    ("chunk_space_before_extension", size("5 ;a")),
    ("chunk_no_size", size("")),
    ("chunk_not_hex", size("g")),
    ("chunk_underscore", size("0_5")),
    ("chunk_comma", size("5,5")),
    ("chunk_nul", size("5\0")),
    ("chunk_latin1", size("5\xa0")),
    ("chunk_overflow", size("10000000000000005"), 413),
    ("chunk_overflow_of_zeros", size("00000000000000005"), 413),
    ("chunk_negative", size("ffffffffffffffff"), 413),
    ("chunk_above_signed", size("8000000000000000"), 413),
    ("chunk_lf_after_size", chunked("5\nhello\r\n0\r\n\r\n")),
    ("chunk_cr_after_size", chunked("5\rhello\r\n0\r\n\r\n")),
    ("chunk_lf_in_extension", chunked("5;a\nhello\r\n0\r\n\r\n")),
    ("chunk_cr_in_extension", chunked("5;a\rb\r\nhello\r\n0\r\n\r\n")),
    ("chunk_control_in_extension", size('5;a="\x01"')),
    ("chunk_extension_without_name", size("5;")),
    ("chunk_extension_without_value", size("5;a=")),
    ("chunk_extension_open_quote", size('5;a="b')),
    ("chunk_extension_bad_token", size("5;a=(b)")),
    ("chunk_longer", chunked("5\r\nhello!\r\n0\r\n\r\n")),
    ("chunk_extension_space_at_end", size("5;a ")),
    ("chunk_much_longer", chunked("5\r\nhello world\r\n0\r\n\r\n")),
    ("chunk_without_crlf", chunked("5\r\nhello0\r\n\r\n")),
    ("chunk_ends_with_lf", chunked("5\r\nhello\n0\r\n\r\n")),
    ("chunk_ends_with_cr", chunked("5\r\nhello\r0\r\n\r\n")),
    ("chunk_ends_with_lfcr", chunked("5\r\nhello\n\r0\r\n\r\n")),
    ("last_chunk_with_lf", chunked("5\r\nhello\r\n0\n\n")),
    ("last_chunk_and_lf", chunked("5\r\nhello\r\n0\r\n\n")),
    ("chunk_extensions_too_large", size("5;a=" + "b" * MAX_EXTENSIONS), 413),
    ("chunk_extensions_endless", chunked("5;a=" + "b" * (MAX_EXTENSIONS + 100)), 413),
    ("chunk_extensions_together_too_large",
     chunked(f"1;a={'b' * (MAX_EXTENSIONS // 2)}\r\nx\r\n" * 2 + "0\r\n\r\n"), 413),
    ("trailer_length", trailer("Content-Length: 5")),
    ("trailer_coding", trailer("Transfer-Encoding: chunked")),
    ("trailer_host", trailer("X: a\r\nHost: b")),
    ("trailer_connection", trailer("Connection: close")),
    ("trailer_authorization", trailer("Authorization: a")),
    ("trailer_lf", trailer("X: a\nY: b")),
    ("trailer_cr", trailer("X: a\rY: b")),
    ("trailer_folded", trailer("X: a\r\n b")),
    ("trailer_space_before_colon", trailer("X : a")),
    ("trailer_no_colon", trailer("X")),
    ("trailer_request", trailer("GET /smuggled HTTP/1.1")),
    ("trailer_nul", trailer("X: \0")),
    ("trailer_too_many_fields", trailer(many(MAX_FIELDS + 1)), 431),
    ("trailer_too_large", trailer("X: " + "a" * MAX_TRAILER), 431),
    ("trailer_endless", chunked("5\r\nhello\r\n0\r\nX: " + "a" * MAX_TRAILER), 431),
)

REQUESTS = {"framing": FRAMING, "lines": LINES, "hosts": HOSTS, "request_lines": REQUEST_LINES, "versions": VERSIONS,
            "limits": LIMITS}


class Passing(typing.NamedTuple):
    """A request that is passed on; `sees` must be in what the backend receives, unchanged."""
    name: str
    bytes: bytes
    sees: bytes


def passing(*rows):
    return [Passing(name, text.encode("latin-1"), sees.encode("latin-1")) for name, text, sees in rows]


PASSES = passing(
    ("query_brackets", target("/a?b[]=c&d[e]=f"), "GET /a?b[]=c&d[e]=f HTTP/1.1\r\n"),
    ("query_braces", target('/a?q={"x":1}'), 'GET /a?q={"x":1} HTTP/1.1\r\n'),
    ("query_pipe", target("/a?q=b|c"), "GET /a?q=b|c HTTP/1.1\r\n"),
    ("query_other", target("/a?q=<b>^`\\'(),;:@!$*"), "GET /a?q=<b>^`\\'(),;:@!$* HTTP/1.1\r\n"),
    ("query_bad_escape", target("/?100%"), "GET /?100% HTTP/1.1\r\n"),
    ("query_nul_escape", target("/?a%00"), "GET /?a%00 HTTP/1.1\r\n"),
    ("query_two_marks", target("/?a?b"), "GET /?a?b HTTP/1.1\r\n"),
    ("escape_as_sent", target("/%41%2f%2e"), "GET /%41%2f%2e HTTP/1.1\r\n"),
    ("two_slashes", target("//b//c"), "GET //b//c HTTP/1.1\r\n"),
    ("latin1_in_value", fields("X: caf\xe9 \xff", "GET / HTTP/1.1"), "X: caf\xe9 \xff\r\n"),
    ("utf8_in_value", fields("X: caf\xc3\xa9", "GET / HTTP/1.1"), "X: caf\xc3\xa9\r\n"),
    ("tab_in_value", fields("X: a\tb", "GET / HTTP/1.1"), "X: a\tb\r\n"),
    ("empty_value", fields("X:", "GET / HTTP/1.1"), "X: \r\n"),
    ("higher_minor", line("GET / HTTP/1.9"), "GET / HTTP/1.1\r\n"),
    ("version_1_0", "GET /old HTTP/1.0\r\nHost: a\r\n\r\n", "GET /old HTTP/1.1\r\nHost: a\r\n"),
    ("empty_line_before", "\r\n" + target("/after"), "GET /after HTTP/1.1\r\n"),
    ("absolute", "GET http://b:81/x?y HTTP/1.1\r\nHost: a\r\n\r\n", "GET /x?y HTTP/1.1\r\nhost: b:81\r\n"),
    ("absolute_without_path", "GET http://b HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nhost: b\r\n"),
    ("absolute_port_empty", "GET http://b:/x HTTP/1.1\r\nHost: a\r\n\r\n", "GET /x HTTP/1.1\r\nhost: b:\r\n"),
    ("host_port_empty", host("Host: a:"), "Host: a:\r\n"),
    ("host_port_empty_ipv6", host("Host: [::1]:"), "Host: [::1]:\r\n"),
    ("host_port_leading_zeros", host("Host: a:0080"), "Host: a:0080\r\n"),
    ("options_star", line("OPTIONS * HTTP/1.1"), "OPTIONS * HTTP/1.1\r\n"),
    ("other_method", line("M-SEARCH / HTTP/1.1"), "M-SEARCH / HTTP/1.1\r\n"),
    ("lower_method_is_another", line("get / HTTP/1.1"), "get / HTTP/1.1\r\n"),
    ("length", fields("Content-Length: 5") + "hello", "\r\n\r\nhello"),
    ("length_leading_zeros", fields("Content-Length: 005") + "hello", "content-length: 5\r\n\r\nhello"),
    ("chunked", fields("Transfer-Encoding: chunked") + "5\r\nhello\r\n0\r\n\r\n", "\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
    ("chunked_any_case", fields("transfer-encoding:CHUNKED") + "5\r\nhello\r\n0\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n"),
    ("chunk_extension", chunked('5;a="b;c";d\r\nhello\r\n0;e=f\r\n\r\n'), "\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
    ("trailer", trailer("X-Sum: 1"), "0\r\nX-Sum: 1\r\n\r\n"),
)


def answer(text, start="HTTP/1.1 200 OK"):
    return f"{start}\r\n{text}\r\n\r\n"


def answer_chunked(body):
    return answer("Transfer-Encoding: chunked") + body


# Of a backend: each becomes a 502, and the backend's connection is closed.
RESPONSES = table(
    ("length_and_chunked", answer("Content-Length: 5\r\nTransfer-Encoding: chunked") + "0\r\n\r\n"),
    ("length_twice", answer("Content-Length: 2\r\nContent-Length: 3") + "abc"),
    ("length_twice_equal", answer("Content-Length: 2\r\nContent-Length: 2") + "ab"),
    ("length_list", answer("Content-Length: 2, 2") + "ab"),
    ("length_plus", answer("Content-Length: +2") + "ab"),
    ("length_empty", answer("Content-Length:")),
    ("length_overflow", answer("Content-Length: 18446744073709551618") + "ab"),
    ("length_of_304", answer("Content-Length: x", "HTTP/1.1 304 Not Modified")),
    ("coding_gzip", answer("Transfer-Encoding: gzip") + "ab"),
    ("coding_gzip_chunked", answer("Transfer-Encoding: gzip, chunked") + "0\r\n\r\n"),
    ("coding_two_fields", answer("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked") + "0\r\n\r\n"),
    ("coding_tab", answer("Transfer-Encoding: chunked\t") + "0\r\n\r\n"),
    ("coding_in_1_0", answer("Transfer-Encoding: chunked", "HTTP/1.0 200 OK") + "0\r\n\r\n"),
    ("connection_names_length", answer("Connection: content-length\r\nContent-Length: 2") + "ab"),
    ("bare_lf", "HTTP/1.1 200 OK\nContent-Length: 0\n\n"),
    ("bare_lf_field", "HTTP/1.1 200 OK\r\nX: a\nContent-Length: 0\r\n\r\n"),
    ("bare_cr", "HTTP/1.1 200 OK\r\nX: a\rY: b\r\nContent-Length: 0\r\n\r\n"),
    ("folded", answer("X: a\r\n b\r\nContent-Length: 0")),
    ("space_before_colon", answer("X : a\r\nContent-Length: 0")),
    ("empty_name", answer(": a\r\nContent-Length: 0")),
    ("bad_name", answer("X Y: a\r\nContent-Length: 0")),
    ("no_colon", answer("X\r\nContent-Length: 0")),
    ("nul_in_value", answer("X: a\0b\r\nContent-Length: 0")),
    ("control_in_reason", answer("Content-Length: 0", "HTTP/1.1 200 O\x01K")),
    ("version_2", answer("Content-Length: 0", "HTTP/2.0 200 OK")),
    ("version_0_9", "hello\r\n"),
    ("version_icy", answer("Content-Length: 0", "ICY 200 OK")),
    ("status_short", answer("Content-Length: 0", "HTTP/1.1 20 OK")),
    ("status_long", answer("Content-Length: 0", "HTTP/1.1 2000 OK")),
    ("status_low", answer("Content-Length: 0", "HTTP/1.1 099 OK")),
    ("status_letters", answer("Content-Length: 0", "HTTP/1.1 2OO OK")),
    ("status_sign", answer("Content-Length: 0", "HTTP/1.1 +20 OK")),
    ("two_spaces", answer("Content-Length: 0", "HTTP/1.1  200 OK")),
    ("empty_line_before", "\r\n" + answer("Content-Length: 0")),
    ("upgrade_not_asked", answer("Upgrade: x\r\nConnection: upgrade", "HTTP/1.1 101 Switching Protocols")),
    ("too_many_fields", answer(many(MAX_FIELDS) + "\r\nContent-Length: 0")),
    ("head_too_large", answer("X: " + "a" * MAX_HEAD + "\r\nContent-Length: 0")),
    ("first_chunk_not_hex", answer_chunked("zz\r\nhello\r\n0\r\n\r\n")),
    ("first_chunk_space", answer_chunked("5 \r\nhello\r\n0\r\n\r\n")),
    ("first_chunk_lf", answer_chunked("5\nhello\r\n0\r\n\r\n")),
    ("first_chunk_overflow", answer_chunked("10000000000000005\r\nhello\r\n0\r\n\r\n")),
)

# Of a backend, found after the head and "hello" may have been passed on: a 502, or the client's response is cut.
RESPONSE_BODIES = table(
    ("chunk_longer", answer_chunked("5\r\nhello!\r\n0\r\n\r\n")),
    ("second_chunk_not_hex", answer_chunked("5\r\nhello\r\nzz\r\n0\r\n\r\n")),
    ("second_chunk_minus", answer_chunked("5\r\nhello\r\n-1\r\n0\r\n\r\n")),
    ("chunk_ends_with_lf", answer_chunked("5\r\nhello\n0\r\n\r\n")),
    ("last_chunk_and_lf", answer_chunked("5\r\nhello\r\n0\r\n\n")),
    ("trailer_length", answer_chunked("5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n")),
    ("trailer_folded", answer_chunked("5\r\nhello\r\n0\r\nX: a\r\n b\r\n\r\n")),
    ("trailer_bare_lf", answer_chunked("5\r\nhello\r\n0\r\nX: a\n\r\n")),
)
