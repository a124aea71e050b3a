"""Listeners that are unix sockets, or come from systemd; what a process that is forked while serving holds of them."""

import errno
import http.client
import os
import signal
import socket as bsd
import threading

import pytest

from webhal import App, Server
from webhal_cpython.listeners import ListenError
from webhal_cpython.network import Network

pytestmark = pytest.mark.skipif(os.name != "posix", reason="unix sockets, and processes as POSIX has them")

PATIENCE_S = 30

# Passes a listener on port or path argv[1] as systemd does, and becomes what follows.
SYSTEMD = """
import os, socket, sys
if sys.argv[1].isdigit():
    listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
    print("port", listener.getsockname()[1], flush=True)
else:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(sys.argv[1])
    listener.listen()
descriptor = os.dup(listener.fileno())
os.dup2(descriptor, 3)
os.environ["LISTEN_FDS"] = "1"
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""

APP = """
import os
from webhal import App

app = App()

@app.get("/")
def home(request):
    return f"{request.client} {os.environ.get('LISTEN_FDS')}"

if __name__ == "__main__":
    app.run(port=8080, host="127.0.0.1")
"""


class AtPath(http.client.HTTPConnection):
    """A client of a unix socket."""

    def connect(self):
        self.sock = bsd.socket(bsd.AF_UNIX)
        self.sock.settimeout(PATIENCE_S)
        self.sock.connect(self.host)


def get(connection, path="/"):
    """The body of an answer with status 200, after which the connection is closed."""
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        assert response.status == 200
        return response.read().decode()
    finally:
        connection.close()


@pytest.fixture
def path(tmp_path, monkeypatch):
    """A path of a unix socket; it may not be longer than 107 bytes."""
    monkeypatch.chdir(tmp_path)
    return "app.sock"


# -- unix sockets ------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # there are threads; the copy does nothing
def test_a_unix_socket_is_served_for_anyone_who_reaches_it_and_goes_at_the_end(path):
    app = App()
    app.get("/")(lambda request: f"{request.client}")
    server = Server(app, Network())
    server.open(8080, f"unix:{path}")
    assert os.stat(path).st_mode & 0o777 == 0o666
    thread = threading.Thread(target=server.run)
    thread.start()
    assert get(AtPath(path)) == "('unix', 0)"
    assert os.waitpid(os.fork() or os._exit(0), 0)[1] == 0 and os.path.exists(path)  # the copy's end is not its own
    server.stop()
    thread.join()
    assert not os.path.exists(path)


def test_a_file_that_a_killed_server_left_is_replaced(path):
    with bsd.socket(bsd.AF_UNIX) as killed:
        killed.bind(path)
    network = Network()
    listener = network.listen(80, f"unix:{path}", 5)
    with bsd.socket(bsd.AF_UNIX) as client:
        client.connect(path)
    network.close(listener)
    assert not os.path.exists(path)


def test_a_path_where_somebody_listens_or_that_is_no_socket_is_left_alone(path):
    network = Network()
    listener = network.listen(80, f"unix:{path}", 5)
    with pytest.raises(ListenError, match=r"^\[Errno \d+\] app.sock is in use; ") as caught:
        network.listen(80, f"unix:{path}", 5)
    assert caught.value.errno == errno.EADDRINUSE and os.path.exists(path)
    network.close(listener)
    for name, words in (("text", "text is not a socket"), ("no/folder", "No such file"), ("x" * 200, "too long")):
        if name == "text":
            open(name, "w").close()
        with pytest.raises(ListenError, match=words):
            network.listen(80, f"unix:{name}", 5)
    assert os.path.exists("text")


def test_a_listener_does_not_remove_the_file_of_its_successor(path):
    network = Network()
    listener = network.listen(80, f"unix:{path}", 5)
    os.unlink(path)
    successor = network.listen(80, f"unix:{path}", 5)
    network.close(listener)
    assert os.path.exists(path)
    network.close(successor)
    assert not os.path.exists(path)


def test_webhal_run_with_uds(start, tmp_path, path):
    (tmp_path / "app.py").write_text(APP)
    process = start.webhal("run", "app.py", "--uds", path, cwd=tmp_path)
    process.line(r"^Serving on unix:app.sock ")
    assert get(AtPath(path)) == "('unix', 0) None"
    second = start.webhal("run", "app.py", "--uds", path, cwd=tmp_path)
    assert second.end() == (1, "webhal: app.sock is in use; end the other program, or choose another path\n")
    assert process.stop(signal.SIGINT) == (0, "")
    assert not os.path.exists(path)


# -- systemd -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [["app.py"], ["-m", "webhal", "run", "app.py"]])
def test_a_listener_of_systemds_is_served_whatever_the_port(start, tmp_path, command):
    (tmp_path / "app.py").write_text(APP)
    process = start("-c", SYSTEMD, "0", *command, cwd=tmp_path)
    port = int(process.line(r"^port (\d+)$")[1])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    assert get(connection).endswith(" None")
    assert process.stop(signal.SIGINT)[0] in (0, 130)


def test_a_unix_socket_of_systemds_is_served_and_stays(start, tmp_path, path):
    (tmp_path / "app.py").write_text(APP)
    process = start("-c", SYSTEMD, path, "-m", "webhal", "run", "app.py", cwd=tmp_path)
    process.line(r"^Serving on unix:app.sock ")
    assert get(AtPath(path)) == "('unix', 0) None"
    assert process.stop(signal.SIGINT) == (0, "")
    assert os.path.exists(path)


# -- a process that is forked in a handler -----------------------------------------------------------------

FORKING = """
import os, time
from webhal import App

app = App()
server = os.getpid()

@app.get("/leave")
def leave(request):
    if os.fork() == 0:
        while os.getppid() == server:
            time.sleep(0.02)
        os._exit(0)
    return "parent"

@app.get("/return")
def come_back(request):
    return "parent" if os.fork() else "child"

@app.get("/")
def home(request):
    return "home"

app.on("listen")(lambda address, port: print("port", port, flush=True))
app.run(port=0, host="127.0.0.1")
"""


@pytest.mark.parametrize("hosted", [False, True])
def test_fork_in_a_handler_holds_no_connection_and_answers_nothing_twice(start, tmp_path, hosted):
    (tmp_path / "app.py").write_text("import asyncio\n" * hosted + FORKING)
    process = start("app.py", cwd=tmp_path)
    port = int(process.line(r"^port (\d+)$")[1])

    def ask(path):
        with bsd.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as client:
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            return b"".join(iter(lambda: client.recv(4096), b""))

    for path in ("/leave", "/return", "/"):
        for _ in range(2):
            answer = ask(path)
            assert answer.count(b"HTTP/1.1 200 OK") == 1 and answer.endswith(b"home" if path == "/" else b"parent")
    code, errors = process.stop(signal.SIGTERM)
    assert code == 0 and errors.count("\n") == errors.count("webhal: a process that was forked while serving") == 2
