"""Fields that are more than a value: cookies that are set, and where a redirect leads."""

import sys

from webhal import App, Response, redirect
from webhal.response import serialise
from webhal.testing import TestClient


def set_cookie(*arguments, **attributes):
    response = Response("x")
    response.set_cookie(*arguments, **attributes)
    return response.headers["Set-Cookie"]


def refused(*arguments, **attributes):
    try:
        set_cookie(*arguments, **attributes)
    except ValueError as error:
        return str(error)
    raise AssertionError("a cookie was made of %r %r" % (arguments, attributes))


def test_attributes():
    assert set_cookie("a", "b") == ["a=b; Path=/; SameSite=Lax; HttpOnly"]
    assert set_cookie("a", "") == ["a=; Path=/; SameSite=Lax; HttpOnly"]
    assert set_cookie("a", "b", max_age=0) == ["a=b; Path=/; Max-Age=0; SameSite=Lax; HttpOnly"]
    assert set_cookie("a", "b", http_only=False, same_site="") == ["a=b; Path=/"]
    assert set_cookie(
        "a", "b", max_age=60, path="/c", domain="d.example", secure=True, http_only=False, same_site="None"
    ) == ["a=b; Path=/c; Domain=d.example; Max-Age=60; SameSite=None; Secure"]
    assert set_cookie("a", "b", same_site="Strict") == ["a=b; Path=/; SameSite=Strict; HttpOnly"]


def test_several_cookies_are_several_fields():
    response = Response("x")
    response.set_cookie("a", "1")
    response.set_cookie("b", "2")
    response.set_cookie("c", "3")
    head, _ = serialise(response, "GET", "")
    lines = [line for line in head.split(b"\r\n") if line.startswith(b"Set-Cookie: ")]
    assert [line[12:15] for line in lines] == [b"a=1", b"b=2", b"c=3"]


def test_a_field_that_is_there_already_stays():
    response = Response("x", 200, {"Set-Cookie": "a=1"})
    response.set_cookie("b", "2")
    assert response.headers["Set-Cookie"] == ["a=1", "b=2; Path=/; SameSite=Lax; HttpOnly"]
    response = Response("x", 200, {"Set-Cookie": ("a=1", "c=3")})
    response.set_cookie("b", "2")
    assert response.headers["Set-Cookie"] == ["a=1", "c=3", "b=2; Path=/; SameSite=Lax; HttpOnly"]
    assert b"\r\nSet-Cookie: c=3\r\n" in serialise(response, "GET", "")[0]


def test_headers_used_for_all_answers_collect_no_cookies():
    common = {"Cache-Control": "no-store", "Set-Cookie": ["a=1"]}
    Response("x", 200, common).set_cookie("session", "secret")
    assert common == {"Cache-Control": "no-store", "Set-Cookie": ["a=1"]}


def test_names():
    for name in ("a", "__Host-a", "a.b_c-d", "!#$%&'*+-.^_`|~"):
        assert set_cookie(name, "b")[0].startswith(name + "=b;")
    for name in ("", " ", "a b", "a=b", "a;b", "a,b", "a\tb", " a", "a ", "a\r\nb", "a\0", "(a)", '"a"', "\xe9"):
        assert "name" in refused(name, "b"), name


def test_values():
    for value in ("b", "b c", "a=b", "a&b", "{}", "\xe9", "%22"):
        assert set_cookie("a", value)[0].startswith("a=" + value + ";")
    for text in (";c", "; Secure", "b,c", " b", "b ", " ", "\r\nX: y", "\nc", "\0c", "b\tc", "\x7f", 'b"', '"b"', "\\"):
        assert repr(text) in refused("a", text), text
        assert repr(text) in refused("a", "b", path=text), text
        assert repr(text) in refused("a", "b", domain=text), text


if sys.implementation.name == "cpython":

    def test_what_is_no_text():
        for text in (5, None, b"a"):
            assert refused(text, "b") == "not a cookie's name: %r" % text
            for values in (dict(value=text), dict(value="b", path=text), dict(value="b", domain=text)):
                assert refused("a", **values) == "not to be put in a cookie: %r" % text
            try:
                redirect(text)
            except ValueError as error:
                assert str(error) == "redirect takes a URL as str, not %r" % text
            else:
                raise AssertionError(text)
        for seconds in ("5", 1.5):
            assert refused("a", "b", max_age=seconds) == "max_age is an int or None, not %r" % seconds


def test_same_site():
    for same_site in ("lax", "none", "Lax; Domain=x", "x", None):
        assert "same_site" in refused("a", "b", same_site=same_site), same_site
    assert "same_site" in refused("a", "b", same_site="None")  # browsers want Secure with it


# -- redirects ----------------------------------------------------------------------------------------------


def test_redirect():
    app = App()
    app.get("/<int:status>")(lambda request, status: redirect("/there?a=b", status))
    app.get("/")(lambda request: redirect("https://example.org/"))
    client = TestClient(app)
    for status in (301, 302, 303, 307, 308):
        response = client.get("/%d" % status)
        assert (response.status, response.headers["location"], response.body) == (status, "/there?a=b", b"")
    response = client.get("/")
    assert (response.status, response.headers["location"]) == (302, "https://example.org/")
    for status in (200, 300, 304, 404):
        try:
            redirect("/", status)
        except ValueError as error:
            assert str(error) == "redirect takes 301, 302, 303, 307 or 308, not %d" % status
        else:
            raise AssertionError(status)


def test_what_no_url_may_have_is_percent_encoded():
    for url, location in (
        ("/gr\xf6\xdfe", "/gr%C3%B6%C3%9Fe"),
        ("/a b", "/a%20b"),
        ("/\u20ac?q=\u20ac&r=1#\xe4", "/%E2%82%AC?q=%E2%82%AC&r=1#%C3%A4"),
        ("/%C3%B6%20%2f", "/%C3%B6%20%2f"),  # not twice
        ("/100%", "/100%"),
        ('/"<>\\^`{|}', "/%22%3C%3E%5C%5E%60%7B%7C%7D"),
        ("https://user:pw@[::1]:8080/a;b=c,d/(e)!*'~$+-._@", "https://user:pw@[::1]:8080/a;b=c,d/(e)!*'~$+-._@"),
        ("", ""),
    ):
        assert redirect(url).headers == {"Location": location}, url


def test_a_redirect_cannot_inject_fields():
    app = App()
    app.get("/<int:code>")(lambda request, code: redirect("/" + chr(code) + "Set-Cookie: a=b"))
    client = TestClient(app, raise_errors=False)
    for code in list(range(32)) + [127]:
        response = client.get("/%d" % code)
        assert response.headers.get("set-cookie") is None
        assert response.status == 302 and response.headers["location"] == "/%%%02XSet-Cookie:%%20a=b" % code
