"""What `webhal run` and `webhal routes` are given to serve: files, modules of packages, variables, factories."""

import http.client
import signal

import pytest

APP = "from webhal import App\napp = App()\n"
HELLO = APP + "@app.get('/')\ndef hello(request): return 'hello'\n"
RUN = "if __name__ == '__main__': app.run(port=0, host='127.0.0.1')\n"
HERE = ("--port", "0", "--host", "127.0.0.1")


@pytest.fixture
def files(tmp_path):
    """files({path: text}) makes files; returns the folder."""

    def write(texts):
        for name, text in texts.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path

    return write


def get(process, path="/"):
    port = int(process.line(r"^Serving on http://127\.0\.0\.1:(\d+)/")[1])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", path)
    body = connection.getresponse().read().decode()
    connection.close()
    return body


# A package whose modules import each other by relative imports; its views are registered with the application.
PACKAGE = {
    "shop/__init__.py": "",
    "shop/words.py": "GREETING = 'from beside'\n",
    "shop/web.py": "from webhal import App\napp = App()\nfrom . import views\n" + RUN,
    "shop/views.py": "from .words import GREETING\nfrom .web import app\nimport shop.web\nassert shop.web.app is app\n"
    "@app.get('/')\ndef page(request): return GREETING\n",
}


@pytest.mark.parametrize("target", ["shop/web.py", "shop.web", "shop.web:app", "./shop/web.py:app"])
def test_module_of_a_package(start, files, target):
    process = start.webhal("run", target, *HERE, cwd=files(PACKAGE))
    assert get(process) == "from beside"
    assert process.stop(signal.SIGTERM) == (0, "")


def test_file_of_a_package_from_elsewhere(start, files, tmp_path):
    files({**PACKAGE, "elsewhere/x": ""})
    process = start.webhal("run", "../shop/web.py", cwd=tmp_path / "elsewhere")
    assert get(process) == "from beside"


def test_file_of_a_package_imports_what_lies_beside_it_as_under_python(start, files):
    texts = {"shop/__init__.py": "", "shop/beside.py": "X = 'beside'", "shop/colorsys.py": "1 // 0"}
    texts["shop/web.py"] = "import beside, colorsys\n" + HELLO.replace("'hello'", "beside.X") + RUN
    assert get(start.webhal("run", "shop/web.py", cwd=files(texts))) == "beside"


@pytest.mark.parametrize("target", ["shop", "shop/__init__.py", "shop:app"])
def test_package_itself(start, files, target):
    texts = {
        "shop/__init__.py": APP + "from . import views\n",
        "shop/views.py": "from shop import app\n" + HELLO.removeprefix(APP),
    }
    assert get(start.webhal("run", target, *HERE, cwd=files(texts))) == "hello"


def test_module_that_its_package_has_imported_is_the_one_that_is_served(start, files):
    texts = {"shop/__init__.py": "from .web import app\n", "shop/web.py": HELLO, "shop/late.py": ""}
    texts["shop/__init__.py"] += "app.get('/more')(lambda request: 'more')\n"
    assert get(start.webhal("run", "shop.web", *HERE, cwd=files(texts)), "/more") == "more"


MAKE = "from webhal import App\ndef create_app():\n    app = App()\n    app.get('/')(lambda request: 'made')\n"
MAKE += "    return app\nother = App()\n"


def test_factory(start, files):
    folder = files({"app.py": MAKE + "if __name__ == '__main__': other.run(port=0, host='nowhere.invalid')\n"})
    assert get(start.webhal("run", "app.py:create_app()", *HERE, cwd=folder)) == "made"


def complaint(start, folder, *command):
    process = start.webhal(*command, cwd=folder)
    code, errors = process.end()
    assert process.rest() == [] and errors.count("\n") == 1
    return code, errors.removeprefix("webhal: ").rstrip("\n")


@pytest.mark.parametrize("command", ["run", "routes"])
@pytest.mark.parametrize(
    ("target", "code", "words"),
    [
        ("one.py:web", 1, "one.py has no App called web; it has one.py:app"),
        ("two.py", 1, "two.py has no App called app; it has two.py:shop, two.py:site"),
        ("make.py", 1, "make.py has no App called app; it has make.py:other, make.py:create_app()"),
        ("make.py:create_app", 1, "make.py has no App called create_app; it has make.py:other, make.py:create_app()"),
        ("make.py:none()", 1, "make.py has no App called none(); it has make.py:other, make.py:create_app()"),
        ("empty.py:x", 1, "empty.py has no App called x; FILE:name chooses another variable"),
        ("shop.web:x", 1, "shop.web has no App called x; it has shop.web:app"),
        ("shop.nowhere", 2, "there is no module shop.nowhere, nor a file of that name"),
        ("nowhere.web:app", 2, "there is no module nowhere.web, nor a file of that name"),
        ("nowhere", 2, "there is no module nowhere, nor a file of that name"),
        ("folder", 2, "folder is no module in Python"),
        ("needs.py:create_app()", 1, "needs.py: TypeError: create_app() missing 1 required positional argument: 'x'"),
        ("raises.py:create_app()", 1, "raises.py:2: ValueError: no"),
        ("shop.wrong", 1, "shop/wrong.py:1: ZeroDivisionError: "),
        ("folder/", 2, "folder/ is a directory, not an application file"),
    ],
)
def test_what_is_not_there_is_told_with_what_is(start, files, command, target, code, words):
    inner = "inner = App()\nsite.mount('/inner', inner)\n"
    folder = files({
        **PACKAGE, "one.py": HELLO, "two.py": "from webhal import App\nshop, site = App(), App()\n" + inner,
        "make.py": MAKE, "empty.py": "", "folder/module.py": "", "shop/wrong.py": "1 // 0",
        "needs.py": "def create_app(x): pass", "raises.py": "def create_app():\n    raise ValueError('no')",
    })  # fmt: skip
    said = complaint(start, folder, command, target)
    assert said[0] == code and said[1].startswith(words), said


def test_package_that_fails_is_a_traceback_of_its_own_lines(start, files):
    process = start.webhal("run", "shop.web", cwd=files({"shop/__init__.py": "import nowhere\n", "shop/web.py": ""}))
    code, errors = process.end()
    first, place, *_, last = errors.splitlines()
    assert code == 1 and first.startswith("Traceback")
    assert place.endswith('shop/__init__.py", line 1, in <module>')
    assert last == "ModuleNotFoundError: No module named 'nowhere'"


# -- webhal routes -----------------------------------------------------------------------------------------

ROUTES = HELLO + (
    "@app.route('/users/<int:number>/<word>', ['GET', 'PUT'], blocking=True)\n"
    "def user(request, number, word): return ''\n"
    "inner = App()\n"
    "class Page:\n"
    "    def show(self, request): return ''\n"
    "inner.get('/page/<path:rest>')(lambda request, *rest: '')\n"
    "inner.post('/page')(Page().show)\n"
    "app.mount('/inner', inner)\n"
    "def main(): app.run(port=1, host='nowhere.invalid')\n"
    "main()\n"
)


def test_routes_with_handlers_and_places_mounts_included(start, files):
    process = start.webhal("routes", "app.py", cwd=files({"app.py": ROUTES}))
    assert process.end() == (0, "")
    assert [line.split() for line in process.rest()] == [
        ["GET", "/", "hello", "app.py:3"],
        ["GET,PUT", "/users/<int:number>/<word>", "user", "app.py:5"],
        ["POST", "/inner/page", "Page.show", "app.py:9"],
        ["GET", "/inner/page/<path:rest>", "<lambda>", "app.py:10"],
    ]


def test_no_routes_are_none(start, files):
    process = start.webhal("routes", "app.py", cwd=files({"app.py": APP}))
    assert process.end() == (0, "")
    assert process.rest() == []
