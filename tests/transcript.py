"""Sessions written down as one reads them, and run: Markdown whose `console` blocks hold commands and what they answer.

    ```console
    $ weft get services
    NAME   READY  [..]
    ...
    $ weft get service none
    error: [..]
    (exit 4)
    ```

A line `...` stands for any lines, `[..]` for any text in a line, and two spaces for any number of more than one, for
tables are as wide as what is in them; a command may go on in lines that begin with `> `, and
ends with code 0 where none is said. A `sh` block is run for its exit code alone. A block with a second word in its
info string (```yaml web.yaml) is a file of that name, written before what follows. `<!-- not run: why -->` in front of
a block passes it over. All of a file is one shell in one folder.
"""

import dataclasses
import difflib
import os
import pathlib
import re
import select
import subprocess
import time

# Far above what a command takes that starts a mesh and waits for it.
LIMIT = 60.0
FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\w+)(?: +(?P<file>\S+))? *$")
NOT_RUN = re.compile(r"^<!-- not run: (?P<why>.+) -->$")
END_OF_COMMAND = b"\x1e"
# One command at a time from descriptor $1; what it says ends with its exit code between marks.
SHELL = r"""
exec {commands}<&"$1" && eval "exec $1<&-"
while IFS= read -r -d "" -u "$commands" command; do
  eval "$command" </dev/null {commands}<&-
  printf '\x1e%d\x1e' $?
done
"""


@dataclasses.dataclass
class File:
    line: int
    name: str
    text: str


@dataclasses.dataclass
class Step:
    """A command, what it shall say (None: no matter) and how it ends."""
    line: int
    command: str
    expected: list | None
    code: int = 0


@dataclasses.dataclass
class Skipped:
    line: int
    why: str


def parse(text):
    """The files, steps and skipped blocks of a Markdown text, in order."""
    lines = text.splitlines()
    items, at, why_not = [], 0, None
    while at < len(lines):
        comment = NOT_RUN.match(lines[at].strip())
        fence = FENCE.match(lines[at])
        at += 1
        if comment:
            why_not = comment["why"]
        if not fence:
            if lines[at - 1].strip() and not comment:
                why_not = None
            continue
        first, block = at, []
        while lines[at].strip() != "```":
            block.append(lines[at].removeprefix(fence["indent"]))
            at += 1
        at += 1
        if why_not is not None:
            items.append(Skipped(first, why_not))
        elif fence["file"]:
            items.append(File(first, fence["file"], "\n".join([*block, ""])))
        elif fence["language"] == "sh":
            items.append(Step(first, "set -e; " + "\n".join(block) + "\nset +e", None))
        elif fence["language"] == "console":
            items.extend(steps_of(block, first))
        why_not = None
    return items


def steps_of(block, first):
    steps = []
    for number, line in enumerate(block, first):
        code = re.fullmatch(r"\(exit (\d+)\)", line)
        if line.startswith("$ "):
            steps.append(Step(number + 1, line[2:], []))
        elif not steps:
            raise ValueError(f"line {number + 1}: output before the first command")
        elif line.startswith("> ") and not steps[-1].expected:
            steps[-1].command += "\n" + line[2:]
        elif code:
            steps[-1].code = int(code[1])
        else:
            steps[-1].expected.append(line.rstrip())
    return steps


def matches(expected, actual):
    """Whether the lines `actual` are what the lines `expected` stand for."""
    pattern = ""
    for line in expected:
        if line == "...":
            pattern += r"(?:.*\n)*"
        else:
            pattern += ".*".join(re.escape(part) for part in narrow(line).split("[..]")) + r"\n"
    return re.fullmatch(pattern, "".join(narrow(line) + "\n" for line in actual)) is not None


def narrow(line):
    return re.sub(" {2,}", "  ", line)


class Shell:
    """One bash that runs commands one after the other."""

    def __init__(self, folder, environment):
        read, self._commands = os.pipe()
        self.process = subprocess.Popen(
            ["bash", "--norc", "-c", SHELL, "bash", str(read)], cwd=folder, env=environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, pass_fds=[read])
        os.close(read)

    def run(self, command):
        """What it said, and its exit code; None if it did not end."""
        os.write(self._commands, command.encode() + b"\0")
        end, said = time.monotonic() + LIMIT, b""
        while said.count(END_OF_COMMAND) < 2:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                return said.decode(errors="replace"), None
            piece = os.read(self.process.stdout.fileno(), 65536)
            if not piece:
                return said.decode(errors="replace"), None
            said += piece
        output, code, rest = said.split(END_OF_COMMAND)
        return (output + rest).decode(errors="replace"), int(code)

    def close(self):
        os.close(self._commands)
        self.process.stdout.close()
        try:
            self.process.wait(timeout=5.0)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def run(path, folder, environment):
    """Runs the session in `path`; fails with the first command that answers otherwise than written. Gives what was
    passed over."""
    skipped = []
    shell = Shell(folder, environment)
    try:
        for item in parse(pathlib.Path(path).read_text()):
            if isinstance(item, Skipped):
                skipped.append(item)
            elif isinstance(item, File):
                file = pathlib.Path(folder, item.name)
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(item.text)
            else:
                check(path, item, *shell.run(item.command))
    finally:
        shell.close()
    return skipped


def check(path, step, said, code):
    actual = [line.rstrip() for line in said.splitlines()]
    where = f"{path}:{step.line}: $ {step.command}"
    if code != step.code:
        ended = "did not end" if code is None else f"ended with {code}"
        raise AssertionError(f"{where}\n{ended}, not {step.code}:\n{said}")
    if step.expected is not None and not matches(step.expected, actual):
        difference = "\n".join(difflib.ndiff(step.expected, actual))
        raise AssertionError(f"{where}\nsaid something else (+):\n{difference}")
