"""Run tests/core on real MicroPython, each file in a process and a heap of its own, as many at once as there are cores.

    python tools/run_core_tests.py                          all of tests/core, 64-bit, MicroPython's own heap size
    python tools/run_core_tests.py --bits 32 --heap 96k     with a board's word size, in 96 KB
    python tools/run_core_tests.py --bits 32 --smallest     the smallest heap in which each file still passes

Which MicroPython: see micropython.py. What runs inside it: tests/run_on_micropython.py.
"""

from __future__ import annotations

import argparse
import atexit
import functools
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "core"), str(ROOT / "ports/cpython")]
from webhal_cpython.templating.building import build  # noqa: E402

TIMEOUT_S = 300  # a file takes seconds; one that waits for ever must not hold up the rest
LARGEST_KB = 4096  # where the search for the smallest heap begins; no board has more


class Result(NamedTuple):
    passed: int
    failed: int
    output: str


def run_file(micropython: str, file: Path, heap: str | None) -> Result:
    """Run one file's tests. A process that dies, hangs, or runs no test counts as one failure."""
    command = [micropython, *(["-X", f"heapsize={heap}"] if heap else [])]
    # Relative, since paths take heap too. `.frozen` holds asyncio.
    folder = os.path.relpath(file.parent, ROOT)
    environment = {**os.environ, "MICROPYPATH": f"core:{templates()}:{folder}:.frozen"}
    try:
        done = subprocess.run(
            [*command, "tests/run_on_micropython.py", file.stem],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=TIMEOUT_S,
        )
    except subprocess.TimeoutExpired as expired:
        return Result(0, 1, _text(expired.stdout) + f"still running after {TIMEOUT_S} s\n")
    output = _text(done.stdout)
    counts = re.search(r"^(\d+) passed, (\d+) failed\n\Z", output, re.MULTILINE)
    if not counts:
        return Result(0, 1, output + f"ended early, with status {done.returncode}\n")
    passed, failed = int(counts[1]), int(counts[2])
    if passed + failed == 0:
        return Result(0, 1, "no test_ function\n")
    return Result(passed, failed, output)


@functools.cache
def templates() -> str:
    """A folder with the modules that the tests' templates become."""
    folder = tempfile.TemporaryDirectory()
    atexit.register(folder.cleanup)
    build(ROOT / "tests/core/templates", Path(folder.name, "templates"))
    return folder.name


def _text(output: bytes | None) -> str:
    return (output or b"").decode(errors="replace")


def run_files(micropython: str, files: list[Path], heap: str | None) -> bool:
    """Run all files and print what pytest would; true if every test passed and there was one."""
    total_passed = total_failed = 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for file, result in zip(files, pool.map(lambda file: run_file(micropython, file, heap), files), strict=True):
            print(f"{_shown(file)}: {result.passed} passed, {result.failed} failed", flush=True)
            if result.failed:
                print(result.output, end="", flush=True)
            total_passed += result.passed
            total_failed += result.failed
    print(f"{f' {total_passed} passed, {total_failed} failed ':=^80}", flush=True)
    return total_passed > 0 and total_failed == 0


def print_smallest(micropython: str, files: list[Path]) -> bool:
    """Print the smallest heap in which each file passes, found by bisection; true if each passes in some heap."""
    largest = 0
    for file in files:
        if run_file(micropython, file, f"{LARGEST_KB}k").failed:
            print(f"{_shown(file)}: fails in any heap", flush=True)
            return False
        fails, passes = 0, LARGEST_KB
        while passes - fails > 1:
            middle = (fails + passes) // 2
            if run_file(micropython, file, f"{middle}k").failed:
                fails = middle
            else:
                passes = middle
        print(f"{_shown(file)}: {passes}k", flush=True)
        largest = max(largest, passes)
    print(f"{f' all pass with --heap {largest}k ':=^80}", flush=True)
    return bool(files)


def _shown(file: Path) -> str:
    return os.path.relpath(file, ROOT)


def main() -> int:
    """The exit status: 0 if all tests passed and there was one."""
    parser = argparse.ArgumentParser(description="Run tests/core on real MicroPython.")
    parser.add_argument("files", nargs="*", type=Path, help="test files (default: all of tests/core)")
    parser.add_argument("--bits", choices=("32", "64"), default="64", help="word size (default 64)")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--heap", help="heap size of each file's process, such as 96k")
    how.add_argument("--smallest", action="store_true", help="measure the smallest heap instead")
    options = parser.parse_args()
    found = subprocess.run(
        [sys.executable, str(ROOT / "tools/micropython.py"), "--bits", options.bits], stdout=subprocess.PIPE, text=True
    )
    if found.returncode:
        return found.returncode
    micropython = found.stdout.strip()
    files = [file.resolve() for file in options.files] or sorted((ROOT / "tests/core").glob("test_*.py"))
    good = print_smallest(micropython, files) if options.smallest else run_files(micropython, files, options.heap)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
