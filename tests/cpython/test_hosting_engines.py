"""The cases of engines/cases.py under every engine of a PC, each a process of its own, and over the fake network."""

import contextlib
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path

import pytest

from webhal.testing import TestClient
from webhal.testing.boards.machine import reserve_port
from webhal_cpython.self_signed import self_signed

FOLDER = Path(__file__).parent / "engines"
sys.path.append(str(FOLDER))
pytest.register_assert_rewrite("cases")
from cases import *  # noqa: E402, F403
from client import PATIENCE_S, RealClient  # noqa: E402

LIMIT = 70_000  # bytes of a body that is read whole, as in engines_asgi.py
OPTIONS = "{port}, '127.0.0.1', body=%d" % LIMIT
# A program with a loop of its own, which has to say what a signal does.
ASYNCIO = f"""
import asyncio, signal, webhal, engines_app

async def main():
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, asyncio.current_task().cancel)
    await webhal.serve(engines_app.app, {OPTIONS})

asyncio.run(main())
"""
# With {certificate}, made when it is needed.
TLS = f"""
import sys, engines_app
from webhal_cpython import tls

del sys.modules["asyncio"]
engines_app.app.run({OPTIONS}, network=tls.Network(tls.Certificates([("{{certificate}}", "")])))
"""
ASGI = ("--host", "127.0.0.1", "--port", "{port}", "engines_asgi:application")
FAKE = "fake network"
RUN = ("-m", "webhal", "run", str(FOLDER / "engines_app.py"), f"--body={LIMIT}", "--host=127.0.0.1", "--port={port}")
WORKERS = 2
ENGINES = {  # what Python runs; {port} is filled in
    # blocking=True asks for asyncio, which the plain loop has not.
    "own loop": ("-c", f"import sys, engines_app; del sys.modules['asyncio']; engines_app.app.run({OPTIONS})"),
    "asyncio": ("-c", ASYNCIO),
    "uvloop": ("-c", f"import uvloop, engines_app; engines_app.app.run({OPTIONS})"),
    "workers": (*RUN, f"--workers={WORKERS}"),
    "TLS": ("-c", TLS),
    "uvicorn": ("-m", "uvicorn", "--log-level", "warning", *ASGI),
    "hypercorn": ("-m", "hypercorn", "--bind", "127.0.0.1:{port}", "engines_asgi:application"),
    "granian": ("-m", "granian", "--interface", "asgi", *ASGI),
}


@pytest.fixture(scope="module", params=[FAKE, *ENGINES])
def engine(request):
    return request.param


@pytest.fixture(scope="module")
def client(engine, tmp_path_factory):
    """A client of the application under an engine, which starts and stops it once."""
    if engine == FAKE:
        sys.modules.pop("engines_app", None)
        from engines_app import app

        yield TestClient(app, body=LIMIT)
        return
    folder = tmp_path_factory.mktemp("engine")
    log, certificate = folder / "log", ""
    context = None
    if engine == "TLS":
        pytest.importorskip("trustme")
        certificate = self_signed(folder=folder)
        context = ssl.create_default_context(cafile=certificate)
    with reserve_port() as reserved, log.open("w") as output:
        port = reserved.getsockname()[1]
        process = subprocess.Popen(
            [sys.executable, *(argument.format(port=port, certificate=certificate) for argument in ENGINES[engine])],
            env={**os.environ, "PYTHONPATH": str(FOLDER), "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            count = WORKERS if engine == "workers" else 1
            wait_for(process, port, log, count)
            client = RealClient(port, context)
            yield client
            client.close()
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE_S)
            assert log.read_text().count("stopped") == count, log.read_text()
        finally:
            process.kill()
            process.wait()


def wait_for(process, port, log, count):
    """Wait until it serves, in so many processes."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            if log.read_text().count("started") == count:
                return
        time.sleep(0.01)
    pytest.fail("it does not serve:\n" + log.read_text())


@pytest.mark.parametrize("engine", ["hypercorn", "granian"], indirect=True)
def test_http_2(client, curl, tmp_path):
    def ask(path, *options):
        url = f"http://127.0.0.1:{client.network.port}{path}"
        return curl("--http2-prior-knowledge", "--write-out", " %{http_code} %{http_version}", *options, url)

    file = tmp_path / "file"
    file.write_bytes(LIMIT * b"x")
    assert ask("/") == b"hello 200 2"
    assert ask("/pieces") == b"piece 0 piece 1 piece 2 piece 3 piece 4  200 2"
    assert ask("/upload", "--data-binary", f"@{file}") == b'{"size": %d} 200 2' % LIMIT
    assert ask("/echo", "--data-binary", f"@{file}") == LIMIT * b"x" + b" 200 2"
    assert ask("/fails", "--head").endswith(b" 500 2")
    assert ask("/nothing") == b" 204 2"


@pytest.fixture(scope="session")
def limit():
    """Bytes of a body that is read whole."""
    return LIMIT


@pytest.fixture(scope="session")
def large():
    """Bytes that are more than any buffer on the way."""
    return 5_000_000
