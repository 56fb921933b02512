"""h2spec, the conformance tests of HTTP/2, against a listener of `weft proxy --config`."""

import hashlib
import re
import shutil
import subprocess
import unittest
import xml.etree.ElementTree

import mesh
import proxies

# As `./dev test` makes it.
PINNED = hashlib.sha256((mesh.SOURCE / "tests" / "h2spec" / "go.sum").read_bytes()).hexdigest()[:16]
PROGRAM = mesh.SOURCE / "build" / "h2spec" / PINNED
GO = shutil.which("go") or shutil.which("go", path=mesh.SOURCE / "build" / "venv" / "bin")
TESTS, MOST_EXCEPTIONS = 145, 6
# The cases that fail, and why they may (h2spec is of RFC 7540, which RFC 9113 replaced).
_LATE = ("RFC 9113, 5.1: what comes on a closed stream MAY be treated as an error; it is ignored, for it may have been on its "
         "way when the stream was reset")
EXCEPTIONS = {
    "http2/3.5: Sends invalid connection preface":
        "RFC 9113, 3.4: a connection that does not begin with the preface is one of HTTP/1.1 here, and is answered 400 in it",
    "http2/5.1: closed: Sends a DATA frame after sending RST_STREAM frame": _LATE,
    "http2/5.1: closed: Sends a HEADERS frame after sending RST_STREAM frame": _LATE,
    "http2/5.1: closed: Sends a DATA frame": _LATE,
    "http2/5.1: closed: Sends a HEADERS frame": _LATE,
    "http2/5.1.1: Sends stream identifier that is numerically smaller than previous":
        "RFC 9113, 5.1.1: an unexpected number MUST be a connection error of PROTOCOL_ERROR. It is ignored instead: a lower number "
        "may also be that of a stream that was closed (5.1), and of those nothing is kept (nghttp2's no_closed_streams), so "
        "that a connection costs what its open streams do. Nothing of it is served",
}


def outcome(report):
    """(names of all cases, {name of one that failed: what came instead}) of a JUnit report."""
    names, failed = set(), {}
    for case in xml.etree.ElementTree.parse(report).iter("testcase"):
        name = f"{case.get('package')}: {case.get('classname')}"
        names.add(name)
        if any(child.tag in ("failure", "error") for child in case):
            failed[name] = " ".join("".join(case.itertext()).split())
    return names, failed


@unittest.skipIf(proxies.IS_SANITIZED, "runs with the release build alone; flows and fuzz targets of ours run with sanitizers")
@unittest.skipUnless(GO, "Go is not installed (tests/requirements.txt has it)")
class H2spec(proxies.ProxyTest):
    def test_all(self):
        if not PROGRAM.exists():
            self.skipTest("h2spec is not built: `./dev test` does that, where Go's modules can be had")
        self.start(proxies.answers(lambda request: proxies.reply(bytes(1024))))
        report = self.file("report.xml")
        done = subprocess.run([PROGRAM, "--port", str(self.port), "--timeout", "2", "--junit-report", report],
                              capture_output=True, text=True, timeout=100)
        names, failed = outcome(report)
        print(re.sub(r"\x1b\[\d*m", "", done.stdout).strip().splitlines()[-1])
        self.assertEqual(len(names), TESTS)
        shown = "\n".join(f"{name}\n    {what}" for name, what in failed.items() if name not in EXCEPTIONS)
        self.assertFalse(shown, f"failed:\n{shown}")
        self.assertEqual(set(EXCEPTIONS), set(failed), "an exception that is none any more")

    def test_exceptions_are_few_and_cite_their_source(self):
        self.assertLessEqual(len(EXCEPTIONS), MOST_EXCEPTIONS)
        for name, reason in EXCEPTIONS.items():
            self.assertRegex(reason, r"RFC 9113, \d+(\.\d+)*", name)
