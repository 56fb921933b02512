"""What one request costs the proxy, in counts that repeat: instructions and allocations by callgrind, system calls by
strace. Both are differences of a long and a short run, so that neither start nor end counts."""

import pathlib
import re
import shutil
import unittest

import proxies
from proxies import answers, config, reply

CONNECTIONS = 32
# 7,770 were measured; what is added must stay below this.
MOST_INSTRUCTIONS = 8_000
REQUEST = (b"GET /some/path?with=query HTTP/1.1\r\nHost: service.example\r\nUser-Agent: costs/1.0\r\nAccept: */*\r\n"
           b"Accept-Encoding: gzip\r\n\r\n")
BODY = bytes(1024)


def callgrind_counts(path):
    """(all instructions, calls of the heap's functions that give memory) in a callgrind file."""
    names, calls, heap = {}, 0, re.compile(r"^(malloc|calloc|realloc|aligned_alloc|posix_memalign)(@|$)")
    callee, total = None, 0
    for line in pathlib.Path(path).read_text().splitlines():
        if match := re.match(r"(c?fn)=\((\d+)\)(?: (.*))?", line):
            if match[3]:
                names[match[2]] = match[3].strip()
            callee = match[2] if match[1] == "cfn" else callee
        elif match := re.match(r"calls=(\d+)", line):
            if heap.match(names[callee]):
                calls += int(match[1])
        elif match := re.match(r"totals: (\d+)", line):
            total = int(match[1])
    return total, calls


@unittest.skipIf(proxies.IS_SANITIZED, "counts are of the release build")
class Costs(proxies.ProxyTest):
    def run_under(self, command, rounds, at_once, flags=()):
        """Sends so many rounds of one request on each of `at_once` connections."""
        if not shutil.which(command[0]):
            self.skipTest(f"{command[0]} is not there")
        self.start(answers(lambda request: reply(BODY)), under=command, flags=flags)
        clients = [self.connect() for _ in range(at_once)]
        for _ in range(rounds):
            for client in clients:
                client.send(REQUEST)
            for client in clients:
                self.assertEqual(client.response().status, 200)
        for client in clients:
            client.close()
        self.assertEqual(self.weft.stop(), 0)

    def test_instructions_and_allocations(self):
        """With routing, header rewriting, metrics and the access log."""
        counts = []
        for rounds in (20, 100):
            out = self.file(f"callgrind.{rounds}")
            self.run_under(["valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={out}"], rounds, CONNECTIONS,
                           [f"--access-log={self.file('access.log')}"])
            counts.append(callgrind_counts(out))
        requests = 80 * CONNECTIONS
        instructions, allocations = ((long - short) / requests for short, long in zip(*counts))
        print(f"{instructions:.0f} instructions and {allocations:.3f} allocations for each request")
        self.assertLess(instructions, MOST_INSTRUCTIONS)
        # Not one for each request, nor for each tenth: what is left is the access log's batches.
        self.assertLess(allocations, 0.02)

    def test_system_calls(self):
        """Four reads and writes for each request, and no epoll_ctl."""
        counts = []
        for rounds in (100, 300):
            out = self.file(f"strace.{rounds}")
            # -D: the tracer is the child, so that signals reach the proxy.
            self.run_under(["strace", "-D", "-f", "-o", out], rounds, 1)
            trace = pathlib.Path(out)
            proxies.until(lambda: "+++ exited with 0" in trace.read_text().splitlines()[-1], "strace has written all")
            calls = re.findall(r"^\d+ +(?:<\.\.\. )?(\w+)", trace.read_text(), re.M)
            moving = re.compile(r"(read|recv|write|send|p?readv|p?writev)\w*$")
            counts.append((sum(1 for call in calls if moving.match(call)), calls.count("epoll_ctl")))
        moved, registered = ((long - short) / 200 for short, long in zip(*counts))
        print(f"{moved:.2f} reads and writes and {registered:.2f} epoll_ctl for each request")
        self.assertAlmostEqual(moved, 4, delta=0.05)
        self.assertEqual(round(registered, 1), 0)


if __name__ == "__main__":
    unittest.main()
