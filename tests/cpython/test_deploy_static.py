"""Static files of an application that is deployed: what is sent of them, and that a MicroPython serves it."""

import contextlib
import gzip
import http.client
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from webhal.testing.boards.machine import reserve_port
from webhal_cpython.deploying import fileset
from webhal_cpython.deploying.board import Facts

ROOT = Path(__file__).resolve().parents[2]
APP = """\
from webhal import App
from webhal.static import StaticFiles, static_url

app = App()
app.mount("/static", StaticFiles("static"))
app.get("/")(lambda request: static_url("style.css"))
app.run(port=PORT)
"""
STYLE = b"body { margin: 0 }\n" * 100
START_S = 20


@pytest.fixture
def deployed(tmp_path):
    """A function: the folder with all that a board would get of an application on a port."""

    def deploy(port):
        project = tmp_path / "project"
        (project / "static").mkdir(parents=True)
        (project / "app.py").write_text(APP.replace("PORT", str(port)))
        (project / "static/style.css").write_bytes(STYLE)
        (project / "static/style.css.br").write_bytes(b"of no use to a board")
        (project / "static/dot.gif").write_bytes(b"GIF89a")
        facts = Facts("micropython", (1, 25, 0), "esp32")
        files = fileset.collect(fileset.read_application(project / "app.py"), facts, "main.py", [], source=True)
        board = tmp_path / "board"
        for name, content in files.items():
            (board / name).parent.mkdir(parents=True, exist_ok=True)
            (board / name).write_bytes(content)
        return board

    return deploy


def test_the_board_gets_what_is_smaller_and_fingerprints(deployed):
    board = deployed(8000)
    assert sorted(file.name for file in (board / "static").iterdir()) == [".assets", "dot.gif", "style.css.gz"]
    assert gzip.decompress((board / "static/style.css.gz").read_bytes()) == STYLE
    assert (board / "lib/webhal/static.py").exists()


def test_a_micropython_serves_it(deployed, micropython):
    with reserve_port() as reserved:
        port = reserved.getsockname()[1]
        board = deployed(port)
        shutil.copy(ROOT / "ports/micropython/webhal_micropython/unix.py", board / "lib/webhal_micropython")
        environment = {**os.environ, "MICROPYPATH": f"{board}:{board}/lib:.frozen"}
        process = subprocess.Popen([micropython, "main.py"], cwd=board, env=environment)
        try:
            url = fetch(port, "/", wait=True)[1].decode()
            name, fingerprint, end = url.rpartition("/")[2].split(".")
            assert (name, len(fingerprint), end) == ("style", 12, "css")
            fields, body = fetch(port, url, {"Accept-Encoding": "gzip"})
            assert gzip.decompress(body) == STYLE
            assert (fields["Content-Encoding"], fields["ETag"]) == ("gzip", f'"{fingerprint}.gz"')
            assert "immutable" in fields["Cache-Control"]
            assert fetch(port, "/static/dot.gif")[1] == b"GIF89a"
        finally:
            process.kill()
            process.wait()


def fetch(port, path, fields=(), wait=False):
    """(fields, body) of a 200; with `wait` also where the server has yet to begin."""
    end = time.monotonic() + START_S
    while True:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=START_S)) as connection:
            try:
                connection.request("GET", path, headers=dict(fields))
                answer = connection.getresponse()
                assert answer.status == 200
                return answer.headers, answer.read()
            except ConnectionRefusedError:
                if not wait or time.monotonic() > end:
                    raise
        time.sleep(0.01)
