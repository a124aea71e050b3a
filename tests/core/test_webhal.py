"""The names of the package: each there, the right one, loaded when used; others are refused. What things look like."""

import sys

import webhal
import webhal.app
import webhal.errors
import webhal.http
import webhal.response
import webhal.server


def test_names():
    assert webhal.App is webhal.app.App
    assert webhal.HTTPError is webhal.errors.HTTPError
    assert webhal.Request is webhal.http.Request
    assert webhal.Response is webhal.response.Response
    assert webhal.Server is webhal.server.Server
    assert webhal.abort is webhal.errors.abort
    assert webhal.redirect.__name__ == "redirect"  # whose module may have made room for another meanwhile
    assert webhal.sleep_ms is webhal.task.sleep_ms


def test_names_that_are_not_there():
    for name in ("Apps", "app_", "", "Ap", "App:app", "p"):
        try:
            getattr(webhal, name)
        except AttributeError as error:
            assert name in str(error)
        else:
            raise AssertionError(name)


def test_late_methods_that_are_not_there():
    for thing in (webhal.App(), webhal.App):
        assert not hasattr(thing, "no_such_method")


def test_the_names_of_testing():
    import webhal.testing
    import webhal.testing.client

    assert webhal.testing.TestClient is webhal.testing.client.TestClient
    assert not hasattr(webhal.testing, "no_such_name")


def test_what_makes_room_for_another_module_is_there_to_be_loaded_again():
    asked = []

    class Modules:
        def __contains__(self, name):
            asked.append(name)
            return False

    class System:
        modules = Modules()

    webhal.sys = System
    try:
        webhal.make_room()
    finally:
        webhal.sys = sys
    assert asked
    for name in asked:
        assert getattr(webhal, name[len("webhal.") :]).__name__ == name


if sys.implementation.name == "cpython":

    def test_a_module_of_this_platforms_port():
        import webhal_cpython.network

        assert webhal.platform("network") is webhal_cpython.network
        try:
            webhal.platform("signal")
        except ImportError:
            pass
        else:
            raise AssertionError("a PC tells no signal")

    def test_dir_has_the_names():
        applications_import = "App HTTPError Request Response Server Topic abort redirect serve sleep_ms"
        assert dir(webhal) == sorted(applications_import.split() + ["__version__"])
        assert "get" in dir(webhal.App) and "handle" in dir(webhal.App())

    def test_what_is_shown_of_things():
        request = webhal.Request("GET", "/led/5?on=1", "/led/5", b"GET /led/5?on=1 HTTP/1.1\r\nHost: a\r\n\r\n")
        assert repr(request) == "<Request GET /led/5?on=1>"
        assert repr(request.args) == "MultiDict([('on', '1')])"
        assert repr(request.headers) == "MultiDict([('host', 'a')])"
        assert repr(webhal.Response("hello", 404)) == "<Response 404 'hello'>"
        assert len(repr(webhal.Response("hello" * 100))) < 80
        app = webhal.App()
        assert repr(webhal.testing.TestClient(app).get("/")) == "<TestResponse 404, 10 bytes: b'Not Found\\n'>"
