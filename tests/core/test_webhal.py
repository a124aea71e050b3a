"""The names of the package: each there, the right one, loaded when used; others are refused."""

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
    assert webhal.redirect is webhal.fields.redirect
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
