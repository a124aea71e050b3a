"""What the documents say is so: Python in them runs, commands do what is said, and what is named exists."""

import re
import shlex
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]

README = (ROOT / "README.md").read_text("utf-8")


@pytest.mark.parametrize("page", ["README.md", "docs/application.md"])
def test_code_runs(page):
    """A page's blocks are one program; each is compiled on its lines of the page, so that a failure names them."""
    text = (ROOT / page).read_text("utf-8")
    blocks = list(re.finditer(r"(?ms)^```python\n(.*?)^```$", text))
    assert blocks
    program = ModuleType("page")
    for block in blocks:
        lines_before = text.count("\n", 0, block.start(1))
        exec(compile("\n" * lines_before + block[1], page, "exec"), vars(program))


def test_application_of_the_readme_greets():
    from webhal.testing import TestClient

    program = ModuleType("page")
    exec(re.search(r"(?ms)^```python\n(.*?)^```$", README)[1], vars(program))
    assert TestClient(program.app).get("/hello/you").json() == {"hello": "you"}


def test_main_job_of_the_readme_serves(start, curl):
    line = re.search(r"(?m)^    .* && pip install \. && (webhal run .*)$", README)[1]
    process = start.webhal(*shlex.split(line)[1:], "--port", "0", cwd=ROOT)
    port = process.line(r"^Serving on http://.*:(\d+)/")[1]
    assert curl(f"http://127.0.0.1:{port}/") == b"This is the server respose! :)"


def test_files_and_folders_that_are_named_exist():
    for page in ("README.md", "docs/application.md"):
        for target in re.findall(r"\]\(([^):]+)\)", (ROOT / page).read_text("utf-8")):
            assert (ROOT / page).parent.joinpath(target).exists(), target


def test_readme_of_the_core_has_a_line_for_each_file():
    folder = ROOT / "core/webhal"
    told = re.findall(r"(?m)^        (\w+(?:\.py|/)) {2,}\S", (folder / "README.md").read_text("utf-8"))
    assert sorted(told) == sorted([*(file.name for file in folder.glob("*.py")), "testing/"])


def test_functions_that_the_readme_of_the_core_names_exist():
    folder = ROOT / "core/webhal"
    places = re.findall(r"(\w+\.py): ((?:`[\w.]+`(?:, | and )?)+)", (folder / "README.md").read_text("utf-8"))
    assert places
    for file, names in places:
        for name in re.findall(r"`(?:\w+\.)?(\w+)`", names):
            assert re.search(rf"(?m)^ *(?:def|class) {name}\b", (folder / file).read_text("utf-8")), (file, name)
