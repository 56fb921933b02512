"""Finds where weft and another reader of HTTP disagree about the same bytes in a way that could be used: both accept and
differ, or weft accepts what the other refuses. That weft refuses more is no difference."""

import dataclasses
import json
import re
import struct
import subprocess

ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://([^/?#]*)(.*)", re.DOTALL)
LIMIT = 120.0  # of one driver for all of its cases


@dataclasses.dataclass
class Difference:
    name: str       # of the case
    data: bytes     # the case
    peer: str       # "llhttp" or "nginx"
    kind: str       # "refused", "boundary", "method", "target", "host", "headers", "body", "trailers", ...
    ours: dict      # the message as weft reads it
    theirs: object  # the same of the peer, or why it refuses

    def __str__(self):
        shown = self.data if len(self.data) < 2000 else self.data[:2000] + b"..."
        ours = {key: value for key, value in self.ours.items() if key == self.kind} or self.ours
        return f"{self.name}: {self.peer}: {self.kind}\n  bytes  {shown!r}\n  weft   {ours}\n  {self.peer:6} {self.theirs}"


def drive(command, cases):
    """What a driver makes of (kind, bytes) cases, each a list of messages and how they end."""
    data = b"".join(kind.encode() + struct.pack(">I", len(text)) + text for kind, text in cases)
    done = subprocess.run(list(map(str, command)), input=data, capture_output=True, timeout=LIMIT)
    if done.returncode != 0:
        raise AssertionError(f"{command} ended with {done.returncode}: {done.stderr.decode(errors='replace')[-4000:]}")
    results = [json.loads(line) for line in done.stdout.splitlines()]
    if len(results) != len(cases):
        raise AssertionError(f"{command} answered {len(results)} of {len(cases)} cases")
    return results


def without(headers, names):
    return [[name, value] for name, value in headers if name.lower() not in names]


def target_and_host(method, target, host):
    """What a target and Host mean together (RFC 9112, 3.2 and 3.3)."""
    if method == "CONNECT":
        return target, target
    absolute = ABSOLUTE.fullmatch(target)
    if not absolute:
        return target, host
    authority, rest = absolute.groups()
    if rest == "":
        rest = "*" if method == "OPTIONS" else "/"
    return ("/" + rest if rest.startswith("?") else rest), authority


def request_of_llhttp(ours, theirs):
    """(kind, ours, theirs) of each thing in which two readings of a request may differ."""
    host = next((value for name, value in theirs["headers"] if name.lower() == "host"), "")
    target, host = target_and_host(theirs["method"], theirs["target"], host)
    yield "method", ours["method"], theirs["method"]
    yield "target", ours["target"], target
    yield "host", ours["host"], host
    yield "headers", without(ours["headers"], {"host"}), without(theirs["headers"], {"host"})


def normalised(host):
    """As nginx has it in $host: without port and last dot, in lower case."""
    bare = re.sub(r":\d*$", "", host).lower()
    return bare.removesuffix(".")


def request_of_nginx(own_fields, no_host):
    def compare(ours, theirs):
        yield "method", ours["method"], theirs["method"]
        yield "target", ours["target"], theirs["target"]
        is_absolute = not theirs["request"].split(" ")[1].startswith(("/", "*"))
        if not is_absolute:
            yield "host", ours["host"], theirs["http_host"]
        yield "host", normalised(ours["host"]) or no_host, theirs["host"]
        yield "headers", without(ours["headers"], own_fields), without(theirs["headers"], own_fields)
    return compare


def response_of_llhttp(ours, theirs):
    for kind in ("status", "reason", "headers"):
        yield kind, ours[kind], theirs[kind]


def content_of_llhttp(ours, theirs):
    yield "body", ours["body"], theirs["body"]
    yield "trailers", ours["trailers"], theirs["trailers"]


def content_of_nginx(ours, theirs):
    yield "body", ours["body"], theirs["body"]


def head_alone(data):
    """The bytes of the first message's head."""
    return data[:data.index(b"\r\n\r\n", 2) + 4]


def differences(name, data, peer, ours, theirs, head, content):
    """Compares the messages of a connection one by one, until either reader ends it. A reader that shows no message before
    its body is there does not say whether it was the head that it refused; head_alone() asks it again."""
    for index, mine in enumerate(ours["messages"]):
        other = theirs["messages"][index] if index < len(theirs["messages"]) else None

        def differs(kind, what, mine=mine):
            return Difference(name, data, peer, kind, mine, what)
        if other is None:
            if theirs["end"] == "refused":
                yield differs("refused", theirs["why"])
            elif mine["complete"]:
                yield differs("boundary", "waits for more")
            return
        yield from (differs(kind, found) for kind, wanted, found in head(mine, other) if wanted != found)
        if not mine["complete"]:
            if other["complete"] and ours["end"] != "refused":
                yield differs("boundary", other)
            return
        if not other["complete"]:
            yield differs("refused" if theirs["end"] == "refused" else "boundary", theirs.get("why", other))
            return
        found_here = [differs(kind, found) for kind, wanted, found in content(mine, other) if wanted != found]
        yield from found_here
        if found_here or mine["last"] or other["last"]:
            return
    further = theirs["messages"][len(ours["messages"]):]
    if further and ours["end"] != "refused":
        yield Difference(name, data, peer, "boundary", {"end": ours["end"]}, further[0])
