"""The installed distribution: all packages are in it, with their type information."""

import importlib.metadata
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest


# Not imported: a board's port may refuse to be, here.
@pytest.mark.parametrize("package", ["webhal", "webhal_cpython", "webhal_micropython", "webhal_circuitpython"])
def test_package_is_installed_and_typed(package):
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert Path(spec.origin).with_name("py.typed").exists()


def test_version_is_the_distribution_s_and_is_looked_up_when_it_is_asked_for():
    script = "import sys, webhal; before = 'importlib.metadata' in sys.modules; print(webhal.__version__, before)"
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert said == importlib.metadata.version("webhal") + " False\n"
