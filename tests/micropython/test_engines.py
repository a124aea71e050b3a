"""The cases of tests/cpython/engines/cases.py on a real MicroPython, without asyncio and in it."""

import sys
from pathlib import Path

import pytest

ENGINES = Path(__file__).resolve().parents[1] / "cpython/engines"
sys.path[:0] = [str(ENGINES), str(Path(__file__).parent)]
pytest.register_assert_rewrite("cases")
from cases import *  # noqa: E402, F403
from client import RealClient  # noqa: E402
from conftest import serving  # noqa: E402

LIMIT = 20_000  # bytes of a body that is read whole
ROOM = 512 << 10  # bytes of heap besides: the application has everything that there is
START = "import engines_app; engines_app.app.run(PORT, '127.0.0.1', body=%d)" % LIMIT
SERVERS = {"MicroPython": START, "MicroPython's asyncio": "import asyncio; " + START}


@pytest.fixture(scope="module", params=SERVERS)
def engine(request):
    return request.param


@pytest.fixture(scope="module")
def client(engine, micropython, heap, compiled, tmp_path_factory):
    folder = tmp_path_factory.mktemp("engine")
    with serving(micropython, heap + ROOM, folder, [compiled, ENGINES], SERVERS[engine]) as server:
        client = RealClient(server.port)
        yield client
        client.close()


@pytest.fixture(scope="session")
def limit():
    """Bytes of a body that is read whole."""
    return LIMIT


@pytest.fixture(scope="session")
def large():
    """Bytes that are more than any buffer on the way."""
    return 200_000
