"""`webhal new NAME`: makes a folder for a new application, which serves and passes its tests as it is."""

import argparse
import os
import re
import shlex
from pathlib import Path

from webhal_cpython.cli import complain

_APP = """\
import sys

from webhal import App
from webhal.static import StaticFiles

PORT = 8000 if sys.implementation.name == "cpython" else 80  # on a PC, on a board

app = App()
app.mount("/static", StaticFiles("static"))

PAGE = \"\"\"<!DOCTYPE html>
<html>
<head>
<meta charset="utf-8">
<title>%(name)s</title>
<link rel="stylesheet" href="/static/style.css">
</head>
<body>
<h1>%(name)s</h1>
<p>It works.</p>
</body>
</html>
\"\"\"


@app.get("/")
def page(request):
    return PAGE


if __name__ == "__main__":
    app.run(port=PORT)
"""

_SETTINGS = """\
# The WiFi that the board joins: remove the two # and fill in.
# CIRCUITPY_WIFI_SSID = "name"
# CIRCUITPY_WIFI_PASSWORD = "password"
"""

_STYLE = "body { font-family: sans-serif; margin: 2em; }\n"

_TEST = """\
from app import app
from webhal.testing import TestClient


def test_page():
    answer = TestClient(app).get("/")
    assert answer.status == 200
    assert "It works." in answer.text


def test_style():
    answer = TestClient(app).get("/static/style.css")
    assert answer.status == 200
    assert "sans-serif" in answer.text
"""

_PROJECT = """\
# What `webhal deploy` puts on a board: the application, what it imports, its folders of static files and templates.
[tool.webhal]
app = "app.py"
with = []  # and other files or folders, such as "data.json"
"""

_README = """\
# %(name)s

On this computer, at http://localhost:8000/:

    webhal run app.py

On a board that is plugged in (MicroPython, or CircuitPython); the WiFi is named in settings.toml:

    webhal deploy             once
    webhal deploy --watch     again at each save

Tests:

    python -m pytest
"""

_IGNORE = "settings.toml\n__pycache__/\n"

_CONFTEST = '"""Lets the tests import app.py."""\n'

_FILES = {
    "app.py": _APP,
    "settings.toml": _SETTINGS,
    "static/style.css": _STYLE,
    "pyproject.toml": _PROJECT,
    "conftest.py": _CONFTEST,
    "tests/test_app.py": _TEST,
    "README.md": _README,
    ".gitignore": _IGNORE,
}


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="of the folder, which must not be there yet")


def main(arguments: argparse.Namespace) -> int:
    folder = Path(arguments.name)
    name = folder.name
    if not re.fullmatch(r"[\w. -]+", name) or name.startswith("."):
        return complain(f"{arguments.name} is no name for a folder of letters, digits, - and _", 2)
    try:
        folder.mkdir()
        for path, text in _FILES.items():
            file = folder / path
            file.parent.mkdir(exist_ok=True)
            # settings.toml will hold a password: nobody else may read it, from the first moment on
            with open(
                os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600 if path == "settings.toml" else 0o666),
                "w",
                encoding="utf-8",
                newline="\n",
            ) as out:
                out.write(text % {"name": name} if "%(name)s" in text else text)
    except FileExistsError:
        return complain(f"{folder} is there already; choose another name")
    except OSError as error:
        return complain(f"cannot make {folder}: {error.strerror}")
    application = shlex.quote(str(folder / "app.py"))
    print(f"Made {folder}. It is served on this computer by\n    webhal run {application}")
    print(f"and on a board, when your WiFi stands in {folder / 'settings.toml'}, by\n    webhal deploy {application}")
    return 0
