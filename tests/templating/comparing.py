"""Jinja2's page and a compiled template's, of the same templates and values.

    python tests/templating/comparing.py PATH      the pages of cases.txt, by the MicroPython or CircuitPython at PATH
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import jinja2
from markupsafe import Markup
from values import generated, values

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
sys.path += [str(ROOT / "core"), str(ROOT / "ports/cpython")]  # where webhal is not installed
from webhal_cpython.templating.building import Templates  # noqa: E402

FILTERS = """
from webhal.templates import Markup

def money(amount, unit="EUR"):
    return "%d %s" % (amount, unit)

def strong(value):
    return Markup("<b>%s</b>") % value
"""


def cases() -> list[tuple[str, dict[str, str]]]:
    """Those of cases.txt: a line that begins with `== ` names one, `-- ` its next file; the first is main.html."""
    found = []
    for part in re.split(r"(?m)^== ", (HERE / "cases.txt").read_text("utf-8"))[1:]:
        name, _, text = part.partition("\n")
        main, *rest = re.split(r"(?m)^-- ", text)
        others = {file.partition("\n")[0]: file.partition("\n")[2] for file in rest}
        found.append((name, {"main.html": main, **others}))
    return found


def by_jinja(files: dict[str, str], text: str = "") -> str:
    """The page, or ! and what Jinja2 raises."""
    environment = jinja2.Environment(autoescape=True, loader=jinja2.DictLoader(files))
    own: dict[str, object] = {}
    exec(FILTERS, own)
    environment.filters.update(money=own["money"], strong=own["strong"])
    try:
        given = generated(text, Markup) if text else values(Markup)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Python about what Jinja2 makes of odd constants
            return environment.get_template("main.html").render(given)
    except Exception as error:
        return f"!{type(error).__name__}: {error}"


def same(one: str, other: str) -> bool:
    """Whether two pages are; errors have other words on boards."""
    return one == other or one[:1] == other[:1] == "!"


def compiled(files: dict[str, str], folder: Path) -> list[str]:
    """Compile to `folder`/templates; returns why it cannot be."""
    templates = folder / "templates"
    shutil.rmtree(templates, ignore_errors=True)
    templates.mkdir(parents=True)
    for name, text in files.items():
        (templates / name).write_text(text, "utf-8")
    (templates / "filters.py").write_text(FILTERS)
    made = Templates(templates)
    if not made.refusals:
        for name, content in made.files(["Markup"]).items():
            (templates / name).write_bytes(content)
    return [str(refusal) for refusal in made.refusals]


class Interpreter:
    """A process that renders; it is begun anew when it has died."""

    def __init__(self, *command: str) -> None:
        self.command = command
        self.process: subprocess.Popen[str] | None = None

    def render(self, folder: Path, text: str = "") -> str:
        if self.process is None or self.process.poll() is not None:
            paths = [str(ROOT / "core"), str(HERE)]
            self.process = subprocess.Popen(
                [*self.command, str(HERE / "driver.py")],
                env={**os.environ, "PYTHONPATH": ":".join(paths), "MICROPYPATH": ":".join(["", *paths, ".frozen"])},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
                errors="replace",  # MicroPython cuts long words of an error anywhere
            )
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(f"{folder}\tmain.html\t{text}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().rstrip("\n")
        try:
            return answer if answer[:1] == "!" else bytes.fromhex(answer).decode()
        except ValueError:  # a traceback
            self.process.stdin.close()
            return f"died: {answer}\n{self.process.stdout.read()}"

    def close(self) -> None:
        if self.process:
            self.process.kill()
            self.process.communicate()


CPYTHON = (sys.executable, "-W", "ignore")  # as it warns of odd constants


def main() -> int:
    """Compare the pages of all cases by a MicroPython or CircuitPython, which the command line names."""
    interpreter = Interpreter(sys.argv[1])
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        for name, files in cases():
            told = compiled(files, Path(folder))
            expected, answer = by_jinja(files), "" if told else interpreter.render(Path(folder))
            if told or not same(expected, answer):
                wrong += 1
                print(f"{name}: {told or ''}\n  wanted {expected!r}\n  got    {answer!r}")
    interpreter.close()
    print(f"{len(cases())} pages, {wrong} differ")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
