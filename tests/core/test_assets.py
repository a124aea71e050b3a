"""Fingerprints of static files: names that are kept for ever, entity tags of the content, static_url."""

import os

from files import folder, mounted
from serving import raises

from webhal import App
from webhal.assets import split
from webhal.static import StaticFiles, static_url
from webhal.testing import TestClient

HASH = "0123456789ab"
OTHER = "ba9876543210"
MANIFEST = ("%s 7 style.css\n%s 3 sub/a b.js\n%s 9 only.js\n%s 1 noend\n" % (HASH, HASH, OTHER, HASH)).encode()
FILES = {
    "style.css": b"body {}",
    "sub/a b.js": b"a b",
    "sub/index.html": b"unknown",
    "only.js.gz": b"gzip",
    "noend": b"?",
    "x.%s.css" % OTHER: b"another tool's",
    ".assets": MANIFEST,
}


def test_split():
    for name, expected in (
        ("style.%s.css" % HASH, ("style.css", HASH)),
        ("sub/style.min.%s.css" % HASH, ("sub/style.min.css", HASH)),
        ("s.%s.c" % HASH, ("s.c", HASH)),
        ("style.css", ("style.css", "")),
        ("style." + HASH, ("style." + HASH, "")),
        ("style.x%s.css" % HASH, ("style.x%s.css" % HASH, "")),
        ("style.%s.css" % HASH.upper(), ("style.%s.css" % HASH.upper(), "")),
        (HASH + ".css", (HASH + ".css", "")),
        ("." + HASH + ".css", ("." + HASH + ".css", "")),
        ("", ("", "")),
    ):
        assert split(name) == expected, name


def test_a_name_with_the_fingerprint_is_kept_for_ever():
    with folder(FILES) as path:
        client = TestClient(mounted(path))
        for method in ("GET", "HEAD"):
            answer = client.request(method, "/static/style.%s.css" % HASH)
            assert (answer.status, answer.headers["ETag"]) == (200, '"%s"' % HASH)
            assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
            assert answer.headers["Content-Type"] == "text/css; charset=utf-8"
        assert client.get("/static/style.%s.css" % HASH).body == b"body {}"
        plain = client.get("/static/style.css")
        assert (plain.headers["ETag"], plain.headers["Cache-Control"]) == ('"%s"' % HASH, "no-cache")
        only = client.get("/static/only.%s.js" % OTHER)
        assert (only.body, only.headers["ETag"], only.headers["Content-Encoding"]) == (
            b"gzip",
            '"%s.gz"' % OTHER,
            "gzip",
        )
        assert client.get("/static/style.%s.css" % OTHER).status == 404
        assert client.get("/static/none.%s.css" % HASH).status == 404
        assert client.get("/static/.assets").status == 404
        for name in ("x.%s.css" % OTHER, "sub/index.html"):  # which it does not know
            answer = client.get("/static/" + name)
            assert (answer.status, answer.headers["Cache-Control"]) == (200, "no-cache")
            assert answer.headers["ETag"] not in ('"%s"' % HASH, '"%s"' % OTHER)
        assert client.get("/static/style.css", headers={"If-None-Match": '"%s"' % HASH}).status == 304


def test_a_file_that_was_changed_has_lost_its_fingerprint():
    with folder(FILES) as path:
        client = TestClient(mounted(path))
        with open(path + "/style.css", "wb") as file:
            file.write(b"body {margin: 0}")
        assert client.get("/static/style.%s.css" % HASH).status == 404
        assert client.get("/static/style.css").headers["ETag"] != '"%s"' % HASH
        assert static_url("style.css") == "/static/style.css"


def test_a_file_that_is_younger_has_lost_its_fingerprint_on_a_pc():
    if not hasattr(os, "utime"):
        return
    with folder(FILES) as path:
        client = TestClient(mounted(path))
        for later, status in ((0, 200), (2, 404)):
            time = os.stat(path + "/.assets")[8] + later
            os.utime(path + "/style.css", (time, time))
            assert client.get("/static/style.%s.css" % HASH).status == status
            tag = client.get("/static/style.css").headers["ETag"]
            assert tag == '"%s"' % HASH if not later else tag.startswith('"7-')  # of size and time


def test_static_url():
    with folder(FILES) as path, folder({"own.css": b"", "style.css": b"", "deep/a#b.gif": b""}) as other:
        app = mounted(path)
        inner = App()
        inner.mount("/files", StaticFiles(other))
        app.mount("/inner", inner)
        for name, url in (
            ("only.js", "/static/only.%s.js" % OTHER),
            ("sub/a b.js", "/static/sub/a b.%s.js" % HASH),
            ("noend", "/static/noend"),
            ("sub/index.html", "/static/sub/index.html"),
            ("own.css", "/inner/files/own.css"),
            ("style.css", "/inner/files/style.css"),  # the latest made
            ("deep/a#b.gif", "/inner/files/deep/a%23b.gif"),
        ):
            assert static_url(name) == url
        client = TestClient(app)
        assert client.get(static_url("only.js")).body == b"gzip"
        assert client.get(static_url("deep/a#b.gif")).status == 200
        assert "none.css" in str(raises(ValueError, static_url, "none.css"))
