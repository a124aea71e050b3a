"""`webhal build-assets`: compressed siblings and fingerprints, and that StaticFiles serves them."""

import ast
import gzip
import os
import subprocess
import sys

import pytest

from webhal import App
from webhal.static import StaticFiles, static_url
from webhal.testing import TestClient
from webhal_cpython.assets import build, pack, static_folders

TEXT = b"body { margin: 0 }\n" * 50
NOISE = os.urandom(2000)
FILES = {
    "style.css": TEXT,
    "sub/app.min.js": TEXT + b"//",
    "noise.png": NOISE,
    "tiny.txt": b"x",
    "empty": b"",
}


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "static"
    for name, data in {**FILES, ".hidden": TEXT, "sub/.git/config": TEXT, "archive.tar.gz": TEXT}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def present(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def command(*arguments):
    return subprocess.run([sys.executable, "-m", "webhal", "build-assets", *arguments], capture_output=True, text=True)


def serve(folder):
    app = App()
    app.mount("/static", StaticFiles(str(folder)))
    return TestClient(app)


def test_what_is_made(folder):
    before = present(folder)
    done = command(folder)
    assert (done.returncode, done.stderr) == (0, "")
    made = set(present(folder)) - set(before)
    assert {"style.css.gz", "sub/app.min.js.gz", ".assets"} <= made
    assert made <= {name + suffix for name in before for suffix in (".gz", ".br")} | {".assets"}
    assert not any(name.startswith(("noise", "tiny", "empty", ".hidden")) for name in made)
    assert gzip.decompress((folder / "style.css.gz").read_bytes()) == TEXT
    names = [line.split(" ", 2)[2] for line in (folder / ".assets").read_text().splitlines()]
    assert names == sorted([*FILES, "archive.tar.gz"])
    assert ".gz  3 of 6 files" in done.stdout


def test_brotli_where_it_is_installed(folder):
    brotli = pytest.importorskip("brotli")
    build(folder)
    assert brotli.decompress((folder / "style.css.br").read_bytes()) == TEXT


def test_what_is_made_is_served(folder):
    build(folder)
    client = serve(folder)
    for name, data in FILES.items():
        url = static_url(name)
        answer = client.get(url)
        assert (answer.status, answer.body) == (200, data)
        if "." in name:
            assert url != "/static/" + name
            assert "immutable" in answer.headers["Cache-Control"]
    packed = client.get(static_url("style.css"), headers={"Accept-Encoding": "gzip"})
    assert gzip.decompress(packed.body) == TEXT and packed.headers["Content-Encoding"] == "gzip"
    assert (
        client.get(
            "/static/style.css", headers={"If-None-Match": client.get(static_url("style.css")).headers["ETag"]}
        ).status
        == 304
    )


def test_again_changes_what_has_changed(folder):
    build(folder)
    first = (folder / ".assets").read_bytes()
    stamp = (folder / "style.css.gz").stat()
    build(folder)
    assert (folder / ".assets").read_bytes() == first
    assert (folder / "style.css.gz").stat().st_ino == stamp.st_ino  # not even written
    (folder / "style.css").write_bytes(TEXT + b"/**/")
    os.utime(folder / "style.css", ns=(stamp.st_mtime_ns + 10**9,) * 2)
    (folder / "sub/app.min.js").unlink()
    build(folder)
    assert gzip.decompress((folder / "style.css.gz").read_bytes()) == TEXT + b"/**/"
    assert not (folder / "sub/app.min.js.gz").exists()
    assert (folder / ".assets").read_bytes() != first
    (folder / "style.css").write_bytes(b"x")  # which is not worth it any more
    build(folder)
    assert not (folder / "style.css.gz").exists()


def test_what_a_board_gets_is_compressed_where_that_is_worth_it(tmp_path):
    files = {f"static/{name}": data for name, data in FILES.items()}
    others = {"main.py": TEXT, "statics/style.css": TEXT, "data/static/style.css": TEXT}
    stale = {"static/style.css.gz": b"stale", "static/style.css.br": b"stale", "static/own.gz": NOISE}
    made = pack({**files, **others, **stale}, "static")
    assert others.items() <= made.items()
    rest = {name: data for name, data in made.items() if name not in others}
    own = ".assets empty noise.png own.gz style.css.gz sub/app.min.js.gz tiny.txt".split()
    assert sorted(rest) == [f"static/{name}" for name in own]
    assert gzip.decompress(rest["static/style.css.gz"]) == TEXT
    for name, data in made.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    client = serve(tmp_path / "static")
    for name, data in FILES.items():
        answer = client.get(static_url(name), headers={"Accept-Encoding": "gzip"})
        body = gzip.decompress(answer.body) if "Content-Encoding" in answer.headers else answer.body
        assert (answer.status, body) == (200, data)
        assert (
            client.get(
                static_url(name), headers={"If-None-Match": answer.headers["ETag"], "Accept-Encoding": "gzip"}
            ).status
            == 304
        )
    assert pack(others, "none") == others


def test_which_folders_a_program_serves_is_read_in_it():
    text = """
from webhal import static
app.mount("/a", StaticFiles("static"))
app.mount("/b", static.StaticFiles("files/", cache=None))
app.mount("/c", StaticFiles("/sd/files"))
app.mount("/d", StaticFiles(name))
app.mount("/e", StaticFiles())
app.mount("/f", StaticFiles("../files"))
app.mount("/g", StaticFiles("."))
app.mount("/h", StaticFiles("./a/b"))
other("folder")
"""
    assert static_folders([ast.parse(text)]) == {"static", "files", "a/b"}


def test_errors_are_one_line(tmp_path, folder):
    for wrong in (tmp_path / "none", folder / "style.css"):
        done = command(wrong)
        assert (done.returncode, done.stdout, done.stderr) == (1, "", f"webhal: there is no folder {wrong}\n")
    assert command().returncode == 2
