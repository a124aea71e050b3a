"""What a lack of memory must not do, on the real interpreter: each of these once did. The heaps are an ESP8266's."""

import contextlib
import http.client
from pathlib import Path

import pytest

SERVED = Path(__file__).resolve().parent / "served"
START = "import memory_app; memory_app.main(PORT)"
FILES_START = "import files_app; files_app.main(PORT)"
ROOM = 64 << 10  # bytes besides, for tests of what is kept, not of what fits
GREEDY = "big = bytearray(5000)\nraise MemoryError\n"
FILES = {"a.txt": 2000, "b.txt": 3000, "c.txt": 4000, "d.txt": 4500}  # bytes


@pytest.fixture
def folder(tmp_path, compiled):
    for name, size in FILES.items():
        (tmp_path / name).write_bytes(bytes(ord(name[0]) for _ in range(size)))
    return tmp_path


def connect(server):
    return contextlib.closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=20))


def ask(server, path):
    """(status, body)."""
    with connect(server) as connection:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()


def test_a_module_for_which_memory_ran_out_keeps_none(serve_code, compiled, folder):
    target = compiled / "webhal" / "greedy.py"
    target.write_text(GREEDY)
    try:
        server = serve_code([compiled, SERVED], START, ROOM)
        status, text = ask(server, "/greedy")
    finally:
        target.unlink()
    kept, known = map(int, text.split())
    assert (status, known) == (200, 0) and kept < 500, kept


def test_who_came_while_there_was_none_is_served_when_there_is(serve_code, compiled, folder):
    server = serve_code([compiled, SERVED], START)
    assert ask(server, "/hog/9000/1") == (200, b"given back")  # what is loaded late is loaded now
    for left in (1500, 900, 600, 400, 300, 200, 100):
        with connect(server) as hog, contextlib.ExitStack() as stack:
            hog.request("GET", f"/hog/{left}/300")
            others = [stack.enter_context(connect(server)) for _ in range(4)]
            for other in others:
                with contextlib.suppress(OSError):
                    other.request("GET", "/")
            for other in (hog, *others):
                with contextlib.suppress(OSError, http.client.HTTPException):
                    assert other.getresponse().read() in (b"Hello, world!", b"given back", b"")
        assert ask(server, "/") == (200, b"Hello, world!"), left


def test_a_stream_that_lacks_memory_for_its_first_byte_is_503(serve_code, compiled, folder):
    server = serve_code([compiled, SERVED], START)
    for _ in range(5):
        assert ask(server, "/late") == (503, b"")
        assert ask(server, "/") == (200, b"Hello, world!")


def test_four_files_at_once_are_whole(serve_code, compiled, folder):
    server = serve_code([compiled, SERVED], FILES_START)
    for _ in range(25):
        with contextlib.ExitStack() as stack:
            connections = [stack.enter_context(connect(server)) for _ in FILES]
            for connection, name in zip(connections, FILES, strict=True):
                connection.request("GET", "/file/" + name)
            for connection, (name, size) in zip(connections, FILES.items(), strict=True):
                response = connection.getresponse()
                assert (response.status, response.read()) == (200, name[0].encode() * size)
