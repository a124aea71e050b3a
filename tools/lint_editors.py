"""Check that editors complete what applications use, with jedi and with pyright, which most editors ask."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import jedi

ROOT = Path(__file__).resolve().parents[1]
REVEALED = re.compile(r'Type of ".*?" is "(.*)"', re.DOTALL)
UNKNOWN = ("Unknown", "object")  # a name that pyright has not found; that __getattr__ may give anything for

# What is written before the cursor: setting up, an expression; and what must be offered there.
PROGRAMS = (
    ("import webhal\n", "webhal.", "App Response Request HTTPError redirect abort sleep_ms Topic Server"),
    (
        "from webhal import App\napp = App()\n",
        "app.",
        "route get post put patch delete mount before_request after_request error on run",
    ),
    (
        "from webhal import Request\ndef hello(request: Request):\n    ",
        "request.",
        "method target path head client app args headers cookies body text json form state read",
    ),
    ("from webhal import Response\nresponse = Response()\n", "response.", "body status headers set_cookie"),
    (
        "from webhal import App\nfrom webhal.testing import TestClient\nclient = TestClient(App())\n",
        "client.",
        "get head post put patch delete options request cookies",
    ),
)


def missing_in_jedi(setup: str, expression: str, names: list[str]) -> list[str]:
    """Those of the names that jedi does not complete the expression by."""
    source = setup + expression
    project = jedi.Project(ROOT, sys_path=[str(ROOT / "core")], smart_sys_path=False)
    offered = {each.name for each in jedi.Script(source, project=project).complete(source.count("\n") + 1)}
    return [name for name in names if name not in offered]


def missing_in_pyright(setup: str, expression: str, names: list[str]) -> list[str]:
    """Those of the names of which pyright does not know what they are."""
    indent = setup[setup.rindex("\n") + 1 :]
    lines = [f"reveal_type({expression}{name})" for name in names]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "pyrightconfig.json").write_text(json.dumps({"extraPaths": [str(ROOT / "core")]}))
        (Path(folder) / "program.py").write_text(setup + f"\n{indent}".join(lines) + "\n")
        command = ["pyright", "--outputjson", "--project", folder]
        done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    told = [each["message"] for each in json.loads(done.stdout)["generalDiagnostics"] if each["severity"] != "error"]
    known = [match[1] not in UNKNOWN for match in map(REVEALED.match, told) if match]
    return [name for name, good in zip(names, known, strict=True) if not good]


def main() -> int:
    """The exit status: 0 if nothing is missing."""
    good = True
    for setup, expression, wanted in PROGRAMS:
        for missing in (missing_in_jedi, missing_in_pyright):
            names = missing(setup, expression, wanted.split())
            # What is not there is not to be found either, or nothing could be missing.
            if names or not missing(setup, expression, ["no_such_name"]):
                print(f"{missing.__name__}: {expression} {' '.join(names) or 'no_such_name is found'}")
                good = False
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
