"""What the tests of this folder share: webhal compiled for boards, and servers on real MicroPython in a small heap."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from webhal.testing.boards.machine import reserve_port

ROOT = Path(__file__).resolve().parents[2]
HEAP = {"32": 40 << 10, "64": 80 << 10}  # an ESP8266's and a few more: asynchronous uploads from .mpy take that
START_S = 20

# A ROMFS image lies outside the heap, as flash does: mapped, not read, where MicroPython can ask the C library.
MOUNT = """\
import vfs
try:
    import ffi, uctypes
    libc = ffi.open("libc.so.6")
    image = libc.func("i", "open", "si")({image!r}, 0)
    image = libc.func("p", "mmap", "piiiii")(None, {size}, 1, 2, image, 0)
    vfs.mount(vfs.VfsRom(uctypes.bytearray_at(image, {size})), "/rom")
    del ffi, uctypes, libc, image
except ImportError:
    with open({image!r}, "rb") as file:
        vfs.mount(vfs.VfsRom(file.read()), "/rom")
    del file
del vfs
"""


@pytest.fixture(scope="session")
def compiled(tmp_path_factory):
    """A folder with webhal as .mpy."""
    folder = tmp_path_factory.mktemp("mpy")
    subprocess.run([sys.executable, ROOT / "tools/board_files.py", "--mpy", folder], check=True)
    shutil.copy(ROOT / "ports/micropython/webhal_micropython/unix.py", folder / "webhal_micropython")
    return folder


class Server:
    """A MicroPython process that serves."""

    def __init__(self, process, port):
        self.process = process
        self.port = port

    def connect(self, timeout_s=20):
        return socket.create_connection(("127.0.0.1", self.port), timeout=timeout_s)

    def cpu_ticks(self):
        """Processor time so far: proc(5)."""
        return sum(map(int, Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[11:13]))


@pytest.fixture(scope="session")
def heap(pytestconfig):
    """Bytes of heap for a server."""
    return HEAP[pytestconfig.getoption("bits")]


@contextlib.contextmanager
def serving(micropython, heap, folder, path, code):
    """A Server that runs `code`, in which PORT is the port, in that folder, with so many bytes of heap."""
    with reserve_port() as reserved, open(folder / "server.log", "a+") as log:
        port = reserved.getsockname()[1]
        start = log.tell()
        process = subprocess.Popen(
            [micropython, "-X", f"heapsize={heap}", "-c", code.replace("PORT", str(port))],
            cwd=folder,
            env={**os.environ, "MICROPYPATH": ":".join(map(str, path)) + ":.frozen"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            end = time.monotonic() + START_S
            while time.monotonic() < end and process.poll() is None:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                    break
                time.sleep(0.01)
            else:
                pytest.fail("it does not serve")
            yield Server(process, port)
        finally:
            process.kill()
            process.wait()
            log.seek(start)
            print(log.read())  # pytest shows it with a failure


@pytest.fixture
def serve_code(micropython, heap, tmp_path):
    """serve_code(path, code): such a Server until the test's end; `besides` is not of a board's heap."""
    with contextlib.ExitStack() as stack:

        def start(path, code, besides=0):
            return stack.enter_context(serving(micropython, heap + besides, tmp_path, path, code))

        yield start


@pytest.fixture(scope="session")
def make_rom(tmp_path_factory):
    """make_rom(folder): a ROMFS image of it."""
    from mpremote.romfs import make_romfs

    def make(folder):
        image = tmp_path_factory.mktemp("image") / "romfs"
        image.write_bytes(make_romfs(str(folder), mpy_cross=None))
        return image

    return make


@pytest.fixture
def serve_rom(micropython, serve_code):
    """serve_rom(code, image): the same, with all modules in a ROMFS image."""
    mapped = subprocess.run([micropython, "-c", "import ffi"], capture_output=True).returncode == 0

    def start(code, image):
        size = image.stat().st_size
        return serve_code(["/rom"], MOUNT.format(image=str(image), size=size) + code, 0 if mapped else size)

    return start

