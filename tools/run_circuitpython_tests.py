"""Run tests/core on a real CircuitPython: the executable that the environment variable WEBHAL_CIRCUITPYTHON names.

    WEBHAL_CIRCUITPYTHON=/path/to/circuitpython python tools/run_circuitpython_tests.py [FILE …]

It is CircuitPython's unix port, which no package carries. It has no socket, so the core runs over the fake network.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from run_core_tests import ROOT, run_files

VARIABLE = "WEBHAL_CIRCUITPYTHON"
ASK = "import sys; print(sys.implementation.name, *sys.implementation.version[:3])"
TIMEOUT_S = 60


def identify(executable: str) -> str:
    """What this executable is, such as "circuitpython 10 3 0"; "" when it does not say."""
    try:
        done = subprocess.run([executable, "-c", ASK], capture_output=True, text=True, timeout=TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()


def main() -> int:
    """The exit status: 0 if all tests passed and there was one."""
    executable = os.environ.get(VARIABLE, "")
    if not executable:
        print(f"set {VARIABLE} to the path of a CircuitPython executable", file=sys.stderr)
        return 2
    kind = identify(executable)
    if not kind.startswith("circuitpython "):
        print(f"{VARIABLE}={executable} is no CircuitPython, it says {kind!r}", file=sys.stderr)
        return 2
    print(kind)
    files = [Path(name).resolve() for name in sys.argv[1:]] or sorted((ROOT / "tests/core").glob("test_*.py"))
    return 0 if run_files(executable, files, None) else 1


if __name__ == "__main__":
    sys.exit(main())
