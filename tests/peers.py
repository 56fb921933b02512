"""Tests of `weft proxy --config` beside servers and proxies of others, which run as long as the test."""

import contextlib
import json
import shutil
import socket
import subprocess
import unittest

import proxies
from proxies import free_port, until


def path_of(program):
    """Servers are where users' PATH does not lead."""
    return shutil.which(program, path="/usr/sbin:/usr/bin:/bin")


def needs(*programs):
    missing = [program for program in programs if not path_of(program)]
    return unittest.skipIf(missing, f"needs {', '.join(missing)}, which `./dev test` installs")


def listens(port):
    with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), 1):
        return True


class PeerTest(proxies.ProxyTest):
    def run_server(self, port, *command):
        """Runs a server until the test's end, from when it listens on."""
        output = self.file("log")
        with open(output, "wb") as log:
            process = subprocess.Popen([path_of(command[0]), *map(str, command[1:])], stdin=subprocess.DEVNULL,
                                       stdout=log, stderr=log)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        until(lambda: process.poll() is not None or listens(port), f"{command[0]} listens")
        self.assertIsNone(process.poll(), output.read_text(errors="replace"))

    def listen(self, listener, *clusters, **options):
        """A proxy with that listener, `self.port`."""
        self.port = free_port()
        self.log = self.file("access.log")
        listener = {"name": "any", "address": f"127.0.0.1:{self.port}", **listener}
        self.weft = self.proxy({"version": 1, "listeners": [listener], "clusters": clusters},
                               flags=["--access-log", self.log, "--access-log-format", "json"], **options)

    def logged(self, count):
        """So many entries of the access log."""
        lines = until(lambda: len(found := self.log.read_text().splitlines()) >= count and found, "the log has them")
        return [json.loads(line) for line in lines]
