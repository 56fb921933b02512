"""Where weft may differ from llhttp or nginx: by kind, each because a standard says so. None of them moves the boundary
between messages, but for a fault of an old llhttp. At most 10."""

import re
import typing

MOST = 10


class Allowed(typing.NamedTuple):
    name: str
    source: str  # RFC and section
    why: str
    applies: typing.Callable


def refused_by(peer, difference, *why):
    return difference.peer == peer and difference.kind == "refused" and (not why or difference.theirs in why)


def other_method(difference):
    method = difference.ours.get("method")
    if method is None:
        return False
    if refused_by("llhttp", difference, "HPE_INVALID_METHOD", "HPE_INVALID_CONSTANT", "HPE_INVALID_VERSION"):
        return method not in ("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH")
    return refused_by("nginx", difference, "status 400") and not re.fullmatch("[A-Z_-]+", method)


def not_allowed_method(difference):
    return (refused_by("nginx", difference, "status 400", "status 405")
            and difference.ours.get("method") in ("CONNECT", "TRACE"))


def higher_minor(difference):
    return (refused_by("llhttp", difference, "HPE_INVALID_VERSION")
            and re.search(rb"HTTP/1\.[2-9](\r\n| \d\d\d)", difference.data) is not None)


def space_in_extension(difference):
    return (refused_by("llhttp", difference, "HPE_STRICT", "HPE_INVALID_CHUNK_SIZE")
            and re.search(rb"[0-9A-Fa-f];[^\r\n]*[ \t]", difference.data) is not None)


def asterisk(difference):
    if difference.peer != "nginx" or difference.ours.get("target") != "*":
        return False
    return difference.kind == "refused" or (difference.kind == "target" and difference.theirs == "/")


def above_the_root(difference):
    path = difference.ours.get("target", "").partition("?")[0]
    segments = re.sub("%2e", ".", re.sub("%2f", "/", path, flags=re.IGNORECASE), flags=re.IGNORECASE).split("/")
    return refused_by("nginx", difference, "status 400") and ".." in segments


def host_of_absolute_form(difference):
    return (refused_by("nginx", difference, "status 400")
            and re.search(rb" [A-Za-z]+://[^ /?]*[_~]", difference.data) is not None)


def empty_query(difference):
    return (difference.peer == "nginx" and difference.kind == "target" and difference.ours["target"] == "/?"
            and difference.theirs == "/")


def no_body(difference):
    names = {name.lower() for name, _ in difference.ours.get("headers", ())}
    return (difference.peer == "llhttp" and difference.kind in ("body", "trailers", "boundary", "refused")
            and difference.ours.get("status") in (101, 204) and bool(names & {"content-length", "transfer-encoding"}))


def repeated_field(difference):
    # Those that nginx takes once only, but for Host and the framing fields.
    once = ("authorization", "content-range", "expect", "if-match", "if-modified-since", "if-none-match", "if-range",
            "if-unmodified-since")
    names = [name.lower() for name, _ in difference.ours.get("headers", ())]
    return refused_by("nginx", difference, "status 400") and any(names.count(name) > 1 for name in once)


EXCEPTIONS = [
    Allowed("other_method", "RFC 9110, 9.1", "a method is any token, and its case counts; llhttp has a list, nginx takes "
            "capital letters, - and _", other_method),
    Allowed("not_allowed_method", "RFC 9110, 15.5.6", "CONNECT and TRACE are well formed; who offers neither, as nginx, "
            "refuses them, and so does weft's proxy", not_allowed_method),
    Allowed("higher_minor", "RFC 9110, 2.5", "a higher minor version is taken as the highest that one knows",
            higher_minor),
    Allowed("space_in_extension", "RFC 9112, 7.1.1", "the space in a chunk extension is bad, but a recipient must parse it; "
            "it is not sent on", space_in_extension),
    Allowed("asterisk", "RFC 9112, 3.2.4", "OPTIONS without a path is about the whole host: *, which nginx does not have",
            asterisk),
    Allowed("above_the_root", "RFC 9110, 7.7", "a proxy must not change the path; nginx refuses what it cannot map to a "
            "file", above_the_root),
    Allowed("host_of_absolute_form", "RFC 3986, 3.2.2", "a name may have _ and ~ there too; nginx takes them in Host alone",
            host_of_absolute_form),
    Allowed("empty_query", "RFC 3986, 6.2.3", "the ? of an empty query stays behind an empty path too", empty_query),
    Allowed("repeated_field", "RFC 9110, 5.3", "a proxy passes repeated fields on in their order; nginx refuses to choose "
            "between those that it acts on", repeated_field),
    Allowed("no_body", "RFC 9112, 6.3", "no body follows 101 and 204, whatever their fields say; llhttp 6 (Node 18) reads "
            "one", no_body),
]
