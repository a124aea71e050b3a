"""Templates on a real MicroPython: the page is Jinja2's, an error has the template's line, little memory is kept."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from webhal_cpython.compiling import compile_library, compile_mpy
from webhal_cpython.templating.building import build, with_places

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests/templating"))
from comparing import Interpreter, by_jinja, cases, same  # noqa: E402
from comparing import compiled as compile_templates  # noqa: E402
from generating import compare  # noqa: E402

EXAMPLES = 40  # made up here; more: tests/templating/generating.py
DIFFERENCES = re.findall(
    r"(?m)^\| `(.*?)` \| `(.*?)` \| `(.*?)` \|", (ROOT / "docs/templates.md").read_text("utf-8").replace("\\|", "|")
)


@pytest.fixture(scope="module")
def interpreter(micropython):
    interpreter = Interpreter(micropython, "-X", "heapsize=4m")
    yield interpreter
    interpreter.close()


def test_the_page_of_each_case_is_that_of_jinja2(interpreter, tmp_path):
    wrong = []
    for name, files in cases():
        assert compile_templates(files, tmp_path) == []
        expected, answer = by_jinja(files), interpreter.render(tmp_path)
        if not same(expected, answer):
            wrong.append((name, expected, answer))
    assert not wrong


def test_the_page_of_made_up_templates_is_that_of_jinja2(interpreter):
    wrong = []
    counted = compare([interpreter], EXAMPLES, 1, wrong.append)
    assert not wrong
    assert counted["compared"] == EXAMPLES and counted["errors"] < EXAMPLES / 2


@pytest.mark.parametrize(("template", "page", "board"), DIFFERENCES)
def test_differences_that_are_told_in_the_documents(template, page, board, interpreter, tmp_path):
    files = {"main.html": template}
    assert by_jinja(files) == page
    assert compile_templates(files, tmp_path) == []
    assert interpreter.render(tmp_path) == board


def test_documents_tell_of_differences():
    assert len(DIFFERENCES) > 5


def run(micropython, path, code, heap, cwd):
    """What MicroPython prints."""
    done = subprocess.run(
        [micropython, "-X", f"heapsize={heap}", "-c", code],
        cwd=cwd,
        env={**os.environ, "MICROPYPATH": ":".join(map(str, path)) + ":.frozen"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
    )
    return done.stdout


@pytest.fixture
def board(compiled, tmp_path):
    """board(page): a folder with an application's template page.html as a board gets it; webhal is in `compiled`."""

    def make(page):
        source, made = tmp_path / "templates", tmp_path / "made"
        source.mkdir()
        (source / "page.html").write_text(page)
        assert build(source, made) == []
        (tmp_path / "board/templates").mkdir(parents=True)
        for file in made.iterdir():
            target = tmp_path / "board/templates" / file.name
            if file.suffix == ".py":
                text = file.read_text()
                library = file.name == "__init__.py"
                code = compile_library(text, ()) if library else compile_mpy(text, f"templates/{file.name}")
                target.with_suffix(".mpy").write_bytes(code)
            else:
                shutil.copy(file, target)
        return tmp_path / "board"

    return make


def test_an_error_has_the_line_of_the_template(micropython, compiled, board, tmp_path):
    page = "one\n{% for x in [1, 0] %}\n{{ x }} {{\n 1 / x }}\n{% endfor %}\n"
    folder = board(page)
    code = "from webhal.templates import render_text; render_text('page.html')"
    said = with_places(run(micropython, [compiled, folder], code, "100k", folder), tmp_path / "templates")
    assert "ZeroDivisionError" in said
    assert re.findall(r"page.*html.*line (\d+)", said) == ["4"]


# -- memory -----------------------------------------------------------------------------------------------------------

STYLES = "".join(f".state{i} {{ margin: {i}px; padding: {i}px; color: #00{i:02}00 }}\n" for i in range(10, 70))
PAGE = f"""<!DOCTYPE html>
<title>{{{{ title }}}}</title>
<style>
{STYLES}</style>
<h1>{{{{ title }}}}</h1>
<table>
{{% for reading in readings -%}}
<tr><td>{{{{ loop.index }}}}</td><td>{{{{ reading.name }}}}</td><td>{{{{ reading.value }}}} °C</td></tr>
{{% endfor -%}}
</table>
"""
# Bytes of a heap with 32-bit words that a page with its functions keeps, and that its making takes at most besides.
KEPT, PEAK = 2000, 600
MEASURE = """
import gc, sys

class Names: pass
for i in range(400):  # room for names: MicroPython takes it for many at once
    setattr(Names, "name%d" % i, 1)
from webhal.templates import load, render
readings = [{"name": "sensor <%d>" % i, "value": 20 + i / 8} for i in range(50)]
gc.collect()
before = gc.mem_alloc()
load("page.html")
gc.collect()
kept = gc.mem_alloc() - before
pieces = render("page.html", title="Today", readings=readings)
gc.collect()
before = gc.mem_alloc()
peak = length = 0
for piece in pieces:
    length += len(piece)
    gc.collect()
    peak = max(peak, gc.mem_alloc() - before)
print(kept, peak, length)
"""


def test_memory_of_a_page(micropython, compiled, board, pytestconfig):
    words = int(pytestconfig.getoption("bits")) // 32
    folder = board(PAGE)
    kept, peak, length = map(int, run(micropython, [compiled, folder], MEASURE, "200k", folder).split())
    assert 6500 < length < 7500
    assert kept <= KEPT * words and peak <= PEAK * words, (kept, peak)


OF_TEXT = "upper lower title capitalize trim tojson urlencode first last reverse length e int(0) string forceescape"
OUTPUTS = [f"{{{{ x|{name} }}}}" for name in OF_TEXT.split()]
OUTPUTS += ["{{ x[0] }}{{ x[-1] }}{{ x[1:] }}{{ x|replace(x, 'b') }}{{ [x, x]|join(x) }}{{ [x, 'a']|sort|join }}"]
NAMES = """
import gc, micropython
from webhal.templates import render_text
def show(code):
    text = str(b"%c%c" % (192 | code >> 6, 128 | code & 63), "utf-8")
    return render_text("page.html", x=text + "a")
show(0x100)
micropython.qstr_info()
for code in range(0x100, 0x400):
    show(code)
micropython.qstr_info()
"""


def test_characters_of_clients_are_not_kept(micropython, compiled, board):
    folder = board("".join(OUTPUTS))
    said = run(micropython, [compiled, folder], NAMES, "400k", folder)
    before, after = re.findall(r"n_qstr=(\d+)", said)
    assert before == after, said


LACKING = """
import gc, sys
from webhal.templates import load, render_text
def used():
    gc.collect()
    return gc.mem_alloc()
before = used()
room = [bytearray(SPARE)]
ballast = None
try:
    while True:
        ballast = (ballast,)  # a list would want room to grow, and leave much
except MemoryError:
    pass
room.clear()
for _ in range(4):
    try:
        load("page.html")
    except MemoryError:
        pass
ballast = None  # now there is room for words
print(used() - before)
print([name for name in sys.modules if "templates" in name])
print(len(render_text("page.html", title="a", readings=[])))
"""


@pytest.mark.words32  # what is spared, and names take, are bytes of a board with such words
@pytest.mark.parametrize("spare", [300, 1000, 1600])
def test_a_lack_of_memory_leaves_nothing_of_a_template(spare, micropython, compiled, board):
    folder = board(PAGE)
    said = run(micropython, [compiled, folder], LACKING.replace("SPARE", str(spare)), "60k", folder)
    growth, modules, length = said.splitlines()
    assert int(growth) < 600 and "templates.page_html" not in modules, said  # names and variables stay
    assert int(length) > 3000
