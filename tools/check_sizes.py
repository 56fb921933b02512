#!/usr/bin/env python3
"""Checks that files fit one sitting and functions one screen. tools/size_exemptions.txt may only shrink."""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
MOST_FILE_LINES = 600
MOST_FUNCTION_LINES = 70
RAW_STRING = re.compile(r'R"\((.*?)\)"')
FOLDERS = ("src", "apps", "examples", "bench", "fuzz", "tests", "tools")
OPENS_NO_FUNCTION = ("namespace", "class", "struct", "enum", "union", "extern", "switch", "if", "for", "while", "else",
                     "do", "return", "case")


def strip_text(line):
    """The line without string and character literals and line comments, so that their braces do not count."""
    line = RAW_STRING.sub('""', line)
    kept, quote, i = [], "", 0
    while i < len(line):
        c = line[i]
        if quote:
            if c == "\\":
                i += 1
            elif c == quote:
                quote = ""
        elif c == "/" and line[i + 1:i + 2] == "/":
            break
        elif c == '"' or (c == "'" and not line[i - 1:i].isalnum()):
            quote = c
        else:
            kept.append(c)
        i += 1
    return "".join(kept)


def cpp_functions(lines):
    """Yields (first line, length) of each block that opens after a ')' at the outermost level of a function."""
    depth, start, at, raw = 0, None, 0, False
    head = ""
    for number, line in enumerate(lines, 1):
        if raw:
            raw = ')"' not in line
            continue
        text = strip_text(line)
        raw = 'R"(' in line and ')"' not in line.split('R"(')[1]
        for c in text:
            if c == "{":
                first = head.strip().split("(")[0].split(" ")[0]
                if start is None and ")" in head and first not in OPENS_NO_FUNCTION:
                    start, at = number, depth
                depth += 1
                head = ""
            elif c == "}":
                depth -= 1
                if start is not None and depth == at:
                    yield start, number - start + 1
                    start = None
                head = ""
            elif c == ";":
                head = ""
            else:
                head += c
        head += " "


def python_functions(lines):
    starts = [(i, len(l) - len(l.lstrip())) for i, l in enumerate(lines, 1) if l.lstrip().startswith("def ")]
    for start, indent in starts:
        end = start
        for number in range(start + 1, len(lines) + 1):
            text = lines[number - 1]
            if text.strip() and len(text) - len(text.lstrip()) <= indent and not text.lstrip().startswith(")"):
                break
            end = number if text.strip() else end
        yield start, end - start + 1


def faults():
    files = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", *FOLDERS], cwd=ROOT,
                           check=True, capture_output=True, text=True).stdout.split()
    for name in files:
        suffix = pathlib.Path(name).suffix
        if suffix not in (".h", ".cpp", ".py") or not (ROOT / name).exists():
            continue
        lines = (ROOT / name).read_text().splitlines()
        if len(lines) > MOST_FILE_LINES:
            yield name, f"{name}: {len(lines)} lines, most {MOST_FILE_LINES}"
        functions = python_functions(lines) if suffix == ".py" else cpp_functions(lines)
        for start, length in functions:
            if length > MOST_FUNCTION_LINES:
                yield f"{name}:{start}", f"{name}:{start}: a function of {length} lines, most {MOST_FUNCTION_LINES}"


def main():
    exempt_file = ROOT / "tools" / "size_exemptions.txt"
    exempt = {line.split()[0] for line in exempt_file.read_text().splitlines() if line and not line.startswith("#")}
    found = list(faults())
    failed = [text for key, text in found if key.split(":")[0] not in exempt]
    failed += [f"{name}: exempt but no longer too long, take it off the list" for name in sorted(exempt)
               if not any(key.split(":")[0] == name for key, _ in found)]
    print("\n".join(failed), file=sys.stderr, end="\n" if failed else "")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
