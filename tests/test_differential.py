"""The same bytes go to weft's reader, to llhttp (Node's) and to nginx. If weft and another both accept and differ in method,
target, Host, headers, body or boundary, or weft accepts what another refuses, that is a fault, but for
differential/exceptions.py."""

import collections
import shutil
import unittest

import mesh
from differential import cases, compare, exceptions, nginx

WEFT = mesh.BUILD / "bin" / "differential_weft"
NODE = shutil.which("node")
NODE_COMMAND = [NODE, "--no-deprecation", mesh.SOURCE / "tests" / "differential" / "node.js"]
REQUEST_MUTATIONS, RESPONSE_MUTATIONS = 10_000, 4_000
MOST_SHOWN = 20


def requests():
    known = cases.requests()
    return known + list(cases.mutations(known, REQUEST_MUTATIONS))


def responses():
    known = cases.responses()
    return known + list(cases.mutations(known, RESPONSE_MUTATIONS))


def read_by_weft(named, kind, step=None):
    return compare.drive([WEFT, *([step] if step else [])], [(kind, data) for _, data in named])


def passed_on_as_bytes():
    """Those of the requests that a listener of auto would take for something else."""
    named = requests()
    return [one for one, opening in zip(named, read_by_weft(named, "O")) if opening["is_bytes"]]


def expect_excepted(test, differences):
    """Fails with every difference that no exception covers, and prints how often each did."""
    excepted, faults = collections.Counter(), []
    for difference in differences:
        names = [one.name for one in exceptions.EXCEPTIONS if one.applies(difference)]
        excepted.update(names[:1])
        if not names:
            faults.append(difference)
    print("excepted:", ", ".join(f"{count} {name}" for name, count in excepted.most_common()))
    shown = "\n".join(map(str, sorted(faults, key=lambda fault: len(fault.data))[:MOST_SHOWN]))
    test.assertFalse(faults, f"{len(faults)} differences, the shortest first:\n{shown}")


@unittest.skipUnless(NODE, "node is not installed")
class AgainstLlhttp(unittest.TestCase):
    def differences(self, named, kind, head):
        ours = read_by_weft(named, kind)
        theirs = compare.drive(NODE_COMMAND, [(kind, data) for _, data in named])
        for (name, data), mine, other in zip(named, ours, theirs):
            yield from compare.differences(name, data, "llhttp", mine, other, head, compare.content_of_llhttp)

    def test_requests(self):
        expect_excepted(self, self.differences(requests(), "Q", compare.request_of_llhttp))

    def test_nothing_that_it_takes_is_passed_on_as_bytes(self):
        named = passed_on_as_bytes()
        self.assertGreater(len(named), 100)
        for (_, data), theirs in zip(named, compare.drive(NODE_COMMAND, [("Q", data) for _, data in named])):
            self.assertEqual(theirs["messages"], [], data)

    def test_responses(self):
        expect_excepted(self, self.differences(responses(), "G", compare.response_of_llhttp))

    def test_responses_to_head(self):
        expect_excepted(self, self.differences(responses(), "H", compare.response_of_llhttp))


def refuses_where_weft_waits(ours, theirs):
    """Whether the peer refuses the message of which weft has the head and not the whole body."""
    count = len(ours["messages"])
    is_cut = count > 0 and not ours["messages"][-1]["complete"]
    return is_cut and theirs["end"] == "refused" and len(theirs["messages"]) == count - 1


@unittest.skipUnless(nginx.PROGRAM, "nginx is not installed")
class AgainstNginx(unittest.TestCase):
    def setUp(self):
        self.nginx = nginx.Nginx()
        self.addCleanup(self.nginx.stop)
        mesh.until(self.nginx.has_started, "nginx has started")

    def differences(self, named):
        head = compare.request_of_nginx(nginx.OWN_FIELDS, nginx.NO_HOST)
        for (name, data), mine in zip(named, read_by_weft(named, "Q")):
            theirs = self.nginx.read(data)
            if refuses_where_weft_waits(mine, theirs):
                # It may be the body's fault: nginx passes none on that is not whole.
                if len(mine["messages"]) == 1:
                    theirs = self.nginx.read(compare.head_alone(data))
                else:
                    mine["messages"].pop()
            yield from compare.differences(name, data, "nginx", mine, theirs, head, compare.content_of_nginx)

    def test_requests(self):
        expect_excepted(self, self.differences(requests()))

    def test_nothing_that_it_takes_is_passed_on_as_bytes(self):
        for _, data in passed_on_as_bytes():
            self.assertEqual(self.nginx.read(data)["messages"], [], data)


class Itself(unittest.TestCase):
    """In one piece and byte by byte a message reads the same."""

    def expect_same(self, named, kind):
        for (name, data), whole, bytewise in zip(named, read_by_weft(named, kind), read_by_weft(named, kind, 1)):
            for result in (whole, bytewise):
                if result["end"] == "refused" and result["messages"] and not result["messages"][-1]["complete"]:
                    result["messages"][-1]["body"] = ""  # how much of it came out before is not promised
            self.assertEqual(whole, bytewise, f"{name}: {data[:2000]!r}")

    def test_requests(self):
        self.expect_same(requests(), "Q")

    def test_responses(self):
        self.expect_same(responses(), "G")


class Exceptions(unittest.TestCase):
    def test_are_few_and_cite_their_source(self):
        self.assertLessEqual(len(exceptions.EXCEPTIONS), exceptions.MOST)
        for one in exceptions.EXCEPTIONS:
            self.assertRegex(one.source, r"^RFC \d{4}, \d+(\.\d+)*$", one.name)
