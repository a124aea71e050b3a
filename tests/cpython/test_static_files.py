"""Static files on a PC: whatever a client asks for, no file outside the folder is opened."""

import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webhal import App, conditional
from webhal.static import StaticFiles, quality, send_file
from webhal.testing import TestClient

ROOT = Path(__file__).resolve().parents[2]
SECRET = b"SECRET"
PUBLIC = ("style.css", "style.css.gz", "sub/index.html", "sub/a b", "index.html", "folder/style.css")
HIDDEN = (".hidden", "sub/.hidden")
NAMES = [
    "style.css",
    "sub",
    "index.html",
    "a b",
    "link",
    "folder",
    "hidden~1",
    ".hidden",
    "secret.txt",
    "etc",
    "passwd",
]
PARTS = [
    "/",
    "//",
    "\\",
    ".",
    "..",
    "../",
    "..\\",
    "%",
    "%2e",
    "%2f",
    "%5c",
    "%00",
    "\0",
    ":",
    "C:",
    "~",
    "\uff0e",
    "é",
]
PATHS = st.lists(st.sampled_from(NAMES + PARTS) | st.text(max_size=4), max_size=9).map("".join)
ENCODINGS = (
    lambda path: quote(path, safe="/"),
    lambda path: quote(path, safe=""),
    lambda path: quote(quote(path, safe="")),
    lambda path: "".join(f"%{byte:02x}" for byte in path.encode()),
    lambda path: "".join(sign if "!" <= sign <= "~" and sign not in "#?" else quote(sign) for sign in path),
)
FIELDS = st.dictionaries(
    st.sampled_from(["Accept-Encoding", "Range", "If-Range", "If-None-Match", "If-Match", "If-Modified-Since"]),
    st.sampled_from(["gzip", "gzip;q=0", "bytes=0-1", "bytes=0-0,-1", "*", '"x"', "Sun, 06 Nov 1994 08:49:37 GMT"])
    | st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=12),
)
WARMING = (  # what loads all that is loaded late
    ("/static/style.css", {"Range": "bytes=0-0,2-2"}),
    ("/static/none.unknown", {}),
    ("/static/%ff%e9", {}),
    ("/static/sub", {"Cookie": "\xff"}),
    ("/static/style.css", {"If-Modified-Since": "x", "Accept-Encoding": "gzip"}),
    ("\x00", {}),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    base = tmp_path_factory.mktemp("static").resolve()
    files = base / "files"
    for name in (*PUBLIC, *HIDDEN):
        (files / name).parent.mkdir(parents=True, exist_ok=True)
        (files / name).write_bytes(SECRET if name in HIDDEN else b"public")
    (base / "secret.txt").write_bytes(SECRET)
    (files / "link").symlink_to(base)
    (files / "sub/secret.txt").symlink_to(base / "secret.txt")
    (files / "style.css.br").symlink_to(base / "secret.txt")
    return files


@pytest.fixture(scope="module")
def ask(folder):
    """A function: the answer to a request, and the paths that were opened for it."""
    opened = None

    def hook(event, arguments):  # it stays for the rest of the process: there is no way to remove one
        if opened is not None and event == "open":
            opened.append(arguments[0])

    def ask(target, fields):
        nonlocal opened
        opened = []
        try:
            return client.get(target, headers=fields), opened
        finally:
            opened = None

    app = App()
    app.mount("/static", StaticFiles(str(folder)))
    beside = {"__file__": str(folder.parent / "app.py"), "send_file": send_file}
    exec("def send(request, name): return send_file('files/' + name)", beside)
    app.get("/sent/<path:name>")(beside["send"])
    client = TestClient(app)
    for target, fields in WARMING:
        client.get(target, headers=fields)
    sys.addaudithook(hook)
    return ask


def test_the_hook_sees_what_is_opened(ask, folder):
    assert ask("/static/sub/", {})[1] == [f"{folder}/sub/index.html"]
    assert ask("/sent/style.css", {})[1] == [f"{folder}/style.css"]


@settings(max_examples=300, deadline=None)
@given(prefix=st.sampled_from(["/static/", "/sent/"]), path=PATHS, encode=st.sampled_from(ENCODINGS), fields=FIELDS)
def test_nothing_outside_the_folder_is_opened(ask, folder, prefix, path, encode, fields):
    answer, opened = ask(prefix + encode(path), fields)
    assert answer.status in (200, 206, 302, 304, 400, 404, 406, 412, 416)
    assert SECRET not in answer.body
    for each in opened:
        assert each in [f"{folder}/{name}" for name in PUBLIC]


def test_a_file_that_has_not_changed_is_not_read_again(ask, folder, monkeypatch):
    monkeypatch.setattr("webhal.static._SETTLED_NS", -1)
    path = folder / "folder/style.css"
    assert ask("/static/folder/style.css", {})[1] == [str(path)]
    assert ask("/static/folder/style.css", {})[1] == []
    path.chmod(0o640)  # which changes a time that nobody can set
    answer, opened = ask("/static/folder/style.css", {})
    assert (answer.body, opened) == (b"public", [str(path)])


def test_a_file_that_has_changed_just_now_is_read_each_time(ask, folder, monkeypatch):
    """Within a tick of the file system's clock it could have changed once more, and have the same times."""
    path = folder / "folder/style.css"
    changed = path.stat().st_ctime_ns
    monkeypatch.setattr("webhal.static.time_ns", lambda: changed + 10**9)
    for _ in range(2):
        assert ask("/static/folder/style.css", {})[1] == [str(path)]


WORDS = [
    "bytes",
    "=",
    "0",
    "7",
    "99",
    "-",
    ",",
    " ",
    ";",
    "q=",
    "1.5",
    "nan",
    "*",
    "W/",
    '"',
    "gzip",
    "identity",
    "GMT",
    ":",
    "Nov",
]


@settings(max_examples=500, deadline=None)
@given(text=st.lists(st.sampled_from(WORDS) | st.text(max_size=3), max_size=12).map("".join), size=st.integers(1, 100))
def test_parsers_take_anything(text, size):
    for start, end in conditional.parse_ranges(text, size) or ():
        assert 0 <= start < end <= size
    assert len(conditional.parse_date(text)) in (0, 6)
    assert conditional.matches(text, '"x"', True) in (True, False)
    for coding in ("gzip", "identity"):
        assert 0 <= quality(text, coding) <= 1


APP = """
from webhal import App
from webhal.static import StaticFiles, send_file
from webhal.testing import TestClient

app = App()
app.mount("/static", StaticFiles("static"))
app.get("/sent")(lambda request: send_file("static/a.txt"))
client = TestClient(app)
print(client.get("/static/a.txt").text, client.get("/sent").text)
"""


@pytest.mark.parametrize("interpreter", ["cpython", "micropython"])
def test_paths_are_relative_to_the_application_wherever_it_is_started(interpreter, request, tmp_path):
    project = tmp_path / "project"
    for folder, text in ((project, "right"), (tmp_path, "wrong")):
        (folder / "static").mkdir(parents=True)
        (folder / "static/a.txt").write_text(text)
    (project / "app.py").write_text(APP)
    executable = sys.executable if interpreter == "cpython" else request.getfixturevalue("micropython")
    environment = {**os.environ, "MICROPYPATH": f"{ROOT}/core:.frozen"}
    done = subprocess.run([executable, "project/app.py"], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (done.stdout.splitlines()[-1:], done.stderr) == (["right right"], "")
