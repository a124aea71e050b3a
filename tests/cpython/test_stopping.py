"""Stopping while clients go on asking: requests that arrived before the listener closed are answered; real sockets."""

import os
import signal
import socket

import pytest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")

APP = """
import os, time
from webhal import App

app = App()

@app.get("/")
def home(request):
    return "home"

@app.post("/echo")
def echo(request):
    return request.text

@app.get("/block")
def block(request):
    print("blocked", flush=True)
    while not os.path.exists("go"):
        time.sleep(0.01)
    return "done"

@app.on("listen")
def tell(address, port):
    print("port", port, flush=True)

app.run(port=0, host="127.0.0.1")
"""
MORE_THAN_ONE_STEP_ACCEPTS = 20


def post(text, connection="keep-alive"):
    head = f"POST /echo HTTP/1.1\r\nHost: x\r\nConnection: {connection}\r\nContent-Length: {len(text)}\r\n\r\n"
    return (head + text).encode()


@pytest.fixture
def connect():
    """connect(port, sent) returns a socket, on which that was sent."""
    clients = []

    def connect(port, sent):
        clients.append(socket.create_connection(("127.0.0.1", port), timeout=30))
        clients[-1].sendall(sent)
        return clients[-1]

    yield connect
    for client in clients:
        client.close()


def read_to_end(client):
    """All that comes until the server closes; then close too. Raises ConnectionResetError where it resets."""
    with client:
        return b"".join(iter(lambda: client.recv(4096), b""))


@pytest.mark.parametrize("command", ["webhal run", "python"])
def test_requests_that_arrived_while_a_handler_blocked_are_answered(start, connect, tmp_path, command):
    (tmp_path / "app.py").write_text(APP)
    if command == "python":
        process = start("app.py", cwd=tmp_path)
    else:
        process = start.webhal("run", "app.py", "--no-access-log", cwd=tmp_path)
    port = int(process.line(r"^port (\d+)")[1])

    kept = connect(port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    while not kept.recv(4096).endswith(b"home"):
        pass
    unused = connect(port, b"")  # a browser's spare connection: nothing arrives on it
    blocked = connect(port, b"GET /block HTTP/1.1\r\nHost: x\r\n\r\n")
    process.line("^blocked$")

    kept.sendall(post("kept"))
    waiting = [connect(port, post(f"before {number}")) for number in range(MORE_THAN_ONE_STEP_ACCEPTS)]
    process.popen.send_signal(signal.SIGTERM)
    waiting += [connect(port, post(f"after {number}")) for number in range(MORE_THAN_ONE_STEP_ACCEPTS)]
    (tmp_path / "go").touch()

    expected = ["done", "kept"]
    expected += [f"{when} {number}" for when in ("before", "after") for number in range(MORE_THAN_ONE_STEP_ACCEPTS)]
    for client, text in zip([blocked, kept, *waiting], expected, strict=True):
        answer = read_to_end(client)
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n") and answer.endswith(b"\r\n\r\n" + text.encode()), text
        assert b"\r\nConnection: close\r\n" in answer, text
    assert read_to_end(unused) == b""
    assert process.end() == (0, "")
    with pytest.raises(ConnectionRefusedError):
        connect(port, b"")
