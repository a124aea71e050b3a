"""abort and redirect, and what they refuse. sleep_ms is in test_stream.py."""

from webhal import App, HTTPError, abort, redirect
from webhal.testing import TestClient


def raises(error_type, act):
    try:
        act()
    except error_type as error:
        return error
    raise AssertionError("nothing raised")


def test_abort():
    error = raises(HTTPError, lambda: abort(404))
    assert (error.status, error.message, error.headers) == (404, "Not Found", None)
    error = raises(HTTPError, lambda: abort(599, "text", {"A": "b"}))
    assert (error.status, error.message, error.headers) == (599, "text", {"A": "b"})
    for status in (399, 600, 200, 0, -1):
        assert repr(status) in str(raises(ValueError, lambda status=status: abort(status)))


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
        assert repr(status) in str(raises(ValueError, lambda status=status: redirect("/", status)))


def test_a_redirect_cannot_inject_fields():
    app = App()
    app.get("/")(lambda request: redirect("/\r\nSet-Cookie: a=b"))
    response = TestClient(app, raise_errors=False).get("/")
    assert response.status == 500 and response.headers.get("set-cookie") is None
