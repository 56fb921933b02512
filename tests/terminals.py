"""A terminal with somebody in front of it: a pseudo-terminal whose output an emulator draws."""

import contextlib
import copy
import fcntl
import os
import pathlib
import re
import select
import struct
import sys
import termios
import threading

import mesh

# The packages of tests/requirements.txt, which `./dev test` puts into this venv.
sys.path += [str(path) for path in (mesh.SOURCE / "build" / "venv").glob("lib/python3*/site-packages")]
try:
    import pyte
    HAS_EMULATOR = True
except ImportError:
    HAS_EMULATOR = False

SCREENS = pathlib.Path(__file__).resolve().parent / "screens"
ALTERNATE_SCREEN = 1049


def _screen(columns, rows):
    """An emulator's screen that has an alternate one, as every terminal but this emulator's own."""

    class Screen(pyte.Screen):
        behind = None

        def set_mode(self, *modes, private=False, **_):
            if private and ALTERNATE_SCREEN in modes:
                self.behind = (copy.deepcopy(self.buffer), copy.copy(self.cursor))
                self.erase_in_display(2)
                return
            super().set_mode(*modes, private=private)

        def reset_mode(self, *modes, private=False, **_):
            if private and ALTERNATE_SCREEN in modes:
                self.erase_in_display(2)
                buffer, cursor = self.behind
                self.buffer.update(buffer)
                self.cursor.y, self.cursor.x = cursor.y, cursor.x
                self.behind = None
                return
            super().reset_mode(*modes, private=private)

        @property
        def is_alternate(self):
            return self.behind is not None

    return Screen(columns, rows)


class Terminal:
    """One command in a terminal of its own."""

    def __init__(self, of, *command, columns=80, rows=24, **options):
        self.master, slave = os.openpty()
        self.screen = _screen(columns, rows)
        self.stream = pyte.ByteStream(self.screen)
        self.raw = b""
        self._lock = threading.Lock()
        self._closed = False
        self._set_size(columns, rows)
        self.before = termios.tcgetattr(slave)
        environment = {**of.environment, "TERM": "xterm-256color", "NO_COLOR": "1"}
        take_terminal = lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # noqa: E731
        self.process = of.popen(*command, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
                                preexec_fn=take_terminal, env=environment, text=False, **options)
        self._slave = slave  # stays open, so that the modes that are left can be read
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _set_size(self, columns, rows):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def _read(self):
        # A read that waits would keep the terminal open for as long.
        with contextlib.suppress(OSError):
            while not self._closed:
                if not select.select([self.master], [], [], mesh.POLL)[0]:
                    continue
                data = os.read(self.master, 65536)
                with self._lock:
                    self.raw += data
                    self.stream.feed(data)

    def lines(self):
        """What is seen now, without blanks at the ends of lines and empty lines at the end."""
        with self._lock:
            lines = [line.rstrip() for line in self.screen.display]
        while lines and not lines[-1]:
            lines.pop()
        return lines

    def shows(self, text):
        return any(text in line for line in self.lines())

    def until_shown(self, text):
        try:
            mesh.until(lambda: self.shows(text), f"{text!r} is shown", 20)
        except AssertionError as error:
            raise AssertionError(f"{error}\n" + "\n".join(self.lines())) from None

    def is_alternate(self):
        with self._lock:
            return self.screen.is_alternate

    def resize(self, columns, rows):
        with self._lock:
            self.screen.resize(rows, columns)
        self._set_size(columns, rows)

    def type(self, keys):
        os.write(self.master, keys.encode())

    def hang_up(self):
        """The terminal's window is closed."""
        os.close(self._slave)
        self._closed = True
        self._reader.join()
        os.close(self.master)

    def wait(self):
        """The exit code, once all that was written has been drawn."""
        code = self.process.wait(timeout=mesh.LIMIT)
        self.modes = termios.tcgetattr(self._slave)
        os.close(self._slave)
        self._reader.join(mesh.LIMIT)
        os.close(self.master)
        return code


def masked(lines):
    """As text; of ports, rates and times each digit is a #."""
    hide = lambda match: re.sub(r"\d", "#", match.group())  # noqa: E731
    return "".join(re.sub(r"(?<=127\.0\.0\.1):\d+|\d+\.\d+(/s|ms|%)|\d+ms", hide, line) + "\n" for line in lines)


def assert_screen(name, terminal):
    """That it comes to look as tests/screens/NAME.txt says; WEFT_WRITE_SCREENS=5 writes there what it looks like
    after five seconds."""
    path = SCREENS / f"{name}.txt"
    writes = os.environ.get("WEFT_WRITE_SCREENS")
    expected = None if writes else path.read_text()
    try:
        mesh.until(lambda: masked(terminal.lines()) == expected, name, float(writes or 20))
    except AssertionError:
        if not writes:
            raise AssertionError(f"{path} is not what is shown:\n{masked(terminal.lines())}") from None
        path.write_text(masked(terminal.lines()))
