"""The process that is client and backend of every measurement (bench/ends/main.cpp), told line by line what to do."""
import json
import subprocess

import contenders
import tls_texts


class Ends:
    """It keeps its certificates, which the contenders have too, in the folder."""

    def __init__(self, machine, folder):
        self.certificates = tls_texts.make(folder)
        self.process = machine.start(machine.rest, [contenders.BIN / "bench_ends", self.certificates], stdin=subprocess.PIPE,
                                     stdout=subprocess.PIPE)
        self.backends = self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("bench: bench_ends is gone")
        return json.loads(line)

    def ask(self, *words):
        """What one command saw; it fails if a connection or request did."""
        self.process.stdin.write(" ".join(str(word) for word in words) + "\n")
        self.process.stdin.flush()
        seen = self.answer()
        if seen["errors"]:
            raise SystemExit(f"bench: {seen['errors']} connections or requests failed: {' '.join(map(str, words))}")
        return seen

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=20)
