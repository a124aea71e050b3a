"""Templates compiled for boards: what is refused, which files are made, and that under CPython they make Jinja2's page.

On a real MicroPython: micropython/test_templates.py, which compares made-up templates besides.
"""

import ast
import os
import random
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from webhal_cpython.cli import main
from webhal_cpython.compiling import MPY_VERSION
from webhal_cpython.deploying import DeployError, console, fileset
from webhal_cpython.deploying.board import Facts
from webhal_cpython.templating import functions
from webhal_cpython.templating.building import Templates, build, functions_text, with_places

TEMPLATING = Path(__file__).resolve().parents[1] / "templating"
sys.path.append(str(TEMPLATING))
from comparing import CPYTHON, Interpreter, by_jinja, cases, compiled, same  # noqa: E402


@pytest.fixture(scope="module")
def interpreter():
    interpreter = Interpreter(*CPYTHON)
    yield interpreter
    interpreter.close()


@pytest.fixture
def folder(tmp_path):
    """write(name=text, …): a folder of templates."""
    folder = tmp_path / "templates"

    def write(files):
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, "utf-8")
        return folder

    return write


@pytest.mark.parametrize(("name", "files"), cases(), ids=[name for name, _ in cases()])
def test_the_page_is_that_of_jinja2(name, files, interpreter, tmp_path):
    assert compiled(files, tmp_path) == []
    expected, answer = by_jinja(files), interpreter.render(tmp_path)
    assert same(expected, answer), (expected, answer)


def test_cases_end_in_an_error_where_their_names_say_so():
    broken = {name for name, files in cases() if by_jinja(files)[:1] == "!"}
    assert 20 < len(broken) < 30  # so that most cases compare pages


# The tests of Jinja2 that are an operator, but for comparisons.
OPERATORS = {"divisibleby", "even", "false", "in", "none", "odd", "sameas", "true"}

# -- refusals --------------------------------------------------------------------------------------------------------

REFUSED = {
    "{% for n in tree recursive %}x{% endfor %}": "1: a recursive for; write a macro that calls itself",
    "{% for loop in tree %}x{% endfor %}": "1: a loop variable called loop; call it otherwise",
    "{% autoescape false %}{{ s }}{% endautoescape %}": "1: autoescape; use |safe where a value is trusted",
    "a\n{{ s|wordwrap }}": "2: the filter wordwrap is not for boards; write one in templates/filters.py",
    "{{ s|wardwrap }}": "1: the filter wardwrap; write one in templates/filters.py",
    "{{ s|map('upper')|list }}": "1: the filter map is not for boards; prepare the list in the handler",
    "{{ s|selectattr('x') }}": "1: the filter selectattr is not for boards; write a for with an if",
    "{{ s|groupby('x') }}": "1: the filter groupby is not for boards; group in the handler",
    "{{ s|tojson(indent=2) }}": "1: the filter tojson: got an unexpected keyword argument 'indent';"
    " boards have the others of its arguments",
    "{{ s|upper(1) }}": "1: the filter upper: too many positional arguments; boards have the others of its arguments",
    "{% filter wordcount %}x{% endfilter %}": "1: the filter wordcount is not for boards;"
    " write one in templates/filters.py",
    "{% set x | indent %}x{% endset %}": "1: the filter indent is not for boards; write one in templates/filters.py",
    "{% include x %}": "1: a template whose name is computed; write an if, with a name in each branch",
    "{% include ['a', 'b'] %}": "1: a template whose name is computed; write an if, with a name in each branch",
    "{% extends 'a' if x else 'b' %}": "1: a template whose name is computed; write an if, with a name in each branch",
    "{% import x as y %}": "1: a template whose name is computed; write an if, with a name in each branch",
    "{% from x import y %}": "1: a template whose name is computed; write an if, with a name in each branch",
    "{% include 'no.html' %}": "1: there is no template no.html",
    "{% if x %}{% extends 'part.html' %}{% endif %}": "1: extends that depends on something;"
    " put one extends at the top",
    "{% extends 'part.html' %}\n{% if x %}{% endif %}": "2: if outside of a block, in a template that extends another;"
    " put it into a block",
    "{% block x %}{{ super() }}{% endblock %}": "1: super() without a block x in a parent; leave it out",
    "{% block x required %}{% endblock %}": "1: a required block; leave the word out",
    "{{ s[::2] }}": "1: a slice with a step; use |reverse, or a for with an if on loop.index0",
    "{{ s.title() }}": "1: boards have no title(); use |title",
    "{{ s.partition('x') }}": "1: boards have no partition(); use split()",
    "{{ f(*l) }}": "1: *arguments in a call; write the arguments",
    "{{ f(**l) }}": "1: *arguments in a call; write the arguments",
    "{{ s|default(*l) }}": "1: *arguments in a call; write the arguments",
    "{{ f(class='x') }}": "1: an argument called class, which is a word of Python; call it otherwise",
    "{% macro m(class) %}{% endmacro %}": "1: an argument called class; call it otherwise",
    "{% macro m(_c) %}{% endmacro %}": "1: an argument called _c; call it otherwise",
    "{% macro m(é) %}{% endmacro %}": "1: an argument called é; call it otherwise",
    "{% macro m() %}\n{{ varargs }}{% endmacro %}": "2: varargs in a macro; name the arguments",
    "{% macro m() %}{{ kwargs }}{% endmacro %}": "1: kwargs in a macro; name the arguments",
    "{{ cycler(1, 2) }}": "1: cycler(); use loop.cycle()",
    "{% set j = joiner() %}": "1: joiner(); use loop.first",
    "{{ lipsum() }}": "1: lipsum(); write the text",
    "{{ 3 is prime }}": "1: the test prime; write a comparison",
    "{{ x is divisibleby }}": "1: the test divisibleby with 0 arguments; put what is tested in parentheses",
    "{% with a, b = x %}{% endwith %}": "1: a with that unpacks; use one name for each value",
    "{% set ns = namespace() %}{% set ns.items = 1 %}": "1: ns.items, for boards' dicts have that; call it otherwise",
    "{{ x > 1e999 }}": "1: the number inf; write one that is finite",
    "{% if t %}\n{{ 'x' }\n{% endif %}": "2: unexpected '}'",
    "{% trans %}a{% endtrans %}": "1: Encountered unknown tag 'trans'.",
    "\n{% for i in l %}{% endif %}": "2: Encountered unknown tag 'endif'. Jinja was looking for the following tags:"
    " 'endfor' or 'else'. The innermost block that needs to be closed is 'for'.",
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_boards_cannot_have_is_refused(text, folder):
    templates = Templates(folder({"page.html": text, "part.html": ""}))
    assert [str(refusal) for refusal in templates.refusals] == ["page.html:" + REFUSED[text]]


@pytest.mark.parametrize("text", ["{{ " + 3000 * "(" + "x" + 3000 * ")" + " }}", "{{ x" + 900 * "|e" + " }}"])
def test_what_is_nested_too_deeply_is_refused(text, folder):
    told = [str(refusal) for refusal in Templates(folder({"page.html": text})).refusals]
    assert told == ["page.html:1: it is nested too deeply; set a name to a part of it"]


def test_templates_that_extend_themselves_are_refused(folder):
    a = "{% extends 'b.html' %}{% block x %}{{ super() }}{% endblock %}"
    files = {"a.html": a, "b.html": "{% extends 'a.html' %}", "c.html": "{% extends 'c.html' %}"}
    told = [str(refusal) for refusal in Templates(folder(files)).refusals]
    assert [line for line in told if "super" not in line] == [
        f"{name}.html:1: a template that extends itself; let it extend another" for name in "ac"
    ]


def test_all_refusals_are_told_at_once_in_their_order(folder):
    templates = Templates(
        folder(
            {
                "b.html": "{{ s|map }}\n{% include 'no.html' ignore missing %}{{ s.title() }}\n{{ s[::2] }}",
                "a.html": "{% extends 'b.html' %}{% block x %}{{ super() }}{% endblock %}",
                "c.html": "{{ }}",
                "filters.py": "def f(:",
            }
        )
    )
    places = [str(refusal).split(": ")[0] for refusal in templates.refusals]
    expected = "a.html:1 b.html:1 b.html:2 b.html:2 b.html:2 b.html:3 c.html:1 filters.py:1"
    assert " ".join(places) == expected


def test_documents_name_each_filter_and_test():
    page = (Path(__file__).resolve().parents[2] / "docs/templates.md").read_text("utf-8")
    for row, prefix, besides in (("filters", "do_", set()), ("tests", "test_", OPERATORS)):
        told = re.search(rf"(?m)^\| {row} \| ((?:`\w+` ?)+)", page)[1].replace("`", "").split()
        have = {name.removeprefix(prefix) for name in vars(functions) if name.startswith(prefix)}
        assert told == sorted(have | besides)


TOLD_ELSEWHERE = ("ignore missing", " is not for boards", "a template that extends itself")


def test_there_are_no_refusals_that_no_test_knows():
    """Each phrase of a refusal in the compiler occurs in REFUSED."""
    told = "\n".join(REFUSED.values())
    for file in ("compiler.py", "expressions.py"):
        text = Path(functions.__file__).with_name(file).read_text("utf-8")
        for words in re.findall(r'refuse\(\s*\w+, f?"([^"{]+)"', text):
            assert words in told or words in TOLD_ELSEWHERE, words


# What templates are thrown together from, in any order.
SNIPPETS = """\
{{|}}|{%|%}|{%-|-%}|for|in|if|else|elif|endif|endfor|set|endset|block|endblock|extends|include|import|from|as
with|endwith|macro|endmacro|call|endcall|filter|endfilter|raw|endraw|true|none|not|and|is|defined|x|y|loop
loop.index|self|super()|caller()|namespace()|ns.a|range(|)|(|[|]|{|}|:|,|.|~|+|*|==|=|'a'|"part.html"|1|2.5
1e999|upper|default|map|x.y|x[1]|x[1:2]|recursive|scoped|required|*args|**words|é|text|<b>|{#|#}|varargs
{% for x in y %}{{ loop.index }}{% endfor %}|{% for a, (b, c) in x if a %}{% else %}{% endfor %}
{% if x %}a{% endif %}|{% macro m(a, b=1) %}{{ a }}{% endmacro %}|{{ m(1) }}|{% set x = 1 %}
{% set x %}a{% endset %}|{% call m() %}a{% endcall %}|{% with x = 1 %}{{ x }}{% endwith %}|{{ x|upper }}
{% include 'part.html' %}|{% block a %}x{% endblock %}|{% extends 'part.html' %}|{% set ns = namespace() %}
{% set ns.a = 1 %}|{% import 'part.html' as f %}|{% from 'part.html' import m %}|{{ super() }}
{% filter upper %}x{% endfilter %}"""


@pytest.mark.parametrize("seed", range(3))
def test_whatever_is_no_template_is_refused_and_whatever_is_one_becomes_python(seed, folder):
    chance = random.Random(seed)
    words = SNIPPETS.replace("\n", "|").split("|")
    made = 0
    for _ in range(100):
        files = {name: " ".join(chance.choices(words, k=chance.randint(1, 8))) for name in ("page.html", "part.html")}
        place = folder(files)
        templates = Templates(place)
        if not templates.refusals:
            made += 1
            for name, content in templates.files([]).items():
                if name.endswith(".py"):
                    compile(content, name, "exec")
    assert 10 < made < 90


# -- files -----------------------------------------------------------------------------------------------------------


def test_two_names_that_become_one_module(folder):
    files = {"a-b.html": "", "a_b.html": "", "a/b.html": "", "filters": "", "ok.html": "", "c d.html": "", "é.html": ""}
    files |= {"Z.html": "", "z.html": "", "long.html": 300 * "x", "long_html.txt": "", "ok_html.txt": ""}
    templates = Templates(folder({**files, "filters.py": ""}))
    assert [str(refusal) for refusal in templates.refusals] == [
        "a/b.html:1: it becomes the module a_b_html, as a-b.html does; call one otherwise",
        "a_b.html:1: it becomes the module a_b_html, as a-b.html does; call one otherwise",
        "c d.html:1: boards' file systems do not take its name; use letters, digits and . _ - only",
        "filters:1: it becomes the module filters, as filters.py does; call one otherwise",
        "long_html.txt:1: it has the name of what is made of long.html; call one otherwise",
        "z.html:1: it becomes the module z_html, as Z.html does; call one otherwise",
        "é.html:1: boards' file systems do not take its name; use letters, digits and . _ - only",
    ]


def test_what_is_no_template(folder):
    none = {".hidden": "{{", "__pycache__/a.html": "{{", "helper.py": "{{", "helper.mpy": "{{"}
    place = folder({"page.html": "x", "_part.html": "y", **none})
    assert set(Templates(place).sources) == {"page.html", "_part.html"}


def test_what_is_not_utf8(folder):
    place = folder({"page.html": "x"})
    (place / "bad.html").write_bytes(b"\xff")
    assert [str(refusal) for refusal in Templates(place).refusals] == ["bad.html:1: it is not UTF-8"]


def test_files_beside_the_templates_and_only_what_is_there(folder):
    long = "é" * 300
    page = f"{{{{ x }}}}{long}{{{{ y|upper }}}}"
    place = folder({"page.html": page, "gone.html": "", "filters.py": "def f(x): pass\n"})
    for _ in range(2):  # what was made is taken for no template
        assert build(place, place) == []
        assert sorted(path.name for path in place.iterdir()) == [
            "__init__.py", "filters.py", "gone.html", "gone_html.py", "page.html", "page_html.py", "page_html.txt",
        ]  # fmt: skip
    assert (place / "page_html.txt").read_text("utf-8").endswith("\n" + long)
    (place / "gone.html").unlink()
    assert build(place, place) == []
    assert not (place / "gone_html.py").exists() and (place / "filters.py").exists()


def test_long_text_that_is_sent_again_and_again_is_in_no_file(folder):
    long = "x" * 300
    once = ["{{ y }}%s", "{%% if y %%}%s{%% endif %%}", "{%% block a %%}%s{%% endblock %%}"]
    again = [
        "{%% for y in z %%}%s{%% endfor %%}", "{%% macro m() %%}%s{%% endmacro %%}", "{%% set y %%}%s{%% endset %%}",
    ]  # fmt: skip
    for form in once + again:
        made = Templates(folder({"page.html": form % long})).files([])
        assert ("page_html.txt" in made) == (form in once), form
        assert (long in made["page_html.py"].decode()) == (form in again), form


def test_nothing_is_written_when_something_is_refused(folder):
    place = folder({"page.html": "x", "bad.html": "{{"})
    assert build(place, place) and not list(place.glob("*.py"))


def test_only_functions_that_are_used_are_sent(folder):
    templates = Templates(folder({"page.html": "{% for x in rows %}{{ x }}{% endfor %}"}))
    sent = ast.parse(templates.files([])["__init__.py"])
    names = {node.name for node in sent.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    assert names == {"escape", "text", "Missing"}
    sent = ast.parse(templates.files(["from webhal.templates import Markup"])["__init__.py"])
    assert "Markup" in {node.name for node in sent.body if isinstance(node, ast.ClassDef)}


def test_the_same_is_made_whatever_the_seed_of_hashes():
    code = "import sys; sys.path.append(sys.argv[1]); from comparing import *\nimport tempfile\n"
    code += "for name, files in cases():\n  with tempfile.TemporaryDirectory() as folder:\n"
    code += "    compiled(files, Path(folder))\n"
    code += "    print([path.read_text() for path in sorted(Path(folder, 'templates').iterdir())])"

    def made(seed):
        command = [sys.executable, "-c", code, str(TEMPLATING)]
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout

    assert made("1") == made("2")


def test_all_functions_are_there_together():
    every = functions_text([name for name in vars(functions) if name[0] != "_"])
    names = {node.name for node in ast.walk(ast.parse(every)) if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    source = ast.parse(Path(functions.__file__).read_text("utf-8"))
    assert names == {node.name for node in ast.walk(source) if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    assert '"""' not in every and "#" not in every.partition("\n")[2].replace("&#3", "")


def test_filters_are_read_and_not_run(folder, tmp_path):
    text = "raise SystemExit\ndef money(x): pass\ndef _own(x): pass\nclass No: pass\nalso = money\n"
    templates = Templates(folder({"filters.py": text, "a.html": "{{ 1|money }}", "b.html": "{{ 1|_own }}{{ 1|also }}"}))
    assert templates.filters == {"money"} and len(templates.refusals) == 2


def test_a_filter_of_the_application_wins_over_one_of_jinja2(folder, interpreter, tmp_path):
    filters = "# no Markup\ndef upper(x):\n    return 'mine'\n"
    place = folder({"filters.py": filters, "main.html": "{{ 'a'|upper }}{{ x|upper }}"})
    assert build(place, place) == []
    assert interpreter.render(tmp_path) == "minemine"


def test_a_module_says_the_line_of_the_template(folder):
    text = "one\n{{ a }} {{ b }}\n{% if c %}\n\n{{ d\n + e }}{% endif %}\n"
    code = Templates(folder({"page.html": text})).files([])["page_html.py"].decode()
    lines = {line.split("(")[-1].split(")")[0]: line.rpartition("# ")[2] for line in code.split("\n") if "# " in line}
    assert lines["a_1"] == lines["b_2"] == "2" and lines["d_4 + e_5"] == "5" and "    if c_3:  # 3" in code


# -- the command ------------------------------------------------------------------------------------------------------


def test_build_templates(folder, capsys):
    place = folder({"page.html": "{{ x }}"})
    assert main(["build-templates", str(place)]) == 0
    assert capsys.readouterr() == ("", "")
    assert (place / "page_html.py").exists()


def test_build_templates_that_are_refused(folder, capsys):
    place = folder({"page.html": "\n{{ x|map }}", "other.html": "{{"})
    assert main(["build-templates", str(place)]) == 1
    assert capsys.readouterr() == (
        f"{place}/other.html:1: unexpected 'end of template'\n"
        f"{place}/page.html:2: the filter map is not for boards; prepare the list in the handler\n",
        "",
    )


def test_build_templates_of_no_folder(capsys, tmp_path):
    assert main(["build-templates", str(tmp_path / "no")]) == 2
    assert capsys.readouterr() == ("", f"webhal: {tmp_path}/no is no folder\n")


def test_commands_without_jinja2_say_what_to_install(folder, tmp_path, capsys, monkeypatch):
    place = folder({"page.html": "{{ x }}"})
    (tmp_path / "app.py").write_text("from webhal.templates import render\n")
    monkeypatch.setitem(sys.modules, "webhal_cpython.templating.building", None)
    monkeypatch.delattr("webhal_cpython.templating.building")
    assert main(["build-templates", str(place)]) == 1
    assert capsys.readouterr().err == "webhal: Jinja2 is missing: pip install 'webhal[templates]'\n"
    assert main(["check", str(tmp_path / "app.py")]) == 1
    line = f"{place}: templates cannot be checked without Jinja2; pip install 'webhal[templates]'\n"
    assert capsys.readouterr().out == line
    said = 'File "templates/page_html.py", line 3'
    assert console.with_places(said, tmp_path) == said


def test_check_tells_of_templates_and_their_filters(folder, tmp_path, capsys):
    place = folder({"page.html": "\n{{ x|map }}", "filters.py": "import typing\n\ndef own(x):\n    return x.title()\n"})
    for name in ("app.py", "other.py"):
        (tmp_path / name).write_text("from webhal.templates import render\n")
    assert main(["check", str(tmp_path / "app.py"), str(tmp_path / "other.py"), "--target", "esp32"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{place}/page.html:2: the filter map is not for boards; prepare the list in the handler"
    assert [line[: len(f"{place}/filters.py:1")] for line in lines[1:]] == [
        f"{place}/filters.py:1", f"{place}/filters.py:4",
    ]  # fmt: skip


def test_check_of_a_program_without_templates(folder, tmp_path, capsys):
    folder({"page.html": "{{ x|map }}"})
    (tmp_path / "app.py").write_text("import webhal\n")
    assert main(["check", str(tmp_path / "app.py")]) == 0
    assert capsys.readouterr().out == ""


def test_a_traceback_of_a_board_has_the_lines_of_templates(folder):
    place = folder({"a/page.html": "one\n{{ a }}\n{% if c %}\n\n{{ d\n + e }}{% endif %}\n"})
    code = Templates(place).files([])["a_page_html.py"].decode().split("\n")
    line = next(number for number, text in enumerate(code, 1) if "d_3" in text and "yield" in text)
    said = f'Traceback:\n  File "app.py", line {line}, in f\n  File "templates/a_page_html.py", line {line}, in root\n'
    assert with_places(said, place) == said.replace(
        f'"templates/a_page_html.py", line {line}', f'"{place}/a/page.html", line 5'
    )
    assert with_places('File "templates/none_html.py", line 3', place) == 'File "templates/none_html.py", line 3'
    assert with_places('File "templates/a_page_html.py", line 1', place) == f'File "{place}/a/page.html", line 1'


def test_a_pc_without_jinja2_says_what_to_install(tmp_path, start):
    text = "import sys\nsys.modules['jinja2'] = None\nfrom webhal.templates import render\n"
    (tmp_path / "app.py").write_text(text)
    code, errors = start.webhal("run", "app.py", "--port", "0", cwd=tmp_path).end()
    line = "webhal: app.py:3: ImportError: webhal.templates on a PC is Jinja2: pip install 'webhal[templates]'\n"
    assert (code, errors) == (1, line)


# -- deploying --------------------------------------------------------------------------------------------------------

APPLICATION = """from webhal import App
from webhal.templates import Markup, render

app = App()


@app.get("/<name>")
def page(request, name):
    return render("page.html", name=name, note=Markup("<b>"))


if __name__ == "__main__":
    app.run()
"""
TEMPLATES = {
    "page.html": "{% extends 'parts/base.html' %}{% block body %}{{ name|shout }}{{ note }}{% endblock %}",
    "parts/base.html": "<title>{{ name }}</title>" + "<!-- long -->" * 30 + "{% block body %}{% endblock %}",
    "filters.py": "from units import MARK\n\ndef shout(text):\n    return text + MARK\n",
}
PAGE = "<title>&lt;you&gt;</title>" + "<!-- long -->" * 30 + "&lt;you&gt;!<b>"
ESP32 = Facts("micropython", (1, 25, 0), "esp32", mpy=MPY_VERSION)


@pytest.fixture
def application(folder, tmp_path):
    folder(TEMPLATES)
    (tmp_path / "units.py").write_text("MARK = '!'\n")
    (tmp_path / "door.py").write_text(APPLICATION)
    return tmp_path / "door.py"


@pytest.mark.parametrize("source", [False, True])
def test_deploy_sends_what_templates_become(source, application, micropython, tmp_path):
    found = fileset.read_application(application)
    fileset.check(found, ESP32)
    files = fileset.collect(found, ESP32, "main.py", [], source=source)
    end = ".py" if source else ".mpy"
    assert {name for name in files if not name.startswith("lib/")} == {
        "main.py", f"units{end}", f"templates/__init__{end}", f"templates/filters{end}", f"templates/page_html{end}",
        f"templates/parts_base_html{end}", "templates/parts_base_html.txt",
    }  # fmt: skip
    assert {f"lib/webhal/templates{end}", f"lib/webhal/stream{end}"} <= set(files)
    for name, content in files.items():
        (tmp_path / "board" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "board" / name).write_bytes(content)
    code = "from main import page; print(''.join(page(None, '<you>')))"
    done = subprocess.run(
        [micropython, "-c", code], cwd=tmp_path / "board", env={"MICROPYPATH": ":lib"}, capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == (PAGE + "\n", "")


def test_a_pc_makes_the_same_page_of_it(application, monkeypatch):
    monkeypatch.syspath_prepend(application.parent)
    page = runpy.run_path(str(application))["page"]
    assert "".join(page(None, "<you>")) == PAGE


def test_deploy_refuses_templates_that_boards_cannot_have(application, folder):
    folder({"page.html": "{{ x|map }}\n{{ x|groupby }}"})
    with pytest.raises(DeployError, match=r"page.html:1: the filter map .*\n.*page.html:2: the filter groupby "):
        fileset.check(fileset.read_application(application), ESP32)


def test_deploy_of_an_application_whose_folder_of_templates_is_missing(tmp_path):
    (tmp_path / "app.py").write_text(APPLICATION)
    with pytest.raises(DeployError, match=r"^there is no folder .*/templates, in which webhal.templates looks"):
        fileset.collect(fileset.read_application(tmp_path / "app.py"), ESP32, "main.py", [])


def test_minimal_has_what_render_needs(application):
    files = fileset.collect(fileset.read_application(application), ESP32, "main.py", [], "minimal")
    assert {"lib/webhal/templates.mpy", "lib/webhal/stream.mpy"} <= set(files)


# -- what must not be in functions for boards -------------------------------------------------------------------------


def test_functions_keep_from_what_boards_do_otherwise():
    source = Path(functions.__file__).read_text("utf-8")
    assert not re.search(r"\bnext\([^)]*,", source)  # CircuitPython's takes one argument
    assert ".sort(key" not in source  # no board's is stable
