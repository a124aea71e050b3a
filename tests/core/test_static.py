"""Static files: which file a path means, what is refused, codings, types, files of any size over the fake network.

Conditions and ranges: test_conditional.py.
"""

import os
import sys

from webhal import App
from webhal.static import StaticFiles
from webhal.testing import TestClient

CPYTHON = sys.implementation.name == "cpython"
LARGE = bytes(range(251)) * 16  # several buffers full
SECRET = b"SECRET"
FILES = {
    "page.html": b"<h1>page</h1>",
    "style.css": b"body {}",
    "empty.txt": b"",
    "large.bin": LARGE,
    "noend": b"?",
    "a b\u00fc%.js": b"a b",
    "sub/index.html": b"index of sub",
    "sub/deep/x.txt": b"x",
    "sub/.hidden": SECRET,
    ".hidden": SECRET,
    "folder.html/x.txt": b"x",
}


class folder:
    """A folder with files, which is gone afterwards; `with folder(FILES) as path:`, and a secret beside it."""

    def __init__(self, files):
        self.files = files
        self.made = []

    def __enter__(self):
        self.base = "/tmp/webhal-" + "".join(["%02x" % byte for byte in os.urandom(8)])
        self.mkdir(self.base)
        self.write(self.base + "/secret.txt", SECRET)
        path = self.base + "/files"
        self.mkdir(path)
        for name in self.files:
            parts = name.split("/")
            for count in range(1, len(parts)):
                inner = path + "/" + "/".join(parts[:count])
                if inner not in self.made:
                    self.mkdir(inner)
            self.write(path + "/" + name, self.files[name])
        return path

    def mkdir(self, path):
        os.mkdir(path)
        self.made.append(path)

    def write(self, path, data):
        with open(path, "wb") as file:
            file.write(data)
        self.made.append(path)

    def __exit__(self, *error):
        for path in reversed(self.made):
            try:
                (os.rmdir if os.stat(path)[0] & 0x4000 else os.remove)(path)
            except OSError:  # a test has removed it
                pass


def mounted(path, **options):
    app = App()
    app.mount("/static", StaticFiles(path, **options))
    return app


def test_get_and_head():
    with folder(FILES) as path:
        client = TestClient(mounted(path))
        for name, kind in (
            ("page.html", "text/html; charset=utf-8"),
            ("style.css", "text/css; charset=utf-8"),
            ("empty.txt", "text/plain; charset=utf-8"),
            ("large.bin", "application/octet-stream"),
            ("noend", "application/octet-stream"),
            ("sub/index.html", "text/html; charset=utf-8"),
            ("sub/deep/x.txt", "text/plain; charset=utf-8"),
        ):
            answer = client.get("/static/" + name)
            assert (answer.status, answer.body) == (200, FILES[name]), name
            assert answer.headers["Content-Type"] == kind
            assert answer.headers["Content-Length"] == str(len(FILES[name]))
            assert answer.headers["Cache-Control"] == "no-cache"
            assert answer.headers["Accept-Ranges"] == "bytes"
            assert answer.headers["ETag"][0] == answer.headers["ETag"][-1] == '"'
            head = client.head("/static/" + name)
            assert (head.status, head.body) == (200, b"")
            assert sorted(head.headers.items()) == sorted(answer.headers.items())
        assert client.get("/static/a%20b%C3%BC%25.js").text == "a b"
        assert client.get("/static/style.css?v=3").status == 200
        assert client.get("/static/none.css").status == 404
        assert client.head("/static/none.css").status == 404
        refused = client.post("/static/style.css", body="x")
        assert (refused.status, refused.headers["Allow"]) == (405, "GET, HEAD, OPTIONS")
