"""The file manager, as a board gets it, in ROMFS and a board's heap, before the same clients as on the PC."""

import importlib.util
import shutil
from pathlib import Path

import pytest

from webhal_cpython.compiling import compile_library, compile_mpy
from webhal_cpython.templating.building import build

CPYTHON = Path(__file__).resolve().parents[1] / "cpython"
HEAP = {"32": 44 << 10, "64": 96 << 10}


def load(name):
    spec = importlib.util.spec_from_file_location("cpython_" + name, CPYTHON / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


clients = load("conftest")
tests = load("test_file_manager")

browser = clients.browser
for _name, _test in vars(tests).items():
    if _name.startswith("test_"):
        globals()[_name] = _test


@pytest.fixture
def heap(pytestconfig):
    return HEAP[pytestconfig.getoption("bits")]


@pytest.fixture(scope="session")
def image(compiled, make_rom, tmp_path_factory):
    """A ROMFS image with webhal and the example, its templates as modules."""
    folder = tmp_path_factory.mktemp("file_manager")
    shutil.copytree(compiled, folder, dirs_exist_ok=True)
    (folder / "app.mpy").write_bytes(compile_mpy((tests.EXAMPLE / "app.py").read_text(), "app.py", 0))
    shutil.copytree(tests.EXAMPLE / "static", folder / "static")
    assert build(tests.EXAMPLE / "templates", folder / "templates") == []
    for file in (folder / "templates").glob("*.py"):
        text = file.read_text()
        code = compile_library(text, ()) if file.stem == "__init__" else compile_mpy(text, f"templates/{file.name}")
        file.with_suffix(".mpy").write_bytes(code)
        file.unlink()
    return make_rom(folder)


@pytest.fixture
def manager(serve_rom, image, tmp_path):
    server = serve_rom("import app; app.app.run(port=PORT)", image)
    manager = tests.Manager(f"http://127.0.0.1:{server.port}", tmp_path / "files")
    with manager.session:
        yield manager
