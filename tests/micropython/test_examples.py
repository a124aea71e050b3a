"""The two hello examples, unchanged, on MicroPython in an ESP8266's heap, before the same clients as on the PC."""

import importlib.util
import inspect
import os
from pathlib import Path

import pytest

CPYTHON = Path(__file__).resolve().parents[1] / "cpython"


def load(name):
    spec = importlib.util.spec_from_file_location("cpython_" + name, CPYTHON / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


clients = load("conftest")
examples = load("test_examples")

curl, dump_dom, telnet, start = clients.curl, clients.dump_dom, clients.telnet, clients.start
any_request, hello_world = examples.any_request, examples.hello_world

# Runs an example as it is, but for the port that it is served on.
RUN = """
from webhal.app import App
run = App.run
def run_elsewhere(app, port, **limits):
    run(app, %d, **limits)
App.run = run_elsewhere
execfile(%r)
"""

for _name, _test in vars(examples).items():
    if _name.startswith("test_") and {"any_request", "hello_world"} & set(inspect.signature(_test).parameters):
        globals()[_name] = _test


@pytest.fixture
def run_file(start):
    """run_file(name, port), as on the PC."""
    return lambda name, port: start("-c", RUN % (port, str(examples.EXAMPLES / name)))


@pytest.fixture
def serve(run_file):
    """serve(name), as on the PC."""

    def serve(name):
        process = run_file(name, 0)
        return examples.Serving(process, int(process.line(r"^(?:The server is listening|Starting) .* port (\d+)$")[1]))

    return serve


@pytest.fixture(autouse=True)
def on_micropython(monkeypatch, micropython, compiled, heap):
    """Let `start` of the PC's tests start MicroPython."""
    environment = {**os.environ, "MICROPYPATH": f"{compiled}:.frozen"}
    command = [micropython, "-X", f"heapsize={heap}"]

    class Process(clients.Process):
        def __init__(self, arguments, **options):
            super().__init__([*command, *arguments[2:]], environment, **options)

    monkeypatch.setattr(clients, "Process", Process)


def test_hello_world_says_it_when_its_address_is_in_use(run_file):
    with examples.socket.create_server(("127.0.0.1", 0)) as other:
        process = run_file("hello_world.py", other.getsockname()[1])
        assert process.rest() == ["Socket is already bound, please reset the machine\n"]
        assert process.end() == (0, "")


def test_any_request_prints_each_client(any_request, curl):
    for _ in range(2):
        curl("--ipv4", any_request.url)
        any_request.process.line(r"^A client connected from 127\.0\.0\.1 port \d+$")


def test_hello_world_prints_each_client_and_its_request(hello_world, curl):
    curl("--user-agent", "someone", hello_world.url)
    hello_world.process.line(r"^GOT a connection from 127\.0\.0\.1 port \d+$")
    request = r"'GET / HTTP/1\.1\\r\\n.*User-Agent: someone\\r\\n.*\\r\\n\\r\\n'"
    hello_world.process.line(f"^The content of the request: b{request}$")
