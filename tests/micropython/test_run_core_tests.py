"""The way tests/core is run on MicroPython: whatever can go wrong with a test file must be seen as a failure."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).resolve().parents[2] / "tools/run_core_tests.py"

FILES = {
    "passes": ("def test_a():\n    pass\n\ndef test_b():\n    import asyncio, webhal\n", "2 passed, 0 failed"),
    "asserts": ("def test_a():\n    assert 1 == 2\n\ndef test_b():\n    pass\n", "1 passed, 1 failed"),
    "raises": ("def test_a():\n    {}['missing']\n", "0 passed, 1 failed"),
    "no_import": ("import dataclasses\n\ndef test_a():\n    pass\n", "0 passed, 1 failed"),
    "no_syntax": ("def test_a(:\n", "0 passed, 1 failed"),
    "no_test": ("def check():\n    pass\n", "0 passed, 1 failed"),
    "exits": ("import sys\n\ndef test_a():\n    sys.exit(0)\n", "0 passed, 1 failed"),
    "out_of_memory": ("def test_a():\n    bytearray(40_000)\n", "0 passed, 1 failed"),
}


def run(bits, *arguments):
    return subprocess.run([sys.executable, TOOL, "--bits", bits, *arguments], capture_output=True, text=True)


@pytest.fixture
def bits(pytestconfig, micropython):
    return pytestconfig.getoption("bits")


@pytest.mark.parametrize("name", FILES)
def test_counts_and_exit_status(name, bits, tmp_path):
    source, counts = FILES[name]
    file = tmp_path / f"test_{name}.py"
    file.write_text(source)
    done = run(bits, "--heap", "32k", file)
    assert done.stdout.splitlines()[-1].strip("= ") == counts
    assert (done.returncode == 0) == counts.endswith(" 0 failed")


def test_a_failure_is_shown_with_its_traceback(bits, tmp_path):
    file = tmp_path / "test_asserts.py"
    file.write_text(FILES["asserts"][0])
    output = run(bits, file).stdout
    assert "FAILED test_asserts::test_a\n" in output
    assert "line 2, in test_a\nAssertionError" in output


def test_one_bad_file_of_several_fails_the_run(bits, tmp_path):
    files = []
    for name in ("passes", "raises", "asserts"):
        files.append(tmp_path / f"test_{name}.py")
        files[-1].write_text(FILES[name][0])
    done = run(bits, *files)
    assert "3 passed, 2 failed" in done.stdout.splitlines()[-1]
    assert done.returncode != 0


def test_a_hanging_file_is_ended(micropython, tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("run_core_tests", TOOL)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    monkeypatch.setattr(tool, "TIMEOUT_S", 1)
    file = tmp_path / "test_hangs.py"
    file.write_text("def test_a():\n    while True:\n        pass\n")
    result = tool.run_file(micropython, file, None)
    assert (result.passed, result.failed) == (0, 1)
    assert "still running after 1 s" in result.output


def test_smallest_heap_is_one_in_which_the_file_passes_and_a_smaller_one_fails(bits, tmp_path):
    file = tmp_path / "test_needs_memory.py"
    file.write_text("def test_a():\n    bytearray(40_000)\n")
    done = run(bits, "--smallest", file)
    assert done.returncode == 0
    smallest = int(done.stdout.splitlines()[0].rpartition(" ")[2].removesuffix("k"))
    assert 40 < smallest < 60
    assert run(bits, "--heap", f"{smallest}k", file).returncode == 0
    assert run(bits, "--heap", f"{smallest - 1}k", file).returncode != 0
