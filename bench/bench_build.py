"""How long a clean build and a rebuild after one .cpp take, without ccache."""
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent


def timed(command, **options):
    start = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, **options)
    return time.monotonic() - start


def run(_arguments):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="weft-bench-build-"))
    environment = {**os.environ, "CCACHE_DISABLE": "1"}
    try:
        timed(["cmake", "--preset", "release", "-B", folder], cwd=ROOT, env=environment)
        build = ["ninja", "-C", folder, "-j", "2", "weft", "example-web-service"]
        clean = timed(build, env=environment)
        os.utime(ROOT / "src" / "proxy" / "request.cpp")
        one = timed(build, env=environment)
    finally:
        shutil.rmtree(folder)
    return (f"| what | measured | budget |\n|---|---|---|\n| clean build of weft and the images, 2 jobs | {clean:.0f} s | 360 s |\n"
            f"| rebuild after src/proxy/request.cpp | {one:.1f} s | 15 s |")
