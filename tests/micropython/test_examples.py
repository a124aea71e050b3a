"""The two hello examples on MicroPython, in an ESP8266's heap, before the same clients as on the PC."""

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
run_file, any_request, hello_world = examples.run_file, examples.any_request, examples.hello_world

for _name, _test in vars(examples).items():
    if _name.startswith("test_") and {"any_request", "hello_world"} & set(inspect.signature(_test).parameters):
        globals()[_name] = _test


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
            monkeypatch.setattr(os, "environ", environment)
            super().__init__([*command, *arguments[2:]], **options)

    monkeypatch.setattr(clients, "Process", Process)


def test_hello_world_says_it_when_its_address_is_in_use(run_file):
    with examples.socket.create_server(("127.0.0.1", 0)) as other:
        process = run_file("hello_world.py", other.getsockname()[1])
        assert process.rest() == ["Socket is already bound, please reset the machine\n"]
        assert process.end() == (0, "")
