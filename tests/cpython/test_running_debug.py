"""`webhal run` for who develops: the page of --debug, and who gets it; address, colours and QR code of a terminal."""

import contextlib
import http.client
import os
import re
import signal
import socket
import subprocess
import sys
from types import SimpleNamespace

import pytest

from webhal import App, HTTPError
from webhal.testing import TestClient
from webhal_cpython.output import Output
from webhal_cpython.running import debug_page
from webhal_cpython.running.address import announce, is_loopback

PLAIN = "Internal Server Error\n"
LOCAL = {"Host": "localhost:8000"}


def fail(request):
    raise ValueError("<b>wrong & bad</b>")


def failing():
    app = App()
    app.route("/", ["GET", "POST"])(fail)
    app.get("/abort")(lambda request: (_ for _ in ()).throw(HTTPError(500, "enough")))
    return app


@pytest.fixture
def ask(capsys):
    """ask(app, path, headers, client, …) returns the answer of an application with the page."""

    def ask(app, path="/", headers=LOCAL, address="127.0.0.1", method="GET", **more):
        debug_page.install(app)
        app.before_request(lambda request: setattr(request, "client", (address, 5)))
        client = TestClient(app, raise_errors=False)
        return client.request(method, path, headers=headers, **more)

    return ask


# -- the page --------------------------------------------------------------------------------------------------


def test_page_has_the_traceback_and_the_request_escaped(ask):
    response = ask(failing(), "/?a=<i>", {**LOCAL, "X-Test": "<u>1"}, method="POST", body=b"<s>body\xff")
    assert response.status == 500
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert "<title>ValueError: &lt;b&gt;wrong &amp; bad&lt;/b&gt;</title>" in response.text
    line = fail.__code__.co_firstlineno + 1
    assert f"<h2>{__file__}:{line}, fail</h2>" in response.text
    assert re.search(rf"<mark> *{line}     raise ValueError\(&quot;&lt;b&gt;", response.text)
    assert "Traceback (most recent call last):" in response.text
    assert "POST /?a=&lt;i&gt; HTTP/1.1" in response.text
    assert "<td>&lt;u&gt;1</td>" in response.text
    assert "&lt;s&gt;body\N{REPLACEMENT CHARACTER}" in response.text
    for tag in ("b", "i", "u", "s"):
        assert f"<{tag}>" not in response.text


def test_page_names_what_an_error_came_from(ask):
    app = App()

    @app.get("/")
    def page(request):
        try:
            fail(request)
        except ValueError as error:
            raise RuntimeError("second") from error

    text = ask(app).text
    assert "RuntimeError: second" in text and "ValueError: &lt;b&gt;wrong" in text


@pytest.mark.parametrize(
    ("address", "headers"),
    [
        ("192.0.2.1", LOCAL),
        ("::2", LOCAL),
        ("", LOCAL),  # a unix socket's, where proxies are
        ("127.0.0.1", {"Host": "example.org"}),
        ("127.0.0.1", {"Host": "127.0.0.1.example.org"}),
        ("127.0.0.1", {**LOCAL, "X-Forwarded-For": "127.0.0.1"}),
        ("127.0.0.1", {**LOCAL, "x-forwarded-proto": "http"}),
        ("127.0.0.1", {**LOCAL, "Forwarded": "for=127.0.0.1"}),
        ("127.0.0.1", {**LOCAL, "Via": "1.1 proxy"}),
        ("127.0.0.1", {**LOCAL, "X-Real-IP": "127.0.0.1"}),
    ],
)
def test_others_get_a_plain_500(ask, address, headers):
    response = ask(failing(), headers=headers, address=address)
    assert (response.status, response.text) == (500, PLAIN)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.1.2.3", "::1"])
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:80", "[::1]:8000", "[::1]", "app.localhost"])
def test_every_name_of_this_machine_gets_the_page(ask, address, host):
    assert "Traceback" in ask(failing(), headers={"Host": host}, address=address).text


def test_refusals_are_as_ever(ask):
    response = ask(failing(), "/abort")
    assert (response.status, response.text) == (500, "enough\n")
    assert ask(failing(), "/nothing").text == "Not Found\n"


def test_page_wins_over_the_application_s_own_for_500_but_for_others(ask):
    app = failing()
    inner = failing()
    app.mount("/inner", inner)
    app.error(500)(lambda request, error: "sorry")
    inner.error(500)(lambda request, error: "so sorry")
    assert "Traceback" in ask(app).text and "Traceback" in ask(app, "/inner/").text
    assert ask(app, "/abort").text == "sorry"
    assert ask(app, address="192.0.2.1").text == "sorry"
    assert ask(app, "/inner/", address="192.0.2.1").text == "so sorry"


def test_handler_for_a_type_of_exception_is_the_application_s(ask):
    app = failing()
    app.error(ValueError)(lambda request, error: ("mine", 422))
    assert ask(app).text == "mine"


FILE = "from webhal import App\napp = App()\napp.get('/')(lambda request: 1 // 0)\napp.run(port=0)\n"


@pytest.mark.parametrize("arguments", [(), ("--debug",)])
def test_page_is_there_only_if_it_is_asked_for(start, tmp_path, arguments):
    (tmp_path / "app.py").write_text(FILE)
    process = start.webhal("run", "app.py", *arguments, cwd=tmp_path)
    port = int(process.line(r"^Serving on http://127\.0\.0\.1:(\d+)/")[1])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", "/")
    body = connection.getresponse().read().decode()
    assert ("ZeroDivisionError" in body) == bool(arguments)
    if not arguments:
        assert body == PLAIN
    connection.request("GET", "/", headers={"X-Forwarded-For": "192.0.2.1"})
    assert connection.getresponse().read().decode() == PLAIN
    connection.close()
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        client.sendall(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")  # as nginx asks that is told nothing
        assert b"".join(iter(lambda: client.recv(4096), b"")).endswith(b"\r\n\r\n" + PLAIN.encode())
    code, errors = process.stop(signal.SIGTERM)
    assert code == 0 and errors.count("\nZeroDivisionError") == 3


# -- the terminal ------------------------------------------------------------------------------------------------

pty = pytest.importorskip("pty")


def seen(write):
    """What a terminal gets that `write(output)` writes to."""
    terminal, inside = pty.openpty()
    with open(inside, "w") as file:
        write(Output(file))
    with open(terminal, "rb", buffering=0) as file:
        text = b""
        with contextlib.suppress(OSError):  # Linux's way to say that the other end is closed
            while piece := file.read(4096):
                text += piece
    return text.decode().replace("\r\n", "\n")


def server_at(address):
    network = SimpleNamespace(address=lambda: address, local_port=lambda listener: 8000)
    return SimpleNamespace(network=network, listener=None)


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)


def test_address_in_a_terminal_is_bold_and_a_qr_code_where_others_reach_it(terminal):
    segno = pytest.importorskip("segno")
    text = seen(lambda output: announce(output, server_at("192.0.2.1"), "", True))
    first, *code = text.splitlines()
    assert first == "Serving on \x1b[1mhttp://192.0.2.1:8000/\x1b[m (Ctrl-C stops it)"
    modules = segno.make("http://192.0.2.1:8000/", micro=False).symbol_size(border=2)[1]
    assert len(code) == (modules + 1) // 2 and set("".join(code)) <= set(" ▀▄█")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", ""])
def test_address_that_no_phone_reaches_is_no_qr_code(terminal, host):
    assert seen(lambda output: announce(output, server_at("127.0.0.1"), host, True)).count("\n") == 1


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_terminal_that_wants_no_colours_has_none(terminal, monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    text = seen(lambda output: announce(output, server_at(""), "127.0.0.1", False))
    assert text == 'Serving on http://127.0.0.1:8000/ (only this machine can open it, --host "" lets others; ' \
        "Ctrl-C stops it)\n"  # fmt: skip


def test_loopback():
    assert all(map(is_loopback, ["127.0.0.1", "127.9.9.9", "::1", "localhost", "LOCALHOST", "a.localhost"]))
    assert not any(map(is_loopback, ["", "0.0.0.0", "::", "192.0.2.1", "localhost.example.org", "127.0.0.1.example"]))


@pytest.mark.skipif(os.name != "posix", reason="terminals as POSIX has them")
def test_requests_in_a_terminal_have_the_colour_of_their_status(terminal, tmp_path):
    (tmp_path / "app.py").write_text(FILE)
    screen, inside = pty.openpty()
    with subprocess.Popen(
        (sys.executable, "-m", "webhal", "run", "app.py"), cwd=tmp_path, stdout=inside, stderr=subprocess.DEVNULL
    ) as process:
        try:
            os.close(inside)
            text = ""
            while not (address := re.search(r"127\.0\.0\.1:(\d+)/", text)):
                text += os.read(screen, 4096).decode()
            connection = http.client.HTTPConnection("127.0.0.1", int(address[1]), timeout=30)
            for path in ("/", "/nothing"):
                connection.request("GET", path)
                connection.getresponse().read()
            connection.close()
            while "404 10\x1b[m" not in text:
                text += os.read(screen, 4096).decode()
        finally:
            process.kill()
            os.close(screen)
    assert re.search(r'\x1b\[31m127\.0\.0\.1 - - \[.*\] "GET / HTTP/1\.1" 500 22\x1b\[m', text)
    assert re.search(r'\x1b\[33m127\.0\.0\.1 - - \[.*\] "GET /nothing HTTP/1\.1" 404 10\x1b\[m', text)
