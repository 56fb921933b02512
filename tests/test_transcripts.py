"""Every session of transcripts/ and of the documentation, run as it is written (transcript.py)."""

import pathlib
import sys
import unittest

import mesh
import transcript

FOLDER = pathlib.Path(__file__).parent


class Transcripts(mesh.MeshTest):
    """A test for each file, made below and known to CMakeLists.txt by the same rule."""

    def play(self, path):
        folder = self.mesh.folder / "session"
        folder.mkdir()
        for skipped in transcript.run(path, folder, self.mesh.environment):
            print(f"{path.name}:{skipped.line}: not run: {skipped.why}", file=sys.stderr)


def add(path):
    setattr(Transcripts, "test_" + path.stem.replace("-", "_"), lambda self: self.play(path))


for session in sorted((FOLDER / "transcripts").glob("*.md")):
    add(session)
for page in (mesh.SOURCE / "README.md", *sorted((mesh.SOURCE / "docs").glob("*.md"))):
    if any(line.startswith("```console") for line in page.read_text().splitlines()):
        add(page)


class Runner(unittest.TestCase):
    def test_matches(self):
        for expected, actual, verdict in [
                (["a", "..."], ["a"], True), (["a", "..."], ["a", "b", "c"], True), (["...", "c"], ["a", "b"], False),
                (["port [..] is"], ["port 80 is"], True), (["port [..] is"], ["port 80", "is"], False),
                ([], [], True), ([], ["a"], False), (["a.c"], ["abc"], False), (["a  b"], ["a    b"], True),
                (["a b"], ["a  b"], False)]:
            with self.subTest(expected=expected, actual=actual):
                self.assertEqual(transcript.matches(expected, actual), verdict)

    def test_parse(self):
        text = ("```yaml web.yaml\na: 1\n```\n"
                "```console\n$ cat web.yaml \\\n> -\na: 1\n(exit 3)\n```\n"
                "<!-- not run: it takes a machine -->\n\n```sh\n./dev up\n```\n")
        file, step, skipped = transcript.parse(text)
        self.assertEqual((file.name, file.text), ("web.yaml", "a: 1\n"))
        self.assertEqual((step.command, step.expected, step.code), ("cat web.yaml \\\n-", ["a: 1"], 3))
        self.assertEqual(skipped.why, "it takes a machine")

    def test_a_difference_fails(self):
        for step, said, code in [(transcript.Step(1, "x", ["a"]), "b\n", 0), (transcript.Step(1, "x", ["a"]), "a\n", 1),
                                 (transcript.Step(1, "x", None, 2), "", None)]:
            with self.subTest(step=step), self.assertRaises(AssertionError):
                transcript.check("file.md", step, said, code)
