"""The command line: what `webhal run` serves and prints, how it stops, and what it says when something is wrong."""

import errno
import http.client
import io
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import pytest

import webhal.log
from webhal import App
from webhal_cpython.network import Network

WEBHAL = shutil.which("webhal", path=os.path.dirname(sys.executable))

APP = "from webhal import App, HTTPError, sleep_ms\napp = App()\n"
HELLO = APP + "@app.get('/')\ndef hello(request): return 'hello'\n"
RUN = "if __name__ == '__main__': app.run(port=0, host='127.0.0.1')\n"

posix = pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")


@pytest.fixture
def write(tmp_path):
    """write(text, name) makes a file and returns its path."""

    def write(text, name="app.py"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def serving(process):
    """(host, port) that the process says it serves on."""
    match = process.line(r"^Serving on http://(.+):(\d+)/ ")
    return match[1], int(match[2])


def get(port, path="/", method="GET", host="127.0.0.1"):
    """(status, body) that a server answers."""
    connection = http.client.HTTPConnection(host, port, timeout=30)
    connection.request(method, path)
    response = connection.getresponse()
    body = response.read().decode()
    connection.close()
    return response.status, body


def exchange(port, sent):
    """All that the server sends in answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        client.sendall(sent)
        return b"".join(iter(lambda: client.recv(4096), b""))


# -- what is served, and where -----------------------------------------------------------------------------


def test_file_that_serves_nothing_by_itself_has_its_app_served(start, write):
    process = start.webhal("run", write(HELLO), "--port", "0", "--host", "127.0.0.1")
    host, port = serving(process)
    assert host == "127.0.0.1"
    assert get(port) == (200, "hello")
    assert process.stop(signal.SIGTERM) == (0, "")


def test_settings_of_the_file_hold(start, write):
    process = start.webhal("run", write(HELLO + "app.run(port=0, host='127.0.0.1', head=100)"))
    host, port = serving(process)
    assert host == "127.0.0.1"
    assert get(port) == (200, "hello")
    assert get(port, "/" + 100 * "x")[0] == 414


def test_host_and_port_of_the_command_line_win(start, write):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        file = write(HELLO + f"app.run(port={taken.getsockname()[1]}, host='nowhere.invalid', head=100)")
        host, port = serving(start.webhal("run", file, "--host", "localhost", "--port", "0"))
    assert host == "localhost"
    assert get(port) == (200, "hello")
    assert get(port, "/" + 100 * "x")[0] == 414


def test_defaults_are_those_of_app_run_but_for_this_machine_alone(start, write):
    network = "import webhal_cpython.network\nclass Network(webhal_cpython.network.Network):\n"
    network += "    def listen(self, *place):\n        print(place, flush=True)\n"
    network += "        return super().listen(0, '127.0.0.1', 5)\n"
    file = write(HELLO + network + "app.run(network=Network())")
    start(file).line(r"^\(80, '', 1024\)$")
    start.webhal("run", file).line(r"^\(80, '127.0.0.1', 1024\)$")


def test_printed_line_says_how_to_open_it_to_others_unless_the_host_was_chosen(start, write):
    hint = r'only this machine can open it, --host "" lets others; Ctrl-C stops it'
    process = start.webhal("run", write(HELLO + "app.run(port=0)"))
    assert re.fullmatch(rf"Serving on http://127\.0\.0\.1:\d+/ \({hint}\)", process.line(".*")[0])
    for text, arguments in ((RUN, ()), ("app.run(port=0)", ("--host", "127.0.0.1"))):
        line = start.webhal("run", write(HELLO + text), *arguments).line(".*")[0]
        assert re.fullmatch(r"Serving on http://127\.0\.0\.1:\d+/ \(Ctrl-C stops it\)", line)
    line = start.webhal("run", write(HELLO + "app.run(port=0, host='')")).line(".*")[0]
    assert re.fullmatch(r"Serving on http://.*:\d+/ \(Ctrl-C stops it\)", line)


@pytest.mark.parametrize("host", ["", "0.0.0.0"])
def test_every_address_is_printed_as_the_one_that_others_reach(start, write, host):
    shown, port = serving(start.webhal("run", write(HELLO), "--port", "0", "--host", host))
    address = Network().address()
    assert shown == (f"[{address}]" if ":" in address else address)
    assert get(port, host=address) == get(port) == (200, "hello")


def test_ipv6_address_is_printed_in_brackets(start, write):
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("there is no IPv6 here")
    host, port = serving(start.webhal("run", write(HELLO), "--port", "0", "--host", "::1"))
    assert host == "[::1]"
    assert get(port, host="::1") == (200, "hello")


def test_name_chooses_the_variable(start, write):
    other = "other = App()\n@other.get('/')\ndef other_hello(request): return 'other'\n"
    file = write(HELLO + other + RUN)
    assert get(serving(start.webhal("run", file))[1]) == (200, "hello")
    _, port = serving(start.webhal("run", f"{file}:other", "--host", "127.0.0.1", "--port", "0"))
    assert get(port) == (200, "other")


def test_app_that_the_file_runs_needs_no_name(start, write):
    make = "def main():\n    made = App()\n    made.get('/')(lambda request: 'made')\n    made.run(port=0)\nmain()\n"
    process = start.webhal("run", write("from webhal import App\n" + make))
    assert get(serving(process)[1]) == (200, "made")


def test_file_runs_as_python_runs_it(start, write, tmp_path):
    write("ANSWER = 'from beside'", "beside.py")
    tell = "import beside, pickle, sys\nclass Thing: pass\npickle.loads(pickle.dumps(Thing()))\n"
    tell += "print(__name__, __file__, sys.argv, sys.path[0], beside.ANSWER)\n"
    file = write(tell + HELLO + "try:\n    app.run(port=0)\nfinally:\n    print('after')\n")
    process = start.webhal("run", file)
    first = process.line(r".*")[0]
    assert first == f"__main__ {file} {[str(file)]} {tmp_path} from beside"
    serving(process)
    assert process.stop(signal.SIGTERM) == (0, "")
    assert process.rest() == ["after\n"]
    assert start(file).line(r".*")[0] == first


def test_network_s_own_kind_of_server_serves(start, write):
    """As under App.run, so that both ways to serve are equally fast."""
    classes = "import webhal, webhal_cpython.network\nclass Mine(webhal.Server):\n"
    classes += "    def __init__(self, *values, **limits):\n        super().__init__(*values, **limits)\n"
    classes += "        print('mine')\nclass Network(webhal_cpython.network.Network): Server = Mine\n"
    process = start.webhal("run", write(HELLO + classes + "app.run(port=0, network=Network())"))
    process.line("^mine$")
    assert get(serving(process)[1]) == (200, "hello")


# A file whose server runs in a thread, and what its main thread does meanwhile.
IN_A_THREAD = "import threading, time\nserver = threading.Thread(target=lambda: app.run(port=0, host='127.0.0.1'))\n"
IN_A_THREAD += "server.start()\n"


@posix
@pytest.mark.parametrize("meanwhile", ["", "server.join()", "while True: time.sleep(60)"])
def test_server_in_a_thread(start, write, meanwhile):
    process = start.webhal("run", write(HELLO + IN_A_THREAD + meanwhile))
    _, port = serving(process)
    assert get(port) == (200, "hello")
    assert process.stop(signal.SIGINT) == (0, "")
    assert len(process.rest()) == 1


@posix
def test_server_in_a_thread_ends_by_sigterm_once_the_file_has_run(start, write):
    process = start.webhal("run", write(HELLO + "print('port', 0)\n" + IN_A_THREAD))
    assert get(serving(process)[1]) == (200, "hello")
    assert process.stop(signal.SIGTERM) == (0, "")


@posix
def test_thread_that_does_something_else_leaves_the_app_to_be_served(start, write):
    other = "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n"
    process = start.webhal("run", write(HELLO + other), "--port", "0")
    assert get(serving(process)[1]) == (200, "hello")
    assert process.stop(signal.SIGTERM) == (0, "")


SLOW = HELLO + "import sys, threading\n"
SLOW += "def serve():\n    sys.stdin.readline()\n    app.run(port=0, host='127.0.0.1')\n"
WAITS = "webhal: app.py has run, its threads have not: waiting for one to serve (others are to be daemon=True)\n"


@posix
@pytest.mark.parametrize("daemon", [True, False])
def test_thread_that_takes_its_time_to_serve(write, tmp_path, daemon):
    """What runs on as under python is waited for; what would have ended there finds its application served."""
    write(SLOW + f"threading.Thread(target=serve, daemon={daemon}).start()\n")
    command = (WEBHAL, "run", "app.py", "--port", "0", "--host", "127.0.0.1")
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=tmp_path, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            if not daemon:
                assert process.stderr.readline() == WAITS
                process.stdin.write("\n")
                process.stdin.flush()
            port = int(re.search(r":(\d+)/ ", process.stdout.readline())[1])
            if daemon:
                process.stdin.write("\n")
                process.stdin.flush()
            assert get(port) == (200, "hello")
            process.terminate()
            assert process.wait(60) == 0
            assert process.stderr.read() == "" and process.stdout.read().count("\n") == 1
        finally:
            process.kill()


@posix
def test_thread_that_comes_to_serving_with_a_signal_does_not_go_on(write, tmp_path):
    write(SLOW + "threading.Thread(target=serve).start()\n")
    command = (WEBHAL, "run", "app.py", "--port", "0")
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=tmp_path, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            assert process.stderr.readline() == WAITS
            process.send_signal(signal.SIGINT)
            assert process.communicate("\n", 60)[1] == ""
            assert process.returncode in (130, 0)  # 0: it began, and was stopped
        finally:
            process.kill()


def test_colon_in_a_path_is_no_name(start, write, tmp_path):
    (tmp_path / "a:b").mkdir()
    assert get(serving(start.webhal("run", write(HELLO, "a:b/app.py"), "--port", "0"))[1]) == (200, "hello")


# -- the access log ----------------------------------------------------------------------------------------

ENTRY = r'^127\.0\.0\.1 - - \[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "(.*)" (\d{3}) (\d+|-)$'


def test_each_request_is_one_line(start, write):
    stream = "@app.get('/stream')\ndef stream(request): return iter(['a', 'b'])\n"
    process = start.webhal("run", write(HELLO + stream + RUN))
    _, port = serving(process)
    for method, path in (("GET", "/?a=b%20c"), ("HEAD", "/"), ("GET", "/nothing"), ("PUT", "/"), ("GET", "/stream")):
        get(port, path, method)
    assert process.stop(signal.SIGTERM) == (0, "")
    assert [re.search(ENTRY, line).groups() for line in process.rest()] == [
        ("GET /?a=b%20c HTTP/1.1", "200", "5"),
        ("HEAD / HTTP/1.1", "200", "0"),
        ("GET /nothing HTTP/1.1", "404", "10"),
        ("PUT / HTTP/1.1", "405", "19"),
        ("GET /stream HTTP/1.1", "200", "-"),
    ]


@posix
def test_each_request_is_one_line_when_the_file_serves_again(start, write):
    process = start.webhal("run", write(HELLO + RUN + RUN))
    serving(process)
    process.popen.send_signal(signal.SIGTERM)
    assert get(serving(process)[1]) == (200, "hello")
    assert process.stop(signal.SIGTERM) == (0, "")
    assert len(process.rest()) == 1


@pytest.mark.parametrize(
    ("sent", "line"),
    [
        (b"hello\r\n", "hello"),
        (b"\x1b[2J\x07 \xc3\xa9\xff\r\n", r"\x1b[2J\x07 \xc3\xa9\xff"),
        (b"GET /\r\x0bx HTTP/1.1\r\n\r\n", r"GET /\r\x0bx HTTP/1.1"),
        (b'GET /"200 HTTP/1.1\r\n\r\n', r"GET /\"200 HTTP/1.1"),
        (b"GET /one\nGET /two\r\n", r"GET /one\nGET /two"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nno chunk\r\n", "POST / HTTP/1.1"),
        (b"GET /" + 20000 * b"x", "GET /" + 1995 * "x"),
    ],
    ids=["no request", "not ASCII", "controls", "quote", "line feed", "bad chunk", "too long"],
)
def test_refused_request_is_one_harmless_line(start, write, sent, line):
    process = start.webhal("run", write(HELLO + "@app.post('/')\ndef post(request): return ''\n" + RUN))
    status = exchange(serving(process)[1], sent).split()[1].decode()
    assert status.startswith("4")
    assert process.stop(signal.SIGTERM) == (0, "")
    (entry,) = process.rest()
    assert re.search(ENTRY, entry).groups()[:2] == (line, status)


def test_access_log_can_be_left_out(start, write):
    process = start.webhal("run", write(HELLO + RUN), "--no-access-log")
    assert get(serving(process)[1]) == (200, "hello")
    assert process.stop(signal.SIGTERM) == (0, "")
    assert process.rest() == []


def test_serving_outlives_the_reader_of_the_log(write):
    arguments = (WEBHAL, "run", write(HELLO + RUN))
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            port = int(re.search(r":(\d+)/", process.stdout.readline())[1])
            process.stdout.close()
            assert [get(port) for _ in range(3)] == 3 * [(200, "hello")]
            process.terminate()
            assert (process.wait(60), process.stderr.read()) == (0, "")
        finally:
            process.kill()


def talk(port, paths):
    """GET each path on one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    for path in paths:
        connection.request("GET", path)
        assert connection.getresponse().read() == b"hello"
    connection.close()


@pytest.fixture
def serve_to(write):
    """serve_to(stdout) serves with that standard output: (process, port)."""
    told = "import sys\napp.on('listen')(lambda address, port: print(port, file=sys.stderr, flush=True))\n"
    file = write(HELLO + told + RUN)
    processes = []

    def serve(stdout, *before):
        command = (*before, WEBHAL, "run", file)
        processes.append(subprocess.Popen(command, stdout=stdout, stderr=subprocess.PIPE, text=True))
        return processes[-1], int(processes[-1].stderr.readline())

    yield serve
    for process in processes:
        process.kill()
        process.communicate()


def end(process):
    """(exit code, standard error) after a graceful end."""
    process.terminate()
    return process.wait(60), process.stderr.read()


def test_serving_outlives_a_log_that_nobody_reads(serve_to):
    process, port = serve_to(subprocess.PIPE)
    process.stdout.readline()
    paths = [f"/?{number}={1900 * 'x'}" for number in range(100)]  # a pipe takes 64 KB
    talk(port, paths)
    lines = [process.stdout.readline() for _ in range(8)]  # now it has room
    talk(port, ["/?last"])
    assert end(process) == (0, "")
    *lines, note, last = lines + process.stdout.readlines()
    assert [re.search(r"\?(\d+)=", line)[1] for line in lines] == [str(number) for number in range(len(lines))]
    assert note == f"webhal: {len(paths) - len(lines)} lines were lost here\n"
    assert re.search(ENTRY, last)[1] == "GET /?last HTTP/1.1"


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="Linux's way to change the limits of another process")
def test_log_goes_on_when_the_disk_has_room_again(serve_to, tmp_path):
    file = tmp_path / "log"
    with open(file, "w") as log:
        process, port = serve_to(log)
    talk(port, ["/?first"])
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (file.stat().st_size + 20, resource.RLIM_INFINITY))
    talk(port, ["/?cut", "/?lost"])
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    talk(port, ["/?whole", "/?last"])
    assert end(process) == (0, "")
    _, first, cut, note, whole, last = file.read_text().splitlines()
    assert first.startswith(cut) and len(cut) == 20
    assert note == "webhal: 2 lines were lost here"
    assert [re.search(ENTRY, line)[1].split()[1] for line in (first, whole, last)] == ["/?first", "/?whole", "/?last"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux's file that never has room")
def test_serving_needs_no_room_for_the_log(serve_to):
    with open("/dev/full", "w") as full:
        process, port = serve_to(full)
    talk(port, ["/", "/"])
    assert end(process) == (0, "")


@posix
def test_serving_needs_no_standard_output(serve_to):
    process, port = serve_to(None, "sh", "-c", 'exec "$0" "$@" >&-')
    talk(port, ["/", "/"])
    assert end(process) == (0, "")


# -- tracebacks --------------------------------------------------------------------------------------------

BROKEN = APP + "app.get('/')(lambda request: 1 // 0)\napp.get('/fine')(lambda request: 'fine')\n"
BROKEN += "app.on('listen')(lambda address, port: print('port', port, flush=True))\n"


COMMANDS = [(WEBHAL, "run"), (sys.executable,)]
webhal_run_and_python = pytest.mark.parametrize("command", COMMANDS, ids=["webhal run", "python"])


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux's file that never has room")
@webhal_run_and_python
def test_traceback_that_finds_no_room_costs_nobody_an_answer(write, command):
    with open("/dev/full", "w") as full:
        arguments = (*command, write(BROKEN + RUN))
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=full, text=True) as process:
            try:
                port = int(process.stdout.readline().split()[1])
                for _ in range(2):
                    assert get(port) == (500, "Internal Server Error\n")
                assert get(port, "/fine") == (200, "fine")
            finally:
                process.kill()


@webhal_run_and_python
def test_serving_outlives_tracebacks_that_nobody_reads(write, command):
    arguments = (*command, write(BROKEN + RUN))
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            port = int(process.stdout.readline().split()[1])
            for _ in range(200):  # each has half a KB; a pipe takes 64 KB
                assert get(port)[0] == 500
            process.terminate()
            text = process.stdout.read()
        finally:
            process.kill()
    assert text.count("\nZeroDivisionError: ") > 50


@pytest.mark.parametrize("original", [True, False])
def test_standard_error_that_is_no_file_has_the_tracebacks(monkeypatch, original):
    console = io.StringIO()
    monkeypatch.setattr(sys, "stderr", console)
    monkeypatch.setattr(sys, "__stderr__", console if original else None)
    monkeypatch.setattr(webhal.log, "report", None)
    Network().Server(App(), Network())
    webhal.log.log(RuntimeError("in a handler"))
    assert console.getvalue().endswith("RuntimeError: in a handler\n")


# -- how it stops ------------------------------------------------------------------------------------------

ENDLESS = APP + (
    "import os\n"
    "@app.get('/')\n"
    "async def endless(request):\n"
    "    yield 'begun'\n"
    "    while not os.path.exists('end'): await sleep_ms(10)\n"
    "    yield 'ended'\n"
)


@pytest.fixture(params=["webhal run", "python"])
def begun(request, start, write, tmp_path):
    """(process, port, client): a request that runs until there is a file `end`."""
    if request.param == "python":
        told = "app.on('listen')(lambda address, port: print('port', port, flush=True))\n"
        process = start(write(ENDLESS + told + RUN), cwd=tmp_path)
        port = int(process.line(r"port (\d+)")[1])
    else:
        process = start.webhal("run", write(ENDLESS + RUN), cwd=tmp_path)
        _, port = serving(process)
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        with client.makefile("rb") as received:
            assert b"begun\r\n" in iter(received.readline, b"")
            yield process, port, received


def wait_until_closed(port):
    """Wait until nothing listens on the port."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=30).close()
        except ConnectionError:
            return
    pytest.fail("it still listens")


@posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_it_after_what_runs(begun, tmp_path, number):
    process, port, received = begun
    process.popen.send_signal(number)
    wait_until_closed(port)
    (tmp_path / "end").touch()
    assert received.read() == b"5\r\nended\r\n0\r\n\r\n"
    assert process.end() == (0, "")


@posix
@pytest.mark.parametrize("begun", ["webhal run"], indirect=True)
def test_ctrl_c_while_something_runs_says_what_a_second_does(begun, tmp_path):
    process, _, received = begun
    process.popen.send_signal(signal.SIGINT)
    process.line(r"^Finishing what runs \(a second Ctrl-C ends it at once\)$")
    (tmp_path / "end").touch()
    assert received.read().endswith(b"0\r\n\r\n")
    assert process.end() == (0, "")


@posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_second_signal_ends_it_at_once(begun, number):
    process, port, received = begun
    process.popen.send_signal(signal.SIGINT)
    wait_until_closed(port)
    code, said = process.stop(number)
    assert code == -number and (not said or said.endswith("\nKeyboardInterrupt\n"))
    assert received.read() == b""


@posix
def test_signal_ends_a_wait(start, write):
    patient = "class Patient(Network):\n    def wait(self, timeout_ms): return super().wait(timeout_ms and 1 << 28)\n"
    run = "app.run(port=0, network=Patient())"
    process = start.webhal("run", write(HELLO + "from webhal_cpython.network import Network\n" + patient + run))
    serving(process)
    assert process.stop(signal.SIGINT) == (0, "")


@posix
def test_idle_connection_does_not_delay_the_end(start, write):
    process = start.webhal("run", write(HELLO + RUN))
    connection = http.client.HTTPConnection("127.0.0.1", serving(process)[1], timeout=30)
    connection.request("GET", "/")
    connection.getresponse().read()
    with socket.create_connection(("127.0.0.1", connection.port)):
        assert process.stop(signal.SIGTERM) == (0, "")
    connection.close()


@posix
def test_signal_while_the_file_has_not_come_to_serving(start, write):
    process = start.webhal("run", write("print('busy')\nwhile True: pass"))
    process.line("busy")
    assert process.stop(signal.SIGINT) == (130, "")


# -- errors ------------------------------------------------------------------------------------------------


def complaint(process):
    """(exit code, message) of a command that served nothing and said one line."""
    code, errors = process.end()
    assert process.rest() == []
    assert re.fullmatch(r"webhal: [^\n]+\n", errors)
    return code, errors[len("webhal: ") : -1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: COMMAND (see webhal --help)"),
        (["fly"], "argument COMMAND: invalid choice: 'fly'"),
        (["--fly"], "the following arguments are required: COMMAND (see webhal --help)"),
        (["run"], 'name the FILE, or write app = "app.py" under [tool.webhal] in pyproject.toml'),
        (["run", "app.py", "--fly"], "unrecognized arguments: --fly"),
        (["run", "app.py", "--port", "\x1b[2J"], r"argument --port: a port is a number from 0 to 65535, not \x1b[2J"),
        (["run", "app.py", "--port", "65536"], "argument --port: a port is a number from 0 to 65535, not 65536"),
        (["run", "app.py", "--port", "-1"], "argument --port: a port is a number from 0 to 65535, not -1"),
        (["run", "missing.py"], "there is no file missing.py"),
        (["run", "missing.py:app"], "there is no file missing.py"),
        (["run", "mis\nsing.py"], r"there is no file mis\nsing.py"),
        (["run", "."], ". is a directory, not an application file"),
        (["run", ""], "there is no file ''"),
    ],
)
def test_wrong_arguments(start, write, tmp_path, arguments, message):
    write(HELLO)
    code, said = complaint(start.webhal(*arguments, cwd=tmp_path))
    assert said.startswith(message)
    assert code == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "app.py has no App called app; FILE:name chooses another variable"),
        ("app = 5", "app.py has no App called app; FILE:name chooses another variable"),
        ("x = 1\ny = (\n", "app.py:2: SyntaxError: '('"),
        (b"x = '\xff'", "app.py:1: SyntaxError: "),
        (b"x = \0", "app.py: "),
        ("\n\nimport nowhere", "app.py:3: ModuleNotFoundError: No module named 'nowhere'"),
        ("from helper import x", "app.py:1: ImportError: cannot import name 'x' from 'helper' "),
        ("raise ValueError('one\\ntwo\\x1b[2J')", r"app.py:1: ValueError: one\ntwo\x1b[2J"),
        (APP + "\n@app.get('x')\ndef x(request): pass\n", "app.py:4: ValueError: a path starts with /"),
        (HELLO + "app.run(port=0, speed=3)", "app.py:5: TypeError: "),
        (HELLO + "app.run(port=65536)", "app.py:5: ValueError: a port is "),
    ],
)
def test_file_that_cannot_be_served(start, write, tmp_path, text, message):
    write(text)
    write("", "helper.py")
    code, said = complaint(start.webhal("run", "app.py", cwd=tmp_path))
    assert said.startswith(message)
    assert code == 1


@pytest.mark.parametrize(
    ("text", "last"),
    [
        ("import broken", "SyntaxError: "),
        ("try:\n    import deep\nexcept NameError as error:\n    import missing", "ModuleNotFoundError: "),
        ("x = 1\nimport deep", "NameError: name 'y' is not defined"),
        ("import json\n" + APP + "json.loads('{')", "json.decoder.JSONDecodeError: "),
    ],
    ids=["syntax", "while another was handled", "deep", "library"],
)
def test_what_the_file_does_not_explain_is_a_traceback_as_python_s(start, write, tmp_path, text, last):
    write(text)
    write("x = ", "broken.py")
    write("def f():\n    y\n\nf()", "deep.py")
    write("\nimport nowhere", "missing.py")
    process = start.webhal("run", "app.py", cwd=tmp_path)
    code, errors = process.end()
    assert errors.startswith("Traceback (most recent call last):\n") and f"\n{last}" in errors
    assert errors.replace('"app.py"', f'"{tmp_path}/app.py"') == start("app.py", cwd=tmp_path).end()[1]
    assert code == 1
    assert process.rest() == []


def test_no_app_of_the_name_that_was_given(start, write):
    file = write(HELLO + RUN)
    code, said = complaint(start.webhal("run", f"{file}:other"))
    assert (code, said) == (1, f"{file} has no App called other; it has {file}:app")


def without(start, rights, *command):
    """Start a command without these of root's rights."""
    if os.geteuid() == 0:
        if not shutil.which("setpriv"):
            pytest.skip("no setpriv to give rights up with")
        command = ("setpriv", f"--inh-caps={rights}", f"--bounding-set={rights}", *command)
    return start("-c", "import os, sys; os.execvp(sys.argv[1], sys.argv[1:])", *command)


@posix
def test_file_that_must_not_be_read(start, write):
    file = write(HELLO)
    file.chmod(0)
    code, said = complaint(without(start, "-dac_override,-dac_read_search", WEBHAL, "run", file))
    assert code == 1
    assert said.startswith(f"{file}: PermissionError: ")


def test_file_that_exits(start, write):
    process = start.webhal("run", write("import sys\nsys.exit('enough')"))
    assert process.end() == (1, "enough\n")


def test_port_in_use(start, write):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, said = complaint(start.webhal("run", write(HELLO), "--host", "127.0.0.1", "--port", str(port)))
    assert (code, said) == (1, f"port {port} is in use; end the other program, or choose another with --port")


def test_port_in_use_of_a_server_in_a_thread(start, write):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, errors = start.webhal("run", write(HELLO + IN_A_THREAD), "--port", str(port)).end()
    message = f"webhal: port {port} is in use; end the other program, or choose another with --port\n"
    assert (code, errors) == (1, message)


def test_port_in_use_of_a_server_in_a_thread_under_python(start, write):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        thread = IN_A_THREAD.replace("port=0", f"port={port}") + "server.join()\n"
        thread += "threading.Thread(target=lambda: 1 / 0).start()\n"
        first, *others = start(write(HELLO + thread)).end()[1].splitlines()
    assert first == f"webhal: port {port} is in use; end the other program, or choose another"
    assert others[-1] == "ZeroDivisionError: division by zero"


def test_port_in_use_under_python(start, write):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = start(write(HELLO + f"app.run(port={port}, host='127.0.0.1')"))
        assert complaint(process) == (1, f"port {port} is in use; end the other program, or choose another")


def test_port_in_use_is_an_error_that_a_program_can_catch_or_tell_in_its_own_way(start, write):
    catch = "import errno, sys\ntry:\n    app.run(port={port}, host='127.0.0.1')\n"
    catch += "except OSError as error:\n    print(error.errno == errno.EADDRINUSE)\n"
    tell = "sys.excepthook = lambda kind, error, trace: print('mine', error.errno)\n"
    tell += "app.run(port={port}, host='127.0.0.1')\n"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = start(write(HELLO + (catch + tell).format(port=taken.getsockname()[1])))
        assert process.end() == (1, "")
    assert process.rest() == ["True\n", f"mine {errno.EADDRINUSE}\n"]


def test_file_that_goes_on_without_its_port_has_served_nothing(start, write):
    catch = "try:\n    app.run(port={port}, host='127.0.0.1')\nexcept OSError:\n    print('caught')"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = start.webhal("run", write(HELLO + catch.format(port=port)))
        message = f"webhal: port {port} is in use; end the other program, or choose another with --port\n"
        assert process.end() == (1, message)
    assert process.rest() == ["caught\n"]


def test_file_that_chooses_another_port_serves_there(start, write):
    choose = "try:\n    app.run(port={port}, host='127.0.0.1')\n"
    choose += "except OSError:\n    app.run(port=0, host='127.0.0.1')\n"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = start.webhal("run", write(HELLO + choose.format(port=taken.getsockname()[1])))
        assert get(serving(process)[1]) == (200, "hello")
        assert process.stop(signal.SIGTERM) == (0, "")


@pytest.mark.parametrize("instead", ["raise RuntimeError('no port') from error", "pass\nraise RuntimeError('no port')"])
def test_what_follows_a_port_in_use_is_told(start, write, tmp_path, instead):
    catch = "try:\n    app.run(port={port}, host='127.0.0.1')\nexcept OSError as error:\n    " + instead
    with socket.create_server(("127.0.0.1", 0)) as taken:
        write(HELLO + catch.format(port=taken.getsockname()[1]))
        code, said = complaint(start.webhal("run", "app.py", cwd=tmp_path))
    assert code == 1 and re.fullmatch(r"app\.py:\d+: RuntimeError: no port", said), said


def test_what_nobody_catches_later_is_a_traceback_as_ever(start, write):
    catch = "try:\n    app.run(port={port}, host='127.0.0.1')\nexcept OSError:\n    pass\n1 / 0"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, errors = start(write(HELLO + catch.format(port=taken.getsockname()[1]))).end()
    assert code == 1
    assert errors.startswith("Traceback (most recent call last):\n")
    assert errors.endswith("\nZeroDivisionError: division by zero\n")


@pytest.mark.parametrize(
    ("host", "message"),
    [
        ("nowhere.invalid", "there is no host nowhere.invalid"),
        ("a..b", "there is no host a..b"),
        ("203.0.113.1", "this machine has no address 203.0.113.1"),  # one for documentation (RFC 5737)
    ],
)
def test_bad_host(start, write, host, message):
    process = start.webhal("run", write(HELLO + RUN), "--host", host)
    assert complaint(process) == (1, message)


REFUSED = "port 80 needs an administrator's rights; choose one above 1023 with --port"


def test_port_below_1024_without_rights(start, write):
    network = "import errno, webhal_cpython.network\nclass Network(webhal_cpython.network.Network):\n"
    network += "    def listen(self, *place): raise PermissionError(errno.EACCES, 'Permission denied')\n"
    process = start.webhal("run", write(HELLO + network + "app.run(network=Network())"))
    assert complaint(process) == (1, REFUSED)


def test_port_below_1024_without_rights_as_linux_refuses_it(start, write):
    first = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
    if not first.exists() or int(first.read_text()) <= 80:
        pytest.skip("port 80 is for all here")
    rights = "-net_bind_service"
    assert complaint(without(start, rights, WEBHAL, "run", write(HELLO))) == (1, REFUSED)
    python = without(start, rights, sys.executable, write(HELLO + "app.run()"))
    assert complaint(python) == (1, REFUSED.removesuffix(" with --port"))


def test_help_names_each_command(start):
    process = start.webhal("--help")
    assert process.end() == (0, "")
    summaries = "".join(process.rest())
    assert all(f"  {name}  " in summaries for name in ("run", "check"))
    process = start.webhal("run", "--help")
    assert process.end() == (0, "")
    assert "--no-access-log" in "".join(process.rest())


def test_version(start):
    for process in (start.webhal("--version"), start("-m", "webhal", "--version")):
        assert process.end() == (0, "")
        assert process.rest() == [f"webhal {version('webhal')}\n"]


def test_package_run_as_a_module_is_the_command(start, write):
    assert get(serving(start("-m", "webhal", "run", write(HELLO), "--port", "0"))[1]) == (200, "hello")


def test_ctrl_c_while_the_command_loads_is_one_line(tmp_path):
    (tmp_path / "argparse.py").write_text("raise KeyboardInterrupt")
    done = subprocess.run(
        [sys.executable, "-m", "webhal_cpython", "devices"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "webhal: interrupted\n")
