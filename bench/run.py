#!/usr/bin/env python3
"""Runs the benchmarks and keeps what they measured in bench/results/NAME.md; with arguments of a benchmark's own it is
printed and not kept. Benchmarks report; they never fail on time."""
import datetime
import importlib
import pathlib
import platform
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests")]
NAMES = ("mesh", "proxy", "tls", "build", "restarts")


def machine():
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    commit = subprocess.run(["git", "-C", HERE, "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    return f"{model}, {len(__import__('os').sched_getaffinity(0))} cores, Linux {platform.release()}; commit {commit or 'none'}"


def main(arguments):
    names = arguments[:1] or list(NAMES)
    if names[0] not in NAMES:
        sys.exit(f"bench: no such benchmark: {names[0]} (there are {', '.join(NAMES)})")
    for name in names:
        text = importlib.import_module(f"bench_{name}").run(arguments[1:])
        report = f"# {name}\n\n{datetime.date.today()}, {machine()}\n\n{text}\n"
        print(report)
        if not arguments[1:]:
            results = HERE / "results"
            results.mkdir(exist_ok=True)
            (results / f"{name}.md").write_text(report)


if __name__ == "__main__":
    main(sys.argv[1:])
