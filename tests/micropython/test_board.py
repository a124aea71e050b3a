"""The port on real MicroPython: each file board/cases_*.py in a process of its own, over a stand-in for a board's
module `network` and real sockets."""

import os
import resource
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BOARD = Path(__file__).resolve().parent / "board"
TIMEOUT_S = 300
DESCRIPTORS = 64  # so that a test can take all of them


@pytest.mark.parametrize("cases", sorted(file.stem for file in BOARD.glob("cases_*.py")))
def test_cases(cases, micropython, tmp_path):
    path = [ROOT / "core", ROOT / "ports/micropython", BOARD]
    done = subprocess.run(
        [micropython, ROOT / "tests/run_on_micropython.py", cases],
        cwd=tmp_path,
        env={**os.environ, "MICROPYPATH": ":".join(map(str, path)) + ":.frozen"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT_S,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS)),
    )
    assert done.returncode == 0, done.stdout
