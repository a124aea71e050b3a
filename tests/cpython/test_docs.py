"""What the documents say is so: Python in them runs, commands do what is said, and what is named exists."""

import re
import shlex
from pathlib import Path
from types import ModuleType

import pytest

from webhal_cpython.assets import build

ROOT = Path(__file__).resolve().parents[2]

README = (ROOT / "README.md").read_text("utf-8")


# What lies beside the application of the pages.
BESIDE = {
    "static/style.css": "body { margin: 0 }",
    "static/notes.txt": "one\ntwo\n",
    "static/manual/index.html": "<h1>Manual</h1>",
}


@pytest.mark.parametrize("page", ["README.md", "docs/application.md", "docs/metrics.md", "docs/proxies.md"])
def test_code_runs(page, tmp_path, monkeypatch):
    """A page's blocks are one program; each is compiled on its lines of the page, so that a failure names them.

    A block with a file's name is that file, beside the program.
    """
    monkeypatch.chdir(tmp_path)
    for name, content in BESIDE.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    build(tmp_path / "static")
    text = (ROOT / page).read_text("utf-8")
    for name, content in re.findall(r"(?ms)^```\w+ (\S+)\n(.*?)^```$", text):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content, "utf-8")
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
    for page in ("README.md", "docs/application.md", "ports/cpython/README.md"):
        for target in re.findall(r"\]\(([^):]+)\)", (ROOT / page).read_text("utf-8")):
            assert (ROOT / page).parent.joinpath(target).exists(), target


def test_readme_of_the_core_has_a_line_for_each_file():
    folder = ROOT / "core/webhal"
    told = re.findall(r"(?m)^        (\w+(?:\.py|/)) {2,}\S", (folder / "README.md").read_text("utf-8"))
    assert sorted(told) == sorted([*(file.name for file in folder.glob("*.py")), "testing/"])


def test_readme_of_the_pcs_port_has_a_line_for_each_file():
    folder = ROOT / "ports/cpython/webhal_cpython"
    told = []
    inner = ""
    lines = re.findall(r"(?m)^ {8}( {4})?(\w+(?:\.py|/)) +\S", (ROOT / "ports/cpython/README.md").read_text("utf-8"))
    for indented, name in lines:
        inner = inner if indented else name if name.endswith("/") else ""
        told.append(inner + name if indented else name)
    files = [file.relative_to(folder) for file in folder.rglob("*.py")]
    assert sorted(told) == sorted([*map(str, files), *{f"{file.parent}/" for file in files if file.parent.name}])


@pytest.mark.parametrize(
    "readme, folder",
    [("core/webhal/README.md", "core/webhal"), ("ports/cpython/README.md", "ports/cpython/webhal_cpython")],
)
def test_functions_that_the_readmes_of_core_and_port_name_exist(readme, folder):
    folder = ROOT / folder
    places = re.findall(r"([\w/]+\.py): ((?:`[\w.]+`(?:, | and )?)+)", (ROOT / readme).read_text("utf-8"))
    assert places
    for file, names in places:
        for name in re.findall(r"`(?:\w+\.)?(\w+)`", names):
            assert re.search(rf"(?m)^ *(?:def|class) {name}\b", (folder / file).read_text("utf-8")), (file, name)


def test_readme_of_the_tests_tells_where_those_of_each_module_are():
    text = (ROOT / "tests/README.md").read_text("utf-8").replace("\\", "")
    table = re.search(r"Modules without one:\n\n(.*?)\n\n", text, re.DOTALL)[1]
    elsewhere = re.findall(r"\w+\.py", " ".join(re.findall(r"(?m)^\| ([^|]*) \|", table)))
    for module in (ROOT / "core/webhal").glob("*.py"):
        own = (ROOT / f"tests/core/test_{module.name}").exists()
        assert own != (module.name in elsewhere) or module.name == "__main__.py", module.name


def test_readme_of_the_tests_names_each_file():
    text = (ROOT / "tests/README.md").read_text("utf-8")
    modules = {file.name for file in (ROOT / "core/webhal").glob("*.py")}
    files = [file for file in (ROOT / "tests").rglob("*.py") if re.match(r"test_|cases_|on_", file.name)]
    for file in files:
        if file.parent.name != "core" or file.name[len("test_") :] not in modules:
            assert file.name in text, file
    named = set(re.findall(r"\b(?:test|cases)_\w+\.py\b", text))
    assert named <= {file.name for file in files}
