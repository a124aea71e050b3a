"""Forms with files that no list of cases has: whatever comes is read, however it is cut, or refused as documented."""

import os
import sys

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import webhal
from webhal import HTTPError
from webhal.http import Request
from webhal.multipart import parts
from webhal.testing.client import _multipart

searching = settings(max_examples=100, deadline=None)
REFUSALS = (400, 413, 431)


def source(boundary, limit=100_000):
    kind = f'multipart/form-data; boundary="{boundary}"'
    request = Request("POST", "/", "/", f"POST / HTTP/1.1\r\nContent-Type: {kind}\r\n\r\n".encode())
    request.body = b""
    made = parts(request)
    made.last = False
    made.limit = limit
    return made


def read(made, pieces, most=50):
    """[(name, filename, data) …], or the status of a refusal."""
    pieces = iter(pieces)
    found = []
    try:
        while (part := made.next()) is not False:
            if part is None:
                made.feed(next(pieces, b""))
                continue
            data = b""
            while (piece := made.read_body(most)) != b"":
                if piece is None:
                    made.feed(next(pieces, b""))
                else:
                    data += piece
            found.append((part.name, part.filename, data))
    except HTTPError as error:
        return error.status
    return found


def cut(body, places):
    places = [0, *sorted(place % (len(body) + 1) for place in places), len(body)]
    return [piece for start, end in zip(places, places[1:], strict=False) if (piece := body[start:end])]


names = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="%\\"), max_size=12)
confusing = st.sampled_from([b"\r", b"\n", b"-", b"--", b"boundary", b"\r\n--boundary", b" ", b"a"])
contents = st.one_of(st.binary(max_size=80), st.lists(confusing, max_size=12).map(b"".join))
places = st.lists(st.integers(0, 2000), max_size=8)


def last(name):
    """A filename without folders and drives."""
    name = name.split("/")[-1]
    while name[1:2] == ":":
        name = name[2:]
    return name if name.strip(". ") else ""


@searching
@given(st.dictionaries(names, st.tuples(names, contents), max_size=4), places, st.integers(1, 60))
def test_what_a_client_sends_is_read_however_it_is_cut(sent, places, most):
    body, boundary = _multipart({}, sent)
    wanted = [(name, last(filename), content) for name, (filename, content) in sent.items()]
    assert read(source(boundary), cut(body, places), most) == wanted


pieces = st.lists(
    st.one_of(
        st.sampled_from(
            [
                b"\r\n",
                b"--",
                b"\r\n--boundary",
                b"\r\n--boundary\r\n",
                b"\r\n--boundary--",
                b'Content-Disposition: form-data; name="a"',
                b'Content-Disposition: form-data; name="a"; filename="b"\r\n\r\n',
                b"; filename*=UTF-8''a%20b",
                b'; filename="',
                b"\\",
                b'"',
                b" ",
                b";",
                b"=",
                b"Content-Transfer-Encoding: base64\r\n",
                b"x" * 600,
            ]
        ),
        st.binary(max_size=4),
    ),
    max_size=16,
).map(b"".join)


@settings(max_examples=200, deadline=None)
@given(pieces, places, st.integers(1, 40), st.sampled_from([10, 100_000]))
@example(b"--boundary\r\n" + b"x" * 1200, [5], 1, 10)
def test_whatever_comes_is_read_or_refused_and_cuts_change_nothing(body, places, most, limit):
    body = b"--boundary\r\n" + body
    outcome = read(source("boundary", limit), [body])
    assert type(outcome) is list or outcome in REFUSALS
    assert read(source("boundary", limit), cut(body, places), most) == outcome
    assert read(source("boundary", limit), [body[i : i + 1] for i in range(len(body))], most) == outcome


opened = []  # names, while a test wants to know
watching = False


def audit(event, arguments):
    if watching and event in ("open", "os.rename", "os.remove", "os.mkdir"):
        opened.extend(argument for argument in arguments if isinstance(argument, str) and "/" in argument)


sys.addaudithook(audit)
LOADED = (webhal.text, webhal.unicode, webhal.errors, webhal.response, webhal.request)  # whose files are none of its
steps = st.sampled_from(["..", "/", "\\", ".", "C:", "%2e%2e%2f", "a", "ü", "\u2215", " ", "\x01", "~", "$HOME", ":"])


@searching
@given(st.lists(steps, max_size=8).map("".join), st.booleans())
def test_nothing_is_written_outside_the_folder(tmp_path_factory, name, extended):
    global watching
    folder = str(tmp_path_factory.getbasetemp() / "saved")
    os.makedirs(folder, exist_ok=True)
    quoted = "".join(f"%{byte:02X}" for byte in name.encode()) if extended else name
    how = f"filename*=UTF-8''{quoted}" if extended else f'filename="{quoted}"'
    body = f"--b\r\nContent-Disposition: form-data; name=f; {how}\r\n\r\n1\r\n--b--".encode()
    request = Request("POST", "/", "/", b"POST / HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=b\r\n\r\n")
    request.body = body

    async def save():
        async for part in parts(request):
            assert not set(part.filename) & set("/\\") and part.filename not in (".", "..")
            await part.save(f"{folder}/{part.filename}")

    opened.clear()
    watching = True
    try:
        run(save())
    except (HTTPError, OSError):
        pass
    finally:
        watching = False
    for path in opened:
        assert os.path.dirname(os.path.abspath(path)) == folder or os.path.abspath(path) == folder, path
    assert not [left for left in os.listdir(folder) if left.startswith(".upload-")]


def run(coroutine):
    """Run what never waits, because the body is here."""
    with pytest.raises(StopIteration):
        coroutine.send(None)


class Counted(bytes):
    """Bytes that count how many of them are taken into another object, or searched."""

    touched = 0

    def __getitem__(self, key):
        piece = super().__getitem__(key)
        if isinstance(key, slice):
            Counted.touched += len(piece)
            return Counted(piece)
        return piece

    def __add__(self, other):
        Counted.touched += len(self) + len(other)
        return Counted(super().__add__(other))

    def find(self, what, start=0, end=sys.maxsize):
        found = super().find(what, start, end)
        Counted.touched += (min(len(self), end) if found < 0 else found + len(what)) - start
        return found


BOUNDARY = b"b" * 60
NEARLY = b"\r\n--" + BOUNDARY
UNITS = [NEARLY[:-1], NEARLY + b"x", NEARLY + b" " * 66, b"\r", b"\r\n", b"-", b"a" * 64]


@pytest.mark.parametrize("size", [1, 5_000])
@pytest.mark.parametrize("unit", UNITS)
def test_work_is_linear_in_bytes(unit, size):
    work = []
    for length in (4_000, 16_000):
        content = unit * (length // len(unit)) + b"."
        head = b"--" + BOUNDARY + b'\r\nContent-Disposition: form-data; name="a"\r\n\r\n'
        body = head + content + b"\r\n--" + BOUNDARY + b"--"
        Counted.touched = 0
        found = read(source(BOUNDARY.decode()), [Counted(body[i : i + size]) for i in range(0, len(body), size)], 512)
        assert found == [("a", None, content)]
        work.append(Counted.touched)
    assert work[1] < 5 * work[0], work
