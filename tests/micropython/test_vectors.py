"""The core's vectors (tests/vectors) from a client to the port's sockets: what the application gets of each, and what
the client gets. What cannot be seen from outside, such as when a refusal comes, is tests/core/test_http.py's.
"""

import io
import json
import shutil
import socket
from http import HTTPStatus
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SERVED = Path(__file__).resolve().parent / "served"
VECTORS = ROOT / "tests/vectors"
NOT_ON_ESP8266 = ("limits", "date", "access_point")
LIMIT = 1024  # of a head, where a vector does not say
NEXT = b"GET /n HTTP/1.1\r\nHost: a\r\n\r\n"
ANSWERS = 32 << 10  # bytes of heap: an application that tells 40 fields needs more than one that reads them
MORE = "more of a body"  # is awaited, or it is refused as too long


def by_limit():
    """The vectors, those together that are for one limit of the head."""
    found = {}
    for file in sorted(VECTORS.glob("*.jsonl")):
        for line in file.read_text().splitlines():
            vector = json.loads(line)
            found.setdefault(vector.get("limit", LIMIT), []).append((file.stem, vector))
    return found


def wanted(vector):
    """What a server makes of it: the requests that an application gets; the status of a refusal, or None."""
    requests = []
    for want in vector["out"]:
        if want is None:
            break
        if isinstance(want, int):
            return requests, want
        if want.get("more") or "refused" in want:
            return requests, want.get("refused", MORE)
        requests.append(want)
        if not want.get("keep", True):
            break
    return requests, None


def ask(server, pieces):
    """All that the server sends until it closes, which it does when the client ends its stream."""
    with server.connect() as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            for piece in pieces:
                client.sendall(piece)
            client.shutdown(socket.SHUT_WR)
        except OSError:  # it has refused already
            pass
        received = b""
        try:
            while data := client.recv(4096):
                received += data
        except ConnectionResetError:
            pass
        return received


def responses(received, methods):
    """(status, body) of each; a response to HEAD has none."""
    stream = io.BytesIO(received)
    found = []
    while line := stream.readline():
        assert line.startswith(b"HTTP/1.1 "), line
        status = int(line[9:12])
        fields = dict(field.split(b": ", 1) for field in iter(stream.readline, b"\r\n"))
        if status == HTTPStatus.CONTINUE:
            continue
        head_only = len(found) < len(methods) and methods[len(found)] == "HEAD"
        length = 0 if head_only else int(fields[b"Content-Length"])
        body = stream.read(length)
        assert len(body) == length
        found.append((status, body))
    return found


def check(received, requests, refusal):
    found = responses(received, [want.get("method", "GET") for want in requests])
    statuses = [status for status, _ in found]
    answered = [200] * len(requests)
    if refusal == MORE:
        assert statuses in (answered, [*answered, 413])
    else:
        assert statuses == answered + [refusal] * bool(refusal)
    for want, (_, body) in zip(requests, found, strict=False):
        if want.get("method") == "HEAD":
            continue
        got = json.loads(body)
        for name, default in (("method", "GET"), ("target", None), ("path", want["target"]), ("minor", 1)):
            assert got[name] == want.get(name, default)
        assert bytes(got["body"]) == want.get("body", "").encode("latin-1")
        for name, value in want.get("fields", {}).items():
            values = value if isinstance(value, list) else [value]
            assert [value for known, value in got["fields"] if known == name.lower()] == values


def cuts(data):
    """Whole, and in pieces, of which some arrive together."""
    yield [data]
    yield [data[start : start + 7] for start in range(0, len(data), 7)]


@pytest.fixture(params=["full", "minimal"])
def installed(request, compiled, tmp_path):
    """A folder with webhal compiled: all of it, or what the port's page says is enough for an ESP8266."""
    if request.param == "full":
        return compiled
    folder = shutil.copytree(compiled, tmp_path / "minimal")
    listed = {pair[0] for pair in json.loads((ROOT / "package-minimal.json").read_text())["urls"]}
    for file in folder.glob("*/*.mpy"):
        name = str(file.relative_to(folder).with_suffix(".py"))
        if file.stem in NOT_ON_ESP8266 or (name not in listed and file.stem != "unix"):
            file.unlink()
    return folder


@pytest.mark.parametrize("limit", by_limit())
def test_vectors(serve_code, installed, limit):
    server = serve_code([installed, SERVED], f"import vectors_app; vectors_app.main(PORT, {limit})", ANSWERS)
    failed = []
    for file, vector in by_limit()[limit]:
        requests, refusal = wanted(vector)
        data = vector["in"].encode("latin-1")
        received = b""
        try:
            for pieces in cuts(data):
                received = ask(server, pieces)
                check(received, requests, refusal)
            if len(requests) == len(vector["out"]) and all(want.get("keep", True) for want in requests):
                received = ask(server, [data, NEXT])
                check(received, [*requests, {"target": "/n"}], None)
        except (AssertionError, OSError, ValueError) as error:
            failed.append(f"{file}: {vector['name']}: {received!r} wanted {vector['out']}: {error!r}")
    assert not failed, "\n".join(failed)
