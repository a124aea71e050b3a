"""`webhal run --workers`: what becomes of connections when processes come, go and are killed. Real processes."""

import contextlib
import os
import re
import signal
import socket
import threading
import time

import pytest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="processes as POSIX has them")

PATIENCE_S = 30

APP = """
import os
from webhal import App, sleep_ms
from webhal.metrics import Metrics

app = App()
app.mount("/metrics", Metrics())

@app.get("/worker")
def worker(request):
    return f"{os.getpid()} {os.environ.get('WEBHAL_WORKER')}"

@app.post("/echo")
def echo(request):
    return request.text

@app.get("/wait")
async def wait(request):
    while not os.path.exists("go"):
        await sleep_ms(10)
    return "done"

app.run(port=0, host="127.0.0.1", deadlines={"idle": 1})
"""


@pytest.fixture
def run(start, tmp_path):
    """run(*options) starts `webhal run app.py` and returns (process, port)."""

    def run(*options, **settings):
        (tmp_path / "app.py").write_text(APP)
        process = start.webhal("run", "app.py", "--no-access-log", *options, cwd=tmp_path, **settings)
        return process, int(process.line(r"^Serving on http://127.0.0.1:(\d+)/ ")[1])

    return run


@pytest.fixture
def manager(tmp_path):
    """The socket of a manager of services, as systemd is one."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.settimeout(PATIENCE_S)
        manager.bind(str(tmp_path / "notify"))
        yield manager


@pytest.fixture(autouse=True)
def closing():
    """Close all clients."""
    yield
    while Client.opened:
        Client.opened.pop().close()


def end(head):
    raise EOFError(f"the connection has ended after {head}")


class Client:
    """A connection, on which one request follows another."""

    opened = []

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
        self.opened.append(self.socket)

    def send(self, path, body=None):
        head = f"{'GET' if body is None else 'POST'} {path} HTTP/1.1\r\nHost: x\r\n"
        self.socket.sendall(f"{head}Content-Length: {len(body or '')}\r\n\r\n{body or ''}".encode())

    def receive(self):
        """(text of a response, whether its connection closes)."""
        with self.socket.makefile("rb") as file:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += file.readline() or end(head)
            length = re.search(rb"Content-Length: (\d+)", head)
            assert head.startswith(b"HTTP/1.1 200 OK\r\n") and length, head
            return file.read(int(length[1])).decode(), b"Connection: close" in head

    def ask(self, path, body=None):
        self.send(path, body)
        return self.receive()[0]


def ask(port, path):
    client = Client(port)
    answer = client.ask(path)
    client.socket.close()
    return answer


def until(condition):
    """Wait until it is true; returns what it returned."""
    end = time.monotonic() + PATIENCE_S
    while not (result := condition()):
        assert time.monotonic() < end
        time.sleep(0.01)
    return result


def workers(port, count):
    """Clients of that many workers, {(process, number): client}; the first that each worker has accepted."""
    clients = {}

    def found():
        client = Client(port)
        process, number = client.ask("/worker").split()
        if clients.setdefault((int(process), number), client) is not client:
            client.socket.close()
        return len(clients) == count

    until(found)
    return clients


@contextlib.contextmanager
def posting(port):
    """POSTs all the while, on connections that are kept and on new ones; yields the list of what failed."""
    over = threading.Event()
    failed = []

    def post(keeps):
        client = None
        count = 0
        while not over.is_set():
            count += 1
            try:
                client = client or Client(port)
                client.send("/echo", f"{count}")
                text, closes = client.receive()
                if text != f"{count}":
                    failed.append(text)
                if closes or not keeps:
                    client.socket.close()
                    client = None
            except Exception as error:
                failed.append(error)
                client = None

    threads = [threading.Thread(target=post, args=(keeps,)) for keeps in (True, True, False)]
    for thread in threads:
        thread.start()
    try:
        yield failed
    finally:
        over.set()
        for thread in threads:
            thread.join()


def test_a_killed_worker_costs_its_own_connections_and_another_takes_its_place(run):
    process, port = run("--workers", "2")
    clients = workers(port, 2)
    assert {number for _, number in clients} == {"1", "2"}
    for each in clients.values():
        each.ask("/echo", "x")
    (killed, client), (kept, _) = clients.items()
    os.kill(killed[0], signal.SIGKILL)
    assert client.socket.recv(1) == b""
    while ask(port, "/worker") != f"{kept[0]} {kept[1]}":  # whoever connects has an answer
        pass
    workers(port, 2)
    assert re.search(r'(?m)^\w+_requests_total{[^}]*"/echo"[^}]*} 2$', ask(port, "/metrics"))
    assert process.stop(signal.SIGTERM) == (
        0,
        f"webhal: worker {killed[1]}, process {killed[0]}, was ended by SIGKILL; another takes its place\n",
    )


def test_sighup_puts_new_workers_in_the_place_of_all_and_no_request_fails(run, tmp_path):
    process, port = run("--workers", "2", "--pid", "pid")
    assert int((tmp_path / "pid").read_text()) == process.popen.pid
    old = workers(port, 2)
    waiting = Client(port)
    waiting.send("/wait")
    with posting(port) as failed:
        process.popen.send_signal(signal.SIGHUP)
        new = until(lambda: (found := workers(port, 2)) and not old.keys() & found.keys() and found)
    assert failed == []
    assert {number for _, number in new} == {"1", "2"}
    (tmp_path / "go").touch()
    assert waiting.receive() == ("done", True)
    assert process.stop(signal.SIGTERM) == (0, "")
    assert not (tmp_path / "pid").exists()


def test_a_file_that_is_broken_when_it_is_loaded_anew_changes_nothing_and_systemd_is_told(run, tmp_path, manager):
    process, port = run("--workers", "2", env={**os.environ, "NOTIFY_SOCKET": manager.getsockname()})
    assert manager.recv(100) == b"READY=1"
    old = ask(port, "/worker")
    (tmp_path / "app.py").write_text("app = ")
    process.popen.send_signal(signal.SIGHUP)
    assert re.fullmatch(rb"RELOADING=1\nMONOTONIC_USEC=\d+", manager.recv(100))
    assert manager.recv(100) == b"READY=1"
    until(lambda: ask(port, "/worker") == old)
    code, errors = process.stop(signal.SIGINT)
    assert manager.recv(100) == b"STOPPING=1"
    assert code == 0 and re.fullmatch(
        r"webhal: app\.py:1: SyntaxError: .+\nwebhal: the new workers do not start, the old ones go on\n", errors
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_it_after_what_runs(run, tmp_path, number):
    process, port = run("--workers", "2")
    ask(port, "/worker")  # one is ready
    clients = [Client(port) for _ in range(4)]
    for client in clients:
        client.send("/wait")
    process.popen.send_signal(number)
    until(lambda: not connects(port))
    (tmp_path / "go").touch()
    for client in clients:
        assert client.receive() == ("done", True)
        client.socket.close()  # or the server waits whether more comes
    assert process.end() == (0, "")


def connects(port):
    with contextlib.suppress(OSError):
        Client(port).socket.close()
        return True


def test_workers_end_when_their_supervisor_is_killed(run):
    process, port = run("--workers", "2")
    workers(port, 2)
    process.popen.kill()
    until(lambda: not connects(port))
    assert process.end() == (-signal.SIGKILL, "")  # nobody holds its output open any more


@pytest.mark.parametrize(
    "app, told",
    [
        ("app = \n", r"app\.py:1: SyntaxError: .+"),
        ("import os\nos._exit(3)\n", None),
        (APP.replace("port=0", "port=PORT"), r"port \d+ is in use; .+"),
    ],
)
def test_what_is_wrong_at_the_start_is_said_once_and_ends_it(start, tmp_path, app, told):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        (tmp_path / "app.py").write_text(app.replace("PORT", str(taken.getsockname()[1])))
        process = start.webhal("run", "app.py", "--workers", "3", cwd=tmp_path)
        code, errors = process.end()
    assert code == (1 if told else 3)
    assert re.fullmatch(rf"webhal: {told}\n" if told else "", errors)


def test_worker_that_dies_again_and_again_is_replaced_again_and_again(start, tmp_path):
    dying = "app = App()\n@app.every(0.01)\ndef die(): open('lives', 'a').write('x') and os._exit(7)"
    (tmp_path / "app.py").write_text(APP.replace("app = App()", dying))
    process = start.webhal("run", "app.py", "--workers", "1", cwd=tmp_path)
    lives = tmp_path / "lives"
    until(lambda: lives.exists() and len(lives.read_text()) >= 3)
    code, errors = process.stop(signal.SIGINT)
    assert code == 0
    assert re.fullmatch(
        r"(webhal: worker 1, process \d+, has ended, with exit code 7; another takes its place\n){2,}", errors
    )


def test_a_worker_that_has_answered_its_requests_is_replaced_and_no_request_fails(run):
    process, port = run("--workers", "2", "--max-requests", "20")
    seen = set()
    with posting(port) as failed:
        until(lambda: seen.add(ask(port, "/worker")) or len(seen) > 4)
    assert failed == []
    assert process.stop(signal.SIGINT) == (0, "")


def test_with_every_descriptor_in_use_the_listener_stays_and_who_asks_is_served(start, tmp_path):
    (tmp_path / "app.py").write_text(APP)
    limit = "import os, resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))\n"
    limit += "os.execv(sys.executable, sys.argv[1:])"
    process = start("-c", limit, "python", "-m", "webhal", "run", "app.py", "--no-access-log", cwd=tmp_path)
    port = int(process.line(r"^Serving on http://127.0.0.1:(\d+)/ ")[1])

    def answered():
        for _ in range(40):
            Client(port)  # says nothing, so it may be closed for another; but it is not refused
        try:
            return ask(port, "/worker")
        except (EOFError, ConnectionResetError):  # closed for another before it could ask
            return None

    until(answered)
    code, errors = process.stop(signal.SIGINT)
    told = "webhal: no descriptor is left for another client, who waits; `ulimit -n` tells of how many"
    assert code == 0 and set(errors.splitlines()) == {told}


@pytest.mark.parametrize("place", ["connections=2**80", r'host="unix:a\0b"'])
def test_a_place_that_can_be_none_ends_it(start, tmp_path, place):
    (tmp_path / "app.py").write_text(f"from webhal import App\napp = App()\napp.run(port=0, {place})\n")
    code, errors = start.webhal("run", "app.py", "--workers", "2", cwd=tmp_path).end()
    assert code == 1 and errors.startswith("webhal: cannot listen on ") and errors.count("\n") == 1
