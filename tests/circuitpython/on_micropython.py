"""The port's tests under a real MicroPython, whose dialect and heap are those of boards; tox's micropython environments
name this file.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 300
SUITES = ["test_promises", "test_table", "test_vectors", "test_server", "test_examples", "test_pin"]
PORT = [f"webhal_circuitpython.{name}" for name in ("network", "link", "airlift")]
PC_ONLY = {"counters", "deflate", "net", "sendfile"}  # modules of webhal that are not sent to boards

# Loads modules as a board does, into a heap of 100 KB of 32-bit words.
LOAD = """
import sys
class Module: pass
sys.modules["supervisor"] = Module()
sys.modules["supervisor"].ticks_ms = None
for name in sys.argv[1:]:
    __import__(name)
print("all loaded")
"""
HEAP = {"32": "100k", "64": "200k"}


def run(micropython, heap, *arguments):
    done = subprocess.run(
        [micropython, "-X", f"heapsize={heap}", *arguments],
        cwd=ROOT,
        env={**os.environ, "MICROPYPATH": "core:ports/circuitpython:tests/circuitpython:.frozen"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=PATIENCE_S,
    )
    return done.stdout.decode()


@pytest.mark.parametrize("suite", SUITES)
def test_suite(micropython, suite):
    output = run(micropython, "4m", "tests/run_on_micropython.py", suite)
    assert re.search(r"^[1-9]\d* passed, 0 failed\n\Z", output, re.MULTILINE), output


@pytest.fixture
def load(micropython, pytestconfig, tmp_path):
    """load(names) is what is printed when the modules are loaded one after another."""
    script = tmp_path / "load.py"
    script.write_text(LOAD)
    heap = HEAP[pytestconfig.getoption("bits")]
    return lambda *names: run(micropython, heap, str(script), *names)


def test_every_file_compiles_on_a_board_with_100_kb_of_heap(load):
    files = sorted((ROOT / "core/webhal").glob("[!_]*.py"))
    modules = [f"webhal.{file.stem}" for file in files if file.stem not in PC_ONLY]
    for module in [*modules, *PORT]:
        assert load(module) == "all loaded\n"


def test_what_most_applications_load_compiles_together(load):
    features = ["exchange", "routing", "request", "errors", "stream", "task", "refusing", "overload", "fields"]
    features.append("chunked")
    names = ["webhal.app", "webhal.starting", *PORT, "webhal.server", *[f"webhal.{feature}" for feature in features]]
    assert load(*names) == "all loaded\n"


def run_circuitpython_tests(executable, *files):
    return subprocess.run(
        [sys.executable, ROOT / "tools/run_circuitpython_tests.py", *files],
        env={**os.environ, "WEBHAL_CIRCUITPYTHON": str(executable)},
        capture_output=True,
        text=True,
    )


def test_a_circuitpython_that_is_given_runs_the_cores_tests(micropython, tmp_path):
    stand_in = tmp_path / "circuitpython"
    stand_in.write_text(f'#!/bin/sh\n[ "$1" = -c ] && exec echo circuitpython 10 3 0\nexec {micropython} "$@"\n')
    stand_in.chmod(0o755)
    good, bad = tmp_path / "test_good.py", tmp_path / "test_bad.py"
    good.write_text("def test_a():\n    import webhal\n")
    bad.write_text("def test_a():\n    assert False\n")
    done = run_circuitpython_tests(stand_in, good)
    assert done.returncode == 0 and " 1 passed, 0 failed " in done.stdout
    done = run_circuitpython_tests(stand_in, good, bad)
    assert done.returncode == 1 and " 1 passed, 1 failed " in done.stdout


def test_what_is_no_circuitpython_is_refused(micropython, tmp_path):
    for executable in (micropython, tmp_path / "missing", ""):
        done = run_circuitpython_tests(executable)
        assert done.returncode == 2 and done.stdout == "" and done.stderr.count("\n") == 1
