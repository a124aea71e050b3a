"""What tests of several folders share: a real MicroPython."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def pytest_addoption(parser):
    parser.addoption("--bits", choices=("32", "64"), default="64", help="word size of the `micropython` fixture")


def pytest_configure(config):
    config.addinivalue_line("markers", "words32: for a MicroPython with 32-bit words only")


def pytest_collection_modifyitems(config, items):
    if config.getoption("bits") != "32":
        items[:] = [item for item in items if not item.get_closest_marker("words32")]


@pytest.fixture(scope="session")
def micropython(pytestconfig):
    """The path of a real MicroPython; where there is none the test is skipped, under CI it fails."""
    found = subprocess.run(
        [sys.executable, ROOT / "tools/micropython.py", "--bits", pytestconfig.getoption("bits")],
        capture_output=True,
        text=True,
    )
    if found.returncode:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(found.stderr.strip())
    return found.stdout.strip()
