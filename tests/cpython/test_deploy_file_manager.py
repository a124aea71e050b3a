"""examples/file_manager, deployed to a simulated board as it is: its page and style, an upload, download, deletion."""

import shutil
from pathlib import Path

import pytest
import requests

from webhal.testing.boards import MicroPythonBoard
from webhal_cpython import cli

pytest.importorskip("mpremote")
pytest.importorskip("pty")

EXAMPLE = Path(__file__).resolve().parents[2] / "examples/file_manager"


def test_file_manager_on_a_board(micropython, tmp_path):
    shutil.copytree(EXAMPLE, tmp_path / "app")
    settings = tmp_path / "app/settings.toml"
    settings.write_text('CIRCUITPY_WIFI_SSID = "home"\nCIRCUITPY_WIFI_PASSWORD = "secret"\n')
    settings.chmod(0o600)
    air = {"home": "secret"}
    with MicroPythonBoard("esp32", executable=micropython, wifi=air) as board, requests.Session() as session:
        session.trust_env = False
        assert cli.main(["deploy", str(tmp_path / "app/app.py"), "--to", board.target]) == 0
        content = bytes(range(256)) * 40
        page = session.post(board.url, files={"file": ("ä b.bin", content)}, timeout=60)
        assert page.status_code == 200 and ">ä b.bin</a>" in page.text and "10 KB" in page.text
        assert (board.folder / "files/ä b.bin").read_bytes() == content
        assert session.get(f"{board.url}/files/ä b.bin", timeout=60).content == content
        style = session.get(f"{board.url}/static/file_manager.css", timeout=60)
        assert style.text == (EXAMPLE / "static/file_manager.css").read_text()
        assert "There is none yet." in session.post(f"{board.url}/delete", data={"name": "ä b.bin"}, timeout=60).text
        assert not list((board.folder / "files").iterdir())
