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


@pytest.fixture
def heap(pytestconfig):
    """Bytes of heap for a server."""
    return HEAP[pytestconfig.getoption("bits")]


@pytest.fixture
def serve_code(micropython, heap, tmp_path):
    """serve_code(path, code): a Server that runs `code`, in which PORT is the port, until the test's end.

    `besides` is what a board would not have in its heap.
    """
    with contextlib.ExitStack() as stack:

        def start(path, code, besides=0):
            port = stack.enter_context(reserve_port()).getsockname()[1]
            log = stack.enter_context(open(tmp_path / f"{port}.log", "w+"))
            process = subprocess.Popen(
                [micropython, "-X", f"heapsize={heap + besides}", "-c", code.replace("PORT", str(port))],
                cwd=tmp_path,
                env={**os.environ, "MICROPYPATH": ":".join(map(str, path)) + ":.frozen"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
            stack.callback(show, log)
            stack.callback(process.wait)
            stack.callback(process.kill)
            end = time.monotonic() + START_S
            while time.monotonic() < end and process.poll() is None:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                    return Server(process, port)
                time.sleep(0.01)
            pytest.fail("it does not serve")

        yield start


def show(log):
    """Have pytest show it with a failure."""
    log.seek(0)
    print(log.read())
