"""The examples, served by `python FILE` and by `webhal run FILE`, fetched by the clients that people use."""

import http.client
import json
import re
import runpy
import signal
import socket
from pathlib import Path

import pytest
import requests

from webhal.testing import TestClient

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

SERVER_RESPONSE = "This is the server respose! :)"


class Serving:
    """An example that is being served at every address of this machine."""

    def __init__(self, process, port):
        self.process = process
        self.port = port
        self.url = f"http://127.0.0.1:{port}"


@pytest.fixture
def run_file(start, tmp_path):
    """run_file(name, port) is `python FILE` with PORT replaced."""

    def run_file(name, port):
        text, count = re.subn(r"(?m)^PORT = \d+$", f"PORT = {port}", (EXAMPLES / name).read_text())
        assert count == 1
        copy = tmp_path / name
        copy.write_text(text)
        return start(copy)

    return run_file


@pytest.fixture(params=["python", "webhal run"])
def serve(request, start, run_file):
    """serve(name) starts an example on a free port and waits until it tells that it listens."""

    def serve(name):
        if request.param == "python":
            process = run_file(name, 0)
        else:
            process = start.webhal("run", EXAMPLES / name, "--port", "0")
        return Serving(process, int(process.line(r"^(?:The server is listening|Starting) .* port (\d+)$")[1]))

    return serve


@pytest.fixture
def any_request(serve):
    return serve("any_request.py")


@pytest.fixture
def hello_world(serve):
    return serve("hello_world.py")


@pytest.fixture
def api(start):
    process = start.webhal("run", EXAMPLES / "api.py", "--port", "0")
    return Serving(process, int(process.line(r"Serving on .*:(\d+)/")[1]))


def stops(serving):
    """Whether Ctrl-C ends it as it should."""
    return serving.process.stop(signal.SIGINT) == (0, "")


# -- any_request.py ----------------------------------------------------------------------------------------


def test_any_request_prints_that_it_listens_and_each_client(start, curl):
    process = start.webhal("run", EXAMPLES / "any_request.py", "--port", "0", "--no-access-log")
    port = process.line(r"^The server is listening on [\d.]+ port (\d+)$")[1]
    process.line(f"^Serving on http://.*:{port}/")
    for _ in range(2):
        curl("--ipv4", f"http://127.0.0.1:{port}/")
        process.line(r"^A client connected from 127\.0\.0\.1 port \d+$")
    assert process.stop(signal.SIGINT) == (0, "")
    assert process.rest() == []


def test_any_request_listens_on_8888_if_nothing_else_is_asked():
    assert re.search(r"(?m)^PORT = 8888$", (EXAMPLES / "any_request.py").read_text())


def test_any_request_answers_curl(any_request, curl):
    assert curl(any_request.url + "/").decode() == SERVER_RESPONSE
    assert curl("--request", "BREW", any_request.url + "/pot?milk=1").decode() == SERVER_RESPONSE
    assert curl("--data", "a=b", any_request.url + "/form").decode() == SERVER_RESPONSE
    assert b"200 OK" in curl("--head", any_request.url + "/")
    assert stops(any_request)


def test_any_request_answers_http_client(any_request):
    connection = http.client.HTTPConnection("127.0.0.1", any_request.port, timeout=30)
    for path in ("/", "/index.html", "/%zz"):  # the last one is refused, hence closes the connection
        connection.request("GET", path)
        response = connection.getresponse()
        assert (response.status, response.read().decode()) == (200, SERVER_RESPONSE)
    connection.close()
    assert stops(any_request)


def test_any_request_answers_requests(any_request):
    with requests.Session() as session:
        session.trust_env = False  # no proxy
        for method in ("GET", "POST", "DELETE", "OPTIONS"):
            response = session.request(method, any_request.url + "/x", timeout=30)
            assert (response.status_code, response.text) == (200, SERVER_RESPONSE)
    assert stops(any_request)


def test_any_request_answers_chromium(any_request, dump_dom):
    assert SERVER_RESPONSE in dump_dom(any_request.url + "/hello")
    assert stops(any_request)


@pytest.mark.parametrize(
    "typed", ["GET /hello HTTP/1.1\n\n", "GET /hello\n", "hello there\n", "GET / HTTP/9.9\n", "\n:-)\n"]
)
def test_any_request_answers_whatever_a_person_types_into_telnet(any_request, telnet, typed):
    seen = telnet("localhost", any_request.port, typed)
    head, _, body = seen.partition("HTTP/1.1 200 OK\n")[2].partition("\n\n")
    assert "Content-Length: 30" in head
    assert body.startswith(SERVER_RESPONSE + "Connection closed by foreign host.")
    assert stops(any_request)


@pytest.mark.parametrize(
    "sent",
    [b"\0\1\2\3\r\n", b"\x16\x03\x01\0\xa5\r\n\r\n", b"GET / HTTP/1.1\nHost: x\n\n", b"x" * 40000],
    ids=["controls", "TLS", "line feeds", "no line at all"],
)
def test_any_request_answers_what_is_not_http(any_request, sent):
    with socket.create_connection(("127.0.0.1", any_request.port), timeout=30) as client:
        client.sendall(sent)
        answer = b"".join(iter(lambda: client.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"\r\n\r\n" + SERVER_RESPONSE.encode())
    assert stops(any_request)


# -- hello_world.py ----------------------------------------------------------------------------------------


def test_hello_world_prints_where_it_starts_each_client_and_its_request(start, curl):
    process = start.webhal("run", EXAMPLES / "hello_world.py", "--port", "0", "--no-access-log")
    port = process.line(r"^Starting the Hello World WEB server on IP address [\d.]+ port (\d+)$")[1]
    process.line(f"^Serving on http://.*:{port}/")
    curl("--user-agent", "someone", f"http://127.0.0.1:{port}/")
    process.line(r"^GOT a connection from 127\.0\.0\.1 port \d+$")
    process.line(r"^The content of the request: b'GET / HTTP/1\.1\\r\\n.*User-Agent: someone\\r\\n.*\\r\\n\\r\\n'$")
    assert process.stop(signal.SIGINT) == (0, "")


def test_hello_world_listens_on_80_if_nothing_else_is_asked():
    assert re.search(r"(?m)^PORT = 80$", (EXAMPLES / "hello_world.py").read_text())


def check_page(html):
    assert html.startswith("<!DOCTYPE html>")
    assert re.search('<meta charset="utf-8">', html)
    assert "<title>Hello World</title>" in html
    assert "<h1>The Hello World! HTML page</h1>" in html
    assert "<p>Hello World!</p>" in html


def test_hello_world_answers_curl(hello_world, curl):
    check_page(curl(hello_world.url + "/").decode())
    assert stops(hello_world)


def test_hello_world_answers_http_client(hello_world):
    connection = http.client.HTTPConnection("127.0.0.1", hello_world.port, timeout=30)
    for _ in range(3):
        connection.request("GET", "/")
        response = connection.getresponse()
        assert response.headers["Content-Type"] == "text/html; charset=utf-8"
        check_page(response.read().decode())
    connection.close()
    assert stops(hello_world)


def test_hello_world_answers_requests(hello_world):
    with requests.Session() as session:
        session.trust_env = False
        check_page(session.get(hello_world.url + "/", timeout=30).text)
        assert session.get(hello_world.url + "/nothing", timeout=30).status_code == 404
    assert stops(hello_world)


def test_hello_world_answers_chromium(hello_world, dump_dom):
    check_page(dump_dom(hello_world.url + "/"))
    assert stops(hello_world)


def test_hello_world_answers_a_person_at_telnet(hello_world, telnet):
    seen = telnet("localhost", hello_world.port, "GET / HTTP/1.1\nHost: me\nConnection: close\n\n")
    check_page(seen[seen.index("<!DOCTYPE") :])
    assert stops(hello_world)


def test_hello_world_says_it_when_its_address_is_in_use(run_file, start):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        process = run_file("hello_world.py", port)
        assert process.rest() == ["Socket is already bound, please reset the machine\n"]
        assert process.end() == (0, "")

        process = start.webhal("run", EXAMPLES / "hello_world.py", "--port", str(port))
        assert process.rest() == ["Socket is already bound, please reset the machine\n"]
        code, error = process.end()
        assert code == 1
        assert error.startswith(f"webhal: port {port} is in use")


# -- api.py ------------------------------------------------------------------------------------------------


def test_api_has_lamps(api):
    with requests.Session() as session:
        session.trust_env = False
        lamp = api.url + "/lamps/2"
        assert session.get(lamp, timeout=30).json() == {"lamp": 2, "on": False}
        assert session.put(lamp, json={"on": True}, timeout=30).json() == {"lamp": 2, "on": True}
        assert session.get(lamp, timeout=30).json() == {"lamp": 2, "on": True}
        assert session.put(lamp, json={"on": False}, timeout=30).json() == {"lamp": 2, "on": False}
    assert stops(api)


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "message"),
    [
        ("GET", "/lamps/3", None, 404, "no such lamp"),
        ("PUT", "/lamps/3", '{"on": true}', 404, "no such lamp"),
        ("PUT", "/lamps/1", '{"on": "maybe"}', 422, 'send {"on": true} or {"on": false}'),
        ("PUT", "/lamps/1", "[]", 422, 'send {"on": true} or {"on": false}'),
        ("PUT", "/lamps/1", "{", 400, "malformed JSON"),
        ("GET", "/lamps/one", None, 404, "Not Found"),
        ("DELETE", "/lamps/1", None, 405, "Method Not Allowed"),
        ("BREW", "/lamps/1", None, 501, "Not Implemented"),
    ],
)
def test_api_words_its_errors_in_json(api, method, path, body, status, message):
    connection = http.client.HTTPConnection("127.0.0.1", api.port, timeout=30)
    connection.request(method, path, body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    assert json.loads(response.read()) == {"status": status, "error": message}
    assert response.status == status
    assert response.headers["Allow"] == ("GET, HEAD, PUT, OPTIONS" if status == 405 else None)
    connection.close()
    assert stops(api)


def test_api_has_a_form(api, curl, dump_dom):
    assert '<form method="post">' in dump_dom(api.url + "/hello")
    assert curl("--data-urlencode", "name=J\u00fcrgen <b>", api.url + "/hello").decode() == "Hello J\u00fcrgen <b>!\n"
    assert b"text/plain" in curl("--data", "name=x", "--dump-header", "-", api.url + "/hello")
    assert stops(api)


@pytest.mark.parametrize("coding", ["identity", "chunked"])
def test_api_echoes_an_upload_while_it_arrives(api, curl, tmp_path, coding):
    upload = tmp_path / "upload"
    upload.write_bytes(bytes(range(256)) * 12000)  # 3 MB: more than is ever read whole
    fields = ("--header", "Transfer-Encoding: chunked") if coding == "chunked" else ()
    echo = curl("--upload-file", upload, "--request", "POST", *fields, api.url + "/echo")
    assert echo == upload.read_bytes()
    assert stops(api)


def test_api_echoes_each_piece_before_the_next_is_sent(api):
    with socket.create_connection(("127.0.0.1", api.port), timeout=30) as client:
        client.sendall(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nfirst")
        received = client.makefile("rb")
        assert b"first\r\n" in iter(received.readline, b"")
        client.sendall(b"later")
        assert received.read(len(b"5\r\nlater\r\n0\r\n\r\n")) == b"5\r\nlater\r\n0\r\n\r\n"
    assert stops(api)


def test_dashboard_keeps_two_windows_in_step():
    app = runpy.run_path(str(EXAMPLES / "dashboard.py"))["app"]
    client = TestClient(app)
    assert "new EventSource" in client.get("/").text
    events = client.events("/temperature")
    assert isinstance(next(events).json()["celsius"], float)
    events.close()
    windows = [client.websocket("/light") for _ in range(2)]
    assert [window.receive() for window in windows] == ["off", "off"]
    windows[0].send("switch")
    assert [window.receive() for window in windows] == ["on", "on"]
    windows[1].send("switch")
    assert [window.receive() for window in windows] == ["off", "off"]
    windows[0].close()
    windows[1].send("switch")
    assert windows[1].receive() == "on"
