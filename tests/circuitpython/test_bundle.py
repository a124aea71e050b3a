"""The bundle for CircuitPython's drives: laid out as circup wants it, whole, and enough for a board. CPython only."""

import importlib.util
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from standin import FLAVOURS, Board

from webhal.testing.fake import FakeNetwork

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / "tools/circuitpython_bundle.py"
README = ROOT / "ports/circuitpython/README.md"


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("circuitpython_bundle", TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def make(folder, *arguments):
    """The names in the zip below its one folder, with their bytes; its description."""
    command = [sys.executable, TOOL, "--to", folder, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    archive, about = done.stdout.split()
    with zipfile.ZipFile(archive) as bundle:
        files = {name: bundle.read(name) for name in bundle.namelist()}
    stem = Path(archive).stem
    assert all(name.startswith(stem + "/") for name in files)
    return {name[len(stem) + 1 :]: data for name, data in files.items()}, json.loads(Path(about).read_text())


def put(files, drive):
    """Copy lib/ onto a drive."""
    for name, data in files.items():
        if name.startswith("lib/"):
            path = drive / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)


def test_layout(tmp_path):
    files, about = make(tmp_path)
    for package in ("webhal", "webhal_circuitpython"):
        assert about[package]["version"] in files[f"lib/{package}/__init__.py"].decode().splitlines()[-1]
        assert f"requirements/{package}/requirements.txt" in files
    assert about["webhal_circuitpython"]["dependencies"] == ["webhal"]
    assert files["requirements/webhal_circuitpython/requirements.txt"] == b"webhal\n"
    for name, data in files.items():
        if name.startswith("lib/"):
            assert b"TYPE_CHECKING" not in data
            compile(data, name, "exec")
        if name.startswith("examples/"):
            assert data == (ROOT / name).read_bytes()
    again, _ = make(tmp_path)
    assert again == files


def test_nothing_for_other_platforms_is_in_it(tool):
    names = set(tool.library(minimal=False))
    assert not [name for name in names if "__main__" in name or "testing" in name or name.endswith("/net.py")]
    assert {f"webhal_circuitpython/{name}.py" for name in ("__init__", "network", "link", "airlift")} <= names
    assert set(tool.library(minimal=True)) < names


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_minimal_installation_serves_a_page(tmp_path, monkeypatch, flavour):
    files, _ = make(tmp_path / "dist", "--minimal")
    put(files, tmp_path)
    monkeypatch.syspath_prepend(tmp_path / "lib")
    received = []

    def visit(board, request):
        client = board.client(80)
        client.send(request)
        board.wire.at(1000, lambda: received.append(client.received))

    def stop():
        raise KeyboardInterrupt

    with Board(flavour, FakeNetwork(harsh=False)) as board:
        for path in ("/", "/nothing", "/%zz"):
            request = f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
            board.wire.at(100, lambda request=request: visit(board, request))
        board.wire.at(100, lambda: visit(board, b"nonsense\r\n\r\n"))
        board.wire.at(3000, stop)
        exec(compile(files["examples/hello_world.py"], "code.py", "exec"), {"__name__": "__main__"})
        loaded = [module.__file__ for name, module in sys.modules.items() if re.match(r"webhal(\.|$|_circ)", name)]
        assert loaded and all(file.startswith(str(tmp_path)) for file in loaded), loaded
    assert [data[9:12] for data in received] == [b"200", b"404", b"400", b"400"]


def test_the_readme_names_what_a_minimal_installation_lacks(tool):
    text = README.read_text()
    start = text.index("`--minimal` leaves out")
    named = re.findall(r"`(webhal\w*/\w+\.py)`", text[start : text.index("\n\n", start)])
    assert sorted(named) == sorted(set(tool.library(minimal=False)) - set(tool.library(minimal=True)))


def stand_in_mpy_cross(folder, first_byte, status=0):
    """An executable that copies its input, with another first byte."""
    path = folder / "mpy-cross"
    path.write_text(
        f"#!{sys.executable}\nimport sys\nfrom pathlib import Path\n"
        f"Path(sys.argv[4]).write_bytes({first_byte!r} + Path(sys.argv[5]).read_bytes())\nsys.exit({status})\n"
    )
    path.chmod(0o755)
    return path


def test_circuitpythons_mpy_cross_compiles_the_files(tmp_path):
    files, _ = make(tmp_path, "--mpy-cross", stand_in_mpy_cross(tmp_path, b"C"))
    assert files["lib/webhal/app.mpy"].startswith(b"C")
    assert not [name for name in files if name.startswith("lib/") and not name.endswith(".mpy")]


@pytest.mark.parametrize("problem", ["MicroPython's", "fails", "missing"])
def test_another_mpy_cross_is_refused_in_one_line(tmp_path, problem):
    path = stand_in_mpy_cross(tmp_path, b"M" if problem == "MicroPython's" else b"C", int(problem == "fails"))
    if problem == "missing":
        path.unlink()
    arguments = [sys.executable, TOOL, "--to", tmp_path, "--mpy-cross", path]
    done = subprocess.run(arguments, capture_output=True, text=True)
    assert done.returncode == 1 and done.stdout == "" and done.stderr.count("\n") == 1
    assert not list(tmp_path.glob("*.zip"))
