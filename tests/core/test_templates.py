"""Pages from the templates of the folder beside this file: by Jinja2 on a PC; on boards by the modules made of them.

That both make the same of the whole language is held by micropython/test_templates.py.
"""

import sys

from webhal import App
from webhal.templates import Markup, gather, load, render, render_text
from webhal.testing import TestClient

PC = sys.implementation.name == "cpython"
READINGS = [{"name": "<cellar>", "value": 4}, {"name": "attic & roof", "value": 31.26}]
ROWS = (
    "<table>\n<tr><td>1</td><td>&lt;cellar&gt;</td><td>4.0&deg;C</td></tr>\n"
    "<tr><td>2</td><td>attic &amp; roof</td><td>31.3&deg;C</td></tr>\n</table>\n"
)


def test_an_application_serves_a_page():
    app = App()
    app.get("/")(lambda request: render("readings.html", title="Today's", readings=READINGS))
    app.get("/empty")(lambda request: render("readings.html", title="°C", readings=[]))
    client = TestClient(app)
    page = client.get("/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.text.startswith("<!DOCTYPE html>\n<title>Today&#39;s</title>\n<style>\n/* Long")
    assert "a board: æ, 日本, 😀.\n" in page.text and page.text.count("." * 109 + "\n") == 3
    assert page.text.endswith("</style>\n\n" + ROWS)
    assert client.get("/empty").text.endswith("<table>\n<tr><td>no °C yet</td></tr>\n</table>\n")


def test_any_name_is_free_for_the_page():
    text = render_text("readings.html", title="a", name="b", template="c", self="d", context="e", readings=())
    assert "<title>a</title>" in text


def test_pieces_are_about_a_hundred_characters():
    pieces = list(render("readings.html", title="a", readings=READINGS * 20))
    assert "".join(pieces) == render_text("readings.html", title="a", readings=READINGS * 20)
    assert min([len(piece) for piece in pieces[:-1]]) >= 100
    assert max([len(piece) for piece in pieces]) < 600


def test_short_pieces_become_one():
    for given, expected in (
        ([], []),
        (["", ""], []),
        (["a", "", "b"], ["ab"]),
        (["a" * 99, "b", "c"], ["a" * 99 + "b", "c"]),
        (["a", "b" * 500, "c" * 500, "d"], ["a" + "b" * 500, "c" * 500, "d"]),
    ):
        assert list(gather(piece for piece in given)) == expected


def test_a_client_that_leaves_ends_the_page():
    ended = []

    def endless():
        try:
            while True:
                yield "x" * 200
        finally:
            ended.append(1)

    pieces = gather(endless())
    next(pieces)
    next(pieces)
    pieces.close()
    assert ended == [1]


def test_a_template_that_is_missing_is_told_at_once():
    for function in (render, render_text):
        try:
            function("nowhere.html")
        except Exception as error:
            assert type(error).__name__ == ("TemplateNotFound" if PC else "ImportError")
            assert ("nowhere.html" if PC else "templates.nowhere_html") in str(error)
        else:
            raise AssertionError


def test_what_a_template_uses_though_it_is_missing_is_an_error():
    pieces = render("fails.html", start="a")
    try:
        list(pieces)
    except Exception as error:
        assert type(error).__name__ == ("UndefinedError" if PC else "NameError")
        assert "undefined" in str(error)
        if PC:  # of boards: micropython/test_templates.py
            import traceback

            places = [(frame.filename[-20:], frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
            assert ("templates/fails.html", 4) in places
    else:
        raise AssertionError


def test_markup():
    assert str(Markup("<b>%s</b> %d") % ("<x>", 3)) == "<b>&lt;x&gt;</b> 3"
    assert str(Markup("<br>") + "<") == "<br>&lt;"
    assert str("<" + Markup("<br>")) == "&lt;<br>"
    assert str(Markup("&") * 2) == "&&" and len(Markup("&amp;")) == 5
    assert render_text("parts/none-yet.html", title=Markup("<br>")) == "no <br> yet"


def test_a_lack_of_memory_while_a_template_is_loaded_leaves_nothing():
    import builtins

    loading = builtins.__import__
    forgotten = []

    def lacking(name, *rest):
        if name == "templates.lacking_html":
            sys.modules[name] = "half of it"
            forgotten.append(sys.modules.pop("templates", None))
            raise MemoryError
        return loading(name, *rest)

    builtins.__import__ = lacking
    try:
        load("lacking.html")
    except MemoryError:
        pass
    else:
        raise AssertionError
    finally:
        builtins.__import__ = loading
        if forgotten[0]:
            sys.modules["templates"] = forgotten[0]
    assert "templates.lacking_html" not in sys.modules
