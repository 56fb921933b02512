"""What `weft up` and `weft top` show on a terminal: whole screens as an emulator draws them, in several sizes."""

import os
import pathlib
import signal
import unittest

import mesh
import resources
import terminals

SIZES = [(80, 24), (40, 12), (200, 50)]


@unittest.skipUnless(terminals.HAS_EMULATOR, "needs tests/requirements.txt")
class Screens(mesh.MeshTest):
    def write_services(self, count):
        """Three that run, and others that nothing stands behind, which cost no process."""
        some = [resources.pair("db"), resources.pair("cart", [resources.needs("db")]),
                resources.pair("web", [resources.needs("cart")])]
        others = [resources.service(f"service-{i:02}") for i in range(count - len(some))]
        return self.mesh.write("services.yaml", resources.text(*some, others))

    def up(self, count=3, **options):
        up = terminals.Terminal(self.mesh, "weft", "up", "--no-logs", "-f", self.write_services(count), **options)
        up.until_shown("q, Ctrl-C")
        return up

    def assert_screens(self, name, terminal):
        for columns, rows in SIZES:
            terminal.resize(columns, rows)
            terminals.assert_screen(f"{name}-{columns}x{rows}", terminal)

    def assert_given_back(self, terminal):
        """The terminal is as it was: cursor, wrapping, keys, and the screen of before."""
        self.assertFalse(terminal.screen.is_alternate)
        self.assertFalse(terminal.screen.cursor.hidden)
        self.assertTrue(terminal.raw.rindex(b"\x1b[?7h") > terminal.raw.rindex(b"\x1b[?7l"))
        self.assertEqual(terminal.modes, terminal.before)

    def test_up_in_all_sizes(self):
        up = self.up()
        self.assert_screens("up-3", up)
        up.resize(80, 24)
        up.type("q")
        self.assertEqual(up.wait(), 0, up.lines())
        self.assert_given_back(up)
        # What stays is the table as it was last, in lines, and the way to the end.
        self.assertIn("SERVICE", " ".join(up.lines()))
        self.assertTrue(up.shows("stopping; Ctrl-C again kills what still runs"))
        # Nothing was cleared in order to be drawn again, and each piece was one.
        drawn = up.raw.split(b"\x1b[?1049h")[1].split(b"\x1b[?1049l")[0]
        self.assertNotIn(b"\x1b[2J", drawn)
        self.assertEqual(drawn.count(b"\x1b[?2026h"), drawn.count(b"\x1b[?2026l"))

    def test_up_with_more_services_than_rows(self):
        up = self.up(60)
        up.until_shown("more")
        self.assert_screens("up-60", up)
        up.type("\x03")
        self.assertEqual(up.wait(), 0, up.lines())
        self.assert_given_back(up)

    def test_top_in_all_sizes(self):
        self.mesh.ok("weft", "apply", "-f", self.write_services(3), "--wait")
        top = terminals.Terminal(self.mesh, "weft", "top", "--interval", "100ms")
        top.until_shown("q: quit")
        self.assert_screens("top-3", top)
        top.type("xq")
        self.assertEqual(top.wait(), 0, top.lines())
        self.assert_given_back(top)
        self.assertIn("SERVICE", " ".join(top.lines()))

    def test_top_with_more_services_than_rows(self):
        self.mesh.ok("weft", "apply", "-f", self.write_services(60))
        self.mesh.ok("weft", "wait", "deployments")
        top = terminals.Terminal(self.mesh, "weft", "top", "--interval", "100ms")
        self.assert_screens("top-60", top)
        top.type("\x03")
        self.assertEqual(top.wait(), 130, top.lines())
        self.assert_given_back(top)

    def test_a_second_ctrl_c_kills(self):
        stubborn = resources.deployment("stubborn", image="ignores-sigterm", grace=600)
        up = terminals.Terminal(self.mesh, "weft", "up", "-f", self.mesh.write("s.yaml", resources.text(stubborn)))
        up.until_shown("q, Ctrl-C")
        self.mesh.ok("weft", "wait", "deployment/stubborn")  # it listens, and ignores the signal from before that on
        up.type("\x03")
        up.until_shown("stopping; Ctrl-C again")
        up.type("\x03")
        self.assertEqual(up.wait(), 130, up.lines())
        self.assertTrue(up.shows("killing what still runs"), up.lines())
        self.assert_given_back(up)
        mesh.reap()
        self.assertEqual(mesh.descendants(), {})

    def test_sigterm_gives_the_terminal_back(self):
        up = self.up()
        up.process.send_signal(signal.SIGTERM)
        self.assertEqual(up.wait(), 0, up.lines())
        self.assert_given_back(up)

    def test_a_terminal_that_goes_away_stops_the_mesh(self):
        up = self.up()
        up.hang_up()
        self.assertEqual(up.process.wait(mesh.LIMIT), 0)
        mesh.reap()
        self.assertEqual(mesh.descendants(), {})

    def test_a_mesh_that_is_killed_gives_the_terminal_back(self):
        up = self.up()
        for pid in (self.mesh.keeper(), self.mesh.supervisor()):
            os.kill(pid, signal.SIGKILL)
        self.assertNotEqual(up.wait(), 0, up.lines())
        self.assertTrue(up.shows("error: "), up.lines())
        self.assert_given_back(up)
        self.mesh.apply(resources.text(resources.service("web")))  # whoever comes next clears what is left

    def test_ctrl_z_gives_the_terminal_back_until_it_goes_on(self):
        up = self.up()
        def state():
            return pathlib.Path(f"/proc/{up.process.pid}/stat").read_text().rpartition(")")[2].split()[0]
        up.type("\x1a")
        mesh.until(lambda: state() == "T", "it is stopped")
        mesh.until(lambda: not up.is_alternate(), "the screen of before is back")
        up.process.send_signal(signal.SIGCONT)
        mesh.until(up.is_alternate, "it is drawn again")
        up.type("q")
        self.assertEqual(up.wait(), 0, up.lines())

    def test_who_has_not_the_foreground_writes_lines(self):
        shell = terminals.Terminal(self.mesh, "bash", "-mc",
                                   f"weft up -f {self.write_services(3)} & wait; exit 0")
        shell.until_shown("web: Ready")
        self.assertNotIn(b"\x1b[?1049h", shell.raw)
        for pid in set(self.mesh.processes("weft up")) - {shell.process.pid}:
            os.kill(pid, signal.SIGTERM)
        self.assertEqual(shell.wait(), 0)


if __name__ == "__main__":
    unittest.main()
