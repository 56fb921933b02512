#!/usr/bin/env python3
"""Checks that the rooms of src/ include only rooms below them, by the order in src/rooms.txt."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"')


def read_rules(path):
    """Returns {room: height}, the higher the farther up, and the set of (room, room) edges that must never be."""
    layers, never = [], set()
    for line in path.read_text().splitlines():
        words = line.split("#")[0].split()
        if words[:1] == ["never"]:
            never.update((words[1], room) for room in words[2:])
        elif words:
            layers.append(words)
    return {room: len(layers) - i for i, rooms in enumerate(layers) for room in rooms}, never


def faults(heights, never):
    for path in sorted((ROOT / "src").rglob("*")):
        if path.suffix not in (".h", ".cpp"):
            continue
        room = path.relative_to(ROOT / "src").parts[0]
        if room not in heights:
            yield f"{path.relative_to(ROOT)}: room '{room}' is not in src/rooms.txt"
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            match = INCLUDE.match(line)
            target = match.group(1).split("/")[0] if match else room
            if target == room or target not in heights:
                continue
            if heights[target] >= heights[room]:
                yield f"{path.relative_to(ROOT)}:{number}: {room} must not know {target} (not below it in src/rooms.txt)"
            elif (room, target) in never:
                yield f"{path.relative_to(ROOT)}:{number}: {room} must never know {target} (src/rooms.txt)"


def main():
    found = list(faults(*read_rules(ROOT / "src" / "rooms.txt")))
    print("\n".join(found), file=sys.stderr, end="\n" if found else "")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
