"""examples/pin.py on a plain PC, with the pins that Blinka pretends."""

import os
import re
import runpy
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from webhal.testing import TestClient

EXAMPLE = Path(__file__).resolve().parents[2] / "examples/pin.py"
PATIENCE_S = 60


def test_the_page_switches_the_pin():
    example = runpy.run_path(str(EXAMPLE))
    pin = example["pin"]._pin  # Blinka's: what was written last is its current_value
    client = TestClient(example["app"])
    assert "Dx_OUTPUT is off" in client.get("/").text
    for to, value in (("on", 1), ("off", 0), ("on", 1)):
        response = client.post("/", form={"to": to})
        assert (response.status, response.headers["Location"]) == (303, "/")
        assert pin.current_value == value
        assert f"Dx_OUTPUT is {to}." in client.get("/").text
    assert client.post("/", form={"to": "sideways"}).status == 422
    assert pin.current_value == 1


def test_it_is_served():
    webhal = Path(sys.executable).with_name("webhal")
    with subprocess.Popen(
        [webhal, "run", EXAMPLE, "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as server:
        try:
            seen = ""
            while not (found := re.search(r"Serving on \S*?:(\d+)/", seen)):
                line = server.stdout.readline()
                assert line, seen
                seen += line
            url = f"http://127.0.0.1:{found[1]}/"
            with urllib.request.urlopen(url, b"to=on", timeout=PATIENCE_S) as response:
                assert b"Dx_OUTPUT is on." in response.read()
        finally:
            server.terminate()


@pytest.mark.parametrize("machine", ["a plain PC without pretended pins", "a board without the names"])
def test_a_machine_without_pins_is_told_what_to_do(machine, monkeypatch):
    if machine.startswith("a plain PC"):
        environment = {name: value for name, value in os.environ.items() if name != "BLINKA_OS_AGNOSTIC"}
        command = [sys.executable, EXAMPLE]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE_S)
        assert done.returncode == 1 and done.stdout == ""
        words = done.stderr
    else:
        monkeypatch.setitem(sys.modules, "board", object())
        with pytest.raises(SystemExit) as raised:
            runpy.run_path(str(EXAMPLE))
        words = str(raised.value) + "\n"
    assert words.count("\n") == 1 and "BLINKA_OS_AGNOSTIC=1" in words
