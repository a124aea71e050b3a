"""`webhal check --memory`, and what `webhal deploy` says where memory is short: figures from a board's own heap."""

import itertools
import re
import subprocess
import sys

import pytest

from webhal.testing.boards import MicroPythonBoard
from webhal_cpython import cli
from webhal_cpython.deploying import memory

if sys.platform != "linux":
    pytest.skip("a simulated board has a ROM partition on Linux only", allow_module_level=True)
pytest.importorskip("mpremote")
pytest.importorskip("pty")

APP = """\
from dht import DHT22
from machine import ADC, Pin
from webhal import App

sensor = DHT22(Pin(4, Pin.IN))
app = App()
inner = App()
app.mount("/inner", inner)

@app.get("/")
def page(request):
    print(500 * "-")  # more, in the end, than a line holds that nobody reads
    sensor.measure()
    return {"temperature": sensor.temperature(), "light": ADC(0).read()}

@app.post("/pin/<int:number>")
def pin(request, number):
    Pin(number, Pin.OUT).value(len(request.json))
    return "set"

@inner.get("/big/<name>")
def big(request, name):
    return str(len(bytearray(%d)))

if __name__ == "__main__":
    app.run(port=8000)
"""
TAKES = """\
try:
    bytearray(%d)
    print("fits")
except MemoryError:
    print("MemoryError")
"""
ROW = r"^  (.{44}) keeps +(\d+) KB, needs +(\d+) KB: (\d+ KB (?:to spare|too few))$"


@pytest.fixture(scope="module")
def micropython32(micropython, pytestconfig):
    """The path of a MicroPython with a board's words."""
    tool = pytestconfig.rootpath / "tools/micropython.py"
    found = subprocess.run([sys.executable, tool, "--bits", "32"], capture_output=True, text=True)
    if found.returncode:
        pytest.skip(found.stderr.strip())
    return found.stdout.strip()


@pytest.fixture
def webhal(capsys, monkeypatch, micropython32):
    """webhal(…) is (exit code, standard output, standard error)."""
    monkeypatch.setenv("WEBHAL_MICROPYTHON32", micropython32)

    def webhal(*arguments):
        code = cli.main([*map(str, arguments)])
        return code, *capsys.readouterr()

    return webhal


@pytest.fixture
def application(tmp_path):
    """application(bytes) is a file with a handler that takes so many for a moment."""

    def application(size):
        (tmp_path / "app.py").write_text(APP % size)
        (tmp_path / "settings.toml").touch(0o600)
        (tmp_path / "settings.toml").write_text('CIRCUITPY_WIFI_SSID = "home"\n')
        return tmp_path / "app.py"

    return application


@pytest.mark.parametrize("heap", [20_000, 33_000])
def test_simulated_board_has_the_memory_it_is_given(micropython32, heap):
    """In one piece, but for what running a file takes."""
    with MicroPythonBoard("esp8266", executable=micropython32, heap=heap) as there:
        for size, outcome in ((heap, "MemoryError"), (heap - 2000, "fits")):
            (there.folder / "main.py").write_text(TAKES % size)
            there.unplug()
            there.start()
            with open(there.target, "rb", buffering=0) as line:
                assert line.read(100).decode().strip().startswith(outcome)


def test_memory_is_measured_where_code_may_lie(webhal, application):
    code, output, errors = webhal("check", "--memory", application(10), "--target", "esp8266")
    assert (code, errors) == (0, "")
    assert "3 routes" in output and "no answer" not in output and ": 500" not in output
    rows = {name.strip(): (int(keeps), int(needs)) for name, keeps, needs, _ in re.findall(ROW, output, re.MULTILINE)}
    outside, module, in_rom, all_in_rom = rows.values()
    assert all(keeps <= needs < 34 for keeps, needs in rows.values())
    assert in_rom[1] + 5 < outside[1] and all_in_rom[1] <= in_rom[1] + 1
    assert "It fits as `webhal deploy` sends it" in output


def test_what_is_too_large_for_the_board_is_told_with_figures_when_it_fails(
    webhal, application, micropython32, monkeypatch
):
    layouts = memory.Check._layouts
    monkeypatch.setattr(memory.Check, "_layouts", lambda self: itertools.islice(layouts(self), 1))
    with MicroPythonBoard("esp8266", executable=micropython32, stand_ins=("dht",)) as there:
        path = application(18_000)
        code, _, errors = webhal("deploy", path, "--to", there.target, "--probe", "/inner/big/x")
    assert code == 1
    assert "/inner/big/x answers 503: memory is short" in errors
    rows = re.findall(ROW.replace("^  ", "^webhal:   "), errors, re.MULTILINE)
    assert [(int(needs) > 34, words.endswith("too few")) for _, _, needs, words in rows] == [(True, True)]
    assert "It does not fit" in errors


def test_application_that_does_not_serve(webhal, tmp_path):
    (tmp_path / "app.py").write_text("import webhal\n")
    code, output, errors = webhal("check", "--memory", tmp_path / "app.py", "--target", "esp32")
    assert (code, output) == (1, "")
    assert errors == f"webhal: {tmp_path / 'app.py'} does not come to app.run() on a simulated esp32\n"
    (tmp_path / "app.py").write_text("import webhal\nraise ValueError('no')\n")
    code, output, errors = webhal("check", "--memory", tmp_path / "app.py", "--target", "esp32")
    assert code == 1 and "ValueError: no" in errors


@pytest.mark.parametrize("arguments", [(), ("--target", "circuitpython"), ("app.py", "--target", "esp32")])
def test_memory_is_of_one_file_on_one_board(webhal, arguments):
    code, output, errors = webhal("check", "--memory", "app.py", *arguments)
    assert (code, output) == (2, "")
    assert errors == "webhal: --memory takes one FILE, and one --target of esp8266, esp32, rp2\n"


def test_words_of_another_width(webhal, application, monkeypatch):
    monkeypatch.setenv("WEBHAL_MICROPYTHON32", sys.executable)
    code, output, errors = webhal("check", "--memory", application(10), "--target", "esp8266")
    assert (code, output) == (1, "")
    assert errors.startswith("webhal: no MicroPython with words of 32 bits") and errors.count("\n") == 1
