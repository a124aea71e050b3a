"""The installed distribution: all packages are in it, with their type information."""

import importlib.util
from pathlib import Path

import pytest


# Not imported: a board's port may refuse to be, here.
@pytest.mark.parametrize("package", ["webhal", "webhal_cpython", "webhal_micropython", "webhal_circuitpython"])
def test_package_is_installed_and_typed(package):
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert Path(spec.origin).with_name("py.typed").exists()
