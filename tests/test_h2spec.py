"""h2spec, the conformance tests of HTTP/2, against a listener of `weft proxy --config`."""

import os
import re
import shutil
import subprocess
import unittest
import xml.etree.ElementTree

import mesh
import proxies

MODULE = mesh.SOURCE / "tests" / "h2spec"
PROGRAM = mesh.SOURCE / "build" / "h2spec"
PACKAGE = "github.com/summerwind/h2spec/cmd/h2spec"
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
        "RFC 9113, 5.1.1: a new stream closes those with lower numbers that were never used; so " + _LATE,
}


def build():
    """Makes h2spec unless it is made; what went wrong."""
    if PROGRAM.exists():
        return None
    folder = PROGRAM.parent / "go"
    environment = {**os.environ, "GOPATH": str(folder), "GOCACHE": str(folder / "cache"), "GOTOOLCHAIN": "local",
                   "GOFLAGS": "-mod=readonly -modcacherw"}
    done = subprocess.run([GO, "build", "-o", PROGRAM, PACKAGE], cwd=MODULE, env=environment, capture_output=True,
                          text=True, timeout=100)
    shutil.rmtree(folder, ignore_errors=True)  # hundreds of MB that nobody needs again
    return None if done.returncode == 0 else done.stderr.strip().splitlines()[-1]


def outcome(report):
    """(names of all cases, {name of one that failed: what came instead}) of a JUnit report."""
    names, failed = set(), {}
    for case in xml.etree.ElementTree.parse(report).iter("testcase"):
        name = f"{case.get('package')}: {case.get('classname')}"
        names.add(name)
        if any(child.tag in ("failure", "error") for child in case):
            failed[name] = " ".join("".join(case.itertext()).split())
    return names, failed


@unittest.skipUnless(GO, "Go is not installed (tests/requirements.txt has it)")
class H2spec(proxies.ProxyTest):
    def test_all(self):
        trouble = build()
        if trouble:
            self.skipTest(f"h2spec cannot be built here: {trouble}")
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
