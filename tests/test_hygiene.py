"""What a test leaves behind that is ended in the midst of its work: nothing."""

import os
import pathlib
import signal
import subprocess
import sys
import unittest

import mesh

ALONE = pathlib.Path(__file__).with_name("alone.sh")
# A mesh that runs, and then nobody who would end it.
HOLDER = """
import signal, sys, tempfile, mesh
held = mesh.Mesh(tempfile.mkdtemp(prefix="weft-test-"))
held.ok("control-plane", "create", "service", "held", "--image=example-web-service")
held.ok("control-plane", "start", "service", "held")
print(held.folder, flush=True)
signal.pause()
"""


def mesh_processes(folder):
    """Of the mesh in that folder, whosever child it is now: by what they were started with."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and str(folder).encode() in (entry / "environ").read_bytes():
                found.append(entry.name)
        except OSError:
            continue
    return found


class Hygiene(unittest.TestCase):
    def setUp(self):
        first = subprocess.run([ALONE, "sh", "-c", "echo $$"], stdout=subprocess.PIPE, text=True, cwd=ALONE.parent)
        if first.stdout.strip() != "1":
            self.skipTest("namespaces cannot be made here")

    def test_a_test_that_is_killed(self):
        """Its mesh, its instances and its folder end with it."""
        holder = subprocess.Popen([ALONE, sys.executable, "-c", HOLDER], stdout=subprocess.PIPE, text=True,
                                  cwd=ALONE.parent, start_new_session=True)
        self.addCleanup(holder.stdout.close)
        folder = holder.stdout.readline().strip()
        self.assertTrue(folder, "the mesh did not start")
        self.assertTrue(mesh_processes(folder))
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
        mesh.until(lambda: not mesh_processes(folder), "its processes are gone", 10)
        self.assertFalse(os.path.exists(folder))


if __name__ == "__main__":
    unittest.main()
